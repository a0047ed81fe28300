//! HTTP/1 as clients and sides speak it, beyond the plain request: versions, interim answers, messages
//! without a body, targets in other forms, and what is refused with which status.

mod support;

use std::time::Duration;

use parallax_testkit::{Behaviour, RawClient, Reply, Step};
use support::{GET_RETURN, House, same, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn house(legacy: Behaviour) -> House {
    House::new(legacy, same("{}"), GET_RETURN).await
}

/// Refused before anybody is asked: what is sent, and the status.
const REFUSED: &[(&str, u16)] = &[
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET returns HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
    ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\nx", 417),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_and_with_which_status() {
    let house = house(same("{}")).await;
    let mut wrong = Vec::new();
    for (request, status) in REFUSED {
        let mut client = house.client().await;
        client.send(request.as_bytes()).await.unwrap();
        match client.response("GET").await {
            Err(error) => wrong.push(format!("{request:?}: {error}")),
            Ok(answer) if answer.status != *status => {
                wrong.push(format!("{request:?}: {} and not {status}", answer.status));
            }
            Ok(answer) if !answer.headers.has_token("connection", "close") => {
                wrong.push(format!("{request:?}: {status} without `Connection: close`"));
            }
            Ok(_) if !client.is_closed().await.unwrap_or(false) => {
                wrong.push(format!("{request:?}: {status}, and the connection goes on"));
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), REFUSED.len(), wrong.join("\n"));
    assert_eq!(house.legacy.heads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_chunk_breaks_the_request_off() {
    let house = house(same("{}")).await;
    for chunk in
        ["zz\r\nx\r\n", "1\nx\r\n", "1\r\nxx\r\n", "-1\r\nx\r\n", "1 \r\nx\r\n", "fffffffffffffffff\r\nx\r\n"]
    {
        let mut client = house.client().await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{chunk}0\r\n\r\n").as_bytes()).await.unwrap();
        let answer = client.response("POST").await.expect("an answer");
        assert_eq!(answer.status, 400, "{chunk:?}");
        assert!(client.is_closed().await.unwrap(), "{chunk:?}");
    }
    assert!(house.legacy.requests().iter().all(|request| !request.complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_their_order() {
    let house = house(Behaviour::answer(|request| {
        let slow = Duration::from_millis(if request.path() == "/0" { 300 } else { 0 });
        Reply::text(request.path().to_owned()).delay(slow)
    }))
    .await;
    let mut client = house.client().await;
    let requests: String =
        (0..10).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests.as_bytes()).await.unwrap();
    for number in 0..10 {
        assert_eq!(client.response("GET").await.unwrap().text(), format!("/{number}"));
    }
    // What is refused waits for its turn, and the answers before it come.
    let mut client = house.client().await;
    client.send(b"GET /0 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().text(), "/0");
    assert_eq!(client.response("GET").await.unwrap().status, 400);
    assert!(client.is_closed().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0() {
    let house = house(Behaviour::answer(|request| {
        if request.path() == "/chunked" { Reply::text("chunks").chunked() } else { Reply::text("plain") }
    }))
    .await;
    let mut client = house.client().await;
    client.send(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().text(), "plain");
    assert!(client.is_closed().await.unwrap(), "HTTP/1.0 ends with its answer");

    let mut client = house.client().await;
    for _ in 0..3 {
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\n\r\n").await.unwrap();
        let answer = client.response("GET").await.unwrap();
        assert_eq!(answer.text(), "plain");
        assert!(answer.headers.has_token("connection", "keep-alive"), "{:?}", answer.headers);
    }

    // Chunks are not known to it: the body ends with the connection.
    let mut client = house.client().await;
    client.send(b"GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
    let answer = client.response("GET").await.unwrap();
    assert_eq!((answer.text(), answer.headers.get("transfer-encoding")), ("chunks", None));
    assert!(client.is_closed().await.unwrap());
    for request in house.legacy.requests() {
        assert!(request.head.windows(8).any(|word| word == b"HTTP/1.1"), "sides are spoken to in HTTP/1.1");
        assert!(request.headers.get("host").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_length_and_not_the_body() {
    let house = house(Behaviour::always(Reply::text("0123456789"))).await;
    let mut client = house.client().await;
    for _ in 0..2 {
        let answer = client.ask("HEAD", "/returns/1", &[], b"").await.unwrap();
        assert_eq!((answer.status, answer.headers.get("content-length")), (200, Some("10")));
        assert_eq!(client.get("/returns/1").await.unwrap().text(), "0123456789");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_whatever_their_heads_say() {
    let house = house(same("{}")).await;
    let raw = |text: &'static str| Behaviour::raw(text);
    house.legacy.behave_at("/204", raw("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"));
    house.legacy.behave_at("/204c", raw("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"));
    house
        .legacy
        .behave_at("/304", raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n"));
    let more = "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    house.legacy.behave_at("/more", raw(more));
    let mut client = house.client().await;
    for (target, status) in [("/204", 204), ("/204c", 204), ("/304", 304), ("/more", 204)] {
        let answer = client.get(target).await.unwrap();
        assert_eq!(answer.status, status, "{target}");
        if status == 204 {
            assert_eq!(answer.headers.get("transfer-encoding"), None, "{target}");
            assert_eq!(answer.headers.get("content-length"), None, "{target}");
        }
        // What the side sends beyond its answer is nobody's.
        for _ in 0..4 {
            assert_eq!(client.get("/returns/1").await.unwrap().text(), "{}", "after {target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_absolute_form() {
    let house = house(same("{}")).await;
    let mut client = house.client().await;
    client
        .send(b"GET http://shop.example:81/returns/1?a=b HTTP/1.1\r\nHost: shop.example:81\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    let request = &house.legacy.requests()[0];
    assert_eq!(
        (request.target.as_str(), request.headers.get("host")),
        ("/returns/1?a=b", Some("shop.example:81"))
    );
    assert_eq!(house.at_rest("getReturn").await["counts"]["requests"], 1, "it is the same operation");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_hints_are_passed() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let house = house(Behaviour::script(move |_| {
        vec![Step::Send(hints.into()), Step::Pause(Duration::from_millis(100)), Step::Send(answer.into())]
    }))
    .await;
    let mut client = house.client().await;
    let answer = client.get("/").await.unwrap();
    assert_eq!((answer.status, answer.text(), &answer.interim[..]), (200, "ok", &[103][..]));
    assert_eq!(client.get("/").await.unwrap().interim, vec![103]);

    // HTTP/1.0 knows no interim answers.
    let mut old = house.client().await;
    old.send(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = old.response("GET").await.unwrap();
    assert_eq!((answer.status, answer.interim), (200, Vec::new()));
}

/// A side that does what the test says, over one connection.
struct Side {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Side {
    async fn accept(listener: &TcpListener) -> Self {
        let accepted = tokio::time::timeout(support::DEADLINE, listener.accept()).await;
        Self { stream: accepted.expect("somebody comes").expect("a connection").0, read: Vec::new() }
    }

    /// Reads until this has come.
    async fn until(&mut self, end: &[u8]) -> String {
        assert!(self.gets(end, support::DEADLINE).await, "it does not come");
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// Whether this comes within the time; the connection may end before.
    async fn gets(&mut self, end: &[u8], within: Duration) -> bool {
        let reads = async {
            while !self.read.windows(end.len()).any(|window| window == end) {
                if !matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(within, reads).await.unwrap_or(false)
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("the proxy reads");
    }
}

/// A client that expects to be told to go on, and the side that it talks to.
async fn expecting() -> (RawClient, Side, parallax::app::Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let legacy = format!("http://{}", listener.local_addr().expect("an address"));
    let running = start(&legacy, "http://127.0.0.1:1", &format!("store: 'memory://'\n{GET_RETURN}")).await;
    let mut client = RawClient::connect(running.proxy).await.expect("the proxy listens");
    client
        .send(b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await
        .expect("the proxy reads");
    let side = Side::accept(&listener).await;
    (client, side, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn to_go_on_is_for_the_side_to_say() {
    let (mut client, mut side, _running) = expecting().await;
    let head = side.until(b"\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.contains("expect: 100-continue\r\n"), "{head}");
    // The client hears nothing from anybody but the side.
    let nothing = tokio::time::timeout(Duration::from_millis(300), client.head()).await;
    assert!(nothing.is_err(), "{nothing:?} before the side has said a word");
    side.say("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().0, 100);
    client.send(b"hello").await.unwrap();
    side.until(b"\r\n\r\nhello").await;
    side.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.response("POST").await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_does_not_want_the_body_is_not_sent_it() {
    let (mut client, mut side, _running) = expecting().await;
    side.until(b"\r\n\r\n").await;
    side.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno").await;
    let answer = client.response("POST").await.unwrap();
    assert_eq!((answer.status, answer.text(), &answer.interim[..]), (417, "no", &[][..]));
    // The body that was not sent is not waited for on either side: the client's connection ends, or
    // takes the next request.
    if !answer.headers.has_token("connection", "close") {
        client.send(b"helloGET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    }
    let came = side.gets(b"hello", Duration::from_millis(300)).await;
    assert!(!came, "the body came although it was not wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_may_answer_without_the_word() {
    let (mut client, mut side, _running) = expecting().await;
    side.until(b"\r\n\r\n").await;
    client.send(b"hello").await.unwrap();
    side.until(b"\r\n\r\nhello").await;
    side.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let answer = client.response("POST").await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "ok"));
}

/// Longer than a connection is kept ready without being asked anything.
const A_REST: Duration = Duration::from_millis(1300);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_at_rest_goes_on() {
    let house = house(same("{}")).await;
    let mut client = house.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
        tokio::time::sleep(A_REST).await;
    }
    client.send(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    tokio::time::sleep(A_REST).await;
    client.send(b"st: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    tokio::time::sleep(A_REST).await;
    client.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.response("GET").await.unwrap().status, 400, "it is guarded as before");
    assert!(client.is_closed().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_is_not_at_rest() {
    let house = house(Behaviour::always(Reply::text(vec![b'x'; 8_000_000]))).await;
    let mut client = house.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(2 * A_REST).await;
    let answer = client.response("GET").await.unwrap();
    assert_eq!((answer.body.len(), answer.complete), (8_000_000, true));
    assert_eq!(client.get("/").await.unwrap().status, 200);
}
