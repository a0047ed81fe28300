//! The control API against its contract: names, order and types of what it says, what it
//! refuses and why, and that it can change what it should.

#[expect(dead_code, reason = "shared with the tests of the pages")]
mod made_up;

use axum::http::StatusCode;
use made_up::client::{get, post, send};
use made_up::{MadeUp, faults, operation, report, tally};
use parallax::store::Write;
use parallax_core::stage::{Share, Stage};
use parallax_core::verdict::{Cause, Skip};
use serde_json::{Value, json};

fn getting_there() -> MadeUp {
    let counts = tally(998, 1, &[(Cause::Timeout, 2)], &[(Skip::QueueFull, 3), (Skip::SampledOut, 4)]);
    MadeUp::empty(vec![
        (operation("getReturn", "GET /returns/{return_id}", "99.9%"), Stage::Shadow, counts),
        (operation("a/b:c.d", "GET /a", "99%"), Stage::Canary(share("5%")), tally(1_000, 0, &[], &[])),
    ])
}

fn share(text: &str) -> Share {
    Share::new(text.parse().expect("a ratio")).expect("a share")
}

#[tokio::test]
async fn an_operation_reads_as_the_contract_says_to_the_letter() {
    let router = getting_there().router(Vec::new());
    let answer = get(&router, "/api/v1/operations/getReturn").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.text,
        concat!(
            r#"{"id":"getReturn","match":"GET /returns/{return_id}","stage":"shadow","share":null,"revision":0,"#,
            r#""counts":{"requests":1008,"matched":998,"unmatched":1,"failed":{"timeout":2},"#,
            r#""skipped":{"sampled_out":4,"queue_full":3},"in_flight":0},"#,
            r#""consistency":0.998998998998999,"target":"99.9%","#,
            r#""readiness":{"state":"gathering","more_matching_checks":5628,"conditions":["#,
            r#"{"name":"min_checks","met":false,"value":"999","limit":"1000"},"#,
            r#"{"name":"target","met":false,"value":"99.8998%","limit":"99.9%"},"#,
            r#"{"name":"min_distinct","met":true,"value":"1","limit":"1"},"#,
            r#"{"name":"max_failed","met":true,"value":"0.1998%","limit":"1%"},"#,
            r#"{"name":"min_checked","met":true,"value":"99.7011%","limit":"90%"},"#,
            r#"{"name":"confidence","met":false,"value":"99.3238%","limit":"99.9%"},"#,
            r#"{"name":"drift","met":true,"value":"none","limit":"99.9%"},"#,
            r#"{"name":"new_signatures","met":true,"value":"0","limit":"0.09"},"#,
            r#"{"name":"latency_limit","met":true,"value":"too few answers","limit":"2x or 50 ms more"}]},"#,
            r#""latency":{"legacy":{"p50_ms":null,"p99_ms":null},"candidate":{"p50_ms":null,"p99_ms":null}},"#,
            r#""recheck":{"counts":{},"shares":{},"advice":[]},"version":null}"#
        )
    );
}

#[tokio::test]
async fn all_operations_come_in_the_order_of_the_configuration() {
    let router = getting_there().router(Vec::new());
    let all = get(&router, "/api/v1/operations").await.json();
    let ids: Vec<&str> =
        all.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["getReturn", "a/b:c.d"]);
    assert_eq!((&all[1]["stage"], &all[1]["share"]), (&json!("canary"), &json!("5%")));
    let one = get(&router, "/api/v1/operations/a%2Fb%3Ac.d").await.json();
    assert_eq!(one, all[1]);
    assert_eq!(get(&router, "/api/v1/operations/a/b:c.d").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stage_changes_for_good_and_the_audit_says_who_and_why() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    let body = r#"{"stage":"canary","share":"12.5%","reason":"first step","force":true,"if_revision":0}"#;
    let answer = post(&router, "/api/v1/operations/getReturn/stage", body).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"revision":1,"persisted":true}"#));
    let routing = made_up.routing.load();
    let entry = routing.entry(&"getReturn".parse().expect("an id")).expect("an operation");
    assert_eq!(entry.stage, Stage::Canary(share("12.5%")));

    let audit = get(&router, "/api/v1/audit?operation_id=getReturn&limit=1").await;
    assert!(audit.text.starts_with(r#"[{"at":""#), "{}", audit.text);
    let row = &audit.json()[0];
    let expected = json!({"who": "local", "operation_id": "getReturn", "from": "shadow", "to": "canary",
        "share": "12.5%", "reason": "first step", "forced": true, "automatic": false});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&row[name], value, "{name}");
    }
    assert_eq!(row["evidence"]["matched"], 998);
    assert_eq!(get(&router, "/api/v1/audit?operation_id=other-one").await.json(), json!([]));
}

#[tokio::test]
async fn a_change_that_is_not_ready_is_refused_with_what_is_missing() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    let answer =
        post(&router, "/api/v1/operations/getReturn/stage", r#"{"stage":"switched","reason":"go"}"#).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    let missing: Vec<&Value> =
        problem["missing"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(missing, ["min_checks", "target", "confidence"]);
    assert_eq!(problem["more_matching_checks"], 5628);
    assert_eq!(problem["status"], 409);
    assert_eq!(get(&router, "/api/v1/operations/getReturn").await.json()["stage"], "shadow");
}

#[tokio::test]
async fn whoever_was_first_is_named() {
    let router = getting_there().router(Vec::new());
    let path = "/api/v1/operations/getReturn/stage";
    let first = r#"{"stage":"legacy","reason":"maintenance","if_revision":0}"#;
    assert_eq!(post(&router, path, first).await.status, StatusCode::OK);
    let second = post(&router, path, r#"{"stage":"shadow","reason":"again","if_revision":0}"#).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    let problem = second.json();
    assert_eq!(problem["current"], json!({"stage": "legacy", "share": null, "revision": 1}));
    assert_eq!(
        (&problem["first"]["who"], &problem["first"]["reason"]),
        (&json!("local"), &json!("maintenance"))
    );
}

#[tokio::test]
async fn a_rollback_works_for_one_and_for_all() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    let one = post(&router, "/api/v1/operations/a%2Fb:c.d/rollback", r#"{"reason":"errors"}"#).await;
    assert_eq!(one.text, r#"{"revision":2,"persisted":true}"#);
    let path = "/api/v1/operations/getReturn/stage";
    post(&router, path, r#"{"stage":"switched","reason":"go","force":true}"#).await;
    let all = post(&router, "/api/v1/rollback", r#"{"reason":"errors"}"#).await;
    let row = json!({"operation_id": "getReturn", "from": "switched", "to": "shadow", "revision": 2, "persisted": true});
    assert_eq!(all.json(), json!({"persisted": true, "operations": [row]}));
    let none = post(&router, "/api/v1/rollback", r#"{"reason":"errors"}"#).await;
    assert_eq!(none.json(), json!({"persisted": true, "operations": []}));
}

#[tokio::test]
async fn with_the_store_down_changes_work_and_reads_say_so() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    made_up.outage.begin();
    let answer = post(&router, "/api/v1/operations/a%2Fb:c.d/rollback", r#"{"reason":"errors"}"#).await;
    assert_eq!(answer.text, r#"{"revision":2,"persisted":false}"#);
    assert_eq!(get(&router, "/api/v1/operations").await.json()[1]["stage"], "shadow");
    let faults = get(&router, "/api/v1/operations/getReturn/signatures").await;
    assert_eq!((faults.status, faults.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&router, probe).await.status, StatusCode::OK, "{probe}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_said_with_its_field() {
    let router = getting_there().router(Vec::new());
    let path = "/api/v1/operations/getReturn/stage";
    let bad = [
        (r#"{"stage":"shadow"}"#, 422, "reason"),
        (r#"{"stage":"shadow","reason":" "}"#, 422, "reason"),
        (r#"{"reason":"x"}"#, 422, "stage"),
        (r#"{"stage":"swtiched","reason":"x"}"#, 422, "stage"),
        (r#"{"stage":1,"reason":"x"}"#, 422, "stage"),
        (r#"{"stage":"canary","share":"0%","reason":"x"}"#, 422, "share"),
        (r#"{"stage":"canary","share":5,"reason":"x"}"#, 422, "share"),
        (r#"{"stage":"canary","share":"105%","reason":"x"}"#, 422, "share"),
        (r#"{"stage":"switched","share":"5%","reason":"x"}"#, 422, "share"),
        (r#"{"stage":"shadow","reason":"x","force":"yes"}"#, 422, "force"),
        (r#"{"stage":"shadow","reason":"x","if_revision":-1}"#, 422, "if_revision"),
        (r#"{"stage":"shadow","reason":"x","forced":true}"#, 422, "forced"),
        ("", 400, ""),
        ("[]", 400, ""),
        (r#"{"stage":"#, 400, ""),
    ];
    for (body, status, field) in bad {
        let answer = post(&router, path, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        let problem = answer.json();
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{body}");
        assert!(!problem["detail"].as_str().expect("a detail").is_empty());
    }
    let long = format!(r#"{{"stage":"legacy","reason":"{}"}}"#, "x".repeat(1_001));
    assert_eq!(post(&router, path, &long).await.json()["field"], "reason");
    let huge = format!(r#"{{"stage":"legacy","reason":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(post(&router, path, &huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = "[".repeat(60_000);
    assert_eq!(post(&router, path, &deep).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        get(&router, "/api/v1/operations/getReturn").await.json()["revision"],
        0,
        "nothing has changed"
    );
}

#[tokio::test]
async fn faults_and_samples_are_found_by_their_names() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    let fault = faults("getReturn")[0].clone();
    let at = jiff::Timestamp::now();
    let seen = Write::seen(fault.clone(), 7, at);
    made_up
        .store
        .write(vec![seen, Write::Sample(Box::new(report(0xfe, &fault, at)))])
        .await
        .expect("a write");

    let list = get(&router, "/api/v1/operations/getReturn/signatures").await.json();
    assert_eq!(list.as_array().expect("a list").len(), 2, "the sample's other fault counts as known");
    assert_eq!((&list[0]["id"], &list[0]["count"]), (&json!("000000000000a000"), &json!(7)));
    assert_eq!(list[0]["path"], "$.body.items[*].price.amount");

    let one = get(&router, "/api/v1/signatures/000000000000a000").await.json();
    let check = format!("{:032x}", 0xfe);
    assert_eq!((&one["count"], &one["samples"][0]["id"]), (&json!(7), &json!(check)));
    let sample = get(&router, &format!("/api/v1/checks/{check}")).await.json();
    assert_eq!(sample, one["samples"][0]);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_says_what() {
    let router = getting_there().router(Vec::new());
    let missing = [
        "/api/v1/operations/nope",
        "/api/v1/operations/other",
        "/api/v1/operations/%20",
        "/api/v1/operations/%ff",
        "/api/v1/operations/nope/signatures",
        "/api/v1/signatures/ffffffffffffffff",
        "/api/v1/signatures/nope",
        "/api/v1/checks/ffffffffffffffffffffffffffffffff",
        "/api/v1/checks/-1",
        "/api/v1/nope",
        "/routes.eskip/nope",
        "/consistency-checks/1",
    ];
    for path in missing {
        let answer = get(&router, path).await;
        let expected = if path.contains("%ff") { 400 } else { 404 };
        assert_eq!(answer.status, expected, "{path}");
        if expected == 404 {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
            assert!(!answer.json()["detail"].as_str().expect("a detail").is_empty());
        }
    }
    assert_eq!(post(&router, "/api/v1/operations/nope/stage", "{}").await.status, StatusCode::NOT_FOUND);
    let wrong_method = post(&router, "/api/v1/operations", "{}").await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_method.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let router = getting_there().router(Vec::new());
    let text = get(&router, "/metrics").await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        text.text.contains(r#"parallax_stage{operation_id="getReturn",stage="shadow"} 1"#),
        "{}",
        text.text
    );
    let accept = [("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let open = send(&router, "GET", "/metrics", &accept, "").await;
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open.text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn ready_follows_the_proxy_and_nothing_else() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    assert_eq!(get(&router, "/readyz").await.text, "ready\n");
    made_up.ready.send_replace(false);
    assert_eq!(get(&router, "/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&router, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_described_path_is_served() {
    let router = getting_there().router(Vec::new());
    let document = get(&router, "/api/v1/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            let path = path.replace("{id}", "getReturn");
            let json = [("content-type", "application/json")];
            let answer = send(&router, &method.to_uppercase(), &path, &json, "{}").await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!answer.text.contains("there is nothing under this path"), "{method} {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_makes_nobody_wait_for_long() {
    let made_up = getting_there();
    let router = made_up.router(Vec::new());
    let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
    let hanging = made_up.store.read(move |_| {
        released.recv().ok();
        Ok(())
    });
    let asking = async {
        let answer = get(&router, "/api/v1/operations/getReturn/signatures").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        let rollback = post(&router, "/api/v1/operations/a%2Fb:c.d/rollback", r#"{"reason":"errors"}"#).await;
        assert_eq!(rollback.text, r#"{"revision":2,"persisted":false}"#);
        assert_eq!(get(&router, "/api/v1/operations").await.json()[1]["stage"], "shadow");
        drop(release);
    };
    let (hung, ()) = tokio::join!(hanging, asking);
    hung.expect("it was let go");
}
