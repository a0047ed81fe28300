//! Traces: a collector gets the spans of a request, of its answering side and of its copy, each in
//! its place; and whatever the collector does is nobody else's trouble.

mod support;

use std::time::Instant;

use parallax_testkit::{Behaviour, FakeService, Reply};
use serde_json::{Value, json};
use support::{DEADLINE, GET_RETURN, House, same, sample};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// Every span that the collector has, once there are so many.
async fn spans(collector: &FakeService, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let requests = collector.requests();
        let payloads: Vec<Value> = requests
            .iter()
            .map(|request| {
                assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/traces"));
                assert_eq!(request.headers.get("content-type"), Some("application/json"));
                serde_json::from_slice(&request.body).expect("json")
            })
            .collect();
        let all: Vec<Value> = payloads
            .iter()
            .flat_map(|payload| payload["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array())
            .flatten()
            .cloned()
            .collect();
        if all.len() >= count {
            assert_eq!(all.len(), count, "{all:#?}");
            let service = &payloads[0]["resourceSpans"][0]["resource"]["attributes"][0];
            assert_eq!(*service, json!({"key": "service.name", "value": {"stringValue": "shop"}}));
            return all;
        }
        assert!(began.elapsed() < DEADLINE, "too few spans: {all:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn attribute<'v>(span: &'v Value, key: &str) -> &'v Value {
    let attributes = span["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.map_or(&Value::Null, |found| {
        found["value"].as_object().and_then(|value| value.values().next()).unwrap_or(&Value::Null)
    })
}

fn traced(collector: &str, sample: &str) -> String {
    format!("traces: {{otlp: '{collector}', sample: {sample}, service: shop}}\n{GET_RETURN}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_its_side_and_its_copy_have_spans_in_their_places() {
    let collector = FakeService::start(same("{}"));
    let house = House::new(same("{}"), same("{}"), &traced(&collector.url(), "0%")).await;
    let mut client = house.client().await;
    let caller = parent("01");
    let fields = [("traceparent", caller.as_str()), ("tracestate", "vendor=s3cret")];
    client.ask("GET", "/returns/s3cret?q=s3cret", &fields, b"").await.expect("an answer");
    house.at_rest("getReturn").await;

    let spans = spans(&collector, 3).await;
    let find = |kind: i64, side: &Value| {
        let is = |span: &&Value| span["kind"] == kind && *attribute(span, "parallax.side") == *side;
        spans.iter().find(is).expect("a span")
    };
    let server = find(2, &Value::Null);
    let (side, copy) = (find(3, &json!("legacy")), find(3, &json!("candidate")));
    assert_eq!((&server["traceId"], &server["parentSpanId"]), (&json!(TRACE), &json!(CALLER)));
    assert_eq!((&side["traceId"], &side["parentSpanId"]), (&json!(TRACE), &server["spanId"]));
    assert_ne!(copy["traceId"], json!(TRACE), "the copy is no part of what the client asked for");
    assert_eq!(copy.get("parentSpanId"), None);
    assert_eq!(copy["links"], json!([{"traceId": TRACE, "spanId": server["spanId"]}]));
    for span in [server, side, copy] {
        assert_eq!(span["name"], "GET /returns/{return_id}");
        assert_eq!(*attribute(span, "http.request.method"), "GET");
        assert_eq!(*attribute(span, "http.response.status_code"), "200");
        let time = |key: &str| span[key].as_str().expect("a text").parse::<u128>().expect("a time");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    assert_eq!(*attribute(server, "http.route"), "/returns/{return_id}");
    assert_eq!(*attribute(server, "parallax.check"), "checked");
    assert_eq!(*attribute(side, "server.port"), house.legacy.addr().port().to_string());
    assert_eq!(*attribute(copy, "parallax.shadow"), true);
    let everything: String = collector.requests().iter().map(|request| request.text().to_owned()).collect();
    assert!(!everything.contains("s3cret"), "{everything}");

    // What the sides are told is where their spans are.
    let told = |side: &FakeService, name: &str| {
        side.requests().first().and_then(|asked| asked.headers.get(name).map(str::to_owned))
    };
    let place = |span: &Value| {
        let id = |key: &str| span[key].as_str().expect("an id").to_owned();
        Some(format!("00-{}-{}-01", id("traceId"), id("spanId")))
    };
    assert_eq!(told(&house.legacy, "traceparent"), place(side));
    assert_eq!(told(&house.legacy, "tracestate").as_deref(), Some("vendor=s3cret"));
    assert_eq!(told(&house.candidate, "traceparent"), place(copy));
    assert_eq!(told(&house.candidate, "tracestate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_caller_the_share_decides_and_errors_are_marked() {
    let collector = FakeService::start(same("{}"));
    let legacy = Behaviour::always(Reply::status(503));
    let house = House::new(legacy, Behaviour::Refuse, &traced(&collector.url(), "100%")).await;
    assert_eq!(house.get("/returns/1").await.status, 503);
    assert_eq!(house.get("/elsewhere").await.status, 503);
    house.at_rest("getReturn").await;
    let spans = spans(&collector, 5).await;
    for span in &spans {
        assert_eq!(span["status"], json!({"code": 2}), "{span}");
    }
    let errors: Vec<&Value> = spans.iter().map(|span| attribute(span, "error.type")).collect();
    assert_eq!(errors.iter().filter(|error| **error == "503").count(), 4, "{errors:?}");
    assert_eq!(errors.iter().filter(|error| **error == "refused").count(), 1, "{errors:?}");
    assert!(spans.iter().any(|span| span["name"] == "GET"), "no operation, no route");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_caller_does_not_record_passes_as_it_came() {
    let collector = FakeService::start(same("{}"));
    let house = House::new(same("{}"), same("{}"), &traced(&collector.url(), "100%")).await;
    let mut client = house.client().await;
    let caller = parent("00");
    let fields = [("traceparent", caller.as_str()), ("tracestate", "vendor=1")];
    client.ask("GET", "/returns/1", &fields, b"").await.expect("an answer");
    house.at_rest("getReturn").await;
    let asked = house.legacy.requests();
    assert_eq!(asked[0].headers.get("traceparent"), Some(caller.as_str()));
    assert_eq!(asked[0].headers.get("tracestate"), Some("vendor=1"));
    let copied = house.candidate.requests();
    let told = copied[0].headers.get("traceparent").expect("a context");
    assert!(told.ends_with("-00") && !told.contains(TRACE), "{told}");
    house.running.stop().await;
    assert_eq!(collector.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tracing_both_sides_get_the_callers_word() {
    let house = House::new(same("{}"), same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    let caller = parent("01");
    let fields = [("traceparent", caller.as_str()), ("tracestate", "vendor=1")];
    client.ask("GET", "/returns/1", &fields, b"").await.expect("an answer");
    house.at_rest("getReturn").await;
    for side in [&house.legacy, &house.candidate] {
        let asked = side.requests();
        assert_eq!(asked[0].headers.get("traceparent"), Some(caller.as_str()));
        assert_eq!(asked[0].headers.get("tracestate"), Some("vendor=1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_nothing_matters_to_nobody() {
    for behaviour in [Behaviour::Refuse, Behaviour::Status(503), Behaviour::Garbage] {
        let collector = FakeService::start(behaviour);
        let house = House::new(same("{}"), same("{}"), &traced(&collector.url(), "100%")).await;
        for _ in 0..5 {
            assert_eq!(house.get("/returns/1").await.status, 200);
        }
        house.at_rest("getReturn").await;
        let began = Instant::now();
        while sample(&house.metrics().await, "parallax_spans_dropped_total", &[]) != Some(15.0) {
            assert!(began.elapsed() < DEADLINE, "not counted");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_before_the_end_and_a_silent_collector_does_not_hold_it_up() {
    let collector = FakeService::start(same("{}"));
    let house = House::new(same("{}"), same("{}"), &traced(&collector.url(), "100%")).await;
    house.get("/returns/1").await;
    house.running.stop().await;
    spans(&collector, 3).await;

    let silent = FakeService::start(Behaviour::Silent);
    let house = House::new(same("{}"), same("{}"), &traced(&silent.url(), "100%")).await;
    house.get("/returns/1").await;
    let began = Instant::now();
    house.running.stop().await;
    assert!(began.elapsed() < DEADLINE);
}
