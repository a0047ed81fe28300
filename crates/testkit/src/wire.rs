//! Reading HTTP/1.1 messages off a socket: heads and bodies, byte for byte, for both ends.
//! It never writes and never judges: what a peer may send is for the test to say.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Longest head and longest chunk line that is read.
const MAX_HEAD: usize = 16 * 1024 * 1024;
/// Longest body that is kept; what comes after it is read and counted only.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Header fields in the order and in the case in which they came. Bytes of a value beyond ASCII
/// stand as the characters of the same number, so nothing is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a field, the name in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.as_str())
    }

    /// Every value of a field in order, the name in any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|field| field.1.as_str())
    }

    /// Whether any value of a field holds this token, both in any case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    fn parse(lines: &[u8]) -> Self {
        let mut fields = Vec::new();
        for line in lines.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            fields.push((latin1(&line[..colon]), latin1(&line[colon + 1..]).trim().to_owned()));
        }
        Self(fields)
    }
}

/// The head of a message: its first line and its fields.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// All of it as it came, with the empty line.
    pub(crate) raw: Bytes,
    pub(crate) first_line: String,
    pub(crate) headers: Headers,
}

/// The body of a message, as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) body: BytesMut,
    /// Bytes of the body that came, kept or not.
    pub(crate) length: u64,
    pub(crate) trailers: Headers,
    /// Whether it came to the end that its framing announces.
    pub(crate) complete: bool,
}

impl Content {
    pub(crate) fn empty() -> Self {
        Self { complete: true, ..Self::default() }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = MAX_BODY.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// How the length of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// What the fields of a head announce; nothing announced is `otherwise`.
    pub(crate) fn of(headers: &Headers, otherwise: Self) -> Self {
        if headers.has_token("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        headers.get("content-length").and_then(|text| text.parse().ok()).map_or(otherwise, Self::Length)
    }
}

/// A connection with what was read from it and not used yet.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next head; `None` when the connection ends before another byte.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        while self.buffer.starts_with(b"\r\n") {
            let _ = self.buffer.split_to(2);
        }
        let Some(raw) = self.until(b"\r\n\r\n").await? else { return Ok(None) };
        let line_end = raw.iter().position(|byte| *byte == b'\n').unwrap_or(raw.len());
        let first_line = latin1(raw[..line_end].trim_ascii_end());
        let headers = Headers::parse(raw.get(line_end + 1..).unwrap_or_default());
        Ok(Some(Head { raw, first_line, headers }))
    }

    /// A body, to its end or to that of the connection. `seen` is told of every piece.
    pub(crate) async fn content(&mut self, framing: Framing, mut seen: impl FnMut(usize)) -> Content {
        let mut content = Content::default();
        // An end that comes too soon shows in `complete`; the kind of end is the peer's affair.
        content.complete = match framing {
            Framing::Length(length) => self.copy(length, &mut content, &mut seen).await.is_ok(),
            Framing::Chunked => self.chunks(&mut content, &mut seen).await.is_ok(),
            Framing::UntilClose => self.rest(&mut content, &mut seen).await.is_ok(),
        };
        content
    }

    /// Whether the peer has closed its side, with nothing left to read.
    pub(crate) async fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.buffer.is_empty() && !self.fill().await?)
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn until(&mut self, end: &[u8]) -> io::Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            let from = searched.min(self.buffer.len());
            if let Some(at) = self.buffer[from..].windows(end.len()).position(|window| window == end) {
                return Ok(Some(self.buffer.split_to(from + at + end.len()).freeze()));
            }
            searched = (self.buffer.len() + 1).saturating_sub(end.len());
            if self.buffer.len() > MAX_HEAD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a head without end"));
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_off()) };
            }
        }
    }

    async fn copy(
        &mut self,
        mut left: u64,
        content: &mut Content,
        seen: &mut impl FnMut(usize),
    ) -> io::Result<()> {
        while left > 0 {
            if self.buffer.is_empty() && !self.fill().await? {
                return Err(cut_off());
            }
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            content.push(&self.buffer.split_to(take));
            seen(take);
            left -= take as u64;
        }
        Ok(())
    }

    async fn chunks(&mut self, content: &mut Content, seen: &mut impl FnMut(usize)) -> io::Result<()> {
        loop {
            let line = self.until(b"\r\n").await?.ok_or_else(cut_off)?;
            let size = chunk_size(&line)?;
            if size == 0 {
                break;
            }
            self.copy(size, content, seen).await?;
            if self.until(b"\r\n").await?.is_none_or(|end| end.len() != 2) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk longer than it says"));
            }
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.until(b"\r\n").await?.ok_or_else(cut_off)?;
            if line.len() == 2 {
                break;
            }
            trailers.extend_from_slice(&line);
        }
        content.trailers = Headers::parse(&trailers);
        Ok(())
    }

    async fn rest(&mut self, content: &mut Content, seen: &mut impl FnMut(usize)) -> io::Result<()> {
        loop {
            seen(self.buffer.len());
            content.push(&self.buffer.split());
            if !self.fill().await? {
                return Ok(());
            }
        }
    }
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within a message")
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
