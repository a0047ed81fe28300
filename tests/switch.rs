//! Stages: refused until ready, in force for the very next request, and back in a blink.

mod support;

use parallax_testkit::{Behaviour, RawClient, Reply};
use serde_json::{Value, json};
use support::{House, assert_conserved, post, same, sample};

const OPERATION: &str = "defaults: {min_checks: 10, target: 90%, confidence: off}
sticky: {header: x-customer}
operations:
  - {id: getReturn, match: 'GET /returns/{id}'}
  - {id: createReturn, match: POST /returns}
";

fn sides() -> (Behaviour, Behaviour) {
    let named = |side: &'static str| Behaviour::always(Reply::json("{\"a\":1}").header("X-Powered-By", side));
    (named("legacy"), named("candidate"))
}

async fn house() -> House {
    let (legacy, candidate) = sides();
    House::new(legacy, candidate, OPERATION).await
}

/// Who answered; `X-Powered-By` is never compared, so the sides still match.
async fn answered_by(client: &mut RawClient, customer: &str) -> String {
    let fields = [("x-customer", customer)];
    let fields = if customer.is_empty() { &[][..] } else { &fields[..] };
    let answer = client.ask("GET", "/returns/1", fields, b"").await.expect("an answer");
    answer.headers.get("x-powered-by").unwrap_or_default().to_owned()
}

async fn change(house: &House, id: &str, body: Value) -> (u16, Value) {
    let response = post(house.running.control, &format!("/api/v1/operations/{id}/stage"), &body).await;
    (response.status, response.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_until_ready_and_then_in_force_at_once() {
    let house = house().await;
    let mut client = house.client().await;
    let switch = json!({"stage": "switched", "reason": "it is time"});
    let (status, problem) = change(&house, "getReturn", switch.clone()).await;
    assert_eq!(status, 409, "{problem}");
    let missing: Vec<&str> =
        problem["missing"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(missing.contains(&"min_checks"), "{problem}");
    for _ in 0..10 {
        assert_eq!(answered_by(&mut client, "").await, "legacy");
    }
    let ready = house.at_rest("getReturn").await;
    assert_eq!(ready["readiness"]["state"], "ready", "{ready}");

    let (status, changed) = change(&house, "getReturn", switch).await;
    assert_eq!((status, changed["persisted"].as_bool()), (200, Some(true)), "{changed}");
    assert_eq!(answered_by(&mut client, "").await, "candidate");
    let back =
        post(house.running.control, "/api/v1/operations/getReturn/rollback", &json!({"reason": "x"})).await;
    assert_eq!(back.status, 200);
    assert_eq!(answered_by(&mut client, "").await, "legacy");
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["stage"], "shadow");
    assert_eq!(operation["revision"], 2);
    assert_eq!(operation["counts"]["matched"], 12, "checked both ways");
    assert_conserved(&operation);
}

#[tokio::test(flavor = "multi_thread")]
async fn force_passes_with_a_reason_and_is_audited() {
    let house = house().await;
    let (status, _) =
        change(&house, "getReturn", json!({"stage": "switched", "reason": " ", "force": true})).await;
    assert!((400..500).contains(&status), "{status}");
    let forced = json!({"stage": "switched", "reason": "drill", "force": true});
    assert_eq!(change(&house, "getReturn", forced).await.0, 200);
    let mut client = RawClient::connect(house.running.control).await.unwrap();
    let audit = client.get("/api/v1/audit").await.unwrap().json();
    let entry = &audit[0];
    assert_eq!((entry["from"].as_str(), entry["to"].as_str()), (Some("shadow"), Some("switched")), "{audit}");
    assert_eq!((entry["reason"].as_str(), entry["forced"].as_bool()), (Some("drill"), Some(true)));
    assert_eq!(entry["evidence"]["matched"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_keeps_its_clients_and_legacy_answers_without_a_key() {
    let house = house().await;
    let mut client = house.client().await;
    let mut on_candidate: Vec<String> = Vec::new();
    for share in ["5%", "40%", "100%"] {
        house
            .stage("getReturn", json!({"stage": "canary", "share": share, "reason": "up", "force": true}))
            .await;
        assert_eq!(answered_by(&mut client, "").await, "legacy");
        let mut now = Vec::new();
        for number in 0..60 {
            let customer = format!("c{number}");
            if answered_by(&mut client, &customer).await == "candidate" {
                now.push(customer);
            }
        }
        assert!(on_candidate.iter().all(|customer| now.contains(customer)), "nobody moves back");
        on_candidate = now;
    }
    assert_eq!(on_candidate.len(), 60);
    let operation = house.at_rest("getReturn").await;
    assert_eq!((operation["stage"].as_str(), operation["share"].as_str()), (Some("canary"), Some("100%")));
    assert_eq!(operation["counts"]["matched"], 183);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_switched_a_write_goes_to_the_candidate_alone() {
    let house = house().await;
    house.stage("createReturn", json!({"stage": "switched", "reason": "up", "force": true})).await;
    house.client().await.ask("POST", "/returns", &[], b"{}").await.unwrap();
    assert_eq!((house.legacy.count(), house.candidate.count()), (0, 1));
    let operation = house.at_rest("createReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"not_idempotent": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_to_the_candidate_is_answered_by_legacy() {
    let house = House::new(same("{}"), Behaviour::Refuse, OPERATION).await;
    house.stage("createReturn", json!({"stage": "switched", "reason": "up", "force": true})).await;
    let answer = house.client().await.ask("POST", "/returns", &[], b"{\"n\":1}").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(house.legacy.requests()[0].text(), "{\"n\":1}");
    let by_legacy = [("operation_id", "createReturn"), ("answered_by", "legacy")];
    assert_eq!(sample(&house.metrics().await, "parallax_requests_total", &by_legacy), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_complete_legacy_does_not_step_in() {
    let house = House::new(same("{}"), Behaviour::Refuse, OPERATION).await;
    house.stage("getReturn", json!({"stage": "complete", "reason": "done", "force": true})).await;
    let answer = house.get("/returns/1").await;
    assert_eq!((answer.status, answer.json()["side"].as_str()), (502, Some("candidate")));
    assert_eq!(house.legacy.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_byte_was_sent_legacy_is_never_asked() {
    let house = House::new(same("{}"), Behaviour::ResetAfterRequest, OPERATION).await;
    house.stage("createReturn", json!({"stage": "switched", "reason": "up", "force": true})).await;
    let answer = house.client().await.ask("POST", "/returns", &[], b"{}").await.unwrap();
    assert_eq!((answer.status, answer.json()["side"].as_str()), (502, Some("candidate")));
    assert_eq!(house.legacy.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_asks_legacy_no_more_and_goes_back_only_by_name() {
    let house = house().await;
    let mut client = house.client().await;
    house.stage("getReturn", json!({"stage": "complete", "reason": "done", "force": true})).await;
    assert_eq!(answered_by(&mut client, "").await, "candidate");
    house.at_rest("getReturn").await;
    assert_eq!(house.legacy.count(), 0);
    let all = post(house.running.control, "/api/v1/rollback", &json!({"reason": "drill"})).await;
    assert_eq!(all.status, 200);
    assert_eq!(answered_by(&mut client, "").await, "candidate");
    let named =
        post(house.running.control, "/api/v1/operations/getReturn/rollback", &json!({"reason": "drill"}))
            .await;
    assert_eq!(named.status, 200);
    assert_eq!(answered_by(&mut client, "").await, "legacy");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_is_told_who_was_first() {
    let house = house().await;
    let first = json!({"stage": "legacy", "reason": "first", "if_revision": 0});
    assert_eq!(change(&house, "getReturn", first.clone()).await.0, 200);
    let (status, problem) = change(&house, "getReturn", first).await;
    assert_eq!((status, problem["current"]["revision"].as_u64()), (409, Some(1)), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_changes_nothing() {
    let house = house().await;
    let nonsense = [
        json!({"stage": "canary", "share": "0%", "reason": "x"}),
        json!({"stage": "canary", "share": "101%", "reason": "x"}),
        json!({"stage": "canary", "reason": "x"}),
        json!({"stage": "shadow", "share": "5%", "reason": "x"}),
        json!({"stage": "onwards", "reason": "x"}),
        json!({"stage": "legacy"}),
        json!({"stage": "legacy", "reason": "x", "extra": 1}),
    ];
    for body in nonsense {
        let (status, problem) = change(&house, "getReturn", body.clone()).await;
        assert!((400..500).contains(&status), "{body}: {status} {problem}");
    }
    let (status, _) = change(&house, "getNothing", json!({"stage": "legacy", "reason": "x"})).await;
    assert_eq!(status, 404);
    assert_eq!(house.operation("getReturn").await["revision"], 0);
}
