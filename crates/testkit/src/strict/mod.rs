//! A service that takes nothing but valid HTTP/1.1, to stand behind a proxy and see what it lets through.
//!
//! It reads by the letter of RFC 9112, keeps what it did not understand, and gives every answer a number
//! of its own. A test that has collected the numbers knows which request was answered to whom, and which
//! to nobody: requests that a proxy made out of one client's bytes and answered to nobody, or to somebody
//! else, do not stay unseen. It never guesses what a sloppy message may have meant: the connection ends.

mod grammar;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use grammar::{StrictFraming, StrictHead, check_chunk_line, check_head, check_request, check_trailer};

/// Longest line or head that is read; a proxy that lets more through is at fault.
const MAX_HEAD: usize = 256 * 1024;
/// Requests and faults that are kept, at most; more are counted only.
const MAX_KEPT: usize = 100_000;

/// A strict service on a port of 127.0.0.1. It stops when it is dropped.
#[derive(Debug)]
pub struct StrictService {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A complete and valid request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer's `X-Serial`.
    pub serial: String,
    /// The request's head, byte for byte.
    pub head: Bytes,
}

/// Something that is no HTTP/1.1.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// What is wrong with it.
    pub why: String,
    /// What came, from the beginning of the message, as far as it was read.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Shared {
    name: String,
    serials: AtomicU64,
    cut_off: AtomicU64,
    answered: Mutex<Vec<Answered>>,
    invalid: Mutex<Vec<Invalid>>,
}

impl StrictService {
    /// Starts a service; its name begins the number of each answer.
    ///
    /// # Panics
    /// When the system has no port or no thread to give.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of ours");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            serials: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
            answered: Mutex::default(),
            invalid: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(format!("strict-{name}"))
            .spawn(move || runtime.block_on(accept(listener, of_thread, stopped)))
            .expect("a thread");
        Self { addr, shared, stop, thread: Some(thread) }
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Every complete request so far, in the order of their ends.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        self.shared.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything so far that was no HTTP/1.1.
    #[must_use]
    pub fn invalid(&self) -> Vec<Invalid> {
        self.shared.invalid.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests whose connection ended before they did; valid as far as they came.
    #[must_use]
    pub fn cut_off(&self) -> u64 {
        self.shared.cut_off.load(Ordering::SeqCst)
    }
}

impl Drop for StrictService {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; one in a drop would hide the test's own.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: StdListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let listener = TcpListener::from_std(listener).expect("a runtime that knows sockets");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { serve(stream, &shared).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut reader = Reader { stream, buffer: BytesMut::new(), message: BytesMut::new() };
    loop {
        match request(&mut reader, shared).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(Unread::CutOff) => {
                shared.cut_off.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Err(Unread::Invalid(why)) => {
                let mut invalid = shared.invalid.lock().unwrap_or_else(PoisonError::into_inner);
                if invalid.len() < MAX_KEPT {
                    invalid.push(Invalid { why, bytes: reader.message.clone().freeze() });
                }
                return;
            }
        }
    }
}

/// Why a message was not read to its end.
enum Unread {
    CutOff,
    Invalid(String),
}

impl From<io::Error> for Unread {
    fn from(_: io::Error) -> Self {
        Self::CutOff
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Invalid(why)
    }
}

/// Reads one request and answers it; false when the connection has ended before another.
async fn request(reader: &mut Reader, shared: &Shared) -> Result<bool, Unread> {
    reader.message.clear();
    if reader.buffer.is_empty() && !matches!(reader.fill().await, Ok(true)) {
        return Ok(false);
    }
    let raw = reader.head().await?;
    let head = check_head(&raw)?;
    if head.expects_continue {
        reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    match head.framing {
        StrictFraming::Length(length) => reader.skip(length).await?,
        StrictFraming::Chunked => reader.chunks().await?,
    }
    let serial = format!("{}-{}", shared.name, shared.serials.fetch_add(1, Ordering::SeqCst));
    {
        let mut answered = shared.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() < MAX_KEPT {
            answered.push(Answered { serial: serial.clone(), head: raw });
        }
    }
    let body = format!("{{\"echo\":\"{}\"}}", head.echo);
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Serial: {serial}\r\nContent-Length: {length}\r\n\r\n"
    );
    if !head.is_head {
        answer.push_str(&body);
    }
    reader.stream.write_all(answer.as_bytes()).await?;
    Ok(!head.wants_close)
}

/// A connection, what was read of it and not used, and what was used of the present message.
struct Reader {
    stream: TcpStream,
    buffer: BytesMut,
    message: BytesMut,
}

impl Reader {
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn need(&mut self) -> Result<(), Unread> {
        if self.fill().await? { Ok(()) } else { Err(Unread::CutOff) }
    }

    fn take(&mut self, length: usize) -> Bytes {
        let taken = self.buffer.split_to(length).freeze();
        let room = MAX_HEAD.saturating_sub(self.message.len());
        self.message.extend_from_slice(&taken[..taken.len().min(room)]);
        taken
    }

    /// A line with its end, which is looked at as soon as there is one of whatever kind.
    async fn line(&mut self) -> Result<Bytes, Unread> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(self.take(at + 1));
            }
            if self.buffer.len() > MAX_HEAD {
                let length = self.buffer.len();
                self.take(length);
                return Err(Unread::Invalid(format!("a line of more than {MAX_HEAD} bytes")));
            }
            self.need().await?;
        }
    }

    /// All lines up to the empty one, with it.
    async fn head(&mut self) -> Result<Bytes, Unread> {
        let mut head = BytesMut::new();
        loop {
            let line = self.line().await?;
            head.extend_from_slice(&line);
            if !line.ends_with(b"\r\n") {
                return Err(Unread::Invalid("a line that ends in a bare LF".to_owned()));
            }
            if line.len() == 2 {
                return Ok(head.freeze());
            }
            if head.len() > MAX_HEAD {
                return Err(Unread::Invalid(format!("a head of more than {MAX_HEAD} bytes")));
            }
        }
    }

    async fn skip(&mut self, mut left: u64) -> Result<(), Unread> {
        while left > 0 {
            if self.buffer.is_empty() {
                self.need().await?;
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            self.take(take);
            left -= take as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self) -> Result<(), Unread> {
        loop {
            let line = self.line().await?;
            let size = check_chunk_line(&line)?;
            if size == 0 {
                break;
            }
            self.skip(size).await?;
            while self.buffer.len() < 2 {
                self.need().await?;
            }
            if self.take(2) != b"\r\n"[..] {
                return Err(Unread::Invalid("a chunk that CRLF does not follow".to_owned()));
            }
        }
        loop {
            let line = self.line().await?;
            if line == b"\r\n"[..] {
                return Ok(());
            }
            check_trailer(&line)?;
        }
    }
}
