//! The services differ exactly where a fault was planted, seen by a plain client on both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use parallax_testkit::{Behaviour, FakeService};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::customers::Customers;
use super::returns::{Carrier, Method, Shop};
use super::{SEED, Services, config, traffic};

#[derive(Debug)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Value,
    text: String,
    took: Duration,
}

async fn ask(url: &str, request: Request<Full<Bytes>>) -> Seen {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let start = Instant::now();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen {
        status: head.status.as_u16(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        text: String::from_utf8(body.to_vec()).unwrap(),
        took: start.elapsed(),
    }
}

async fn ask_both(services: &Services, method: &str, target: &str, body: &str) -> (Seen, Seen) {
    let request = || {
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", "shop.example")
            .header("cookie", "theme=dark; session=customer-7")
            .header("idempotency-key", "one")
            .body(Full::from(body.to_owned()))
            .unwrap()
    };
    (ask(&services.legacy_url(), request()).await, ask(&services.candidate_url(), request()).await)
}

/// Asks for a return until the replacement has its error answer behind it: the first has it.
async fn past_the_error(services: &Services) {
    let (legacy, candidate) = ask_both(services, "GET", "/returns/R10000", "").await;
    assert_eq!((legacy.status, candidate.status), (200, 503));
    assert_eq!(candidate.headers["content-type"], "application/problem+json");
}

fn number_of(found: impl Fn(&super::returns::Return) -> bool) -> String {
    let shop = Shop::new(SEED);
    shop.ids().into_iter().find(|id| shop.get(id).is_some_and(|one| found(&one))).unwrap()
}

#[tokio::test]
async fn a_filtered_list_is_in_another_order_and_a_whole_one_is_not() {
    let services = Services::start().unwrap();
    let (legacy, candidate) = ask_both(&services, "GET", "/returns", "").await;
    assert_eq!(legacy.body, candidate.body);
    assert_ne!(legacy.text, candidate.text, "the members have another order, which is no difference");
    assert_eq!(legacy.body["returns"].as_array().map(Vec::len), Some(8));

    let (mut legacy, candidate) = ask_both(&services, "GET", "/returns?status=received", "").await;
    assert_ne!(legacy.body, candidate.body);
    legacy.body["returns"].as_array_mut().unwrap().reverse();
    assert_eq!(legacy.body, candidate.body);
}

#[tokio::test]
async fn a_return_lacks_its_method_and_its_cents() {
    let services = Services::start().unwrap();
    past_the_error(&services).await;
    let odd = |one: &super::returns::Return| !one.refund_cents().is_multiple_of(10);
    let voucher = number_of(|one| one.method == Method::Voucher && odd(one));
    let (legacy, candidate) = ask_both(&services, "GET", &format!("/returns/{voucher}"), "").await;
    assert_eq!(legacy.body["refund"]["method"], "voucher");
    assert_eq!(candidate.body["refund"].get("method"), None);
    let amounts = [&legacy, &candidate].map(|seen| seen.body["refund"]["amount"].as_f64().unwrap());
    assert!((amounts[1] * 10.0).fract() == 0.0 && (amounts[0] * 10.0).fract() != 0.0, "{amounts:?}");
    assert!((amounts[0] - amounts[1]).abs() < 0.05, "{amounts:?}");

    let card = number_of(|one| one.method == Method::Card && !odd(one));
    let (legacy, candidate) = ask_both(&services, "GET", &format!("/returns/{card}"), "").await;
    assert_eq!((legacy.status, legacy.body), (candidate.status, candidate.body));
}

#[tokio::test]
async fn creating_answers_200_instead_of_201_and_creates_once() {
    let services = Services::start().unwrap();
    let wanted = json!({"order_id": "O1", "items": [{"article": "Hat", "reason": "too small"}]}).to_string();
    let (legacy, candidate) = ask_both(&services, "POST", "/returns", &wanted).await;
    assert_eq!((legacy.status, candidate.status), (201, 200));
    assert_eq!(legacy.headers["location"], candidate.headers["location"]);
    assert_eq!(legacy.body, candidate.body);
    let (again, _) = ask_both(&services, "POST", "/returns", &wanted).await;
    assert_eq!(again.body["return_id"], legacy.body["return_id"]);
    let shown = format!("/returns/{}", legacy.body["return_id"].as_str().unwrap());
    assert_eq!(ask_both(&services, "GET", &shown, "").await.0.body["status"], "announced");
    let (legacy, candidate) = ask_both(&services, "POST", "/returns", "{}").await;
    assert_eq!((legacy.status, legacy.body), (422, candidate.body));
}

#[tokio::test]
async fn a_label_has_another_header_and_time_zone_and_fails_on_both_sides_together() {
    let services = Services::start().unwrap();
    let (legacy, mut candidate) = ask_both(&services, "GET", "/returns/R10000/label", "").await;
    assert!(candidate.took > legacy.took + Duration::from_millis(200), "{candidate:?} {legacy:?}");
    assert_eq!(legacy.headers["x-frame-options"], "DENY");
    assert_eq!(candidate.headers["x-frame-options"], "SAMEORIGIN");
    let expires = [&legacy, &candidate].map(|seen| seen.body["expires_at"].as_str().unwrap().to_owned());
    let instants = expires.clone().map(|text| text.parse::<jiff::Timestamp>().unwrap());
    assert_eq!(instants[0], instants[1]);
    assert!(expires[0].ends_with('Z') && expires[1].ends_with("+01:00"), "{expires:?}");
    candidate.body["expires_at"] = legacy.body["expires_at"].clone();
    assert_eq!(legacy.body, candidate.body);

    let down = number_of(|one| one.carrier == Carrier::Down);
    let (legacy, candidate) = ask_both(&services, "GET", &format!("/returns/{down}/label"), "").await;
    assert_eq!((legacy.status, candidate.status, &legacy.body), (503, 503, &candidate.body));
    assert_eq!(legacy.headers.get("retry-after"), candidate.headers.get("retry-after"));
}

#[tokio::test]
async fn what_has_no_fault_is_equal() {
    let services = Services::start().unwrap();
    for (method, target) in [
        ("GET", "/return-policies/FR"),
        ("GET", "/return-policies/AQ"),
        ("GET", "/returns/R1"),
        ("DELETE", "/returns/R10001"),
        ("GET", "/wishlist"),
        ("POST", "/returns"),
    ] {
        let (mut legacy, mut candidate) = ask_both(&services, method, target, "").await;
        legacy.headers.remove("date");
        candidate.headers.remove("date");
        legacy.headers.remove("content-length");
        candidate.headers.remove("content-length");
        assert_eq!(legacy.headers, candidate.headers, "{method} {target}");
        assert_eq!((legacy.status, legacy.body), (candidate.status, candidate.body), "{method} {target}");
    }
}

#[tokio::test]
async fn every_kind_of_request_is_in_the_mix() {
    let mut customers = Customers::new("shop.example", SEED);
    let mut kinds = BTreeMap::new();
    for _ in 0..2_000 {
        let request = customers.next();
        assert_eq!(request.headers()["host"], "shop.example");
        let path = request.uri().path().trim_end_matches(|end: char| end.is_ascii_digit());
        *kinds.entry(format!("{} {path}", request.method())).or_insert(0) += 1;
    }
    for kind in [
        "GET /returns",
        "GET /returns/R",
        "HEAD /returns/R",
        "POST /returns",
        "DELETE /returns/R",
        "GET /wishlist",
    ] {
        assert!(kinds.get(kind).is_some_and(|count| *count > 3), "{kind}: {kinds:?}");
    }
    assert!(kinds.keys().any(|kind| kind.ends_with("/label")), "{kinds:?}");
    assert!(kinds.keys().any(|kind| kind.contains("/return-policies/")), "{kinds:?}");
}

#[tokio::test]
async fn traffic_keeps_its_rate_and_loses_nothing() {
    let services = Services::start().unwrap();
    let authority = services.legacy_url().trim_start_matches("http://").to_owned();
    let load = traffic::Load { authority, rate: 100, duration: Duration::from_millis(600), seed: SEED };
    let mut told = 0;
    let traffic = traffic::run(&load, |_| told += 1).await;
    assert_eq!((traffic.errors, traffic.left_out, &traffic.first_error), (0, 0, &None));
    assert_eq!(traffic.sent, 60);
    assert_eq!(traffic.answered.values().sum::<u64>(), traffic.sent);
    assert!(told >= 2);
}

#[tokio::test]
async fn traffic_counts_what_is_not_answered() {
    let nobody = FakeService::start(Behaviour::Refuse);
    let authority = nobody.addr().to_string();
    let load = traffic::Load { authority, rate: 100, duration: Duration::from_millis(100), seed: SEED };
    let traffic = traffic::run(&load, |_| {}).await;
    assert_eq!((traffic.sent, traffic.errors), (10, 10));
    assert_eq!(traffic.first_error, Some(format!("cannot connect to {}", nobody.addr())));
}

#[test]
fn the_configuration_names_both_sides() {
    let text = config("http://127.0.0.1:1", "http://127.0.0.1:2");
    assert!(text.contains("legacy: {url: \"http://127.0.0.1:1\"}"), "{text}");
    assert!(text.contains("match: \"GET /returns/{return_id}/label\""), "{text}");
}
