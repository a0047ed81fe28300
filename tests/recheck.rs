//! After a mismatch both sides are asked again: what moved is stale, what differs from itself is flaky,
//! and a fault stays one, however rarely it shows.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parallax_testkit::{Behaviour, FakeService, Gate, RawClient, Recorded, Reply, Step, wait_until};
use serde_json::{Value, json};
use support::process::Process;
use support::{
    DEADLINE, GET_RETURN, House, assert_all_shown, assert_conserved, at_rest, operation, same, sample,
};

/// Soon, and as often as these tests need.
const SOON: &str = "defaults: {recheck: {after: 50ms, rate: 1000/s}}\n";

fn rechecked(configuration: &str) -> String {
    format!("{configuration}{GET_RETURN}")
}

fn is_recheck(request: &Recorded) -> bool {
    request.headers.get("parallax-recheck") == Some("1")
}

/// One answer to clients and first copies, another to rechecks.
fn then(first: &'static str, second: &'static str) -> Behaviour {
    Behaviour::answer(move |request| Reply::json(if is_recheck(request) { second } else { first }))
}

/// An answer as it is on the wire.
fn raw(status: u16, body: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
    vec![Step::Send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into())]
}

/// Another number each time.
fn counting(from: u64) -> Behaviour {
    let number = AtomicU64::new(from);
    Behaviour::answer(move |_| {
        Reply::json(format!("{{\"id\": {}, \"a\": 1}}", number.fetch_add(1, Ordering::Relaxed)))
    })
}

/// Asks once and gives the operation at rest.
async fn once(house: &House) -> Value {
    house.get("/returns/1").await;
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    operation
}

async fn signatures(house: &House) -> Value {
    let text = house.control("/api/v1/operations/getReturn/signatures?suggest=true").await;
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_moved_between_the_two_answers_is_stale() {
    let house = House::new(then("{\"n\":1}", "{\"n\":2}"), same("{\"n\":2}"), &rechecked(SOON)).await;
    let operation = once(&house).await;
    assert_eq!(operation["counts"]["failed"], json!({"stale": 1}), "{operation}");
    assert_eq!(operation["counts"]["unmatched"], 0);
    assert_eq!(operation["recheck"]["counts"], json!({"stale": 1}));
    assert_eq!(operation["recheck"]["shares"], json!({"stale": 1.0}));
    assert_eq!(signatures(&house).await, json!([]), "moved data is no fault, and no noise");
    let metrics = house.metrics().await;
    let labels = [("operation_id", "getReturn"), ("result", "stale")];
    assert_eq!(sample(&metrics, "parallax_rechecks_total", &labels), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_second_request_is_marked_and_the_client_sees_none_of_it() {
    let house = House::new(same("{\"n\":1}"), same("{\"n\":2}"), &rechecked(SOON)).await;
    let mut client = house.client().await;
    let fields = [("parallax-recheck", "1"), ("X-Key", "k")];
    assert_eq!(client.ask("GET", "/returns/7?x=1", &fields, b"").await.unwrap().text(), "{\"n\":1}");
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["unmatched"], 1);
    assert_eq!(operation["recheck"]["counts"], json!({"confirmed": 1}));
    let marks = |side: &FakeService| -> Vec<(bool, bool)> {
        let asked = side.requests();
        assert!(asked.iter().all(|request| request.target == "/returns/7?x=1"));
        assert!(asked.iter().all(|request| request.headers.get("x-key") == Some("k")));
        asked
            .iter()
            .map(|request| (request.headers.get("parallax-shadow").is_some(), is_recheck(request)))
            .collect()
    };
    assert_eq!(marks(&house.legacy), [(false, false), (true, true)]);
    assert_eq!(marks(&house.candidate), [(true, false), (true, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_field_is_flaky_and_a_rule_is_suggested_and_never_made() {
    let house = House::new(counting(0), counting(1000), &rechecked(SOON)).await;
    let operation = once(&house).await;
    assert_eq!(operation["counts"]["failed"], json!({"flaky": 1}), "{operation}");
    let found = signatures(&house).await;
    assert_eq!((&found[0]["path"], &found[0]["noise"]), (&json!("$.body.id"), &json!(1)), "{found}");
    assert_eq!(found[0]["count"], 0, "no fault");
    let yaml: Vec<&str> =
        found[0]["suggestions"].as_array().unwrap().iter().filter_map(|one| one["yaml"].as_str()).collect();
    assert!(yaml.contains(&"- {at: \"$.body.id\", ignore: true}"), "{yaml:?}");
    let path = format!("/api/v1/signatures/{}", found[0]["id"].as_str().unwrap());
    let triaged: Value = serde_json::from_str(&house.control(&path).await).unwrap();
    let kept = &triaged["samples"][0];
    assert_eq!((&kept["outcome"], &kept["reason"]), (&json!("failed"), &json!("flaky")));
    let page = house.control("/operations/getReturn").await;
    assert!(page.contains("noise 1"), "{page}");

    let accepted = format!("defaults: {{compare: [{}]}}\n", yaml.last().unwrap().trim_start_matches("- "));
    let house = House::new(counting(0), counting(1000), &rechecked(&accepted)).await;
    assert_eq!(once(&house).await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_beside_a_random_field_is_still_a_fault() {
    let wrong = AtomicU64::new(0);
    let candidate = Behaviour::answer(move |_| {
        Reply::json(format!("{{\"id\": {}, \"a\": 2}}", 5000 + wrong.fetch_add(1, Ordering::Relaxed)))
    });
    let house = House::new(counting(0), candidate, &rechecked(SOON)).await;
    let operation = once(&house).await;
    assert_eq!(operation["counts"]["unmatched"], 1, "{operation}");
    assert_eq!(operation["recheck"]["counts"], json!({"confirmed": 1}));
    let found = signatures(&house).await;
    let noise: Vec<_> = found.as_array().unwrap().iter().map(|one| (&one["path"], &one["noise"])).collect();
    assert!(noise.contains(&(&json!("$.body.a"), &json!(0))), "{found}");
    assert!(noise.contains(&(&json!("$.body.id"), &json!(1))), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_legacy_instance_shows_noise_that_one_alone_does_not() {
    let secondary = FakeService::start(same("{\"node\":\"b\",\"a\":1}"));
    let configuration = format!("secondary: '{}'\n{SOON}{GET_RETURN}", secondary.url());
    let candidate = same("{\"node\":\"c\",\"a\":2}");
    let house = House::new(same("{\"node\":\"a\",\"a\":1}"), candidate, &configuration).await;
    let operation = once(&house).await;
    assert_eq!(operation["counts"]["unmatched"], 1, "it changes no outcome: {operation}");
    assert_eq!(operation["recheck"]["counts"], json!({"confirmed": 1}));
    let found = signatures(&house).await;
    let noise: Vec<_> = found.as_array().unwrap().iter().map(|one| (&one["path"], &one["noise"])).collect();
    assert!(noise.contains(&(&json!("$.body.node"), &json!(1))), "{found}");
    assert!(noise.contains(&(&json!("$.body.a"), &json!(0))), "{found}");
    assert!(secondary.requests().iter().all(is_recheck));
    assert_eq!((secondary.count(), house.legacy.count(), house.candidate.count()), (1, 2, 2));
    secondary.behave(Behaviour::Refuse);
    house.get("/returns/2").await;
    assert_eq!(house.at_rest("getReturn").await["recheck"]["counts"], json!({"confirmed": 2}));
}

/// Wrong in one of twenty calls, by the seed.
fn sometimes_wrong(seed: u64) -> Behaviour {
    let state = AtomicU64::new(seed);
    Behaviour::answer(move |_| {
        let step =
            |now: u64| now.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before = state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(step(now)));
        let is_wrong = (step(before.expect("always")) >> 33) % 20 == 0;
        Reply::json(if is_wrong { "{\"n\":2}" } else { "{\"n\":1}" })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_wrong_at_random_is_unmatched_and_never_stale() {
    const CALLS: usize = 1500;
    let soon = "defaults: {recheck: {after: 5ms, rate: 1000/s}}\n";
    let house = House::new(same("{\"n\":1}"), sometimes_wrong(42), &rechecked(soon)).await;
    let mut client = house.client().await;
    for _ in 0..CALLS {
        client.get("/returns/1").await.unwrap();
    }
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["failed"], json!({}), "{operation}");
    let of = |finding: &str| operation["recheck"]["counts"][finding].as_u64().unwrap_or(0);
    let unmatched = operation["counts"]["unmatched"].as_u64().unwrap();
    assert_eq!(of("unstable") + of("confirmed") + of("unconfirmed"), unmatched);
    // One in twenty: 75 of 1,500, with a standard deviation of 8.4.
    assert!((30..120).contains(&unmatched), "{operation}");
    assert!(of("unstable") > unmatched / 2, "{operation}");
    let advice = operation["recheck"]["advice"].to_string();
    assert!(advice.contains("of the mismatches are unstable"), "{advice}");
    let page = house.control("/operations/getReturn").await;
    for words in ["Mismatches, asked again", "of the mismatches are unstable"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let found = signatures(&house).await;
    assert_eq!((&found[0]["count"], &found[0]["noise"]), (&json!(unmatched), &json!(0)));
    let path = format!("/api/v1/signatures/{}", found[0]["id"].as_str().unwrap());
    let kept: Value = serde_json::from_str(&house.control(&path).await).unwrap();
    let marks = kept["samples"].as_array().unwrap().iter().map(|report| report["recheck"].as_str());
    assert!(marks.into_iter().all(|mark| matches!(mark, Some("unstable" | "confirmed"))), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_rate_nobody_is_asked_again() {
    let configuration = rechecked("defaults: {recheck: {after: 10ms, rate: 5/h}}\n");
    let house = House::new(same("{\"n\":1}"), same("{\"n\":2}"), &configuration).await;
    let mut client = house.client().await;
    for _ in 0..200 {
        client.get("/returns/1").await.unwrap();
    }
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["unmatched"], 200, "{operation}");
    assert_eq!(operation["recheck"]["counts"], json!({"confirmed": 5, "unconfirmed": 195}));
    assert_eq!(house.legacy.requests().iter().filter(|request| is_recheck(request)).count(), 5);
    assert_eq!((house.legacy.count(), house.candidate.count()), (205, 205));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_side_never_gets_more_than_the_rate_in_any_second() {
    const RATE: usize = 20;
    let configuration = rechecked("defaults: {recheck: {after: 200ms, rate: 20/s}}\n");
    let house = House::new(same("{\"n\":1}"), same("{\"n\":2}"), &configuration).await;
    let mut client = house.client().await;
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        client.get("/returns/1").await.unwrap();
    }
    assert_conserved(&house.at_rest("getReturn").await);
    let asked: Vec<_> =
        house.legacy.requests().iter().filter(|request| is_recheck(request)).map(|one| one.at).collect();
    assert!(asked.len() >= 2 * RATE, "the rate is used: {}", asked.len());
    // They are noted where they arrive, which may be later for one than for the next.
    let second = Duration::from_millis(900);
    for (at, from) in asked.iter().enumerate() {
        let within = asked[at..].iter().filter(|one| one.duration_since(*from) < second).count();
        assert!(within <= RATE, "{within} in a second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_get_and_head_are_asked_again() {
    let operations = "operations: [{id: getReturn, match: 'POST /returns/{return_id}', idempotent: true}]\n";
    let house = House::new(same("{\"n\":1}"), same("{\"n\":2}"), &format!("{SOON}{operations}")).await;
    house.client().await.ask("POST", "/returns/1", &[], b"x").await.unwrap();
    let operation = house.at_rest("getReturn").await;
    assert_eq!((&operation["counts"]["unmatched"], &operation["recheck"]["counts"]), (&json!(1), &json!({})));
    assert_eq!((house.legacy.count(), house.candidate.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_answers_that_prove_nothing_leave_it_unconfirmed() {
    let fault = |fault: fn() -> Vec<Step>| {
        Behaviour::script(move |request| if is_recheck(request) { fault() } else { raw(200, "{\"n\":1}") })
    };
    let reset = || vec![Step::Reset];
    let unavailable = || raw(503, "{}");
    for legacy in [fault(reset), fault(unavailable)] {
        let house = House::new(legacy, same("{\"n\":2}"), &rechecked(SOON)).await;
        let operation = once(&house).await;
        assert_eq!(operation["counts"]["unmatched"], 1, "{operation}");
        assert_eq!(operation["recheck"]["counts"], json!({"unconfirmed": 1}));
        assert_eq!(house.legacy.count(), 2, "nobody is asked a third time");
    }
    let house = House::new(same("{\"n\":2}"), fault(reset), &rechecked(SOON)).await;
    assert_eq!(once(&house).await["recheck"]["counts"], json!({"unconfirmed": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_the_side_that_answered_is_the_truth() {
    let house = House::new(same("{\"n\":2}"), then("{\"n\":1}", "{\"n\":2}"), &rechecked(SOON)).await;
    house.stage("getReturn", json!({"stage": "switched", "reason": "up", "force": true})).await;
    let operation = once(&house).await;
    assert_eq!(operation["counts"]["failed"], json!({"stale": 1}), "the candidate's data moved: {operation}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_waits_is_in_flight_and_the_drain_counts_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{\"a\":1}")), FakeService::start(same("{\"a\":2}")));
    let configuration = rechecked("defaults: {recheck: {after: 1h}}\n");
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), &configuration);
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    for _ in 0..3 {
        client.get("/returns/1").await.unwrap();
    }
    wait_until(DEADLINE, "the copies are sent", || candidate.count() == 3).await;
    let waiting = operation(process.control, "getReturn").await;
    assert_conserved(&waiting);
    assert_eq!((&waiting["counts"]["in_flight"], &waiting["counts"]["unmatched"]), (&json!(3), &json!(0)));

    process.terminate();
    process.start_again();
    let after = operation(process.control, "getReturn").await;
    assert_conserved(&after);
    assert_eq!(
        (&after["counts"]["requests"], &after["counts"]["unmatched"]),
        (&json!(3), &json!(3)),
        "{after}"
    );
    assert_eq!(after["recheck"]["counts"], json!({"unconfirmed": 3}), "it survives the restart");
    assert_eq!((legacy.count(), candidate.count()), (3, 3));

    RawClient::connect(process.proxy).await.unwrap().get("/returns/1").await.unwrap();
    wait_until(DEADLINE, "the copy is sent", || candidate.count() == 4).await;
    process.kill_and_restart();
    let killed = at_rest(process.control, "getReturn").await;
    assert_conserved(&killed);
    assert_eq!(killed["counts"]["requests"], 3, "a request is written together with its fate: {killed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recheck_that_the_drain_cuts_off_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let legacy = FakeService::start(Behaviour::script(|request| {
        if is_recheck(request) { vec![Step::Hang] } else { raw(200, "{\"n\":1}") }
    }));
    let candidate = FakeService::start(same("{\"n\":2}"));
    let configuration = rechecked(&format!("drain: {{deadline: 1s}}\n{SOON}"));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), &configuration);
    RawClient::connect(process.proxy).await.unwrap().get("/returns/1").await.unwrap();
    wait_until(DEADLINE, "legacy is asked again", || legacy.heads() == 2).await;
    process.terminate();
    process.start_again();
    let after = operation(process.control, "getReturn").await;
    assert_conserved(&after);
    assert_all_shown(&after);
    assert_eq!(
        (&after["counts"]["requests"], &after["counts"]["unmatched"]),
        (&json!(1), &json!(1)),
        "{after}"
    );
    assert_eq!(after["recheck"]["counts"], json!({"unconfirmed": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recheck_that_hangs_holds_up_nobody_and_ends_with_the_sides_patience() {
    let release = Gate::new();
    let gate = release.clone();
    let asked = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&asked);
    let legacy = Behaviour::script(move |request| {
        let mut steps = Vec::new();
        if is_recheck(request) {
            seen.fetch_add(1, Ordering::Relaxed);
            steps.push(Step::Await(gate.clone()));
        }
        steps.extend(raw(200, "{\"n\":1}"));
        steps
    });
    let house = House::new(legacy, then("{\"n\":2}", "{\"n\":1}"), &rechecked(SOON)).await;
    house.get("/returns/1").await;
    wait_until(DEADLINE, "legacy is asked again", || asked.load(Ordering::Relaxed) == 1).await;
    house.get("/returns/2").await;
    let during = house.operation("getReturn").await;
    assert_conserved(&during);
    release.open();
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["recheck"]["counts"], json!({"unstable": 2}), "{operation}");
}
