//! A client that sends exactly the bytes it is given and reads exactly one answer at a time.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::wire::{Content, Framing, Headers, Wire};

/// How long any one step may take, so that a hung peer fails a test instead of hanging it.
const DEADLINE: Duration = Duration::from_secs(20);

/// A connection kept alive over which a test speaks HTTP/1.1 in its own words.
#[derive(Debug)]
pub struct RawClient {
    wire: Wire,
    authority: String,
    sent: Instant,
}

/// One answer, as it came.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status.
    pub status: u16,
    /// The fields in their order, the names in their case.
    pub headers: Headers,
    /// The whole head with its empty line, byte for byte.
    pub head: Bytes,
    /// The body without its framing, as far as it came.
    pub body: Bytes,
    /// Bytes of the body, more than `body` has where it was too large to keep.
    pub body_length: u64,
    /// Trailer fields.
    pub trailers: Headers,
    /// Whether the answer came to the end that its framing announces.
    pub complete: bool,
    /// The interim answers (1xx) before it.
    pub interim: Vec<u16>,
    /// From the request sent to the head.
    pub to_head: Duration,
    /// From the request sent to the last byte.
    pub to_end: Duration,
}

impl RawResponse {
    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the answer's body is UTF-8")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the answer's body is JSON")
    }
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = within(TcpStream::connect(addr)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { wire: Wire::new(stream), authority: addr.to_string(), sent: Instant::now() })
    }

    /// Sends these bytes and nothing else.
    ///
    /// # Errors
    /// When the peer has gone or takes nothing.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.wire.stream.write_all(bytes)).await?;
        self.sent = Instant::now();
        Ok(())
    }

    /// Reads one answer to a request with this method, interim answers included.
    ///
    /// # Errors
    /// When the connection ends before a head, or the head is none.
    pub async fn response(&mut self, method: &str) -> io::Result<RawResponse> {
        within(self.read(method)).await
    }

    /// Reads the head of an answer and leaves its body on the wire; see [`Self::more`].
    ///
    /// # Errors
    /// When the connection ends before a head, or the head is none.
    pub async fn head(&mut self) -> io::Result<(u16, Headers)> {
        let head = within(self.wire.head()).await?.ok_or_else(no_answer)?;
        Ok((status(&head.first_line)?, head.headers))
    }

    /// Reads what comes next, framing and all: at least one byte, or none at the end.
    ///
    /// # Errors
    /// When the peer resets the connection.
    pub async fn more(&mut self) -> io::Result<Bytes> {
        if within(self.wire.at_end()).await? {
            return Ok(Bytes::new());
        }
        Ok(self.wire.buffer.split().freeze())
    }

    /// Asks with a method, a target, fields beside `Host`, and a body, and reads the answer.
    ///
    /// # Errors
    /// When the connection fails or ends before a head.
    pub async fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<RawResponse> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !fields.iter().any(|field| field.0.eq_ignore_ascii_case("host")) {
            let _ = write!(head, "Host: {}\r\n", self.authority);
        }
        for (name, value) in fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !body.is_empty() {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        self.send(&[head.as_bytes(), body].concat()).await?;
        self.response(method).await
    }

    /// Asks for a target.
    ///
    /// # Errors
    /// When the connection fails or ends before a head.
    pub async fn get(&mut self, target: &str) -> io::Result<RawResponse> {
        self.ask("GET", target, &[], b"").await
    }

    /// Closes the sending half: no more will be asked.
    ///
    /// # Errors
    /// When the connection is broken already.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.wire.stream.shutdown().await
    }

    /// Whether the peer closes the connection, in good order or not, with no byte more.
    ///
    /// # Errors
    /// When neither a byte nor the end comes by the deadline.
    pub async fn is_closed(&mut self) -> io::Result<bool> {
        match within(self.wire.at_end()).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
            Err(_) => Ok(true),
            Ok(ended) => Ok(ended),
        }
    }

    async fn read(&mut self, method: &str) -> io::Result<RawResponse> {
        let mut interim = Vec::new();
        loop {
            let head = self.wire.head().await?.ok_or_else(no_answer)?;
            let to_head = self.sent.elapsed();
            let status = status(&head.first_line)?;
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let content = if method == "HEAD" || matches!(status, 101 | 204 | 304) {
                Content::empty()
            } else {
                self.wire.content(Framing::of(&head.headers, Framing::UntilClose), |_| ()).await
            };
            return Ok(RawResponse {
                status,
                headers: head.headers,
                head: head.raw,
                body: content.body.freeze(),
                body_length: content.length,
                trailers: content.trailers,
                complete: content.complete,
                interim,
                to_head,
                to_end: self.sent.elapsed(),
            });
        }
    }
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the peer took too long");
    tokio::time::timeout(DEADLINE, step).await.map_err(|_| late())?
}

fn status(first_line: &str) -> io::Result<u16> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("`{first_line}` is no status line"));
    let version = first_line.strip_prefix("HTTP/1.").ok_or_else(bad)?;
    version.get(2..5).and_then(|digits| digits.parse().ok()).ok_or_else(bad)
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before an answer")
}
