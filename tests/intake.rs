//! `POST /consistency-checks`: what is accepted, what is refused and how that is said, and that each
//! accepted check ends once and is counted once.

mod support;

use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, RawClient, RawResponse, Reply, wait_until};
use serde_json::{Value, json};
use support::{DEADLINE, House, assert_conserved, post, same, sample};

const OPERATIONS: &str = "
operations:
  - {id: getReturn, match: 'GET /returns/{return_id}', recheck: off}
  - {id: putReturn, match: 'PUT /returns/{return_id}'}
  - {id: postSearch, match: 'POST /search', idempotent: true, body_limit: 1KiB}
";

const CHECKS: &str = "/consistency-checks";

fn payload(path: &str, answer: &str) -> Value {
    json!({
        "request": {"method": "GET", "url": {"path": path}, "headers": {"Accept": "*/*"}, "body": null},
        "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": answer},
    })
}

fn with(mut payload: Value, name: &str, value: impl Into<Value>) -> Value {
    payload[name] = value.into();
    payload
}

impl House {
    async fn check(&self, body: &Value) -> RawResponse {
        post(self.running.control, CHECKS, body).await
    }

    async fn check_raw(&self, fields: &[(&str, &str)], body: &[u8]) -> RawResponse {
        let mut client = RawClient::connect(self.running.control).await.expect("the control listener");
        client.ask("POST", CHECKS, fields, body).await.expect("an answer")
    }

    /// The check at this place, once it is done.
    async fn done(&self, location: &str) -> Value {
        let began = Instant::now();
        loop {
            let mut client = RawClient::connect(self.running.control).await.expect("the control listener");
            let answer = client.get(location).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            let check = answer.json();
            if check["state"] == "done" {
                return check;
            }
            assert_eq!(check["state"], "pending");
            assert!(began.elapsed() < DEADLINE, "never done: {check}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn location(answer: &RawResponse) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.headers.get("location").expect("a location").to_owned()
}

fn field(answer: &RawResponse) -> (u16, String) {
    assert_eq!(answer.headers.get("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], json!(answer.status));
    (answer.status, problem["field"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_check_is_run_against_the_candidate_and_counted_once() {
    let house = House::new(same("{}"), same("{\"a\":1}"), OPERATIONS).await;
    let matched = house.check(&payload("returns/7?x=y", "{\"a\": 1}")).await;
    let done = house.done(&location(&matched)).await;
    assert_eq!(done["operation_id"], "getReturn");
    assert_eq!((&done["outcome"], &done["reason"]), (&json!("matched"), &Value::Null));
    assert_eq!(done["id"], matched.json()["id"]);

    let unmatched = house.check(&payload("/returns/8", "{\"a\":\"a secret\"}")).await;
    let done = house.done(&location(&unmatched)).await;
    assert_eq!(done["outcome"], "unmatched");
    let differences = done["differences"].as_array().expect("differences");
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0]["path"], "$.body.a");
    assert!(!done.to_string().contains("a secret"), "values are redacted: {done}");

    let asked = house.candidate.requests();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].target, "/returns/7?x=y");
    assert_eq!(asked[0].headers.get("parallax-shadow"), Some("1"));
    assert_eq!(asked[0].headers.get("accept"), Some("*/*"));
    assert_eq!(house.legacy.count(), 0, "legacy has answered already");
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    let counts = &operation["counts"];
    assert_eq!(
        (&counts["requests"], &counts["matched"], &counts["unmatched"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let metrics = house.metrics().await;
    let posted = [("operation_id", "getReturn"), ("answered_by", "posted")];
    assert_eq!(sample(&metrics, "parallax_requests_total", &posted), Some(2.0));
    let outcome = |outcome| [("operation_id", "getReturn"), ("outcome", outcome)];
    assert_eq!(sample(&metrics, "parallax_checks_total", &outcome("matched")), Some(1.0));
    assert_eq!(sample(&metrics, "parallax_checks_total", &outcome("unmatched")), Some(1.0));
    assert_eq!(sample(&metrics, "parallax_stored_checks", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_mismatch_is_looked_at_again_before_it_is_done() {
    let operations = "defaults: {recheck: {after: 10ms}}\noperations: [{id: a, match: GET /a}]";
    let (one, two) = ("{\"a\":1}", "{\"a\":2}");
    // What legacy and the candidate answer now, where the first was posted; and what comes of it.
    let cases = [
        (two, two, ("failed", json!("stale"), 0), "stale"),
        (one, two, ("unmatched", Value::Null, 1), "confirmed"),
    ];
    for (legacy, candidate, (outcome, reason, differences), finding) in cases {
        let house = House::new(same(legacy), same(candidate), operations).await;
        let done = house.done(&location(&house.check(&payload("/a", one)).await)).await;
        assert_eq!((&done["outcome"], &done["reason"]), (&json!(outcome), &reason));
        assert_eq!(done["differences"].as_array().expect("differences").len(), differences);
        assert_eq!((house.legacy.count(), house.candidate.count()), (1, 2));
        let operation = house.at_rest("a").await;
        assert_conserved(&operation);
        assert_eq!(operation["recheck"]["counts"][finding], 1, "{operation}");
        let labels = [("operation_id", "a"), ("result", finding)];
        assert_eq!(sample(&house.metrics().await, "parallax_rechecks_total", &labels), Some(1.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_checked_is_accepted_and_done_at_once() {
    let house = House::new(same("{}"), same("{}"), OPERATIONS).await;
    let mut put = payload("/returns/1", "{}");
    put["request"]["method"] = json!("PUT");
    let mut search = payload("/search", "{}");
    search["request"]["method"] = json!("POST");
    search["request"]["body"] = json!("x".repeat(2000));
    house.stage("getReturn", json!({"stage": "legacy", "reason": "test"})).await;
    let cases = [
        (payload("/returns/1", "{}"), "getReturn", "stage"),
        (put, "putReturn", "not_idempotent"),
        (search, "postSearch", "body_too_large"),
    ];
    for (body, operation, reason) in cases {
        let done = house.done(&location(&house.check(&body).await)).await;
        assert_eq!((&done["outcome"], &done["reason"]), (&Value::Null, &json!(reason)));
        let operation = house.at_rest(operation).await;
        assert_conserved(&operation);
        assert_eq!(operation["counts"]["skipped"][reason], 1);
    }
    assert_eq!(house.candidate.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_candidate_s_refusal_is_an_outcome_and_is_not_repeated() {
    let house =
        House::new(same("{}"), Behaviour::always(Reply::json("{}").with_status(500)), OPERATIONS).await;
    let done = house.done(&location(&house.check(&payload("/returns/1", "{}")).await)).await;
    assert_eq!(done["outcome"], "unmatched", "5xx on one side only");
    assert_eq!(house.candidate.count(), 1);
    drop(house);
    let house = House::new(
        same("{}"),
        same("{}"),
        "candidate: {url: 'http://127.0.0.1:9'}\noperations: [{id: a, match: GET /a, recheck: off}]",
    )
    .await;
    let done = house.done(&location(&house.check(&payload("/a", "{}")).await)).await;
    assert_eq!((&done["outcome"], &done["reason"]), (&json!("failed"), &json!("refused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_is_the_same_check() {
    let house = House::new(same("{}"), same("{\"a\":1}"), OPERATIONS).await;
    let check = with(payload("/returns/1", "{\"a\":1}"), "id", "order/17 #%".replace(' ', "?"));
    let first = location(&house.check(&check).await);
    assert_eq!(first, "/consistency-checks/order%2F17%3F%23%25");
    assert_eq!(house.done(&first).await["id"], "order/17?#%");
    for _ in 0..3 {
        assert_eq!(location(&house.check(&check).await), first, "also when it is done");
    }
    // Written differently, and still the same.
    let spaced = serde_json::to_string_pretty(&check).expect("JSON");
    let again = house.check_raw(&[("Content-Type", "application/json")], spaced.as_bytes()).await;
    assert_eq!(location(&again), first);
    let turned = |headers: &str| {
        let check = serde_json::to_string(&check).expect("JSON");
        check.replacen(r#""headers":{"Accept":"*/*"}"#, &format!(r#""headers":{headers}"#), 1)
    };
    let json = [("Content-Type", "application/json")];
    let two = turned(r#"{"Accept":"*/*","X-B":"2"}"#).replace("order/17?#%", "two");
    let two_turned = turned(r#"{"X-B":"2","Accept":"*/*"}"#).replace("order/17?#%", "two");
    assert_ne!(two, two_turned);
    let two = location(&house.check_raw(&json, two.as_bytes()).await);
    assert_eq!(location(&house.check_raw(&json, two_turned.as_bytes()).await), two);
    house.done(&two).await;
    let other = with(payload("/returns/1", "{\"a\":2}"), "id", "order/17?#%");
    assert_eq!(field(&house.check(&other).await), (409, "$.id".to_owned()));
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["requests"], 2);
    assert_eq!(operation["counts"]["matched"], 2);
    assert_eq!(house.candidate.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_accepted_each_with_its_own_result() {
    let house = House::new(same("{}"), same("{\"a\":1}"), OPERATIONS).await;
    let good = |id: &str| with(payload("/returns/1", "{\"a\":1}"), "id", id);
    let batch = json!([good("a"), {"request": 1}, payload("/nobody", "{}"), good("a"), good("b")]);
    let answer = house.check(&batch).await;
    assert_eq!(answer.status, 207);
    let results = answer.json();
    let statuses: Vec<_> =
        results.as_array().expect("results").iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [202, 400, 422, 202, 202]);
    assert_eq!(results[0]["location"], "/consistency-checks/a");
    assert_eq!(results[1]["field"], "$[1].response");
    assert_eq!(results[2]["field"], "$.request.url.path");
    house.done("/consistency-checks/b").await;

    let lines = format!("{}\n\n{}\nnonsense\n", good("c"), good("b"));
    let answer = house.check_raw(&[("Content-Type", "application/x-ndjson")], lines.as_bytes()).await;
    assert_eq!(answer.status, 207);
    let results = answer.json();
    let statuses: Vec<_> =
        results.as_array().expect("results").iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [202, 202, 400]);
    assert_eq!(results[2]["line"], 4);
    house.done("/consistency-checks/c").await;
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["requests"], 3);
    assert_eq!(house.check(&json!([])).await.status, 207);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_order_is_refused_with_its_place() {
    let house = House::new(same("{}"), same("{}"), OPERATIONS).await;
    let changed = |pointer: &str, value: Value| {
        let mut body = payload("/returns/1", "{}");
        *body.pointer_mut(pointer).expect("a place") = value;
        body
    };
    let cases = [
        (json!("text"), 400, "$"),
        (json!({}), 400, "$.request"),
        (json!({"request": {}, "response": {"status": 200}}), 400, "$.request.method"),
        (changed("/request/method", json!("CONNECT")), 400, "$.request.method"),
        (changed("/request/method", json!(1)), 400, "$.request.method"),
        (changed("/request/url/path", json!("http://elsewhere/returns/1")), 400, "$.request.url.path"),
        (changed("/request/url/path", json!("//elsewhere/returns/1")), 400, "$.request.url.path"),
        (changed("/request/headers", json!("no")), 400, "$.request.headers"),
        (changed("/request/headers", json!({"a": "b\r\nc: d"})), 400, "$.request.headers.a"),
        (changed("/response/status", json!(42)), 400, "$.response.status"),
        (changed("/request/url/path", json!("/nobody/1")), 422, "$.request.url.path"),
        (with(payload("/returns/1", "{}"), "operation_id", "nobody"), 422, "$.operation_id"),
        (with(payload("/returns/1", "{}"), "operation_id", "putReturn"), 422, "$.operation_id"),
        (with(payload("/returns/1", "{}"), "id", "two words"), 400, "$.id"),
        (with(payload("/returns/1", "{}"), "idd", "x"), 400, "$.idd"),
    ];
    for (body, status, place) in cases {
        let answer = house.check(&body).await;
        assert_eq!(field(&answer), (status, place.to_owned()), "{body}: {}", answer.text());
    }
    let json = [("Content-Type", "application/json")];
    let answer = house.check_raw(&json, b"{\n  \"request\": nonsense").await;
    assert_eq!(field(&answer), (400, "$".to_owned()));
    assert_eq!((&answer.json()["line"], &answer.json()["column"]), (&json!(2), &json!(15)));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let answer = house.check_raw(&[("Content-Type", kind)], b"{}").await;
        assert!(matches!(answer.status, 403 | 415), "{kind}: {}", answer.text());
    }
    let coded = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    assert_eq!(house.check_raw(&coded, b"{}").await.status, 415);
    let large = vec![b' '; (16 << 20) + 1];
    assert_eq!(field(&house.check_raw(&json, &large).await).0, 413);
    let many = format!("[{}]", vec!["{}"; 1001].join(","));
    assert_eq!(house.check_raw(&json, many.as_bytes()).await.status, 400);
    let foreign = [("Content-Type", "application/json"), ("Origin", "http://elsewhere")];
    assert_eq!(house.check_raw(&foreign, b"{}").await.status, 403);

    let mut client = RawClient::connect(house.running.control).await.expect("the control listener");
    assert_eq!(client.get("/consistency-checks/nobody").await.expect("an answer").status, 404);
    let operation = house.operation("getReturn").await;
    assert_eq!(operation["counts"]["requests"], 0, "nothing of it was counted");
    assert_eq!(house.candidate.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_post_may_follow_what_was_posted_and_nothing_else() {
    let tokens = "tokens: [{name: a, role: viewer, token: 'env:VIEWER'}, {name: b, role: operator, token: 'env:OPERATOR'}, {name: c, role: intake, token: 'env:INTAKE'}]";
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let text = format!(
        "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0', {tokens}}}\nlegacy: {{url: '{}'}}\ncandidate: {{url: '{}'}}\nstore: 'memory://'\n{OPERATIONS}",
        legacy.url(),
        candidate.url()
    );
    let settings =
        parallax::config::parse(&text, "test.yaml", &|name| Some(name[..1].to_ascii_lowercase().repeat(16)))
            .expect("a configuration");
    let running = parallax::app::Running::start(settings).await.expect("it starts");
    let ask = async |token: &str, method: &str, path: &str| {
        let mut client = RawClient::connect(running.control).await.expect("the control listener");
        let bearer = format!("Bearer {}", token.repeat(16));
        let fields = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let body = payload("/returns/1", "{}").to_string();
        let body = if method == "POST" { body.as_bytes() } else { b"" };
        let fields = if token.is_empty() { &fields[..1] } else { &fields[..] };
        client.ask(method, path, fields, body).await.expect("an answer").status
    };
    assert_eq!(ask("", "POST", CHECKS).await, 401);
    assert_eq!(ask("v", "POST", CHECKS).await, 403);
    assert_eq!(ask("o", "POST", CHECKS).await, 202);
    assert_eq!(ask("i", "POST", CHECKS).await, 202);
    let unknown = "/consistency-checks/unknown";
    assert_eq!(ask("", "GET", unknown).await, 401);
    for token in ["v", "o", "i"] {
        assert_eq!(ask(token, "GET", unknown).await, 404);
    }
    assert_eq!(ask("i", "GET", "/api/v1/operations").await, 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_it_is_said_when_to_come_again() {
    let hung = Behaviour::always(Reply::json("{}").delay(Duration::from_secs(3600)));
    let configuration = format!("limits: {{stored_checks: 2}}\n{OPERATIONS}");
    let house = House::new(same("{}"), hung, &configuration).await;
    let check = payload("/returns/1", "{}");
    location(&house.check(&check).await);
    let both = house.check(&json!([check, check])).await;
    assert_eq!((both.status, both.headers.get("retry-after")), (503, Some("5")), "all or none");
    location(&house.check(&check).await);
    let full = house.check(&check).await;
    assert_eq!((full.status, full.headers.get("retry-after")), (503, Some("5")));
    assert_eq!(field(&full).0, 503);
    wait_until(DEADLINE, "both are sent", || house.candidate.count() == 2).await;
    house.stage("getReturn", json!({"stage": "legacy", "reason": "test"})).await;
    location(&house.check(&check).await);
    house.candidate.behave(same("{}"));
    let operation = house.operation("getReturn").await;
    assert_conserved(&operation);
    assert_eq!((&operation["counts"]["requests"], &operation["counts"]["in_flight"]), (&json!(3), &json!(2)));
}

/// Every path that is taken leads to the configured candidate, under its own name, and to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn no_payload_says_where_the_candidate_is() {
    let elsewhere = FakeService::start(same("{}"));
    let any: Vec<String> = (1..=8)
        .map(|depth| {
            let template: String = (0..depth).map(|at| format!("/{{p{at}}}")).collect();
            format!("  - {{id: any{depth}, match: 'GET {template}'}}\n")
        })
        .collect();
    let house = House::new(same("{}"), same("{}"), &format!("operations:\n{}", any.concat())).await;
    let (mut taken, mut refused) = (0, 0);
    let mut payloads = Vec::new();
    for line in include_str!("../crates/core/tests/posted/paths.txt").lines() {
        let Some((_, text)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        let Some(Ok(Value::String(path))) = serde_json::Deserializer::from_str(text).into_iter().next()
        else {
            continue;
        };
        payloads.push(path);
    }
    let address = elsewhere.addr().to_string();
    for form in [
        "//{}/a",
        "http://{}/a",
        "/\\{}/a",
        "/http://{}/a",
        "@{}/a",
        "{}/a",
        "/a@{}",
        "/a?http://{}/",
        "http:{}/a",
        "///{}/a",
        "\\\\{}\\a",
        "/%2f{}/a",
        "/..//{}/a",
    ] {
        payloads.push(form.replace("{}", &address));
    }
    for path in payloads {
        let mut body = payload(&path, "{}");
        body["request"]["headers"] = json!({
            "Host": address, "X-Forwarded-Host": address, "Connection": "x-gone", "X-Gone": "1",
            "Transfer-Encoding": "chunked", "Content-Length": "99", "Upgrade": "h2c", "TE": "trailers",
            "Proxy-Authorization": "x", "Parallax-Shadow": "0", "Parallax-Hop": "forged", "Expect": "100-continue",
        });
        match house.check(&body).await.status {
            202 => taken += 1,
            400 | 422 => refused += 1,
            other => panic!("{other} for {path}"),
        }
    }
    assert!(refused >= 300 && taken >= 40, "{refused} refused, {taken} taken");
    wait_until(DEADLINE, "all were run", || house.candidate.count() == taken).await;
    let own = house.candidate.addr().to_string();
    for asked in house.candidate.requests() {
        let hosts: Vec<_> = asked.headers.all("host").collect();
        assert_eq!(hosts.len(), 1, "{asked:?}");
        assert_eq!(asked.headers.get("host"), Some(own.as_str()), "{asked:?}");
        assert_eq!(asked.headers.get("parallax-shadow"), Some("1"));
        assert_ne!(asked.headers.get("parallax-hop"), Some("forged"));
        for gone in
            ["connection", "x-gone", "transfer-encoding", "upgrade", "te", "proxy-authorization", "expect"]
        {
            assert_eq!(asked.headers.get(gone), None, "{gone} in {asked:?}");
        }
        assert!(asked.headers.get("content-length").is_none_or(|length| length == "0"), "{asked:?}");
        assert!(asked.target.starts_with('/') && !asked.target.starts_with("//"), "{asked:?}");
    }
    assert_eq!((elsewhere.connections(), house.legacy.connections()), (0, 0));
}

/// The proxy's own checks go through the store where an operation asks for it, and nobody waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_operation_s_checks_go_through_the_store() {
    let configuration = "operations: [{id: getReturn, match: 'GET /returns/{return_id}', durable: true}]\n";
    let house = House::new(same("{\"a\":1}"), same("{\"a\":1}"), configuration).await;
    for number in 0..20 {
        assert_eq!(house.get(&format!("/returns/{number}")).await.status, 200);
    }
    let operation = house.at_rest("getReturn").await;
    assert_conserved(&operation);
    assert_eq!((&operation["counts"]["requests"], &operation["counts"]["matched"]), (&json!(20), &json!(20)));
    let metrics = house.metrics().await;
    let legacy = [("operation_id", "getReturn"), ("answered_by", "legacy")];
    assert_eq!(sample(&metrics, "parallax_requests_total", &legacy), Some(20.0));
    let posted = [("operation_id", "getReturn"), ("answered_by", "posted")];
    assert_eq!(sample(&metrics, "parallax_requests_total", &posted), Some(0.0));
    house.running.stop().await;
}
