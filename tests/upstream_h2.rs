//! A side that speaks HTTP/2: many requests over one connection, and what becomes of them when the
//! side refuses, resets or goes away.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, Response, Version};
use http_body_util::BodyExt as _;
use parallax::app::Running;
use parallax_testkit::{
    Arrived, FrameService, Gate, HttpService, RawClient, Reached, answer_200, go_away, head_200, last_data,
    reset, whole,
};
use serde_json::json;
use support::{GET_RETURN, assert_conserved};

/// parallax before a legacy side that speaks HTTP/2 in the clear, in stage legacy.
async fn before(legacy: &str) -> Running {
    let configuration = format!(
        "store: 'memory://'\nlegacy: {{url: '{legacy}', protocol: http2}}\ndefaults: {{stage: legacy}}\n\
         operations: [{{id: anyReturn, match: 'GET /returns/{{return_id}}'}}]\n"
    );
    support::start("", "http://127.0.0.1:9", &configuration).await
}

async fn client(running: &Running) -> RawClient {
    RawClient::connect(running.proxy).await.expect("the proxy listens")
}

/// So many clients at once, each with a connection of its own; gives the statuses.
async fn at_once(running: &Running, clients: usize) -> Vec<u16> {
    let asking = (0..clients).map(|number| async move {
        client(running).await.get(&format!("/returns/{number}")).await.expect("an answer").status
    });
    futures_util::future::join_all(asking).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_in_http2_is_asked_and_checked_as_any_other() {
    let answer = |_| async {
        Response::builder().header("content-type", "application/json").body(whole("{\"a\":1}")).unwrap()
    };
    let legacy = HttpService::start(Reached::default(), answer);
    let candidate = HttpService::start(Reached::default(), answer);
    let configuration = format!(
        "store: 'memory://'\nlegacy: {{url: '{}', protocol: http2}}\ncandidate: {{url: '{}/v2', protocol: http2}}\n{GET_RETURN}",
        legacy.url(),
        candidate.url()
    );
    let running = support::start("", "", &configuration).await;
    let fields = [
        ("Host", "shop.test"),
        ("Connection", "x-private"),
        ("X-Private", "1"),
        ("X-Kept", "2"),
        ("TE", "trailers"),
    ];
    let mut client = client(&running).await;
    let answer = client.ask("GET", "/returns/1?x", &fields, b"").await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "{\"a\":1}"));
    let operation = support::at_rest(running.control, "getReturn").await;
    assert_eq!(operation["counts"]["matched"], 1, "{operation}");
    let asked = &legacy.asked()[0];
    assert_eq!(
        (asked.version, asked.uri.to_string()),
        (Version::HTTP_2, "http://shop.test/returns/1?x".into())
    );
    let absent = ["host", "connection", "x-private", "transfer-encoding"];
    assert!(absent.iter().all(|name| !asked.headers.contains_key(*name)), "{:?}", asked.headers);
    assert_eq!(
        (&asked.headers["te"], &asked.headers["x-kept"]),
        (&"trailers".parse().unwrap(), &"2".parse().unwrap())
    );
    let copy = &candidate.asked()[0];
    assert_eq!((copy.uri.path(), &copy.headers["te"]), ("/v2/returns/1", &asked.headers["te"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_trailers_pass_both_ways() {
    let echo = |request: http::Request<hyper::body::Incoming>| async {
        let collected = request.into_body().collect().await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "17".parse().unwrap());
        let body = parallax_testkit::with_trailers(vec![collected.to_bytes()], trailers);
        Response::builder().header("trailer", "x-sum").body(body).unwrap()
    };
    let legacy = HttpService::start(Reached::default(), echo);
    let running = before(&legacy.url()).await;
    let mut client = client(&running).await;
    let body = vec![b'x'; 700_000];
    let answer = client.ask("PUT", "/returns/1", &[("TE", "trailers")], &body).await.unwrap();
    assert!(answer.body == body, "{}", answer.body_length);
    assert_eq!(answer.trailers.get("x-sum"), Some("17"));
    let chunked =
        b"POST /returns/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    client.send(chunked).await.unwrap();
    assert_eq!(client.response("POST").await.unwrap().text(), "hello");
    assert_eq!(client.ask("HEAD", "/returns/1", &[], b"").await.unwrap().status, 200);
    assert_eq!(legacy.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_connection_for_as_long_as_it_has_room() {
    let (gate, waiting) = (Gate::new(), Arc::new(AtomicU64::new(0)));
    let answer = {
        let (gate, waiting) = (gate.clone(), Arc::clone(&waiting));
        move |_| {
            let gate = gate.clone();
            waiting.fetch_add(1, Ordering::SeqCst);
            async move {
                gate.passed().await;
                Response::new(whole("{}"))
            }
        }
    };
    let legacy = HttpService::start(Reached { most_streams: Some(10), ..Reached::default() }, answer);
    let running = before(&legacy.url()).await;
    let open = async {
        parallax_testkit::wait_until(support::DEADLINE, "all have come", || {
            waiting.load(Ordering::SeqCst) == 40
        })
        .await;
        gate.open();
    };
    let (statuses, ()) = tokio::join!(at_once(&running, 40), open);
    assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
    // One for each ten, on each of the proxy's threads. Those who wait for a connection together and
    // find it full make their own.
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    assert!((4..40).contains(&legacy.connections()), "{}", legacy.connections());
    let before = legacy.connections();
    for _ in 0..10 {
        assert_eq!(client(&running).await.get("/returns/1").await.unwrap().status, 200);
    }
    assert!(legacy.connections() <= before.max(threads), "those that are open are used");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_what_comes_one_after_the_other_and_at_once() {
    let legacy = HttpService::start(Reached::default(), |_| async { Response::new(whole("{}")) });
    let running = before(&legacy.url()).await;
    for _ in 0..3 {
        assert!(at_once(&running, 20).await.iter().all(|&status| status == 200));
    }
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(legacy.connections() <= threads, "{}", legacy.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_goes_away_costs_no_client_an_error() {
    // Every connection answers its first two requests, the second one while it says that it goes
    // away, and none after that.
    let legacy = FrameService::start(|Arrived { stream, .. }| match stream {
        1 => answer_200(1, b"{}"),
        3 => [head_200(3), go_away(3, 0), last_data(3, b"{}")].concat(),
        _ => Vec::new(),
    });
    let running = before(&legacy.url()).await;
    let mut client = client(&running).await;
    for number in 0..12 {
        let body = if number % 2 == 0 { &b"hello"[..] } else { b"" };
        let answer = client.ask("POST", "/returns/1", &[], body).await.unwrap();
        assert_eq!((answer.status, answer.text(), answer.complete), (200, "{}", true), "{number}");
    }
    assert_eq!((legacy.requests(), legacy.connections()), (12, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_that_go_away_at_once_cost_no_client_an_error() {
    // Each connection answers its first request, and then says that it never looked at the others.
    let arrived = Arc::new(AtomicU64::new(0));
    let legacy = {
        let arrived = Arc::clone(&arrived);
        FrameService::start(move |Arrived { stream, .. }| match stream {
            1 => {
                arrived.fetch_add(1, Ordering::SeqCst);
                [answer_200(1, b"{}"), go_away(1, 0)].concat()
            }
            _ => Vec::new(),
        })
    };
    let running = before(&legacy.url()).await;
    for _ in 0..10 {
        let statuses = at_once(&running, 16).await;
        assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_side_never_looked_at_goes_out_again_with_its_body() {
    // The first connection answers one request, and refuses the next by going away before it.
    let legacy = FrameService::start(|Arrived { connection, stream }| match (connection, stream) {
        (1, 3) => go_away(1, 0),
        (2, 1) => reset(1, 7),
        (_, stream) => answer_200(stream, b"{}"),
    });
    let running = before(&legacy.url()).await;
    let mut client = client(&running).await;
    for body in [&b""[..], b"hello", b"hello"] {
        let answer = client.ask("POST", "/returns/1", &[], body).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "{}"));
    }
    assert_eq!((legacy.requests(), legacy.connections()), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_always_refuses_is_asked_a_few_times_only() {
    let legacy = FrameService::start(|Arrived { stream, .. }| reset(stream, 7));
    let running = before(&legacy.url()).await;
    let answer = client(&running).await.get("/returns/1").await.unwrap();
    assert_eq!((answer.status, answer.json()["cause"].as_str()), (502, Some("reset")));
    assert_eq!(legacy.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_a_502_and_harms_no_other_request_of_the_connection() {
    let legacy = FrameService::start(|Arrived { stream, .. }| match stream {
        3 => reset(3, 2),
        5 => [head_200(5), reset(5, 2)].concat(),
        stream => answer_200(stream, b"{}"),
    });
    let running = before(&legacy.url()).await;
    let mut client = client(&running).await;
    assert_eq!(client.get("/returns/1").await.unwrap().status, 200);
    let answer = client.get("/returns/1").await.unwrap();
    assert_eq!((answer.status, answer.json()["cause"].as_str()), (502, Some("reset")));
    assert!(!client.get("/returns/1").await.is_ok_and(|answer| answer.complete));
    let mut client = RawClient::connect(running.proxy).await.unwrap();
    assert_eq!(client.get("/returns/1").await.unwrap().status, 200);
    let operation = support::at_rest(running.control, "anyReturn").await;
    assert_conserved(&operation);
    assert_eq!(operation["counts"]["requests"], json!(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_speaks_no_http2_is_a_502() {
    let legacy = parallax_testkit::FakeService::start(support::same("{}"));
    let running = before(&legacy.url()).await;
    let answer = client(&running).await.get("/returns/1").await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["cause"].as_str()),
        (502, Some("protocol")),
        "{}",
        answer.text()
    );
    let running = before("http://127.0.0.1:9").await;
    let answer = client(&running).await.get("/returns/1").await.unwrap();
    assert_eq!((answer.status, answer.json()["cause"].as_str()), (502, Some("refused")));
}
