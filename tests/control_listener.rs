//! The control listener on a real socket: it serves, it refuses what is not for it, and it ends
//! on time whatever its clients do.

#[expect(dead_code, reason = "shared with the tests of the pages")]
mod made_up;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use made_up::{MadeUp, operation, tally};
use parallax::{api, tasks, ui};
use parallax_core::stage::Stage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A listener that runs, and its end.
struct Running {
    made_up: MadeUp,
    address: SocketAddr,
    ended: tokio::task::JoinHandle<Result<(), api::RunError>>,
}

async fn start() -> Running {
    let operation = operation("getReturn", "GET /returns/{return_id}", "99.9%");
    let made_up = MadeUp::empty(vec![(operation, Stage::Switched, tally(10, 0, &[], &[]))]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let finished = made_up.finished.subscribe();
    let ended = tasks::spawn(api::run(
        listener,
        made_up.context(Vec::new()),
        ui::pages(),
        finished,
        tokio::sync::watch::channel(false).0,
    ));
    Running { made_up, address, ended }
}

impl Running {
    /// Sends raw bytes and gives the connection.
    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream
    }

    async fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        self.send(&request).await.read_to_string(&mut text).await.expect("an answer");
        text
    }

    async fn end(self) {
        let start = Instant::now();
        self.made_up.finished.send_replace(true);
        self.ended.await.expect("no panic").expect("it ran");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert!(TcpStream::connect(self.address).await.is_err(), "nobody listens any more");
    }
}

/// Reads until a text has come.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(wanted) {
        let read = stream.read(&mut buffer).await.expect("more");
        assert_ne!(read, 0, "the connection ended before `{wanted}`: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[tokio::test]
async fn it_serves_under_its_own_address_only() {
    let running = start().await;
    let own = running.address.to_string();
    let page = running.ask("GET", "/", &own).await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("getReturn"), "{page}");
    let localhost =
        running.ask("GET", "/api/v1/operations", &format!("localhost:{}", running.address.port())).await;
    assert!(localhost.starts_with("HTTP/1.1 200 OK\r\n"), "{localhost}");
    for host in ["evil.example", "127.0.0.1:1", ""] {
        let refused = running.ask("GET", "/", host).await;
        assert!(refused.starts_with("HTTP/1.1 421 "), "{host}: {refused}");
    }
    let head = running.ask("HEAD", "/metrics", &own).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    running.end().await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_cut_and_serving_goes_on() {
    let running = start().await;
    let own = running.address.to_string();
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\0\u{5}"] {
        let mut stream = running.send(garbage).await;
        stream.shutdown().await.expect("our half is closed");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{garbage:?}: {answer}");
    }
    assert!(running.ask("GET", "/healthz", &own).await.starts_with("HTTP/1.1 200 OK\r\n"));
    running.end().await;
}

#[tokio::test]
async fn it_ends_on_time_with_pages_open_and_clients_stalled() {
    let running = start().await;
    let events = format!("GET /events HTTP/1.1\r\nhost: {}\r\n\r\n", running.address);
    let mut open = running.send(&events).await;
    read_until(&mut open, "event: refresh").await;
    let _half_a_request = running.send("GET / HTTP/1.1\r\nhost: ").await;
    let promise =
        "POST /api/v1/rollback HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 50\r\n";
    let mut half_a_body =
        running.send(&format!("{promise}host: {}\r\nexpect: 100-continue\r\n\r\n", running.address)).await;
    read_until(&mut half_a_body, "100 Continue").await;
    running.end().await;
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).await.expect("the stream ended in order");
    assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
}
