//! What a candidate may do to its copies.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use parallax_testkit::h2::{Frame, code, flag, kind};
use parallax_testkit::{Arrived, Behaviour, FakeService, FrameService, Reply, Step};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// One row: a candidate, and how it is configured.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) candidate: Candidate,
}

/// Where a candidate is, or what it does.
pub(crate) enum Candidate {
    /// A service that answers as legacy does: what the others are held against.
    Good,
    /// A service with a fault.
    Behaves(Behaviour),
    /// Nobody takes the connection, and nobody refuses it.
    ConnectHangs,
    /// Nobody is called so. The name is longer than names may be, so that it fails on this machine.
    NoSuchName,
    /// TLS is spoken to a service that speaks none.
    NoTls,
    /// A fault that only HTTP/2 has.
    Http2(fn(Arrived) -> Vec<u8>),
}

/// A candidate that runs, for as long as this is held.
pub(crate) type Held = Box<dyn Any + Send>;

impl Candidate {
    /// Starts it; its configuration beside the timeout.
    pub(crate) async fn start(self, good: Behaviour) -> (Held, String) {
        match self {
            Self::Good => service(good),
            Self::Behaves(behaviour) => service(behaviour),
            Self::ConnectHangs => {
                let hung = Hung::new().await;
                let url = format!("url: 'http://{}'", hung.addr);
                (Box::new(hung), url)
            }
            Self::NoSuchName => {
                (Box::new(()), format!("url: 'http://{}.test:80'", "a".repeat(63) + &"b".repeat(9)))
            }
            Self::NoTls => {
                let (held, url) = service(good);
                (held, url.replace("http://", "https://"))
            }
            Self::Http2(script) => {
                let service = FrameService::start(script);
                let url = format!("url: '{}', protocol: http2", service.url());
                (Box::new(service), url)
            }
        }
    }
}

fn service(behaviour: Behaviour) -> (Held, String) {
    let service = FakeService::start(behaviour);
    let url = format!("url: '{}'", service.url());
    (Box::new(service), url)
}

/// A listener whose queue is full, so that the system answers no more connections.
pub(crate) struct Hung {
    addr: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Hung {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let listener = socket.listen(1).expect("a port of ours");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await
        {
            assert!(waiting.len() < 64, "the queue of one is never full");
            waiting.push(stream);
        }
        Self { addr, _listener: listener, _waiting: waiting }
    }
}

pub(crate) fn faults() -> Vec<Fault> {
    let mut faults = vec![
        of("connect refused", Behaviour::Refuse),
        Fault { name: "connect hangs", candidate: Candidate::ConnectHangs },
        Fault { name: "no such name", candidate: Candidate::NoSuchName },
        of("never reads", Behaviour::NeverRead),
        of("silent", Behaviour::Silent),
        of("hangs after the head", Behaviour::HangAfterHead),
        of("RST at connect", Behaviour::ResetAtConnect),
        of("RST after the request", Behaviour::ResetAfterRequest),
        of("RST within the head", broken("HTTP/1.1 200 OK\r\nContent-", Step::Reset)),
        of("RST within the body", Behaviour::ResetMidBody),
        of("FIN after the request", Behaviour::script(|_| vec![Step::Fin])),
        of("FIN within the head", broken("HTTP/1.1 200 OK\r\nContent-", Step::Fin)),
        of("FIN within the body", Behaviour::FinMidBody),
        of("FIN within a chunk", Behaviour::FinMidChunk),
        of("1 B/s", Behaviour::Drip(Duration::from_secs(1))),
        of("garbage", Behaviour::Garbage),
        of("endless body", Behaviour::EndlessBody),
        of("endless chunks", Behaviour::EndlessChunks),
        of("endless interim answers", endless("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
        of("endless head", endless("X-More: and more\r\n")),
        of("wrong content-length", Behaviour::WrongContentLength),
        of(
            "two content-lengths",
            Behaviour::raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
        ),
        of("bad chunk size", Behaviour::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
        of("1 MB of a header", Behaviour::HugeHeader(1 << 20)),
        of("gzip bomb", bomb()),
        of("503", Behaviour::Status(503)),
        of("redirect", Behaviour::Redirect("http://127.0.0.1:1/elsewhere".to_owned())),
        of("an upgrade nobody asked for", Behaviour::EchoUpgrade),
        of("slow", Behaviour::Slow(Duration::from_secs(2))),
    ];
    let http2 = |name, script| Fault { name, candidate: Candidate::Http2(script) };
    faults.extend([
        Fault { name: "no TLS", candidate: Candidate::NoTls },
        http2("HTTP/2: silent", |_| Vec::new()),
        http2("HTTP/2: GOAWAY", |_| Frame::go_away(0, code::NO_ERROR).bytes()),
        http2("HTTP/2: GOAWAY within the body", |arrived| {
            [begun(arrived), Frame::go_away(arrived.stream, code::INTERNAL_ERROR).bytes()].concat()
        }),
        http2("HTTP/2: RST_STREAM at once", |arrived| {
            Frame::reset(arrived.stream, code::REFUSED_STREAM).bytes()
        }),
        http2("HTTP/2: RST_STREAM within the body", |arrived| {
            [begun(arrived), Frame::reset(arrived.stream, code::INTERNAL_ERROR).bytes()].concat()
        }),
        http2("HTTP/2: hangs after the head", begun),
        http2("HTTP/2: a head of 4 MB", |arrived| {
            let more = Frame::continuation(arrived.stream, 0, &[("x", &"y".repeat(8000))]).bytes();
            [Frame::headers(arrived.stream, 0, &[(":status", "200")]).bytes(), more.repeat(500)].concat()
        }),
        http2("HTTP/2: garbage", |arrived| {
            Frame::new(kind::PUSH_PROMISE, 0, arrived.stream, "garbage").bytes()
        }),
    ]);
    faults
}

fn of(name: &'static str, behaviour: Behaviour) -> Fault {
    Fault { name, candidate: Candidate::Behaves(behaviour) }
}

fn broken(sent: &'static str, end: Step) -> Behaviour {
    // The pause lets the peer see the bytes before a reset, which would overtake them.
    let seen = Step::Pause(Duration::from_millis(20));
    Behaviour::script(move |_| {
        vec![Step::Send(Bytes::from_static(sent.as_bytes())), seen.clone(), end.clone()]
    })
}

fn endless(piece: &'static str) -> Behaviour {
    let status =
        Step::Send(Bytes::from_static(if piece.starts_with("HTTP") { b"" } else { b"HTTP/1.1 200 OK\r\n" }));
    Behaviour::script(move |_| vec![status.clone(), Step::Repeat(Bytes::from(piece.repeat(100)))])
}

/// 64 MiB that are 64 KiB on the wire.
fn bomb() -> Behaviour {
    Behaviour::always(Reply::json(vec![b' '; 64 << 20]).gzip())
}

/// The head of an answer and some of its body.
fn begun(arrived: Arrived) -> Vec<u8> {
    let head = [(":status", "200"), ("content-type", "application/json"), ("content-length", "100")];
    let head = Frame::headers(arrived.stream, flag::END_HEADERS, &head).bytes();
    [head, Frame::data(arrived.stream, 0, "{\"half\":").bytes()].concat()
}
