//! A changed configuration is put in force while clients are served: nobody notices but those whom the
//! change is about.

mod support;

use std::path::Path;
use std::time::Duration;

use parallax_testkit::{FakeService, RawClient, wait_until};
use serde_json::{Value, json};
use support::load::{Connections, Load};
use support::process::{Process, signal};
use support::{DEADLINE, House, assert_conserved, at_rest, operation, post, same, sample};

/// A configuration for a process, with everything but its addresses as given.
fn text(process: &Process, rest: &str) -> String {
    format!("listen: '{}'\ncontrol: {{listen: '{}'}}\n{rest}", process.proxy, process.control)
}

fn start(directory: &Path, rest: &str) -> Process {
    let program = Path::new(env!("CARGO_BIN_EXE_parallax"));
    Process::start_logging(directory, program, &|process| text(process, rest))
}

/// Replaces the file as an editor does.
fn write(process: &Process, rest: &str) {
    let beside = process.file.with_extension("new");
    std::fs::write(&beside, text(process, rest)).expect("a file");
    std::fs::rename(beside, &process.file).expect("a file");
}

async fn metrics(process: &Process) -> String {
    let mut client = RawClient::connect(process.control).await.expect("the control listener");
    client.get("/metrics").await.expect("metrics").text().to_owned()
}

async fn reload_success(process: &Process) -> Option<f64> {
    sample(&metrics(process).await, "parallax_config_reload_success", &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_under_load_lose_no_request_no_connection_and_no_count() {
    let directory = tempfile::tempdir().unwrap();
    let legacy = FakeService::start(same("{\"a\":1,\"b\":1}"));
    let candidates =
        [FakeService::start(same("{\"a\":1,\"b\":2}")), FakeService::start(same("{\"a\":1,\"b\":1}"))];
    let rest = |round: usize| {
        let rules = if round.is_multiple_of(2) { "[]" } else { "[{at: $.body.b, ignore: true}]" };
        let extra =
            if round.is_multiple_of(3) { "" } else { "\n- {id: getOrder, match: 'GET /orders/{id}'}" };
        format!(
            "legacy: '{}'\ncandidate: {{url: '{}', max_in_flight: {}}}\noperations:\n- {{id: getReturn, match: 'GET /returns/{{id}}', compare: {rules}}}{extra}\n",
            legacy.url(),
            candidates[round % 2].url(),
            2 + round % 5,
        )
    };
    let mut process = start(directory.path(), &rest(1));
    let targets = ["/returns/1", "/orders/1", "/other"];
    let load = Load::start(process.proxy, 6, Duration::from_millis(10), &targets, Connections::Kept);
    for round in 0..100 {
        write(&process, &rest(round));
        signal(process.id(), "HUP");
        process.logged("the configuration was reloaded", round + 1).await;
    }
    // With all operations again: 100 is no multiple of 3.
    write(&process, &rest(100));
    signal(process.id(), "HUP");
    process.logged("the configuration was reloaded", 101).await;
    let answered = load.answered();
    wait_until(DEADLINE, "clients go on", || load.answered() > answered + 12).await;
    let outcome = load.stop().await;
    assert_eq!((outcome.failed.len(), outcome.again), (0, 0), "{outcome:?}");
    assert!(outcome.answered > 100, "{outcome:?}");

    let mut counted = 0;
    let mut before = Vec::new();
    for id in ["getReturn", "getOrder"] {
        let operation = at_rest(process.control, id).await;
        assert_conserved(&operation);
        counted += operation["counts"]["requests"].as_u64().unwrap();
        before.push(operation["counts"].clone());
    }
    let page = metrics(&process).await;
    let other =
        sample(&page, "parallax_requests_total", &[("operation_id", "other"), ("answered_by", "legacy")]);
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let all = counted as f64 + other.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let answered = outcome.answered as f64;
    assert!((all - answered).abs() < 0.5, "{answered} answers, {all} counted");
    assert_eq!(reload_success(&process).await, Some(1.0));
    assert!(candidates.iter().all(|candidate| candidate.count() > 0), "both candidates were asked");

    assert!(process.terminate().success());
    process.start_again();
    for (id, before) in ["getReturn", "getOrder"].into_iter().zip(before) {
        assert_eq!(operation(process.control, id).await["counts"], before, "the store has every count once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_a_metric_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let sides = format!("legacy: '{}'\ncandidate: '{}'\n", legacy.url(), candidate.url());
    let good = format!("{sides}operations: [{{id: getReturn, match: 'GET /returns/{{id}}'}}]\n");
    let process = start(directory.path(), &good);
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    client.get("/returns/1").await.unwrap();

    // Nobody says that the file has changed: it is watched.
    write(
        &process,
        &format!("{sides}operations: [{{id: getReturn, match: 'GET /returns/{{id}}', targt: 1%}}]\n"),
    );
    process.logged("not reloaded", 1).await;
    assert!(process.log().contains("parallax.yaml:5:"), "the place is named: {}", process.log());
    assert!(process.log().contains("did you mean `target`"), "{}", process.log());
    assert_eq!(reload_success(&process).await, Some(0.0));
    assert_eq!(client.get("/returns/2").await.unwrap().status, 200);
    assert_eq!(at_rest(process.control, "getReturn").await["counts"]["requests"], 2);

    let more = format!(
        "{sides}operations: [{{id: getReturn, match: 'GET /returns/{{id}}'}}, {{id: b, match: GET /b}}]\n"
    );
    write(&process, &more);
    process.logged("the configuration was reloaded", 1).await;
    assert_eq!(reload_success(&process).await, Some(1.0));
    client.get("/b").await.unwrap();
    assert_eq!(at_rest(process.control, "b").await["counts"]["requests"], 1);
    assert_eq!(process.log().matches("not reloaded").count(), 1, "a bad file is rejected once");
}

/// parallax in this process, whose settings are replaced.
struct Reloaded {
    house: House,
    sides: String,
}

impl Reloaded {
    async fn new(operations: &str) -> Self {
        let house = House::new(same("{\"a\":1,\"n\":1}"), same("{\"a\":1,\"n\":2}"), operations).await;
        let sides = format!(
            "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0'}}\nstore: 'memory://'\nlegacy: {{url: '{}'}}\ncandidate: {{url: '{}'}}\n",
            house.legacy.url(),
            house.candidate.url()
        );
        Self { house, sides }
    }

    fn to(&self, rest: &str) -> Result<(), String> {
        self.reload(&format!("{}{rest}", self.sides))
    }

    fn reload(&self, text: &str) -> Result<(), String> {
        let settings = parallax::config::parse(text, "test.yaml", &|_| None).expect("a configuration");
        self.house.running.reload(settings).map_err(|error| error.to_string())
    }

    async fn all(&self) -> Vec<String> {
        let list: Value =
            serde_json::from_str(&self.house.control("/api/v1/operations").await).expect("JSON");
        let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
        list.as_array().expect("a list").iter().map(id).collect()
    }
}

const RETURNS: &str = "operations: [{id: getReturn, match: 'GET /returns/{id}'}]\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_has_moved_is_not_lost() {
    let reloaded = Reloaded::new(RETURNS).await;
    let up = json!({"stage": "canary", "share": "10%", "reason": "up", "force": true});
    reloaded.house.stage("getReturn", up).await;
    for (rest, said) in [
        ("operations: [{id: other1, match: GET /x}]", "is not in the file any more"),
        ("operations: [{id: one, match: 'GET /returns/{id}'}]", "is called `one` in the file"),
        (
            "operations: [{id: getReturn, match: 'GET /refunds/{id}'}]",
            "has `match: GET /refunds/{id}` in the file",
        ),
    ] {
        let refused = reloaded.to(rest).unwrap_err();
        assert!(refused.contains("`getReturn` is in canary") && refused.contains(said), "{refused}");
        assert!(refused.contains("parallax rollback getReturn"), "the remedy: {refused}");
        assert_eq!(reloaded.all().await, ["getReturn"]);
    }
    // What does not take it away is put in force, and it stays where it is.
    reloaded.to("operations: [{id: getReturn, match: 'GET /returns/{return_id}', target: 50%}, {id: b, match: GET /b}]").unwrap();
    let operation = reloaded.house.operation("getReturn").await;
    assert_eq!(
        (&operation["stage"], &operation["share"], &operation["revision"]),
        (&json!("canary"), &json!("10%"), &json!(1))
    );
    assert_eq!(operation["target"], "50%");

    let path = "/api/v1/operations/getReturn/rollback";
    assert_eq!(post(reloaded.house.running.control, path, &json!({"reason": "down"})).await.status, 200);
    reloaded.to("operations: [{id: b, match: GET /b}]").unwrap();
    assert_eq!(reloaded.all().await, ["b"]);
    // It comes back as what it was.
    reloaded.to(RETURNS).unwrap();
    let operation = reloaded.house.operation("getReturn").await;
    assert_eq!((&operation["stage"], &operation["revision"]), (&json!("shadow"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_process_cannot_follow_is_named() {
    let reloaded = Reloaded::new(RETURNS).await;
    for (from, to, key) in [
        ("listen: 127.0.0.1:0\n", "listen: 127.0.0.1:1\n", "`listen`"),
        ("control: {listen: '127.0.0.1:0'}", "control: {listen: '127.0.0.1:1'}", "`control.listen`"),
        ("store: 'memory://'", "store: 'sqlite://x.db'", "`store`"),
        ("store:", "limits: {queue_checks: 7}\nstore:", "`limits.queue_checks`"),
        ("store:", "limits: {queue_bytes: 1MiB}\nstore:", "`limits.queue_bytes`"),
    ] {
        let text = format!("{}{RETURNS}", reloaded.sides).replacen(from, to, 1);
        let refused = reloaded.reload(&text).unwrap_err();
        assert!(refused.starts_with(key) && refused.contains("restart or upgrade"), "{refused}");
    }
    reloaded.to(RETURNS).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_take_effect_and_the_other_counts_go_on() {
    let reloaded = Reloaded::new(RETURNS).await;
    let mut client = reloaded.house.client().await;
    client.get("/returns/1").await.unwrap();
    assert_eq!(reloaded.house.at_rest("getReturn").await["counts"]["unmatched"], 1);
    let with = |rule: &str| {
        format!("operations: [{{id: getReturn, match: 'GET /returns/{{id}}', compare: [{rule}]}}]\n")
    };
    reloaded.to(&with("{at: $.body.n, ignore: true}")).unwrap();
    client.get("/returns/1").await.unwrap();
    let operation = reloaded.house.at_rest("getReturn").await;
    assert_eq!((&operation["counts"]["unmatched"], &operation["counts"]["matched"]), (&json!(1), &json!(1)));
    assert_eq!(operation["rules"][0]["masked"], 1, "{operation}");
    let masked = |page: &str, rule| {
        sample(page, "parallax_rule_masked_total", &[("operation_id", "getReturn"), ("rule", rule)])
    };
    assert_eq!(masked(&reloaded.house.metrics().await, "ignore $.body.n"), Some(1.0));

    reloaded.to(&with("{at: $.body.n, tolerance: {abs: '5'}}")).unwrap();
    client.get("/returns/1").await.unwrap();
    assert_eq!(reloaded.house.at_rest("getReturn").await["counts"]["matched"], 2);
    let page = reloaded.house.metrics().await;
    assert_eq!((masked(&page, "ignore $.body.n"), masked(&page, "tolerance $.body.n")), (None, Some(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_has_moved_is_asked_where_it_is() {
    let reloaded = Reloaded::new(RETURNS).await;
    let (legacy, candidate) =
        (FakeService::start(same("{\"new\":1}")), FakeService::start(same("{\"new\":1}")));
    let mut client = reloaded.house.client().await;
    client.get("/returns/1").await.unwrap();
    reloaded.house.at_rest("getReturn").await;
    let asked = [reloaded.house.legacy.count(), reloaded.house.candidate.count()];
    let moved = reloaded.sides.replace(&reloaded.house.legacy.url(), &legacy.url());
    let moved = moved.replace(&reloaded.house.candidate.url(), &candidate.url());
    let moved = moved.replace("candidate: {", "candidate: {headers: {x-build: '7'}, host: upstream, ");
    reloaded.reload(&format!("{moved}{RETURNS}")).unwrap();
    // The same connection, and the very next request.
    assert_eq!(client.get("/returns/1").await.unwrap().text(), "{\"new\":1}");
    assert_eq!(client.get("/none").await.unwrap().text(), "{\"new\":1}");
    let operation = reloaded.house.at_rest("getReturn").await;
    assert_eq!((&operation["counts"]["unmatched"], &operation["counts"]["matched"]), (&json!(1), &json!(1)));
    assert_eq!([reloaded.house.legacy.count(), reloaded.house.candidate.count()], asked);
    assert_eq!((legacy.count(), candidate.count()), (2, 1));
    let copy = &candidate.requests()[0];
    assert_eq!(copy.headers.get("x-build"), Some("7"));
    assert!(candidate.url().ends_with(copy.headers.get("host").unwrap()), "{copy:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_goes_vanishes_and_comes_back_with_its_counts() {
    let reloaded = Reloaded::new(RETURNS).await;
    reloaded.house.get("/returns/1").await;
    let before = reloaded.house.at_rest("getReturn").await["counts"].clone();
    reloaded.to("operations: [{id: b, match: GET /b}]").unwrap();
    let page = reloaded.house.metrics().await;
    assert!(!page.contains("getReturn") && page.contains("operation_id=\"b\""), "{page}");
    assert_eq!(reloaded.all().await, ["b"]);
    reloaded.house.get("/returns/1").await;
    assert_eq!(
        sample(
            &reloaded.house.metrics().await,
            "parallax_requests_total",
            &[("operation_id", "other"), ("answered_by", "legacy")]
        ),
        Some(1.0)
    );
    reloaded.to(RETURNS).unwrap();
    assert_eq!(reloaded.house.operation("getReturn").await["counts"], before);
    reloaded.house.get("/returns/1").await;
    assert_eq!(reloaded.house.at_rest("getReturn").await["counts"]["requests"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_stickiness_and_names_take_effect() {
    let reloaded = Reloaded::new(RETURNS).await;
    let mut client = reloaded.house.client().await;
    let long = format!("/returns/{}", "x".repeat(200));
    assert_eq!(client.get(&long).await.unwrap().status, 200);
    let canary = json!({"stage": "canary", "share": "100%", "reason": "all", "force": true});
    reloaded.house.stage("getReturn", canary).await;
    let by_candidate = "{\"a\":1,\"n\":2}";
    assert_eq!(client.get("/returns/1").await.unwrap().text(), by_candidate, "by address");
    let rest = format!("limits: {{uri: 100B}}\nsticky: {{header: x-customer}}\n{RETURNS}");
    let rest = rest.replace("100B", "100");
    reloaded.to(&rest).unwrap();
    // The limits of a connection are those that it began with.
    assert_eq!(client.get(&long).await.unwrap().status, 200);
    assert_eq!(reloaded.house.get(&long).await.status, 414);
    let mut client = reloaded.house.client().await;
    assert_ne!(client.get("/returns/1").await.unwrap().text(), by_candidate, "without a key legacy answers");
    let answer = client.ask("GET", "/returns/1", &[("x-customer", "7")], b"").await.unwrap();
    assert_eq!(answer.text(), by_candidate);

    let control = reloaded.house.running.control;
    let named = async || {
        let mut client = RawClient::connect(control).await.unwrap();
        client.ask("GET", "/api/v1/operations", &[("Host", "localhost:1")], b"").await.unwrap().status
    };
    assert_eq!(named().await, 421);
    let hosts = reloaded.sides.replace("control: {", "control: {hosts: [localhost], ");
    reloaded.reload(&format!("{hosts}{RETURNS}")).unwrap();
    assert_eq!(named().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_take_effect() {
    let reloaded = Reloaded::new(RETURNS).await;
    let control = reloaded.house.running.control;
    let directory = tempfile::tempdir().unwrap();
    let token = |name: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, name).unwrap();
        format!("tokens: [{{name: anna, role: viewer, token: 'file:{}'}}]", path.display())
    };
    let with = |tokens: &str| {
        let sides = reloaded.sides.replace("control: {", &format!("control: {{{tokens}, "));
        reloaded.reload(&format!("{sides}{RETURNS}")).unwrap();
    };
    let read = async |field: (&str, &str)| {
        let mut client = RawClient::connect(control).await.unwrap();
        client.ask("GET", "/api/v1/operations", &[field], b"").await.unwrap().status
    };
    assert_eq!(read(("x", "y")).await, 200, "open to all on loopback");
    with(&token("first"));
    assert_eq!(read(("x", "y")).await, 401);
    assert_eq!(read(("Authorization", "Bearer first")).await, 200);
    with(&token("second"));
    assert_eq!(read(("Authorization", "Bearer first")).await, 401);
    assert_eq!(read(("Authorization", "Bearer second")).await, 200);
}
