//! Readiness over real traffic: told by the candidate's present version under the present rules, kept over
//! reloads, restarts and kill -9, and the same number of checks in the evidence as in the counts.

mod support;

use parallax::config;
use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use serde_json::{Value, json};
use support::process::Process;
use support::{House, at_rest, operation, post, same, sample};

const OPERATION: &str = "operations:
  - {id: getReturn, match: 'GET /returns/{return_id}', target: 90%, min_checks: 10, version: {header: X-Build},
     latency_limit: off, recheck: off}
";

/// The candidate, as this build.
fn build(version: &str) -> Behaviour {
    Behaviour::always(Reply::json("{\"a\":1}").header("X-Build", version))
}

async fn ask(client: &mut RawClient, numbers: std::ops::Range<u32>) {
    for number in numbers {
        client.get(&format!("/returns/{number}")).await.expect("an answer");
    }
}

fn condition<'v>(operation: &'v Value, name: &str) -> &'v Value {
    let all = operation["readiness"]["conditions"].as_array().expect("conditions");
    all.iter().find(|condition| condition["name"] == name).unwrap_or(&Value::Null)
}

/// Version, matched and unmatched of each version, and which one is assessed.
fn versions(operation: &Value) -> Vec<(String, u64, u64, bool)> {
    let one = |view: &Value| {
        let number = |name: &str| view[name].as_u64().expect("a number");
        let version = view["version"].as_str().unwrap_or_default().to_owned();
        (version, number("matched"), number("unmatched"), view["assessed"] == true)
    };
    operation["versions"].as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
}

fn told(version: &str, matched: u64, unmatched: u64, assessed: bool) -> (String, u64, u64, bool) {
    (version.to_owned(), matched, unmatched, assessed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_build_has_to_show_it_anew_and_the_old_one_is_not_forgotten() {
    let house = House::new(same("{\"a\":1}"), build("1"), OPERATION).await;
    let mut client = house.client().await;
    ask(&mut client, 0..20).await;
    let gathering = house.at_rest("getReturn").await;
    assert_eq!(gathering["readiness"]["state"], "gathering", "{gathering}");
    let more = gathering["readiness"]["more_matching_checks"].as_u64().expect("a number");
    let more = u32::try_from(more).expect("a few");
    assert!((10..20).contains(&more), "{gathering}");
    ask(&mut client, 20..20 + more).await;
    let ready = house.at_rest("getReturn").await;
    assert_eq!((&ready["readiness"]["state"], &ready["version"]), (&json!("ready"), &json!("1")), "{ready}");
    assert_eq!(sample(&house.metrics().await, "parallax_ready", &[("operation_id", "getReturn")]), Some(1.0));
    let checks = u64::from(20 + more);
    let distinct = ready["versions"][0]["distinct_requests"].as_u64().expect("a number");
    assert!(distinct.abs_diff(checks) <= 1, "{ready}");

    // A rolling deploy: the answers of both builds alternate.
    for number in 0..5 {
        house.candidate.behave(build("2"));
        ask(&mut client, number..number + 1).await;
        let operation = house.at_rest("getReturn").await;
        assert_eq!(
            (&operation["version"], &operation["readiness"]["state"]),
            (&json!("2"), &json!("gathering"))
        );
        house.candidate.behave(build("1"));
        ask(&mut client, number..number + 1).await;
        assert_eq!(house.at_rest("getReturn").await["version"], "2");
    }
    let operation = house.at_rest("getReturn").await;
    assert_eq!(versions(&operation), [told("2", 5, 0, true), told("1", checks + 5, 0, false)]);
    assert_eq!(operation["counts"]["matched"], checks + 10, "a header that tells the build is not compared");
    let bound =
        sample(&house.metrics().await, "parallax_consistency_bound_ratio", &[("operation_id", "getReturn")]);
    assert!(bound.is_some_and(|bound| bound < 0.9), "{bound:?}");
    assert!(house.control("/operations/getReturn").await.contains("told by this one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_readiness_blocks_the_way_up_and_moves_nothing() {
    let house = House::new(same("{\"a\":1}"), build("1"), OPERATION).await;
    let mut client = house.client().await;
    ask(&mut client, 0..60).await;
    assert_eq!(house.at_rest("getReturn").await["readiness"]["state"], "ready");
    house.stage("getReturn", json!({"stage": "canary", "share": "5%", "reason": "ready"})).await;
    house.candidate.behave(Behaviour::always(Reply::json("{\"a\":2}").header("X-Build", "1")));
    ask(&mut client, 0..20).await;
    let below = house.at_rest("getReturn").await;
    assert_eq!(
        (&below["readiness"]["state"], &below["stage"]),
        (&json!("below"), &json!("canary")),
        "{below}"
    );
    let body = json!({"stage": "canary", "share": "50%", "reason": "more"});
    let refused = post(house.running.control, "/api/v1/operations/getReturn/stage", &body).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let missing = refused.json()["missing"].to_string();
    assert!(missing.contains("\"confidence\""), "{missing}");
    assert_eq!(house.operation("getReturn").await["stage"], "canary");
    let audit: Value = serde_json::from_str(&house.control("/api/v1/audit").await).expect("JSON");
    let evidence = &audit[0]["evidence"];
    assert_eq!(
        (&evidence["version"], &evidence["readiness"]["state"]),
        (&json!("1"), &json!("ready")),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_begin_anew_and_the_same_again_go_on() {
    let house = House::new(same("{\"a\":1}"), build("1"), OPERATION).await;
    let mut client = house.client().await;
    ask(&mut client, 0..15).await;
    house.at_rest("getReturn").await;
    let reload = |operation: String| {
        let text = format!(
            "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0'}}\nstore: 'memory://'\nlegacy: {{url: '{}'}}\ncandidate: {{url: '{}'}}\n{operation}",
            house.legacy.url(),
            house.candidate.url()
        );
        house
            .running
            .reload(config::parse(&text, "x.yaml", &|_| None).expect("a configuration"))
            .expect("a reload");
    };
    let with = |more: &str| OPERATION.replace("recheck: off}", &format!("recheck: off, {more}}}"));
    reload(with("compare: [{at: $.body.b, ignore: true}]"));
    let anew = house.operation("getReturn").await;
    assert_eq!(
        (condition(&anew, "min_checks")["value"].as_str(), &anew["version"]),
        (Some("0"), &Value::Null)
    );
    assert_eq!(anew["counts"]["matched"], 15, "counts are lasting");
    ask(&mut client, 0..3).await;
    assert_eq!(versions(&house.at_rest("getReturn").await), [told("1", 3, 0, true)]);
    // What is kept of a sample is no rule.
    reload(with("redact: {headers: [x-a]}, samples: none"));
    assert_eq!(versions(&house.operation("getReturn").await), [told("1", 15, 0, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_survives_kill_9_with_as_many_checks_as_were_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{\"a\":1}")), FakeService::start(build("1")));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), OPERATION);
    let answer = |number: u32| if number.is_multiple_of(10) { "{\"a\":2}" } else { "{\"a\":1}" };
    for round in 1..=3_u32 {
        let mut client = RawClient::connect(process.proxy).await.unwrap();
        let mut control = RawClient::connect(process.control).await.unwrap();
        for number in 0..20 {
            client.get(&format!("/returns/{number}")).await.unwrap();
            let payload = json!({
                "request": {"method": "GET", "url": {"path": format!("returns/p{number}")}, "headers": {}, "body": null},
                "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": answer(number)},
            });
            let fields = [("Content-Type", "application/json")];
            let posted = control
                .ask("POST", "/consistency-checks", &fields, payload.to_string().as_bytes())
                .await
                .unwrap();
            assert_eq!(posted.status, 202, "{}", posted.text());
        }
        // Killed in the middle of it the first time: what was posted is run after the restart.
        if round == 1 {
            process.kill_and_restart();
        }
        let before = at_rest(process.control, "getReturn").await;
        process.kill_and_restart();
        let after = at_rest(process.control, "getReturn").await;
        assert_eq!((versions(&after), &after["counts"]), (versions(&before), &before["counts"]));
        let counts =
            (after["counts"]["matched"].as_u64().unwrap(), after["counts"]["unmatched"].as_u64().unwrap());
        assert_eq!(versions(&after), [told("1", counts.0, counts.1, true)], "{after}");
        assert_eq!(counts.1, u64::from(2 * round), "each posted check once: {after}");
        let conditions = |operation: &Value| operation["readiness"]["conditions"].clone();
        assert_eq!(conditions(&after), conditions(&before));
    }
    let audited = operation(process.control, "getReturn").await;
    assert_ne!(condition(&audited, "drift")["value"], "none", "the last outcomes are kept too");
}
