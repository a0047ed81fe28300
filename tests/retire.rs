//! An operation that is complete is retired and taken out of the configuration, and only when nobody who
//! still asks for it would be answered by legacy again.

mod support;

use std::path::Path;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use parallax::config;
use parallax::store::{self, Minute, Write};
use parallax_core::tally::Tally;
use parallax_testkit::{Behaviour, FakeService, RawClient, RawResponse, Reply};
use serde_json::{Value, json};
use support::process::{Process, command};
use support::{DEADLINE, House, operation, post, same, sample};

const TWO: &str = "operations:
- {id: getReturn, match: 'GET /returns/{id}'}
- {id: quiet, match: GET /quiet}
- {id: moves, match: GET /moves, candidate_path: /v2/moves}
";

async fn house(rest: &str) -> House {
    House::new(same("{\"side\":\"legacy\"}"), same("{\"side\":\"candidate\"}"), rest).await
}

async fn complete(control: std::net::SocketAddr, id: &str) {
    let body = json!({"stage": "complete", "reason": "done", "force": true});
    let answer = post(control, &format!("/api/v1/operations/{id}/stage"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn retire(control: std::net::SocketAddr, id: &str) -> RawResponse {
    post(control, &format!("/api/v1/operations/{id}/retire"), &json!({"reason": "the endpoint is gone"}))
        .await
}

fn missing(answer: &RawResponse) -> Vec<String> {
    assert_eq!(answer.status, 409, "{}", answer.text());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let line =
        |one: &Value| format!("{} {} {}", text(&one["name"]), text(&one["value"]), text(&one["limit"]));
    answer.json()["missing"].as_array().expect("what is missing").iter().map(line).collect()
}

fn run(house: &House, words: &[&str]) -> (Option<i32>, String) {
    let server = format!("http://{}", house.running.control);
    let output =
        command(Path::new("."), &[words, &["--server", &server]].concat()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn reload(house: &House, rest: &str) -> Result<(), String> {
    let text = format!(
        "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0'}}\nstore: 'memory://'\nlegacy: '{}'\ncandidate: '{}'\n{rest}",
        house.legacy.url(),
        house.candidate.url()
    );
    let settings = config::parse(&text, "test.yaml", &|_| None).expect("a configuration");
    house.running.reload(settings).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_complete_or_was_asked_for_is_not_retired() {
    let house = house(TWO).await;
    let control = house.running.control;
    assert_eq!(missing(&retire(control, "quiet").await), ["stage shadow complete"]);
    house.get("/returns/1").await;
    complete(control, "getReturn").await;
    assert_eq!(missing(&retire(control, "getReturn").await), ["max_requests_24h 1 0"]);
    assert_eq!(retire(control, "none").await.status, 404);
    let bare = post(control, "/api/v1/operations/getReturn/retire", &json!({})).await;
    assert_eq!((bare.status, bare.json()["field"].as_str()), (422, Some("reason")));

    let (code, text) = run(&house, &["retire", "getReturn", "--reason", "done"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("missing: max_requests_24h is 1, needs at most 0"), "{text}");
    let (code, text) = run(&house, &["report", "--retire", "getReturn"]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "\n  stage     complete since 20",
        "by local, forced: done",
        "1 ever, 1 in the last 24 hours",
        "legacy answers its requests (`other`)",
        "max_requests_24h is 1, needs at most 0",
        "What can go now:\n  code            GET /returns/{id}",
        "What has to stay until nothing is missing:\n  configuration",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    let (code, text) = run(&house, &["report", "--retire", "quiet"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("stage is shadow, needs at least complete") && !text.contains("can go"), "{text}");
    assert!(house.control("/api/v1/operations/getReturn").await.contains("\"stage\":\"complete\""));
    assert!(!house.control("/api/v1/audit").await.contains("retired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quiet_is_retired_and_may_go_then() {
    let house = house(TWO).await;
    let control = house.running.control;
    complete(control, "quiet").await;
    let without = "operations: [{id: getReturn, match: 'GET /returns/{id}'}]\n";
    let renamed = "operations: [{id: other2, match: GET /quiet}]\n";
    let refused = reload(&house, without).unwrap_err();
    assert!(refused.contains("retire it first (`parallax retire quiet"), "{refused}");

    let (code, text) = run(&house, &["retire", "quiet", "--reason", "the endpoint is gone"]);
    assert_eq!((code, text.lines().next()), (Some(0), Some("quiet: retired (revision 2)")), "{text}");
    let again = retire(control, "quiet").await;
    assert_eq!((again.status, again.json()["revision"].as_u64()), (200, Some(2)), "nothing is left to do");
    let audit: Value = serde_json::from_str(&house.control("/api/v1/audit").await).unwrap();
    let row = &audit[0];
    assert_eq!((row["from"].as_str(), row["to"].as_str()), (Some("complete"), Some("complete")), "{row}");
    assert_eq!(row["evidence"]["retired"], true);
    assert_eq!(
        (&row["evidence"]["requests_24h"], &row["reason"]),
        (&json!(0), &json!("the endpoint is gone"))
    );
    assert_eq!(audit.as_array().map(Vec::len), Some(2));
    assert_eq!(house.operation("quiet").await["retired"], true);
    let (_, text) = run(&house, &["audit", "quiet"]);
    assert!(text.contains("complete, retired"), "{text}");
    let (code, text) = run(&house, &["report", "--retire", "quiet", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["retired"]["reason"]), (Some(0), &json!("the endpoint is gone")));
    assert!(report["can_go"].as_array().unwrap().iter().all(|one| one["now"] == true), "{report}");

    // Until the file says so, nothing changes; and another name is another operation.
    assert!(house.get("/quiet").await.text().contains("candidate"));
    assert!(reload(&house, renamed).unwrap_err().contains("is called `other2`"));
    reload(&house, without).unwrap();
    assert!(house.get("/quiet").await.text().contains("legacy"));
    // It comes back as what it was, and whoever takes it back takes the retirement back too.
    reload(&house, TWO).unwrap();
    let operation = house.operation("quiet").await;
    assert_eq!((&operation["stage"], &operation["retired"]), (&json!("complete"), &json!(true)));
    let back = post(control, "/api/v1/operations/quiet/rollback", &json!({"reason": "back"})).await;
    assert_eq!(back.status, 200);
    assert_eq!(house.operation("quiet").await.get("retired"), None);
    complete(control, "quiet").await;
    reload(&house, without).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_candidate_answers_all_others_requests_do_not_matter() {
    let with = |operations: &str| format!("other: candidate\n{operations}");
    let house = house(&with(TWO)).await;
    let control = house.running.control;
    for (id, path) in [("getReturn", "/returns/1"), ("moves", "/moves")] {
        complete(control, id).await;
        assert!(house.get(path).await.text().contains("candidate"));
    }
    assert_eq!(
        missing(&retire(control, "moves").await),
        ["max_requests_24h 1 0"],
        "its path is another there"
    );
    assert_eq!(retire(control, "getReturn").await.status, 200);
    let rest = TWO.replace("- {id: getReturn, match: 'GET /returns/{id}'}\n", "");
    reload(&house, &with(&rest)).unwrap();
    assert_eq!(house.get("/returns/1").await.text(), "{\"side\":\"candidate\"}");
    assert_eq!(house.get("/elsewhere").await.text(), "{\"side\":\"candidate\"}");
    let others = |page: &str, by| {
        sample(page, "parallax_requests_total", &[("operation_id", "other"), ("answered_by", by)])
    };
    let page = house.metrics().await;
    assert_eq!((others(&page, "candidate"), others(&page, "legacy")), (Some(2.0), Some(0.0)));
    let plan: Value = serde_json::from_str(&house.control("/api/v1/plan").await).unwrap();
    assert_eq!(plan["other"], "candidate");
    assert!(
        house
            .control("/routes.eskip")
            .await
            .contains(&format!("plx_other: * -> preserveHost(\"true\") -> \"{}\"", house.candidate.url()))
    );

    // Back to legacy, for those too.
    reload(&house, &rest).unwrap();
    assert_eq!(house.get("/returns/1").await.text(), "{\"side\":\"legacy\"}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operation_that_matches_the_requests_gets_them() {
    let operations =
        "other: candidate\noperations:\n- {id: one, match: GET /a/b}\n- {id: all, match: 'GET /a/{x}'}\n";
    let house = house(operations).await;
    let control = house.running.control;
    complete(control, "one").await;
    house.get("/a/b").await;
    let could: Value = serde_json::from_str(&house.control("/api/v1/operations/one/retire").await).unwrap();
    let afterwards = json!({"operation_id": "all", "answered_by": "legacy", "as_now": false});
    assert_eq!(could["afterwards"], afterwards, "{could}");
    assert_eq!(missing(&retire(control, "one").await), ["max_requests_24h 1 0"]);
    complete(control, "all").await;
    assert_eq!(retire(control, "one").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_that_are_not_kept_are_not_taken_for_quiet() {
    let house = house(&format!("retention: 6h\n{TWO}")).await;
    complete(house.running.control, "quiet").await;
    assert_eq!(missing(&retire(house.running.control, "quiet").await), ["retention 6h 24h"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_cannot_be_reached_is_named_and_nobody_answers_in_its_place() {
    let house = House::new(same("{}"), Behaviour::Refuse, &format!("other: candidate\n{TWO}")).await;
    let answer = house.get("/elsewhere").await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("candidate"), "{}", answer.text());
    assert_eq!(house.legacy.count(), 0);
    let page = house.metrics().await;
    let labels = [("operation_id", "other"), ("answered_by", "parallax")];
    assert_eq!(sample(&page, "parallax_requests_total", &labels), Some(1.0));
}

/// Waits until the server has these operations.
async fn operations(process: &Process, expected: &[&str]) {
    let began = Instant::now();
    loop {
        let mut client = RawClient::connect(process.control).await.expect("the control listener");
        let list = client.get("/api/v1/operations").await.expect("an answer").json();
        let ids: Vec<&str> =
            list.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
        if ids == expected {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{ids:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Replaces the file as an editor does.
fn write(process: &Process, text: &str) {
    let beside = process.file.with_extension("new");
    std::fs::write(&beside, text).expect("a file");
    std::fs::rename(beside, &process.file).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_kill_9_and_is_in_the_plan_file() {
    let directory = tempfile::tempdir().unwrap();
    let side =
        |name: &str| FakeService::start(Behaviour::always(Reply::json(format!("{{\"side\":\"{name}\"}}"))));
    let (legacy, candidate) = (side("legacy"), side("candidate"));
    // It was asked for, more than a day ago.
    let store = store::open(&format!("sqlite://{}", directory.path().join("parallax.db").display())).unwrap();
    let minute = Minute::of(Timestamp::now() - SignedDuration::from_hours(25));
    let tally = Tally { requests: 7, matched: 7, ..Tally::default() };
    let id = "quiet".parse().unwrap();
    store.write(vec![Write::Tally { operation_id: id, minute, tally }]).await.unwrap();
    store.close().await;

    let text = |process: &Process, rest: &str| {
        let (proxy, control) = (process.proxy, process.control);
        let (legacy, candidate) = (legacy.url(), candidate.url());
        format!(
            "listen: '{proxy}'\ncontrol: {{listen: '{control}'}}\nlegacy: '{legacy}'\ncandidate: '{candidate}'\n{rest}"
        )
    };
    let program = Path::new(env!("CARGO_BIN_EXE_parallax"));
    let mut process = Process::start_logging(directory.path(), program, &|process| text(process, TWO));
    let without = "operations:\n- {id: getReturn, match: 'GET /returns/{id}'}\n";
    complete(process.control, "quiet").await;
    write(&process, &text(&process, without));
    process.logged("operation `quiet` is in complete and is not in the file any more", 1).await;
    write(&process, &text(&process, TWO));
    let answer = retire(process.control, "quiet").await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    process.kill_and_restart();
    let now = operation(process.control, "quiet").await;
    assert_eq!(
        (&now["stage"], &now["retired"], &now["counts"]["requests"]),
        (&json!("complete"), &json!(true), &json!(7))
    );
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    assert_eq!(client.get("/quiet").await.unwrap().text(), "{\"side\":\"candidate\"}");
    write(&process, &text(&process, without));
    operations(&process, &["getReturn"]).await;
    write(&process, &text(&process, TWO));
    operations(&process, &["getReturn", "quiet", "moves"]).await;

    // The plan file alone knows too.
    assert!(process.terminate().success());
    for file in ["parallax.db", "parallax.db-wal", "parallax.db-shm"] {
        std::fs::remove_file(directory.path().join(file)).ok();
    }
    process.start_again();
    assert_eq!(operation(process.control, "quiet").await["retired"], true);
    let report = command(directory.path(), &["report", "--retire", "quiet"]).output().unwrap();
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(text.contains("parallax.yaml:7 "), "{text}");
}
