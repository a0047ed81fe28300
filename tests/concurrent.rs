//! `when: concurrent`: the copy leaves together with its request. It never makes a client wait, there is
//! never a second one, and what it is answered counts only with a complete answer of the other.

mod support;

use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, Gate, RawClient, Reply, Step, wait_until};
use serde_json::{Value, json};
use support::{DEADLINE, GET_RETURN, House, assert_conserved, at_rest, same};

const CONCURRENT: &str = "defaults: {when: concurrent, recheck: off}\n";

async fn house(legacy: Behaviour, candidate: Behaviour) -> House {
    House::new(legacy, candidate, &format!("{CONCURRENT}{GET_RETURN}")).await
}

async fn counts(house: &House) -> Value {
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    operation["counts"].clone()
}

/// Answers when the gate is open.
fn behind(gate: &Gate) -> Behaviour {
    let gate = gate.clone();
    Behaviour::script(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        vec![Step::Await(gate.clone()), Step::Send(head.into())]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_leaves_before_the_answer_and_once() {
    let gate = Gate::new();
    let house = house(behind(&gate), same("{}")).await;
    let mut client = house.client().await;
    client.send(b"GET /returns/1?a=b HTTP/1.1\r\nHost: a\r\nX-Key: k\r\n\r\n").await.unwrap();
    wait_until(DEADLINE, "the candidate is asked", || house.candidate.count() == 1).await;
    assert_eq!(house.operation("getReturn").await["counts"]["requests"], 0, "nobody has answered");
    gate.open();
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    assert_eq!(counts(&house).await["matched"], 1);
    let copy = &house.candidate.requests()[0];
    assert_eq!((copy.target.as_str(), copy.headers.get("x-key")), ("/returns/1?a=b", Some("k")));
    assert_eq!(copy.headers.get("parallax-shadow"), Some("1"));
    assert_eq!((house.legacy.count(), house.candidate.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_found_and_a_candidate_that_hangs_holds_up_nobody() {
    let unequal = house(same("{\"n\":1}"), same("{\"n\":2}")).await;
    unequal.get("/returns/1").await;
    assert_eq!(counts(&unequal).await["unmatched"], 1);

    let legacy = FakeService::start(same("{}"));
    let candidate = FakeService::start(Behaviour::Silent);
    let configuration = format!(
        "store: 'memory://'\ncandidate: {{url: '{}', timeout: 2s}}\n{CONCURRENT}{GET_RETURN}",
        candidate.url()
    );
    let running = support::start(&legacy.url(), "", &configuration).await;
    let mut client = RawClient::connect(running.proxy).await.unwrap();
    let began = Instant::now();
    for _ in 0..20 {
        client.get("/returns/1").await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(2), "clients wait: {:?}", began.elapsed());
    let operation = at_rest(running.control, "getReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["failed"], json!({"timeout": 20}), "{operation}");
    assert_eq!(candidate.heads(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_complete_answer_there_is_no_check() {
    for broken in [Behaviour::ResetAfterRequest, Behaviour::ResetMidBody] {
        let shown = format!("{broken:?}");
        let house = house(broken, same("{}")).await;
        house.client().await.get("/returns/1").await.ok();
        let counts = counts(&house).await;
        assert_eq!(
            (&counts["skipped"], &counts["requests"]),
            (&json!({"no_answer": 1}), &json!(1)),
            "{shown}"
        );
    }
    let gate = Gate::new();
    let house = house(behind(&gate), same("{}")).await;
    let mut client = house.client().await;
    client.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    wait_until(DEADLINE, "the candidate is asked", || house.candidate.count() == 1).await;
    drop(client);
    let began = Instant::now();
    while house.operation("getReturn").await["counts"]["requests"] != json!(1) {
        assert!(began.elapsed() < DEADLINE, "the request is not counted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(counts(&house).await["skipped"], json!({"client_aborted": 1}));
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_still_has_a_head_and_a_length() {
    let operations =
        "operations: [{id: getReturn, match: 'GET /returns/{return_id}', body_limit: 1KiB}]\n".to_owned();
    let large = |status: u16, kind: &str, length: usize| {
        let body = "x".repeat(length);
        let head =
            format!("HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
        Behaviour::script(move |_| vec![Step::Send(format!("{head}{body}").into())])
    };
    let json = "application/json";
    let cases = [
        // Another status is a difference, however long the body.
        (large(200, json, 2_000), large(404, json, 3_000), json!({"unmatched": 1, "failed": {}})),
        (large(200, "text/plain", 2_000), large(200, json, 2_000), json!({"unmatched": 1, "failed": {}})),
        // More bytes than the other has are others, where no other spelling can be the same.
        (large(200, "image/x-a", 100), large(200, "image/x-a", 2_000), json!({"unmatched": 1, "failed": {}})),
        // How it goes on is not known.
        (
            large(200, json, 2_000),
            large(200, json, 2_000),
            json!({"unmatched": 0, "failed": {"too_large": 1}}),
        ),
    ];
    for (legacy, candidate, expected) in cases {
        let house = House::new(legacy, candidate, &format!("{CONCURRENT}{operations}")).await;
        house.get("/returns/1").await;
        let counts = counts(&house).await;
        assert_eq!(json!({"unmatched": counts["unmatched"], "failed": counts["failed"]}), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_body_is_copied_afterwards() {
    let gate = Gate::new();
    let operations = "operations: [{id: getReturn, match: 'PUT /returns/{return_id}', idempotent: true}]\n";
    let house = House::new(behind(&gate), same("{}"), &format!("{CONCURRENT}{operations}")).await;
    let mut client = house.client().await;
    client.send(b"PUT /returns/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    wait_until(DEADLINE, "legacy is asked", || house.legacy.count() == 1).await;
    assert_eq!(house.candidate.heads(), 0);
    gate.open();
    client.response("PUT").await.unwrap();
    assert_eq!(counts(&house).await["matched"], 1);
    assert_eq!(house.candidate.requests()[0].body, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_legacy_answers_in_the_candidates_place_the_copy_that_went_there_is_no_check() {
    let house = house(same("{}"), Behaviour::Refuse).await;
    house.stage("getReturn", json!({"stage": "switched", "reason": "up", "force": true})).await;
    assert_eq!(house.get("/returns/1").await.status, 200);
    let counts = counts(&house).await;
    // Where the copy did not leave in time, the candidate is asked the usual way, and refuses.
    let skipped = counts["skipped"] == json!({"no_answer": 1});
    assert!(skipped || counts["failed"] == json!({"refused": 1}), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_leave_at_once_leaves_afterwards_and_nothing_is_sent_twice() {
    let legacy = FakeService::start(same("{}"));
    let slow = Behaviour::answer(|_| Reply::json("{}").delay(Duration::from_millis(2)));
    let candidate = FakeService::start(slow);
    let configuration = format!(
        "store: 'memory://'\ncandidate: {{url: '{}', max_in_flight: 2}}\n{CONCURRENT}{GET_RETURN}",
        candidate.url()
    );
    let running = support::start(&legacy.url(), "", &configuration).await;
    let proxy = running.proxy;
    let clients: Vec<_> = (0..8)
        .map(|number| {
            parallax::tasks::spawn(async move {
                let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
                for turn in 0..50 {
                    client.get(&format!("/returns/{number}-{turn}")).await.expect("an answer");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let operation = at_rest(running.control, "getReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["matched"], 400, "{operation}");
    let mut targets: Vec<_> = candidate.requests().into_iter().map(|request| request.target).collect();
    targets.sort();
    targets.dedup();
    assert_eq!((targets.len(), candidate.count(), legacy.count()), (400, 400, 400));
}
