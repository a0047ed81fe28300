//! The head of a request (RFC 9112 sections 2 to 6), read strictly: what is ambiguous is refused,
//! because a side may read it another way.

use super::bytes::{is_target, is_token, is_value, run};
use super::host;
use super::refusal::Refusal::{self, Malformed};
use super::requests::HeadLimits;

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes of a body, or none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that is complete and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length with the empty line.
    pub(super) length: usize,
    /// What follows it.
    pub(super) framing: Framing,
    /// Whether the client asks to leave HTTP on this connection.
    pub(super) upgrade: bool,
}

/// Longest method.
const LONGEST_METHOD: usize = 32;
/// Empty lines before a request that are passed over (RFC 9112 section 2.2).
const EMPTY_LINES: usize = 2;

/// Reads a head from its first byte; `None` while it is not complete.
pub(super) fn read(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Head>, Refusal> {
    let mut reader = Reader { bytes, at: 0 };
    match head(&mut reader, limits) {
        Ok(head) if head.length > limits.head => Err(Refusal::Head),
        Ok(head) => Ok(Some(head)),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Incomplete) if reader.at == 0 && bytes.len() > limits.uri + LONGEST_METHOD => {
            Err(Refusal::Target)
        }
        Err(Stop::Incomplete) if bytes.len() > limits.head => Err(Refusal::Head),
        Err(Stop::Incomplete) => Ok(None),
    }
}

/// Why reading does not go on.
enum Stop {
    Incomplete,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }

    /// All bytes of a kind from here on; the byte behind them has come.
    fn take(&mut self, is: impl Fn(u8) -> bool) -> Result<&'a [u8], Stop> {
        let rest = self.rest();
        let length = run(rest, is);
        if length == rest.len() {
            return Err(Stop::Incomplete);
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Stop> {
        if self.peek()? != byte {
            return Err(Malformed(otherwise).into());
        }
        self.at += 1;
        Ok(())
    }

    fn line_end(&mut self, otherwise: &'static str) -> Result<(), Stop> {
        self.expect(b'\r', otherwise)?;
        self.expect(b'\n', "a carriage return stands without its line feed")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn head(reader: &mut Reader<'_>, limits: &HeadLimits) -> Result<Head, Stop> {
    let start = skip_empty_lines(reader)?;
    let version = request_line(reader, limits).inspect_err(|_| reader.at = start)?;
    let mut fields = Fields::default();
    let mut count = 0;
    while reader.peek()? != b'\r' {
        count += 1;
        if count > limits.headers {
            return Err(Refusal::Fields.into());
        }
        let (name, value) = field(reader)?;
        fields.note(name, value)?;
    }
    reader.line_end("the head does not end with an empty line")?;
    let framing = fields.framing(version, limits)?;
    Ok(Head { length: reader.at, framing, upgrade: fields.upgrade && fields.connection_upgrade })
}

fn skip_empty_lines(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    for _ in 0..EMPTY_LINES {
        if reader.peek()? != b'\r' {
            break;
        }
        reader.line_end("")?;
    }
    // While there is nothing but empty lines, nothing has begun.
    let start = reader.at;
    Ok(start)
}

fn request_line(reader: &mut Reader<'_>, limits: &HeadLimits) -> Result<Version, Stop> {
    let method = reader.take(is_token)?;
    if method.is_empty() || method.len() > LONGEST_METHOD {
        return Err(Malformed("the request does not begin with a method").into());
    }
    reader.expect(b' ', "the method is not followed by a single space")?;
    let target = reader.take(is_target)?;
    if target.len() > limits.uri {
        return Err(Refusal::Target.into());
    }
    if method.eq_ignore_ascii_case(b"CONNECT") || method.eq_ignore_ascii_case(b"TRACE") {
        return Err(Refusal::Method.into());
    }
    if !is_target_of(method, target) {
        return Err(Malformed("the request's target is none").into());
    }
    reader.expect(b' ', "the target has a byte that no target may have, or no version follows it")?;
    let version = version(reader)?;
    reader.line_end("the request line does not end after its version")?;
    Ok(version)
}

fn version(reader: &mut Reader<'_>) -> Result<Version, Stop> {
    let text = reader.rest().get(..8).ok_or(Stop::Incomplete)?;
    let version = match text {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Refusal::Version.into()),
        _ => return Err(Malformed("the request names no HTTP version").into()),
    };
    reader.at += text.len();
    Ok(version)
}

/// Whether a target has one of the forms that a reverse proxy is sent (RFC 9112 section 3.2), as
/// far as its bytes do not tell already.
fn is_target_of(method: &[u8], target: &[u8]) -> bool {
    match target {
        [b'/', ..] => std::str::from_utf8(target).is_ok(),
        b"*" => method == b"OPTIONS",
        _ => {
            let Some(rest) = without_scheme(target) else { return false };
            let end = run(rest, |byte| !matches!(byte, b'/' | b'?'));
            end > 0 && host::is_valid(&rest[..end]) && std::str::from_utf8(rest).is_ok()
        }
    }
}

fn without_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// A field line: its name, and its value without the white space around it.
fn field<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Stop> {
    let name = reader.take(is_token)?;
    if name.is_empty() {
        // White space at the start of a line is a folded line (RFC 9112 section 5.2).
        return Err(Malformed("a header line does not begin with a name").into());
    }
    reader.expect(b':', "a header's name is not followed by a colon")?;
    let value = reader.take(is_value)?;
    reader.line_end("a header's value has a byte that none may have")?;
    Ok((name, value.trim_ascii()))
}

/// What the fields say about the message's frame.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    connection_upgrade: bool,
}

impl Fields {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            4 if is(b"host") => self.host(value),
            6 if is(b"expect") => expectation(value),
            7 if is(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            10 if is(b"connection") => {
                self.connection_upgrade |= value
                    .split(|&byte| byte == b',')
                    .any(|part| part.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
                Ok(())
            }
            14 if is(b"content-length") => self.content_length(value),
            17 if is(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(Malformed("there is more than one `Host`"));
        }
        if host::is_valid(value) { Ok(()) } else { Err(Malformed("`Host` names no host")) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Malformed("there is more than one `Content-Length`"));
        }
        let is_number = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
        self.length = Some(number.ok_or(Malformed("`Content-Length` is no number"))?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Malformed("there is more than one `Transfer-Encoding`"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(unknown_coding(value));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, version: Version, limits: &HeadLimits) -> Result<Framing, Refusal> {
        if version == Version::Http11 && self.hosts == 0 {
            return Err(Malformed("there is no `Host`"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Malformed("there are both `Transfer-Encoding` and `Content-Length`")),
            (true, None) if version == Version::Http10 => {
                Err(Malformed("HTTP/1.0 knows no `Transfer-Encoding`"))
            }
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) if length > limits.body => Err(Refusal::Body),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

fn expectation(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"100-continue") { Ok(()) } else { Err(Refusal::Expectation) }
}

/// A list of codings that ends in one `chunked` is understood and not offered; anything else
/// leaves open where the message ends.
fn unknown_coding(value: &[u8]) -> Refusal {
    let codings: Vec<&[u8]> = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).collect();
    let chunked = |coding: &&&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let tokens = codings.iter().all(|coding| !coding.is_empty() && coding.iter().all(|&byte| is_token(byte)));
    if tokens && codings.iter().filter(chunked).count() == 1 && codings.last().as_ref().is_some_and(chunked) {
        Refusal::Coding
    } else {
        Malformed("`Transfer-Encoding` leaves open where the body ends")
    }
}

/// Holds one line of a trailer section against the grammar; the line without its end.
pub(super) fn is_field_line(line: &[u8]) -> bool {
    let name = run(line, is_token);
    let is_named = name > 0 && line.get(name) == Some(&b':');
    is_named && line[name + 1..].iter().all(|&byte| is_value(byte))
}
