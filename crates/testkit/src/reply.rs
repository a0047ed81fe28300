//! A well-formed answer, from its parts to its bytes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;

use crate::record::Recorded;
use crate::wire::Framing;

/// A well-formed answer of a fake service. Fields go out in their order and in their case.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    trailers: Vec<(String, String)>,
    framing: Framing,
    pub(crate) delay: Duration,
    pub(crate) close: bool,
}

impl Reply {
    /// An answer with a status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            trailers: Vec::new(),
            framing: Framing::Length(0),
            delay: Duration::ZERO,
            close: false,
        }
    }

    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(body)
    }

    /// 200 with a text body.
    #[must_use]
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self::status(200).header("Content-Type", "text/plain; charset=utf-8").body(body)
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same in chunks.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// The same with one more trailer field, and so in chunks.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.chunked()
    }

    /// The same with a body that ends with the connection.
    #[must_use]
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self.close = true;
        self
    }

    /// The same with the connection closed after it.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self.header("Connection", "close")
    }

    /// The same with the body of now compressed.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&self.body).expect("memory takes all");
        self.body = encoder.finish().expect("memory takes all").into();
        self.header("Content-Encoding", "gzip")
    }

    /// The same after this time.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The answer's bytes, as they answer this request.
    pub(crate) fn bytes(&self, request: &Recorded) -> Bytes {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let bodiless = matches!(self.status, 100..=199 | 204 | 304);
        if !bodiless {
            match self.framing {
                Framing::Length(_) => {
                    let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
                }
                Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
                Framing::UntilClose => head.push_str("Connection: close\r\n"),
            }
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !bodiless && request.method != "HEAD" {
            self.frame(&mut bytes);
        }
        bytes.into()
    }

    fn frame(&self, bytes: &mut Vec<u8>) {
        match self.framing {
            Framing::Length(_) | Framing::UntilClose => bytes.extend_from_slice(&self.body),
            Framing::Chunked => {
                // More than one chunk wherever there is more than one byte, so that a reader that
                // takes the first chunk for all of it fails.
                for chunk in self.body.chunks((self.body.len() / 2).max(1)) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n");
                for (name, value) in &self.trailers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}
