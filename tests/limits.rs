//! What a client may not do: too long, too much, too slow, too many. Each limit has its status, ends the
//! connection, and holds nothing of the sides; who keeps within it is not touched.

mod support;

use std::time::{Duration, Instant};

use parallax_testkit::h2::{H2Client, setting};
use parallax_testkit::{Behaviour, RawClient, Reply, wait_until};
use support::{DEADLINE, GET_RETURN, House, same};

async fn house(limits: &str) -> House {
    House::new(same("{}"), same("{}"), &format!("limits: {{{limits}}}\n{GET_RETURN}")).await
}

/// Sends a whole request and expects to be refused.
async fn assert_refused(house: &House, request: &[u8], status: u16) {
    let mut client = house.client().await;
    // What the proxy does not want to read, it need not take either.
    client.send(request).await.unwrap_or_default();
    let answer = client.response("GET").await.expect("an answer");
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.headers.get("content-type"), Some("application/problem+json"), "{:?}", answer.headers);
    assert!(answer.headers.has_token("connection", "close"), "{:?}", answer.headers);
    assert!(client.is_closed().await.is_ok_and(|closed| closed), "the connection goes on");
}

fn get(target: &str, more: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_target() {
    let house = house("uri: 100B").await;
    let target = |length: usize| format!("/{}", "x".repeat(length - 1));
    assert_refused(&house, &get(&target(101), ""), 414).await;
    assert_refused(&house, &get(&target(20_000), ""), 414).await;
    assert_eq!(house.legacy.heads(), 0);
    assert_eq!(house.get(&target(100)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_head() {
    let house = house("head: 8KiB, headers: 20").await;
    assert_refused(&house, &get("/", &format!("X: {}\r\n", "y".repeat(9000))), 431).await;
    assert_refused(&house, &get("/", &format!("X: {}\r\n", "y".repeat(200_000))), 431).await;
    assert_refused(&house, &get("/", &"X: y\r\n".repeat(20)), 431).await;
    // A head that never ends is refused at the limit, not at its end.
    let endless = get("/", &"X: y\r\n".repeat(4000));
    assert_refused(&house, &endless[..endless.len() - 2], 431).await;
    assert_eq!(house.legacy.heads(), 0);
    let mut client = house.client().await;
    client.send(&get("/", &format!("{}Y: {}\r\n", "X: y\r\n".repeat(15), "y".repeat(4000)))).await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body() {
    let house = house("body: 1KiB").await;
    let long = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n";
    assert_refused(&house, long, 413).await;
    assert_eq!(house.legacy.heads(), 0, "what is said to be too large is not begun");

    let chunk = format!("400\r\n{}\r\n1\r\nx\r\n", "x".repeat(1024));
    let chunked = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    assert_refused(&house, chunked.as_bytes(), 413).await;
    assert!(house.legacy.requests().iter().all(|request| !request.complete), "legacy got it as a whole");

    let answer = house.client().await.ask("POST", "/", &[], &[b'x'; 1024]).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_limit_streams() {
    let house = House::new(same("{}"), same("{}"), GET_RETURN).await;
    let answer = house.client().await.ask("POST", "/", &[], &vec![b'x'; 20 << 20]).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(house.legacy.body_bytes(), 20 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head() {
    let house = house("head_time: 300ms").await;
    assert_refused(&house, b"GET / HTTP/1.1\r\nHost: a\r\nX-Unfin", 408).await;

    // The time is for the head as a whole: bytes now and then do not prolong it.
    let mut client = house.client().await;
    let began = Instant::now();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    while began.elapsed() < DEADLINE && client.send(b"X: y\r\n").await.is_ok() {
        interval.tick().await;
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert_eq!(client.response("GET").await.unwrap().status, 408);
    assert_eq!(house.legacy.heads(), 0);

    // Who says nothing at all is not told anything, and does not stay.
    let mut silent = house.client().await;
    assert!(silent.is_closed().await.unwrap());
    assert!(began.elapsed() < DEADLINE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body() {
    let house = house("body_rate: 2KiB").await;
    let mut client = house.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    // 200 bytes a second.
    while began.elapsed() < DEADLINE && client.send(&[b'x'; 10]).await.is_ok() {
        interval.tick().await;
    }
    assert!(began.elapsed() < DEADLINE, "it may go on for ever");
    assert!(house.legacy.requests().iter().all(|request| !request.complete));

    // As fast as it must be, in pieces, with a pause that is no reason to break off.
    let mut client = house.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n").await.unwrap();
    for _ in 0..6 {
        client.send(&[b'x'; 10_000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(client.response("POST").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_does_not_count_while_the_side_is_slow() {
    let limits = format!("limits: {{body_rate: 100KiB}}\n{GET_RETURN}");
    let house = House::new(Behaviour::NeverRead, same("{}"), &limits).await;
    let mut client = house.client().await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await.unwrap();
    // The side takes nothing, and so does the proxy when its buffers are full: that is not the client's
    // doing, and nothing is said for far longer than a slow client is given.
    let body = vec![b'x'; 1 << 20];
    let sends = async { while client.send(&body).await.is_ok() {} };
    assert!(tokio::time::timeout(Duration::from_secs(8), sends).await.is_err(), "the client was sent away");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection() {
    let house = house("idle: 300ms").await;
    let mut client = house.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert!(client.is_closed().await.unwrap());

    // To wait for the answer is not to be idle.
    let slow = Behaviour::Slow(Duration::from_millis(1000));
    house.legacy.behave(slow);
    assert_eq!(house.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections() {
    let house = house("connections: 4").await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut client = house.client().await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
        kept.push(client);
    }
    // The fifth waits or is turned away; it is not served while the others are there.
    let mut fifth = house.client().await;
    fifth.send(&get("/fifth", "")).await.unwrap_or_default();
    for client in &mut kept {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }
    assert!(house.legacy.requests().iter().all(|request| request.target != "/fifth"));
    drop(kept);
    let began = Instant::now();
    let served = || async {
        let Ok(mut client) = RawClient::connect(house.running.proxy).await else { return false };
        client.get("/").await.is_ok_and(|answer| answer.status == 200)
    };
    while !served().await {
        assert!(began.elapsed() < DEADLINE, "room is never found again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_streams() {
    let house = house("streams: 8").await;
    let client = H2Client::open(house.running.proxy, &[]).await.unwrap();
    assert_eq!(client.peer_setting(setting::MAX_CONCURRENT_STREAMS), Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_its_side_and_nobody_else() {
    let house = House::new(Behaviour::EndlessBody, same("{}"), GET_RETURN).await;
    house.legacy.behave_at("/returns/1", Behaviour::always(Reply::json("{}")));
    let mut stuck = house.client().await;
    stuck.send(&get("/endless", "")).await.unwrap();
    wait_until(DEADLINE, "legacy is asked", || house.legacy.heads() == 1).await;
    for _ in 0..20 {
        assert_eq!(house.get("/returns/1").await.status, 200);
    }
    drop(stuck);
    wait_until(DEADLINE, "the side's connection ends with the client's", || {
        house.legacy.open_connections() <= 2
    })
    .await;
}
