//! The article's three outcomes, and the reason for each failure.

mod support;

use std::time::Duration;

use parallax_testkit::Behaviour;
use serde_json::{Value, json};
use support::{GET_RETURN, House, assert_conserved, same};

/// Asks once with a candidate that behaves so, and gives the counts.
async fn counts(legacy: Behaviour, candidate: Behaviour) -> Value {
    let configuration = format!("{GET_RETURN}defaults: {{recheck: off}}\n");
    let house = House::new(legacy, candidate, &configuration).await;
    house.get("/returns/1").await;
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    operation["counts"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_503_on_both_sides_is_no_evidence() {
    let counts = counts(Behaviour::Status(503), Behaviour::Status(503)).await;
    assert_eq!(counts["failed"], json!({"both_5xx": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_against_a_200_is_a_mismatch_both_ways() {
    assert_eq!(counts(Behaviour::Status(503), same("{}")).await["unmatched"], 1);
    assert_eq!(counts(same("{}"), Behaviour::Status(503)).await["unmatched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_status_is_a_mismatch() {
    assert_eq!(counts(Behaviour::Status(201), Behaviour::Status(200)).await["unmatched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_compared_and_never_followed() {
    let configuration = format!("{GET_RETURN}defaults: {{recheck: off}}\n");
    let house = House::new(same("{}"), Behaviour::Redirect("/elsewhere".into()), &configuration).await;
    house.get("/returns/1").await;
    assert_eq!(house.at_rest("getReturn").await["counts"]["unmatched"], 1);
    assert_eq!(house.candidate.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_without_a_complete_answer_fails_the_check_with_its_reason() {
    let faults = [
        (Behaviour::Refuse, "refused"),
        (Behaviour::ResetAtConnect, "reset"),
        (Behaviour::ResetAfterRequest, "reset"),
        (Behaviour::ResetMidBody, "reset"),
        (Behaviour::FinMidBody, "reset"),
        (Behaviour::FinMidChunk, "reset"),
        (Behaviour::Garbage, "protocol"),
    ];
    for (fault, reason) in faults {
        let shown = format!("{fault:?}");
        let counts = counts(same("{}"), fault).await;
        assert_eq!(counts["failed"], json!({reason: 1}), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_takes_too_long_is_a_timeout() {
    let slow = [Behaviour::Silent, Behaviour::HangAfterHead, Behaviour::Drip(Duration::from_secs(1))];
    for fault in slow {
        let shown = format!("{fault:?}");
        let legacy = parallax_testkit::FakeService::start(same("{}"));
        let candidate = parallax_testkit::FakeService::start(fault);
        let configuration = format!(
            "store: 'memory://'\ncandidate: {{url: '{}', timeout: 200ms}}\n{GET_RETURN}",
            candidate.url()
        );
        let running = support::start(&legacy.url(), "", &configuration).await;
        let mut client = parallax_testkit::RawClient::connect(running.proxy).await.unwrap();
        client.get("/returns/1").await.unwrap();
        let operation = support::at_rest(running.control, "getReturn").await;
        assert_eq!(operation["counts"]["failed"], json!({"timeout": 1}), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_given_up_at_the_limit() {
    for fault in [Behaviour::EndlessBody, Behaviour::EndlessChunks] {
        let shown = format!("{fault:?}");
        let counts = counts(same("{}"), fault).await;
        assert_eq!(
            counts["unmatched"].as_u64().unwrap() + counts["failed"]["too_large"].as_u64().unwrap_or(0),
            1,
            "{shown}: {counts}"
        );
    }
}
