//! How a fake service answers: well, or with one of the faults that a proxy meets in the wild.
//!
//! Every behaviour is a list of steps on the open connection, so that a test can also write its
//! own, and there is one player for all of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::record::Recorded;
use crate::reply::Reply;

/// Something that a test's function makes of each request.
pub type PerRequest<T> = Arc<dyn Fn(&Recorded) -> T + Send + Sync>;

/// What a fake service does with a connection or a request.
#[derive(Clone)]
pub enum Behaviour {
    /// Answers well, each request by this function. [`Behaviour::answer`] makes one.
    Answer(PerRequest<Reply>),
    /// Answers by the steps that this function gives. [`Behaviour::script`] makes one.
    Script(PerRequest<Vec<Step>>),
    /// Nothing listens on the port, and open connections are closed. Only for the whole service.
    Refuse,
    /// Resets each connection as soon as it is accepted. Only for the whole service; on
    /// a connection that is open already, as soon as a request comes.
    ResetAtConnect,
    /// Accepts, and never reads a byte. Only for the whole service; on a connection that is open
    /// already it never answers.
    NeverRead,
    /// Takes the request and never answers.
    Silent,
    /// Sends the head of an answer and nothing of its body, for ever.
    HangAfterHead,
    /// Resets the connection when the request has come.
    ResetAfterRequest,
    /// Resets the connection in the middle of a body with a content-length.
    ResetMidBody,
    /// Closes the connection in the middle of a body with a content-length.
    FinMidBody,
    /// Closes the connection in the middle of a body in chunks.
    FinMidChunk,
    /// Sends the answer, its head included, byte by byte, one each interval.
    Drip(Duration),
    /// Sends something that is no HTTP.
    Garbage,
    /// A body with a content-length of 10 GB, sent as fast as it is taken.
    EndlessBody,
    /// A body in chunks that never ends, sent as fast as it is taken.
    EndlessChunks,
    /// Answers 200 after this time.
    Slow(Duration),
    /// A body that is longer than its content-length says.
    WrongContentLength,
    /// A header field of this many bytes.
    HugeHeader(usize),
    /// Answers well with this status and a problem as its body.
    Status(u16),
    /// Answers 302 to this location.
    Redirect(String),
    /// Agrees to any upgrade and sends back what it is sent.
    EchoUpgrade,
}

/// One thing that is done on the open connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Send(Bytes),
    /// Waits this long.
    Pause(Duration),
    /// Waits for the test.
    Await(Gate),
    /// Sends these bytes over and over, until the peer has gone.
    Repeat(Bytes),
    /// Does nothing more until the peer has gone.
    Hang,
    /// Sends back what it is sent, until the peer has gone.
    Echo,
    /// Closes the connection in good order.
    Fin,
    /// Resets the connection.
    Reset,
}

/// Holds a fake service back at one point until the test lets it go on.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets through whoever waits and whoever comes.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Behaviour {
    /// Answers well, each request by this function.
    pub fn answer(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::Answer(Arc::new(answer))
    }

    /// Answers well, each request the same.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self::answer(move |_| reply.clone())
    }

    /// Answers by steps of the test's own making.
    pub fn script(script: impl Fn(&Recorded) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::Script(Arc::new(script))
    }

    /// Sends exactly these bytes and keeps the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::script(move |_| vec![Step::Send(bytes.clone())])
    }

    /// What is done when this request has come.
    pub(crate) fn steps(&self, request: &Recorded) -> Vec<Step> {
        match self {
            Self::Answer(answer) => reply_steps(&answer(request), request),
            Self::Script(script) => script(request),
            Self::Refuse => vec![Step::Fin],
            Self::ResetAtConnect | Self::ResetAfterRequest => vec![Step::Reset],
            Self::NeverRead | Self::Silent => vec![Step::Hang],
            Self::HangAfterHead => vec![head("Content-Length: 100\r\n"), Step::Hang],
            Self::ResetMidBody => {
                // The pause lets the peer see the bytes before the reset, which would overtake them.
                let seen = Step::Pause(Duration::from_millis(20));
                vec![head("Content-Length: 100\r\n"), send(HALF), seen, Step::Reset]
            }
            Self::FinMidBody => vec![head("Content-Length: 100\r\n"), send(HALF), Step::Fin],
            Self::FinMidChunk => {
                vec![head("Transfer-Encoding: chunked\r\n"), send("64\r\n"), send(HALF), Step::Fin]
            }
            Self::Drip(interval) => drip(request, *interval),
            Self::Garbage => {
                vec![send("\u{1}\u{2} 220 mail.example ESMTP ready\r\nnot HTTP at all\r\n"), Step::Fin]
            }
            Self::EndlessBody => vec![head("Content-Length: 10000000000\r\n"), Step::Repeat(block())],
            Self::EndlessChunks => {
                let chunk = [format!("{BLOCK:x}\r\n").as_bytes(), &block(), b"\r\n"].concat();
                vec![head("Transfer-Encoding: chunked\r\n"), Step::Repeat(chunk.into())]
            }
            Self::Slow(time) => reply_steps(&standard().delay(*time), request),
            Self::WrongContentLength => vec![head("Content-Length: 3\r\n"), send(HALF)],
            Self::HugeHeader(size) => reply_steps(&standard().header("X-Huge", &"h".repeat(*size)), request),
            Self::Status(status) => reply_steps(&problem(*status), request),
            Self::Redirect(location) => {
                reply_steps(&Reply::status(302).header("Location", location), request)
            }
            Self::EchoUpgrade => {
                let agreed =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
                vec![send(agreed), Step::Echo]
            }
        }
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Answer(_) => "Answer",
            Self::Script(_) => "Script",
            Self::Refuse => "Refuse",
            Self::ResetAtConnect => "ResetAtConnect",
            Self::NeverRead => "NeverRead",
            Self::Silent => "Silent",
            Self::HangAfterHead => "HangAfterHead",
            Self::ResetAfterRequest => "ResetAfterRequest",
            Self::ResetMidBody => "ResetMidBody",
            Self::FinMidBody => "FinMidBody",
            Self::FinMidChunk => "FinMidChunk",
            Self::Drip(interval) => return write!(f, "Drip({interval:?})"),
            Self::Garbage => "Garbage",
            Self::EndlessBody => "EndlessBody",
            Self::EndlessChunks => "EndlessChunks",
            Self::Slow(time) => return write!(f, "Slow({time:?})"),
            Self::WrongContentLength => "WrongContentLength",
            Self::HugeHeader(size) => return write!(f, "HugeHeader({size})"),
            Self::Status(status) => return write!(f, "Status({status})"),
            Self::Redirect(location) => return write!(f, "Redirect({location})"),
            Self::EchoUpgrade => "EchoUpgrade",
        };
        f.write_str(name)
    }
}

/// Half of the hundred bytes that the broken answers announce.
const HALF: &str = "{\"half\":\"of an answer that was promised in full\",";
const BLOCK: usize = 64 * 1024;

fn send(text: &'static str) -> Step {
    Step::Send(Bytes::from_static(text.as_bytes()))
}

fn head(fields: &str) -> Step {
    Step::Send(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}\r\n").into())
}

fn block() -> Bytes {
    Bytes::from(vec![b'x'; BLOCK])
}

fn standard() -> Reply {
    Reply::json("{\"ok\":true}")
}

fn problem(status: u16) -> Reply {
    let body = format!("{{\"title\":\"made to fail\",\"status\":{status}}}");
    Reply::status(status).header("Content-Type", "application/problem+json").body(body)
}

fn reply_steps(reply: &Reply, request: &Recorded) -> Vec<Step> {
    let mut steps = Vec::new();
    if !reply.delay.is_zero() {
        steps.push(Step::Pause(reply.delay));
    }
    steps.push(Step::Send(reply.bytes(request)));
    if reply.close {
        steps.push(Step::Fin);
    }
    steps
}

fn drip(request: &Recorded, interval: Duration) -> Vec<Step> {
    let bytes = standard().bytes(request);
    let byte = |at: usize| [Step::Send(bytes.slice(at..=at)), Step::Pause(interval)];
    (0..bytes.len()).flat_map(byte).collect()
}
