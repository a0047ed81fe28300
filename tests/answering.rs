//! What the client sees: the answering side's bytes as they came, or a problem that names the
//! side; and nothing of what the candidate does.

mod support;

use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use serde_json::json;
use support::{GET_RETURN, House, assert_conserved, same};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_legacy_is_a_502_that_names_it() {
    let house = House::new(Behaviour::Refuse, same("{}"), GET_RETURN).await;
    let answer = house.get("/returns/1").await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.headers.get("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!((problem["side"].as_str(), problem["cause"].as_str()), (Some("legacy"), Some("refused")));
    assert_eq!(house.get("/elsewhere").await.status, 502);
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"no_answer": 1}));
    assert_conserved(&operation);
    let own = [("operation_id", "getReturn"), ("answered_by", "parallax")];
    assert_eq!(support::sample(&house.metrics().await, "parallax_requests_total", &own), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_that_speaks_no_http_is_a_502() {
    let house = House::new(Behaviour::Garbage, same("{}"), GET_RETURN).await;
    let answer = house.get("/returns/1").await;
    assert_eq!((answer.status, answer.json()["cause"].as_str()), (502, Some("protocol")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_speaks_no_http_is_refused_and_harms_nobody() {
    let house = House::new(same("{}"), same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not http\r\n\r\n").await.unwrap();
    let answer = client.response("GET").await.unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(house.get("/returns/1").await.status, 200);
    assert_eq!(house.legacy.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reverse_proxy_does_not_pass_on_is_refused() {
    let configuration = format!("limits: {{uri: 100, head: 2KiB}}\n{GET_RETURN}");
    let house = House::new(same("{}"), same("{}"), &configuration).await;
    let long_target = format!("/returns/{}", "x".repeat(100));
    let long_field = "x".repeat(2048);
    let cases = [
        ("TRACE", "/returns/1", "", 405),
        ("GET", long_target.as_str(), "", 414),
        ("GET", "/returns/1", long_field.as_str(), 431),
        ("GET", "/returns/1", "short", 200),
    ];
    for (method, target, field, status) in cases {
        let answer = house.client().await.ask(method, target, &[("X-Field", field)], b"").await.unwrap();
        assert_eq!(answer.status, status, "{method} {target}");
    }
    assert_eq!(house.legacy.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_pass_as_they_came() {
    let reply = Reply::text("hello")
        .with_status(418)
        .header("X-Mixed-Case", "a;  b")
        .header("Set-Cookie", "a=1; Path=/")
        .header("Set-Cookie", "b=2")
        .chunked()
        .header("Trailer", "x-checksum")
        .trailer("x-checksum", "17");
    let house = House::new(Behaviour::always(reply.clone()), Behaviour::always(reply), GET_RETURN).await;
    let fields = [("TE", "trailers")];
    let answer = house.client().await.ask("GET", "/returns/1", &fields, b"").await.unwrap();
    assert_eq!((answer.status, answer.text()), (418, "hello"));
    assert!(
        answer.headers.0.contains(&("X-Mixed-Case".to_owned(), "a;  b".to_owned())),
        "{:?}",
        answer.headers
    );
    assert_eq!(answer.headers.all("set-cookie").collect::<Vec<_>>(), ["a=1; Path=/", "b=2"]);
    assert_eq!(answer.trailers.get("x-checksum"), Some("17"));
    assert_eq!(house.at_rest("getReturn").await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_both_ways() {
    let operations = "operations: [{id: putReturn, match: 'PUT /returns/{id}', idempotent: true}]\n";
    let echo = Behaviour::answer(|request| Reply::text(request.body.clone()));
    let house = House::new(echo.clone(), echo, operations).await;
    let body = vec![b'x'; 700_000];
    let answer = house.client().await.ask("PUT", "/returns/1", &[], &body).await.unwrap();
    assert!(answer.body == body);
    assert_eq!(house.at_rest("putReturn").await["counts"]["matched"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_get_reaches_both_sides_also_in_chunks() {
    let house = House::new(same("{}"), same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    let request =
        b"GET /returns/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    client.send(request).await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    house.at_rest("getReturn").await;
    assert_eq!(house.legacy.requests()[0].text(), "hello");
    assert_eq!(house.candidate.requests()[0].text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_off_its_own_body_is_not_the_sides_fault() {
    let operations = "operations: [{id: putReturn, match: 'PUT /returns/{id}', idempotent: true}]\n";
    let house = House::new(same("{}"), same("{}"), operations).await;
    let mut client = house.client().await;
    client
        .send(b"PUT /returns/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno-size\r\n")
        .await
        .unwrap();
    client.response("PUT").await.ok();
    let operation = house.at_rest("putReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"client_aborted": 1}), "{operation}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_connection_over_with_h2c() {
    let house = House::new(Behaviour::EchoUpgrade, same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    let request = b"GET /returns/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n";
    client.send(request).await.unwrap();
    client.head().await.unwrap();
    let asked = &house.legacy.requests()[0];
    assert_eq!((asked.headers.get("upgrade"), asked.headers.get("http2-settings")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_half_way_is_no_check() {
    let legacy = Behaviour::Drip(Duration::from_millis(50));
    let house = House::new(legacy, same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    client.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.head().await.unwrap();
    drop(client);
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"client_aborted": 1}));
    assert_eq!(house.candidate.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_check() {
    let house = House::new(Behaviour::FinMidBody, same("{}"), GET_RETURN).await;
    let answer = house.get("/returns/1").await;
    assert!(!answer.complete);
    assert_eq!(house.at_rest("getReturn").await["counts"]["skipped"], json!({"no_answer": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_passes_bytes_both_ways() {
    let house = House::new(Behaviour::EchoUpgrade, same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    client
        .send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let (status, headers) = client.head().await.unwrap();
    assert_eq!((status, headers.get("upgrade")), (101, Some("echo")));
    client.send(b"ping").await.unwrap();
    assert_eq!(&client.more().await.unwrap()[..], b"ping");
    drop(client);
    assert_eq!(house.at_rest("getReturn").await["counts"]["skipped"], json!({"upgrade": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_side_has_closed_costs_the_client_nothing() {
    let house = House::new(Behaviour::always(Reply::json("{}").close()), same("{}"), GET_RETURN).await;
    let mut client = house.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/returns/1").await.unwrap().status, 200);
    }
}

/// The promise of this product, in small: whatever the candidate does to its copies, no client
/// notices. The rate and the faults are those of a bad day; the bench judges the latency.
#[tokio::test(flavor = "multi_thread")]
async fn no_client_notices_a_candidate_that_hangs_refuses_or_drips() {
    for fault in
        [Behaviour::Silent, Behaviour::NeverRead, Behaviour::Refuse, Behaviour::Drip(Duration::from_secs(1))]
    {
        let shown = format!("{fault:?}");
        let (legacy, candidate) = (FakeService::start(same("{\"a\":1}")), FakeService::start(fault));
        let configuration = format!(
            "store: 'memory://'\ncandidate: {{url: '{}', timeout: 1s}}\n{GET_RETURN}",
            candidate.url()
        );
        let running = support::start(&legacy.url(), "", &configuration).await;
        let asked = 5 * ask_steadily(running.proxy, 100, Duration::from_secs(2)).await;
        let operation = support::at_rest(running.control, "getReturn").await;
        assert_eq!(operation["counts"]["requests"], asked, "{shown}");
        assert_eq!(operation["counts"]["matched"], 0, "{shown}");
        assert_conserved(&operation);
    }
}

/// Five connections, each asking at this rate; gives the requests per connection. Every answer
/// must be legacy's, and none may take longer than a tenth of the candidate's patience.
async fn ask_steadily(proxy: std::net::SocketAddr, per_second: u32, duration: Duration) -> u32 {
    let requests = per_second * u32::try_from(duration.as_secs()).expect("an answer");
    let clients = (0..5).map(|_| async move {
        let mut client = RawClient::connect(proxy).await.expect("an answer");
        let began = Instant::now();
        for number in 0..requests {
            tokio::time::sleep_until((began + number * Duration::from_secs(1) / per_second).into()).await;
            let answer = client.get("/returns/1").await.expect("an answer");
            assert_eq!((answer.status, answer.text()), (200, "{\"a\":1}"));
        }
    });
    futures_util::future::join_all(clients).await;
    requests
}
