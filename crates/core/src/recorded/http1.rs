//! A message of HTTP/1.1 as a recorder took it off the wire: one message, all of its bytes.
//!
//! Framing has done its work when the message was sent, so that it is read leniently here: what
//! matters is where the body begins and whether all of it was written down.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use super::Unusable;
use super::har::host_and_path;
use crate::exchange::{Answer, Body, Request};
use crate::posted::headers::Collected;
use crate::posted::{method_of, target};

/// Why a message cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Not {
    Usable(Unusable),
    InOrder { problem: String, remedy: &'static str },
}

fn broken(problem: impl Into<String>) -> Not {
    Not::InOrder { problem: problem.into(), remedy: "record it again" }
}

/// Reads a request, and the host that it was for.
pub(super) fn request(bytes: &[u8]) -> Result<(Option<String>, Request), Not> {
    let head = Head::of(bytes)?;
    // What stands between the first space and the last is the target, and is refused where it has more.
    let line = head.first.split_once(' ').and_then(|(method, rest)| Some((method, rest.rsplit_once(' ')?)));
    let Some((method, (path, "HTTP/1.1" | "HTTP/1.0"))) = line else {
        return Err(broken("the request does not begin with a request line of HTTP/1.1"));
    };
    let method = method_of(method).map_err(|remedy| Not::InOrder {
        problem: "this is no method that can be asked".to_owned(),
        remedy,
    })?;
    let path = host_and_path(path).map_or(path, |(_, path)| path);
    let target = target(path)
        .map_err(|error| Not::InOrder { problem: format!("the target: {error}"), remedy: error.remedy() })?;
    let (headers, raw) = head.headers()?;
    let host = raw.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    // A request's trailers are no part of what is asked.
    let (body, _) = body(&raw, head.rest, Ends::WithoutLength)?;
    Ok((host, Request { method, target, headers: headers.of_a_request(), body }))
}

/// Reads an answer to a request with this method.
pub(super) fn answer(bytes: &[u8], method: &Method) -> Result<Answer, Not> {
    let mut head = Head::of(bytes)?;
    loop {
        let mut words = head.first.splitn(3, ' ');
        let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let status =
            Some(status).filter(|_| version.starts_with("HTTP/")).and_then(|status| status.parse().ok());
        let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok());
        let status = status.ok_or_else(|| broken("the response does not begin with a status line"))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Not::Usable(Unusable::Upgrade));
        }
        if status.is_informational() {
            head = Head::of(head.rest)?;
            continue;
        }
        if !(200..600).contains(&status.as_u16()) {
            return Err(broken("this is no status of an answer"));
        }
        let (headers, raw) = head.headers()?;
        let bodiless = *method == Method::HEAD || matches!(status.as_u16(), 204 | 304);
        let none = (Bytes::new(), None);
        let (body, trailers) = if bodiless { none } else { body(&raw, head.rest, Ends::WithTheConnection)? };
        let headers = headers.of_an_answer();
        return Ok(Answer { status, headers, body: Body::Whole(body), trailers });
    }
}

/// Where a body ends whose length nothing says.
#[derive(PartialEq, Eq)]
enum Ends {
    WithoutLength,
    WithTheConnection,
}

struct Head<'b> {
    first: &'b str,
    fields: &'b [u8],
    rest: &'b [u8],
}

impl<'b> Head<'b> {
    fn of(bytes: &'b [u8]) -> Result<Self, Not> {
        let finds = |mark: &[u8]| memchr::memmem::find(bytes, mark).map(|at| (at, at + mark.len()));
        let end = [finds(b"\r\n\r\n"), finds(b"\n\n")].into_iter().flatten().min();
        let (head_end, body) = end.ok_or(Not::Usable(Unusable::CutOff))?;
        let head = &bytes[..head_end];
        let line_end = memchr::memchr(b'\n', head).unwrap_or(head.len());
        let first =
            std::str::from_utf8(&head[..line_end]).map_err(|_| broken("the first line is no text"))?;
        let fields = head.get(line_end + 1..).unwrap_or_default();
        Ok(Self { first: first.trim_end_matches('\r'), fields, rest: &bytes[body..] })
    }

    /// The headers twice: to be used, and as they were, for how the body is framed.
    fn headers(&self) -> Result<(Collected, HeaderMap), Not> {
        let collected = fields(self.fields)?;
        let raw = collected.as_given().clone();
        Ok((collected, raw))
    }
}

/// Header or trailer lines, up to the empty one.
fn fields(bytes: &[u8]) -> Result<Collected, Not> {
    let mut collected = Collected::default();
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or_else(|| broken("a header line has no colon"))?;
        let added = collected.add(&line[..colon], &line[colon + 1..]);
        added.map_err(|_| broken("a header line could not be sent"))?;
    }
    Ok(collected)
}

/// A body, and the trailer fields behind it, where there are any.
type Framed = (Bytes, Option<HeaderMap>);

fn body(headers: &HeaderMap, rest: &[u8], ends: Ends) -> Result<Framed, Not> {
    let codings = headers.get_all(header::TRANSFER_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let is_chunked =
        codings.flat_map(|line| line.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
    if is_chunked {
        return chunks(rest);
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .map(|length| length.to_str().ok().and_then(|text| text.parse::<usize>().ok()));
    match (length, ends) {
        (Some(None), _) => Err(broken("`Content-Length` is no number")),
        (Some(Some(length)), _) => {
            let whole = rest.get(..length).ok_or(Not::Usable(Unusable::CutOff))?;
            Ok((Bytes::copy_from_slice(whole), None))
        }
        (None, Ends::WithoutLength) => Ok((Bytes::new(), None)),
        (None, Ends::WithTheConnection) => Ok((Bytes::copy_from_slice(rest), None)),
    }
}

/// What chunks hold, and the trailer section after the last (RFC 9112 section 7.1).
fn chunks(mut rest: &[u8]) -> Result<Framed, Not> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memchr(b'\n', rest).ok_or(Not::Usable(Unusable::CutOff))?;
        let digits = rest[..end].split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| broken("a chunk does not begin with its size"))?;
        rest = &rest[end + 1..];
        if size == 0 {
            let trailers = fields(rest)?.of_an_answer();
            return Ok((body.into(), (!trailers.is_empty()).then_some(trailers)));
        }
        let chunk = rest.get(..size).ok_or(Not::Usable(Unusable::CutOff))?;
        body.extend_from_slice(chunk);
        rest = &rest[size..];
        let after = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        rest = &rest[after..];
    }
}
