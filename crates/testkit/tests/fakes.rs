//! The fakes do what their names say: seen by a client that reads bytes.

use std::io::ErrorKind;
use std::time::Duration;

use parallax_testkit::{
    Behaviour, FakeService, Gate, RawClient, Reply, Step, wait_until, wait_until_blocking,
};

async fn client(service: &FakeService) -> RawClient {
    RawClient::connect(service.addr()).await.expect("the service listens")
}

async fn ask(behaviour: Behaviour) -> std::io::Result<parallax_testkit::RawResponse> {
    let service = FakeService::start(behaviour);
    // A reset can come before the connection is handed over.
    RawClient::connect(service.addr()).await?.get("/").await
}

#[tokio::test]
async fn records_requests_as_they_came() {
    let service = FakeService::start(Behaviour::answer(|request| Reply::text(request.body.clone())));
    let mut client = client(&service).await;
    client.send(b"PUT /a%2Fb?x=1&x=2 HTTP/1.1\r\nhOsT: here\r\nX-Two:  b \r\nx-two: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;e=1\r\nd\r\n0\r\nT: 1\r\n\r\n").await.unwrap();
    let response = client.response("PUT").await.unwrap();
    assert_eq!((response.status, response.text()), (200, "abcd"));
    assert_eq!(client.get("/second").await.unwrap().text(), "");

    let requests = service.requests();
    let fields: Vec<_> =
        requests[0].headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [("hOsT", "here"), ("X-Two", "b"), ("x-two", "a"), ("Transfer-Encoding", "chunked")];
    assert_eq!(fields, expected);
    assert_eq!(requests[0].headers.all("x-TWO").collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path(), requests[0].query()),
        ("PUT", "/a%2Fb", Some("x=1&x=2"))
    );
    assert_eq!(requests[0].trailers.get("t"), Some("1"));
    assert!(requests[0].head.ends_with(b"chunked\r\n\r\n"));
    assert_eq!((requests[1].connection, service.connections(), service.count()), (1, 1, 2));
}

#[tokio::test]
async fn answers_in_every_framing() {
    let service = FakeService::start(Behaviour::always(Reply::json("{\"a\":1}")));
    service.behave_at("/chunked", Behaviour::always(Reply::text("hello").trailer("X-Sum", "9")));
    service.behave_at("/gzip", Behaviour::always(Reply::text("hello").gzip()));
    service.behave_at("/close", Behaviour::always(Reply::text("bye").until_close()));
    let mut client = client(&service).await;
    assert_eq!(client.get("/").await.unwrap().json(), serde_json::json!({"a": 1}));
    let head = client.ask("HEAD", "/", &[], b"").await.unwrap();
    assert_eq!((head.headers.get("content-length"), head.body.len()), (Some("7"), 0));
    let chunked = client.get("/chunked").await.unwrap();
    assert_eq!((chunked.text(), chunked.trailers.get("x-sum")), ("hello", Some("9")));
    let gzip = client.get("/gzip").await.unwrap();
    assert_eq!(&gzip.body[..2], [0x1f, 0x8b]);
    let close = client.get("/close?now").await.unwrap();
    assert_eq!((close.text(), close.complete), ("bye", true));
    assert!(client.is_closed().await.unwrap());
}

#[tokio::test]
async fn refuses_while_it_keeps_its_port_and_listens_again() {
    let service = FakeService::start(Behaviour::Refuse);
    let refused = RawClient::connect(service.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    service.behave(Behaviour::Status(503));
    let mut open = client(&service).await;
    assert_eq!(open.get("/").await.unwrap().status, 503);
    service.behave(Behaviour::Refuse);
    assert!(open.is_closed().await.unwrap());
    assert_eq!(RawClient::connect(service.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    service.behave(Behaviour::Redirect("http://elsewhere.invalid/".to_owned()));
    let moved = client(&service).await.get("/").await.unwrap();
    assert_eq!((moved.status, moved.headers.get("location")), (302, Some("http://elsewhere.invalid/")));
}

#[tokio::test]
async fn breaks_connections_where_it_says() {
    let reset = ask(Behaviour::ResetAfterRequest).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert!(ask(Behaviour::ResetAtConnect).await.is_err());
    assert_eq!(ask(Behaviour::Garbage).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    for broken in [Behaviour::ResetMidBody, Behaviour::FinMidBody, Behaviour::FinMidChunk] {
        let response = ask(broken.clone()).await.unwrap();
        assert!(!response.complete, "{broken:?}");
        assert!((1..100).contains(&response.body.len()), "{broken:?}: {}", response.body.len());
    }
    let huge = ask(Behaviour::HugeHeader(1_000_000)).await.unwrap();
    assert_eq!(huge.headers.get("x-huge").map(str::len), Some(1_000_000));
}

#[tokio::test]
async fn leaves_bytes_after_a_wrong_content_length() {
    let service = FakeService::start(Behaviour::WrongContentLength);
    let mut client = client(&service).await;
    assert_eq!(client.get("/").await.unwrap().body.len(), 3);
    assert!(!client.more().await.unwrap().is_empty());
}

#[tokio::test]
async fn hangs_and_drips_without_end() {
    let service = FakeService::start(Behaviour::HangAfterHead);
    service.behave_at("/silent", Behaviour::Silent);
    service.behave_at("/drip", Behaviour::Drip(Duration::from_millis(5)));
    let mut hung = client(&service).await;
    hung.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(hung.head().await.unwrap().0, 200);
    assert!(tokio::time::timeout(Duration::from_millis(50), hung.more()).await.is_err());

    let mut silent = client(&service).await;
    silent.send(b"GET /silent HTTP/1.1\r\n\r\n").await.unwrap();
    wait_until(Duration::from_secs(5), "the request is recorded", || service.count() == 2).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), silent.more()).await.is_err());

    let dripped = client(&service).await.get("/drip").await.unwrap();
    assert_eq!(dripped.text(), "{\"ok\":true}");
    assert!(dripped.to_end > Duration::from_millis(200), "{:?}", dripped.to_end);
    drop((hung, silent));
    wait_until(Duration::from_secs(5), "hung connections end", || service.open_connections() == 0).await;
}

#[tokio::test]
async fn sends_for_ever_until_the_peer_has_gone() {
    let service = FakeService::start(Behaviour::EndlessChunks);
    service.behave_at("/body", Behaviour::EndlessBody);
    for target in ["/chunks", "/body"] {
        let mut client = client(&service).await;
        client.send(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut got = 0;
        while got < 2_000_000 {
            got += client.more().await.unwrap().len();
        }
    }
    wait_until(Duration::from_secs(5), "endless answers end", || service.open_connections() == 0).await;
}

#[tokio::test]
async fn waits_for_the_test_at_a_gate() {
    let gate = Gate::new();
    let held = gate.clone();
    let service = FakeService::start(Behaviour::script(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".into();
        vec![Step::Send(head), Step::Await(held.clone()), Step::Send("ok".into())]
    }));
    let mut client = client(&service).await;
    client.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().0, 200);
    assert!(tokio::time::timeout(Duration::from_millis(50), client.more()).await.is_err());
    gate.open();
    assert_eq!(client.more().await.unwrap(), "ok");
}

#[tokio::test]
async fn sees_a_head_before_its_body() {
    let service = FakeService::start(Behaviour::always(Reply::status(204)));
    let mut client = client(&service).await;
    client.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nab").await.unwrap();
    wait_until(Duration::from_secs(5), "half a body", || service.body_bytes() == 2).await;
    assert_eq!((service.heads(), service.count()), (1, 0));
    client.send(b"cd").await.unwrap();
    let response = client.response("POST").await.unwrap();
    assert_eq!((response.status, response.interim.as_slice()), (204, [100].as_slice()));
    assert_eq!(service.requests()[0].text(), "abcd");
    service.forget();
    assert_eq!(service.count(), 0);
}

#[tokio::test]
async fn echoes_after_an_upgrade() {
    let service = FakeService::start(Behaviour::EchoUpgrade);
    let mut client = client(&service).await;
    let upgraded =
        client.ask("GET", "/", &[("Connection", "upgrade"), ("Upgrade", "echo")], b"").await.unwrap();
    assert_eq!(upgraded.status, 101);
    client.send(b"ping").await.unwrap();
    assert_eq!(client.more().await.unwrap(), "ping");
}

#[test]
fn serves_a_test_without_a_runtime_and_stops_when_dropped() {
    use std::io::{Read as _, Write as _};
    let service = FakeService::start(Behaviour::Slow(Duration::from_millis(1)));
    let addr = service.addr();
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("{\"ok\":true}"), "{answer}");
    wait_until_blocking(Duration::from_secs(5), "one request", || service.count() == 1);
    drop(service);
    assert_eq!(std::net::TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
