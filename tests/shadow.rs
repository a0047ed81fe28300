//! Shadow: the client gets legacy's answer, the candidate is asked the same, and every request is
//! counted once.

mod support;

use parallax_testkit::{Behaviour, Reply};
use serde_json::json;
use support::{GET_RETURN, House, assert_conserved, same, sample};

/// Sides that differ for every third return.
fn every_third_differs() -> (Behaviour, Behaviour) {
    let legacy =
        Behaviour::answer(|request| Reply::json(format!("{{\"path\":\"{}\",\"a\":1}}", request.path())));
    let candidate = Behaviour::answer(|request| {
        let number: u32 = request.path().rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(1);
        let a = if number.is_multiple_of(3) { 2 } else { 1 };
        Reply::json(format!("{{\"path\":\"{}\",\"a\":{a}}}", request.path()))
    });
    (legacy, candidate)
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_match_to_the_unit_in_api_and_metrics() {
    let (legacy, candidate) = every_third_differs();
    let operations = "operations:
  - {id: getReturn, match: 'GET /returns/{return_id}'}
  - {id: createReturn, match: POST /returns}
  - {id: getOrder, match: 'GET /orders/{id}', stage: legacy}
";
    let house = House::new(legacy, candidate, operations).await;
    let mut client = house.client().await;
    for number in 0..30 {
        let answer = client.get(&format!("/returns/{number}")).await.unwrap();
        assert_eq!(answer.json()["a"], 1, "the client is answered by legacy");
    }
    for _ in 0..4 {
        client.ask("POST", "/returns", &[], b"{}").await.unwrap();
        client.get("/orders/1").await.unwrap();
        client.get("/elsewhere").await.unwrap();
    }

    let returns = house.at_rest("getReturn").await;
    assert_eq!(returns["counts"]["requests"], 30);
    assert_eq!(returns["counts"]["matched"], 20);
    assert_eq!(returns["counts"]["unmatched"], 10);
    assert_eq!(returns["consistency"], json!(20.0 / 30.0));
    let created = house.at_rest("createReturn").await;
    assert_eq!(created["counts"]["skipped"], json!({"not_idempotent": 4}));
    let orders = house.at_rest("getOrder").await;
    assert_eq!(orders["counts"]["skipped"], json!({"stage": 4}));
    for operation in [&returns, &created, &orders] {
        assert_conserved(operation);
    }

    let metrics = house.metrics().await;
    let count = |name, labels: &[(&str, &str)]| sample(&metrics, name, labels);
    let of_returns = ("operation_id", "getReturn");
    assert_eq!(count("parallax_requests_total", &[of_returns, ("answered_by", "legacy")]), Some(30.0));
    assert_eq!(count("parallax_checks_total", &[of_returns, ("outcome", "matched")]), Some(20.0));
    assert_eq!(count("parallax_checks_total", &[of_returns, ("outcome", "unmatched")]), Some(10.0));
    assert_eq!(count("parallax_checks_total", &[of_returns, ("outcome", "failed")]), Some(0.0));
    assert_eq!(count("parallax_differences_total", &[of_returns, ("part", "body")]), Some(10.0));
    assert_eq!(count("parallax_checks_in_flight", &[of_returns]), Some(0.0));
    assert_eq!(count("parallax_queue_depth", &[]), Some(0.0));
    let other = [("operation_id", "other"), ("answered_by", "legacy")];
    assert_eq!(count("parallax_requests_total", &other), Some(4.0));
    assert_eq!(count("parallax_stage", &[of_returns, ("stage", "shadow")]), Some(1.0));
    assert_eq!(count("parallax_stage", &[of_returns, ("stage", "switched")]), Some(0.0));
    assert_eq!(
        count("parallax_upstream_duration_seconds_count", &[of_returns, ("side", "legacy")]),
        Some(30.0)
    );
    assert_eq!(
        count("parallax_upstream_duration_seconds_count", &[of_returns, ("side", "candidate")]),
        Some(30.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_is_the_same_request_and_is_marked() {
    let operations = "operations: [{id: putReturn, match: 'PUT /returns/{id}', idempotent: true}]\n";
    let house = House::new(same("{}"), same("{}"), operations).await;
    let fields = [
        ("X-Customer", "a, b"),
        ("Content-Type", "application/json"),
        ("Connection", "keep-alive"),
        ("parallax-shadow", "forged"),
    ];
    house.client().await.ask("PUT", "/returns/a%2Fb?x=%20&y", &fields, b"{\"n\":1}").await.unwrap();
    house.at_rest("putReturn").await;

    let (asked, copied) = (&house.legacy.requests()[0], &house.candidate.requests()[0]);
    for request in [asked, copied] {
        assert_eq!(request.method, "PUT");
        assert_eq!(request.target, "/returns/a%2Fb?x=%20&y");
        assert_eq!(request.text(), "{\"n\":1}");
        assert!(
            request.headers.0.contains(&("X-Customer".to_owned(), "a, b".to_owned())),
            "{:?}",
            request.headers
        );
        assert_eq!(request.headers.get("connection"), None);
    }
    assert_eq!(asked.headers.get("parallax-shadow"), None, "only the copy is marked");
    assert_eq!(copied.headers.get("parallax-shadow"), Some("1"));
    assert_eq!(asked.headers.get("host"), copied.headers.get("host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_belongs_to_its_get_and_dot_segments_to_nobody() {
    let house = House::new(same("{\"a\":1}"), same("{\"a\":1}"), GET_RETURN).await;
    let mut client = house.client().await;
    let head = client.ask("HEAD", "/returns/1", &[], b"").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    client.get("/returns/..").await.unwrap();
    client.get("/returns/%2e%2E").await.unwrap();
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["requests"], 1);
    assert_eq!(operation["counts"]["matched"], 1);
    let others = [("operation_id", "other"), ("answered_by", "legacy")];
    assert_eq!(sample(&house.metrics().await, "parallax_requests_total", &others), Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_leaves_requests_out_and_counts_them() {
    let operations = "operations: [{id: getReturn, match: 'GET /returns/{id}', sample: 0%}]\n";
    let house = House::new(same("{}"), same("{}"), operations).await;
    house.get("/returns/1").await;
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"sampled_out": 1}));
    assert_eq!(house.candidate.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit() {
    let operations = "operations:
  - {id: getReport, match: 'GET /reports/{id}', body_limit: 1KiB}
  - {id: putReport, match: 'PUT /reports/{id}', body_limit: 1KiB, idempotent: true}
";
    let large = |last: char| Reply::text(format!("{}{last}", "x".repeat(5000)));
    let legacy = Behaviour::answer(move |_| large('a'));
    let candidate =
        Behaviour::answer(move |request| large(if request.path() == "/reports/2" { 'b' } else { 'a' }));
    let house = House::new(legacy, candidate, operations).await;
    let mut client = house.client().await;
    assert_eq!(client.get("/reports/1").await.unwrap().body.len(), 5001);
    client.get("/reports/2").await.unwrap();
    client.ask("PUT", "/reports/1", &[], &[b'x'; 2000]).await.unwrap();

    let read = house.at_rest("getReport").await;
    assert_eq!(read["counts"]["matched"], 1, "equal by digest: {read}");
    assert_eq!(read["counts"]["unmatched"], 1, "different by digest: {read}");
    let written = house.at_rest("putReport").await;
    assert_eq!(written["counts"]["skipped"], json!({"body_too_large": 1}));
    assert_eq!(house.legacy.requests().last().unwrap().body.len(), 2000, "legacy still gets all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_and_plain_answers_are_the_same() {
    let body = "{\"items\":[1,2,3]}";
    let legacy = Behaviour::always(Reply::json(body).gzip());
    let candidate = Behaviour::always(Reply::json(body).chunked());
    let house = House::new(legacy, candidate, GET_RETURN).await;
    house.get("/returns/1").await;
    assert_eq!(house.at_rest("getReturn").await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_strict_headers_the_same_answers_are_still_the_same() {
    let operations = "operations: [{id: getReturn, match: 'GET /returns/{id}', headers: strict}]\n";
    let reply =
        || Behaviour::always(Reply::json("{}").header("Connection", "keep-alive").header("Date", "x"));
    let house = House::new(reply(), reply(), operations).await;
    house.get("/returns/1").await;
    assert_eq!(house.at_rest("getReturn").await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_apply() {
    let operations = "operations:
  - id: getReturn
    match: GET /returns/{id}
    compare: [{at: $.body.at, ignore: true}, {at: $.body.tags, unordered: true}]
";
    let legacy = same("{\"at\":1,\"tags\":[1,2]}");
    let house = House::new(legacy, same("{\"tags\":[2,1],\"at\":2}"), operations).await;
    house.get("/returns/1").await;
    assert_eq!(house.at_rest("getReturn").await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_candidate_has_its_own_path_and_headers() {
    let legacy = parallax_testkit::FakeService::start(same("{}"));
    let candidate = parallax_testkit::FakeService::start(same("{}"));
    let configuration = format!(
        "store: 'memory://'
candidate: {{url: '{}/base', host: upstream, headers: {{authorization: secret}}}}
operations: [{{id: getReturn, match: 'GET /returns/{{id}}/label', candidate_path: '/v2/labels/{{id}}'}}]
",
        candidate.url()
    );
    let running = support::start(&legacy.url(), "", &configuration).await;
    let mut client = parallax_testkit::RawClient::connect(running.proxy).await.unwrap();
    client.ask("GET", "/returns/a%20b/label?x=1", &[("Authorization", "mine")], b"").await.unwrap();
    support::at_rest(running.control, "getReturn").await;
    let copied = &candidate.requests()[0];
    assert_eq!(copied.target, "/base/v2/labels/a%20b?x=1");
    assert_eq!(copied.headers.get("authorization"), Some("secret"));
    assert_eq!(copied.headers.get("host"), Some(candidate.addr().to_string().as_str()));
    let asked = &legacy.requests()[0];
    assert_eq!(asked.target, "/returns/a%20b/label?x=1");
    assert_eq!(asked.headers.get("authorization"), Some("mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_swallows_a_regression_shows_in_metric_api_and_page() {
    let operations = "operations:
  - id: getReturn
    match: GET /returns/{id}
    compare: [{at: $.body.refund, ignore: true}, {at: '$.body.items[*].price', tolerance: {abs: 100}}, {at: $.body.tags, unordered: true}]
  - {id: getOther, match: 'GET /others/{id}'}
";
    let legacy = same("{\"refund\":5,\"items\":[{\"price\":20},{\"price\":30}],\"tags\":[1,2]}");
    let candidate = same("{\"refund\":null,\"items\":[{\"price\":2},{\"price\":3}],\"tags\":[1,2]}");
    let house = House::new(legacy, candidate, operations).await;
    for number in 0..4 {
        house.get(&format!("/returns/{number}")).await;
    }
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["matched"], 4, "the rules swallow it");
    let rule = |at: &str, word: &str, masked: u64| json!({"at": at, "rule": word, "masked": masked});
    let rules = [
        rule("$.body.refund", "ignore", 4),
        rule("$.body.items[*].price", "tolerance", 8),
        rule("$.body.tags", "unordered", 0),
    ];
    assert_eq!(operation["rules"], json!(rules));
    assert_eq!(house.operation("getOther").await.get("rules"), None);

    let metrics = house.metrics().await;
    for (rule, masked) in [
        ("ignore $.body.refund", 4.0),
        ("tolerance $.body.items[*].price", 8.0),
        ("unordered $.body.tags", 0.0),
    ] {
        let labels = [("operation_id", "getReturn"), ("rule", rule)];
        assert_eq!(sample(&metrics, "parallax_rule_masked_total", &labels), Some(masked), "{rule}");
    }

    let page = house.control("/operations/getReturn").await;
    let section = page.split("id=\"rules-title\"").nth(1).expect("the rules are on the page");
    let section = &section[..section.find("</section>").expect("an end")];
    for expected in ["$.body.refund", "tolerance: ", "<td class=\"number\">8", "nothing so far"] {
        assert!(section.contains(expected), "{expected} in {section}");
    }
    assert!(!house.control("/operations/getOther").await.contains("rules-title"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_suggested_for_what_was_seen_and_masks_it_then() {
    let legacy = "{\"price\":19.94,\"at\":\"2026-01-02T03:04:05Z\",\"name\":\"Ann\"}";
    let candidate = "{\"price\":19.9,\"at\":\"2026-01-02T03:04:06.5Z\",\"name\":\"Bob\"}";
    let house = House::new(same(legacy), same(candidate), GET_RETURN).await;
    house.get("/returns/1").await;
    house.at_rest("getReturn").await;
    let text = house.control("/api/v1/operations/getReturn/signatures?suggest=true").await;
    let faults: serde_json::Value = serde_json::from_str(&text).unwrap();
    let first = |path: &str| {
        let fault = faults.as_array().unwrap().iter().find(|fault| fault["path"] == path).unwrap();
        fault["suggestions"][0].clone()
    };
    let price = first("$.body.price");
    assert_eq!(price["yaml"], "- {at: \"$.body.price\", tolerance: {abs: \"0.05\"}}");
    assert_eq!(
        (&price["masks"], &price["of"], &price["with_other_differences"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let rules: Vec<String> = ["$.body.price", "$.body.at", "$.body.name"]
        .iter()
        .map(|path| first(path)["rule"].to_string())
        .collect();
    assert!(rules[1].contains("\"within\":\"2s\"") && rules[2].contains("ignore"), "{rules:?}");

    let id = faults[0]["id"].as_str().unwrap();
    let one = house.control(&format!("/api/v1/signatures/{id}")).await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&one).unwrap()["suggestions"],
        faults[0]["suggestions"]
    );
    assert!(house.control(&format!("/signatures/{id}")).await.contains("A rule for it"));

    let operations = format!(
        "operations: [{{id: getReturn, match: 'GET /returns/{{id}}', compare: [{}]}}]\n",
        rules.join(", ")
    );
    let house = House::new(same(legacy), same(candidate), &operations).await;
    house.get("/returns/1").await;
    assert_eq!(
        house.at_rest("getReturn").await["counts"]["matched"],
        1,
        "the rules do what was said of them"
    );
}
