//! Rollback: by itself where the candidate fails clients, and by hand for the very next request, under
//! load. And the other ways to be answered by a side: a plan's steps, a tester's header, a cookie that
//! parallax sets.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, RawClient, RawResponse, Reply, Step};
use serde_json::{Value, json};
use support::{DEADLINE, GET_RETURN, House, assert_conserved, post};

/// What a tester says who wants the candidate.
const SECRET: &str = "0123456789-tester candidate";

fn answers(side: &'static str) -> Behaviour {
    Behaviour::always(Reply::json(side))
}

/// A candidate that answers until it fails every request.
fn failing(fails: &Arc<AtomicBool>) -> Behaviour {
    let fails = Arc::clone(fails);
    Behaviour::script(move |_| {
        let head = if fails.load(Ordering::Relaxed) { "500 Internal Server Error" } else { "200 OK" };
        let answer =
            format!("HTTP/1.1 {head}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
        vec![Step::Send(answer.into())]
    })
}

async fn ask(client: &mut RawClient, target: &str, field: (&str, &str)) -> RawResponse {
    client.ask("GET", target, &[field], b"").await.expect("an answer")
}

/// Sends this many requests a second over `connections`, each with the name of another client, until it
/// is told to stop. Gives every status that was none of 200.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    bad: Arc<AtomicU32>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(proxy: SocketAddr, per_second: u32, clients: u32, target: fn(u32) -> String) -> Self {
        const CONNECTIONS: u32 = 16;
        let (stop, sent, bad): (Arc<AtomicBool>, Arc<AtomicU32>, Arc<AtomicU32>) = Default::default();
        let task = |number: u32| {
            let (stop, sent, bad) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&bad));
            parallax::tasks::spawn(async move {
                let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
                let mut beat = tokio::time::interval(Duration::from_secs(1) * CONNECTIONS / per_second);
                while !stop.load(Ordering::Relaxed) {
                    beat.tick().await;
                    let turn = sent.fetch_add(1, Ordering::Relaxed);
                    let customer = format!("customer-{}", (turn * 7 + number) % clients);
                    let answer = ask(&mut client, &target(turn), ("x-customer", &customer)).await;
                    bad.fetch_add(u32::from(answer.status != 200), Ordering::Relaxed);
                }
            })
        };
        let tasks = (0..CONNECTIONS).map(task).collect();
        Self { stop, sent, bad, tasks }
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until this many more were sent.
    async fn go_on_for(&self, requests: u32) {
        let (from, began) = (self.sent(), Instant::now());
        while self.sent() < from + requests {
            assert!(began.elapsed() < DEADLINE, "the load is stuck");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The requests that were sent, and the bad ones.
    async fn stop(self) -> (u32, u32) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a client");
        }
        (self.sent.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed))
    }
}

async fn until_in(house: &House, id: &str, stage: &str) -> Value {
    let began = Instant::now();
    loop {
        let operation = house.operation(id).await;
        if operation["stage"] == stage {
            return operation;
        }
        assert!(began.elapsed() < DEADLINE, "never in {stage}: {operation}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn last_change(house: &House) -> Value {
    let audit: Value = serde_json::from_str(&house.control("/api/v1/audit").await).expect("an audit");
    audit[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_fails_its_share_of_the_clients_is_rolled_back_by_itself() {
    let fails: Arc<AtomicBool> = Arc::default();
    let configuration = format!("sticky: {{header: x-customer}}\n{GET_RETURN}");
    let house = House::new(Behaviour::always(Reply::json("{}")), failing(&fails), &configuration).await;
    let canary = json!({"stage": "canary", "share": "25%", "reason": "first customers", "force": true});
    house.stage("getReturn", canary).await;

    let load = Load::start(house.running.proxy, 500, 1_000, |turn| format!("/returns/{turn}"));
    load.go_on_for(1_000).await;
    assert_eq!(house.operation("getReturn").await["stage"], "canary");
    assert_eq!(load.bad.load(Ordering::Relaxed), 0);
    fails.store(true, Ordering::Relaxed);
    until_in(&house, "getReturn", "shadow").await;
    load.go_on_for(500).await;
    let (sent, bad) = load.stop().await;
    println!("clients that saw an error until the candidate was taken back: {bad} of {sent} requests");
    assert!((8..=30).contains(&bad), "{bad} of {sent}");

    let change = last_change(&house).await;
    assert_eq!((&change["who"], &change["automatic"]), (&json!("parallax"), &json!(true)), "{change}");
    assert_eq!((&change["from"], &change["to"]), (&json!("canary"), &json!("shadow")));
    assert!(change["reason"].as_str().expect("a reason").starts_with("the candidate failed "), "{change}");
    assert!(change["evidence"]["excess"]["candidate"]["bad"].as_u64() >= Some(8), "{change}");
    assert_conserved(&house.at_rest("getReturn").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_switched_too_unless_it_is_off() {
    for (key, expected) in [("", "shadow"), (", rollback_when: off", "switched")] {
        let operations = format!(
            "operations: [{{id: getReturn, match: 'GET /returns/{{return_id}}', recheck: off{key}}}]\n"
        );
        let fails: Arc<AtomicBool> = Arc::default();
        let house = House::new(answers("legacy"), failing(&fails), &operations).await;
        house.stage("getReturn", json!({"stage": "switched", "reason": "all of them", "force": true})).await;
        let mut client = house.client().await;
        for number in 0..200 {
            assert_eq!(client.get(&format!("/returns/{number}")).await.expect("an answer").status, 200);
        }
        fails.store(true, Ordering::Relaxed);
        let mut errors = 0;
        for number in 0..200 {
            errors +=
                u32::from(client.get(&format!("/returns/{number}")).await.expect("an answer").status != 200);
        }
        assert_eq!(house.operation("getReturn").await["stage"], expected);
        assert_eq!(errors == 200, expected == "switched", "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_becomes_slow_is_taken_back_too() {
    let slow: Arc<AtomicBool> = Arc::default();
    let candidate = {
        let slow = Arc::clone(&slow);
        Behaviour::script(move |_| {
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            let pause = Duration::from_secs(2) * u32::from(slow.load(Ordering::Relaxed));
            vec![Step::Pause(pause), Step::Send(answer.into())]
        })
    };
    let house = House::new(Behaviour::always(Reply::json("{}")), candidate, GET_RETURN).await;
    let mut client = house.client().await;
    for number in 0..150 {
        client.get(&format!("/returns/{number}")).await.expect("an answer");
    }
    // Until the watch has learnt what legacy takes.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    house.stage("getReturn", json!({"stage": "switched", "reason": "all of them", "force": true})).await;
    let load = Load::start(house.running.proxy, 200, 100, |turn| format!("/returns/{turn}"));
    load.go_on_for(200).await;
    assert_eq!(house.operation("getReturn").await["stage"], "switched");
    slow.store(true, Ordering::Relaxed);
    until_in(&house, "getReturn", "shadow").await;
    let (_, bad) = load.stop().await;
    assert_eq!(bad, 0);
    let reason = last_change(&house).await["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("the candidate was slow in "), "{reason}");
}

/// The head is good and the body is not, also where no check keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_off_are_errors_whether_they_are_checked_or_not() {
    for method in ["GET", "POST"] {
        let operations =
            format!("operations: [{{id: getReturn, match: '{method} /returns/{{id}}', recheck: off}}]\n");
        let house = House::new(answers("{}"), Behaviour::ResetMidBody, &operations).await;
        house.stage("getReturn", json!({"stage": "switched", "reason": "all of them", "force": true})).await;
        for number in 0..60 {
            let mut client = house.client().await;
            client.ask(method, &format!("/returns/{number}"), &[], b"").await.ok();
        }
        until_in(&house, "getReturn", "shadow").await;
        assert_eq!(last_change(&house).await["automatic"], true, "{method}");
    }
}

/// One of two hundred is rolled back under two thousand requests a second.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_after_a_rollback_is_answered_by_legacy_and_none_fails() {
    let operations: String =
        (0..200).map(|number| format!("  - {{id: op{number}, match: 'GET /op{number}/{{id}}'}}\n")).collect();
    let house =
        House::new(answers("legacy"), answers("candidate"), &format!("operations:\n{operations}")).await;
    for number in [7, 8] {
        let switched = json!({"stage": "switched", "reason": "all of them", "force": true});
        house.stage(&format!("op{number}"), switched).await;
    }
    let load = Load::start(house.running.proxy, 2_000, 100, |turn| format!("/op{}/{turn}", turn % 200));
    load.go_on_for(500).await;
    let mut client = house.client().await;
    assert_eq!(client.get("/op7/1").await.expect("an answer").text(), "candidate");
    let began = Instant::now();
    let answer =
        post(house.running.control, "/api/v1/operations/op7/rollback", &json!({"reason": "now"})).await;
    let took = began.elapsed();
    assert_eq!(client.get("/op7/2").await.expect("an answer").text(), "legacy", "the very next request");
    assert_eq!(client.get("/op8/1").await.expect("an answer").text(), "candidate", "no other is touched");
    assert_eq!(answer.status, 200);
    load.go_on_for(500).await;
    let (sent, bad) = load.stop().await;
    println!("{sent} requests, {bad} failed; from the call to its 200: {took:?}");
    assert_eq!(bad, 0);
    assert!(took < Duration::from_secs(1), "{took:?}, ten times what is promised");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_without_a_share_takes_the_next_step_of_the_plan() {
    let house = House::new(answers("legacy"), answers("candidate"), GET_RETURN).await;
    for share in ["1%", "5%", "25%"] {
        house.stage("getReturn", json!({"stage": "canary", "reason": "a step", "force": true})).await;
        assert_eq!(house.operation("getReturn").await["share"], share);
    }
    let next = json!({"stage": "canary", "reason": "a step", "force": true});
    let refused = post(house.running.control, "/api/v1/operations/getReturn/stage", &next).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("no step of canary after canary 25%"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_on_by_itself_while_the_operation_is_ready_and_ends_in_switched() {
    let operations = "defaults: {canary: {steps: [50%, 100%], hold: 50ms, auto: true}, min_checks: 1, confidence: off, latency_limit: off}\n\
        operations: [{id: ready, match: GET /ready}, {id: not, match: GET /not}]\n";
    let house = House::new(answers("{}"), answers("{}"), operations).await;
    let mut client = house.client().await;
    for number in 0..20 {
        client.get(&format!("/ready?{number}")).await.expect("an answer");
    }
    house.at_rest("ready").await;
    house.stage("ready", json!({"stage": "canary", "reason": "begin"})).await;
    house.stage("not", json!({"stage": "canary", "reason": "begin", "force": true})).await;
    until_in(&house, "ready", "switched").await;
    assert_eq!(house.operation("not").await["share"], "50%", "it is not ready");
    let audit = house.control("/api/v1/audit?operation_id=ready").await;
    let audit: Value = serde_json::from_str(&audit).expect("an audit");
    let changes = audit.as_array().expect("changes").iter().rev();
    let way: Vec<Value> =
        changes.map(|change| json!([change["to"], change["share"], change["automatic"]])).collect();
    let expected = json!([["canary", "50%", false], ["canary", "100%", true], ["switched", null, true]]);
    assert_eq!(json!(way), expected);
    let reason = audit[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("step 2 of 2") && reason.contains("is ready"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_secret_chooses_the_side_and_no_side_sees_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "0123456789-tester").expect("a file");
    let configuration =
        format!("tester: {{header: x-tester, secret: 'file:{}'}}\n{GET_RETURN}", secret.display());
    let house = House::new(answers("legacy"), answers("candidate"), &configuration).await;
    let mut client = house.client().await;
    let mut asked =
        async |value: &str| ask(&mut client, "/returns/1", ("X-Tester", value)).await.text().to_owned();
    assert_eq!(asked("0123456789-tester candidate").await, "candidate");
    assert_eq!(asked("0123456789-tester legacy").await, "legacy");
    assert_eq!(asked("0123456789-testes candidate").await, "legacy", "a wrong secret is none");
    assert_eq!(asked("candidate").await, "legacy");
    house.stage("getReturn", json!({"stage": "switched", "reason": "all of them", "force": true})).await;
    assert_eq!(asked("0123456789-tester legacy").await, "legacy");
    assert_eq!(asked("nothing").await, "candidate");
    ask(&mut client, "/of-no-operation", ("X-Tester", "0123456789-tester candidate")).await;
    house.at_rest("getReturn").await;
    for side in [&house.legacy, &house.candidate] {
        assert!(side.requests().iter().all(|request| request.headers.get("x-tester").is_none()));
    }
    let check = json!({
        "request": {"method": "GET", "url": {"path": "/returns/1"}, "headers": {"X-Tester": SECRET}},
        "response": {"status": 200, "headers": {}, "body": "posted"},
    });
    assert_eq!(post(house.running.control, "/consistency-checks", &check).await.status, 202);
    house.at_rest("getReturn").await;
    assert!(house.candidate.requests().iter().all(|request| request.headers.get("x-tester").is_none()));
    let faults: Value = serde_json::from_str(&house.control("/api/v1/operations/getReturn/signatures").await)
        .expect("faults");
    let mut samples = 0;
    for fault in faults.as_array().expect("a list") {
        let id = fault["id"].as_str().expect("an id");
        let fault = house.control(&format!("/api/v1/signatures/{id}")).await;
        assert!(!fault.to_lowercase().contains("x-tester\":\"0") && !fault.contains(SECRET), "{fault}");
        samples += fault.matches("\"request\"").count();
    }
    assert!(samples > 0, "there is something to look at: {faults}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_cookie_is_given_one_and_stays_on_its_side() {
    let configuration = format!("sticky: {{cookie: plx, set: true}}\n{GET_RETURN}");
    let house = House::new(answers("legacy"), answers("candidate"), &configuration).await;
    let mut client = house.client().await;
    let given = |answer: &RawResponse| answer.headers.get("set-cookie").map(str::to_owned);
    assert_eq!(given(&client.get("/returns/1").await.expect("an answer")), None, "in shadow nobody needs it");
    house
        .stage("getReturn", json!({"stage": "canary", "share": "50%", "reason": "half", "force": true}))
        .await;
    let (mut on_candidate, mut clients) = (0, 0);
    while clients < 200 {
        let first = client.get("/returns/1").await.expect("an answer");
        assert_eq!(first.text(), "legacy", "without a key");
        let cookie = given(&first).expect("a cookie");
        assert!(cookie.starts_with("plx=") && cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
        let pair = cookie.split(';').next().expect("a pair");
        let second = ask(&mut client, "/returns/1", ("Cookie", pair)).await;
        assert_eq!(given(&second), None, "it has one");
        for _ in 0..2 {
            assert_eq!(ask(&mut client, "/returns/2", ("Cookie", pair)).await.text(), second.text());
        }
        on_candidate += u32::from(second.text() == "candidate");
        clients += 1;
    }
    assert!((60..=140).contains(&on_candidate), "{on_candidate} of {clients}");
    let public = House::new(
        Behaviour::always(Reply::json("{}").header("cache-control", "public, max-age=60")),
        answers("{}"),
        &configuration,
    )
    .await;
    public
        .stage("getReturn", json!({"stage": "canary", "share": "50%", "reason": "half", "force": true}))
        .await;
    assert_eq!(given(&public.get("/returns/1").await), None, "many clients would share it");
}
