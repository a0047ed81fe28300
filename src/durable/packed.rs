//! A request with its answer as bytes, and back: lengths before everything, nothing guessed. It is
//! read only after its seal was opened, so what is odd here was written by us; it is refused all
//! the same, and never read past its end.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parallax_core::exchange::{Answer, Body, Digest, Exchange, Request, Side};

/// Says how the bytes are to be read.
const FORMAT: u8 = 1;

/// Something that was not packed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its content cannot be read")]
pub(super) struct Unreadable;

/// The order of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// The one in which they are to be sent.
    AsTheyCame,
    /// One for all that say the same. Lines of one name keep their order, which has a meaning.
    Sorted,
}

/// As bytes.
pub(super) fn pack(request: &Request, answered: &Exchange, names: Names) -> Vec<u8> {
    let answer = &answered.answer;
    let mut out = Vec::with_capacity(512 + request.body.len() + answer.body.held_bytes());
    out.push(FORMAT);
    out.push(match answered.side {
        Side::Legacy => 0,
        Side::Candidate => 1,
    });
    out.extend_from_slice(&u64::try_from(answered.latency.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
    put(&mut out, request.method.as_str().as_bytes());
    put(&mut out, request.target.as_str().as_bytes());
    put_headers(&mut out, &request.headers, names);
    put(&mut out, &request.body);
    out.extend_from_slice(&answer.status.as_u16().to_be_bytes());
    put_headers(&mut out, &answer.headers, names);
    match &answer.body {
        Body::Whole(bytes) => {
            out.push(0);
            put(&mut out, bytes);
        }
        Body::Digest(Digest { length, sha256 }) => {
            out.push(1);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(sha256);
        }
    }
    out.push(u8::from(answer.trailers.is_some()));
    if let Some(trailers) = &answer.trailers {
        put_headers(&mut out, trailers, names);
    }
    out
}

/// From bytes; bodies stay where they are.
pub(super) fn unpack(bytes: Vec<u8>) -> Result<(Request, Exchange), Unreadable> {
    let mut from = Reader(Bytes::from(bytes));
    if from.byte()? != FORMAT {
        return Err(Unreadable);
    }
    let side = match from.byte()? {
        0 => Side::Legacy,
        1 => Side::Candidate,
        _ => return Err(Unreadable),
    };
    let latency = Duration::from_nanos(u64::from_be_bytes(from.array()?));
    let request = Request {
        method: Method::from_bytes(&from.bytes()?).map_err(|_| Unreadable)?,
        target: PathAndQuery::from_maybe_shared(from.bytes()?).map_err(|_| Unreadable)?,
        headers: from.headers()?,
        body: from.bytes()?,
    };
    let status = StatusCode::from_u16(u16::from_be_bytes(from.array()?)).map_err(|_| Unreadable)?;
    let headers = from.headers()?;
    let body = match from.byte()? {
        0 => Body::Whole(from.bytes()?),
        1 => Body::Digest(Digest { length: u64::from_be_bytes(from.array()?), sha256: from.array()? }),
        _ => return Err(Unreadable),
    };
    let trailers = (from.byte()? == 1).then(|| from.headers()).transpose()?;
    if !from.0.is_empty() {
        return Err(Unreadable);
    }
    Ok((request, Exchange { side, answer: Answer { status, headers, body, trailers }, latency }))
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Bodies are bounded far below.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_headers(out: &mut Vec<u8>, headers: &HeaderMap, names: Names) {
    out.extend_from_slice(&u32::try_from(headers.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut lines: Vec<_> = headers.iter().collect();
    if names == Names::Sorted {
        lines.sort_by_key(|(name, _)| name.as_str());
    }
    for (name, value) in lines {
        put(out, name.as_str().as_bytes());
        put(out, value.as_bytes());
    }
}

struct Reader(Bytes);

impl Reader {
    fn take(&mut self, length: usize) -> Result<Bytes, Unreadable> {
        if length > self.0.len() { Err(Unreadable) } else { Ok(self.0.split_to(length)) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.as_ref().try_into().map_err(|_| Unreadable)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<Bytes, Unreadable> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| Unreadable)?)
    }

    fn headers(&mut self) -> Result<HeaderMap, Unreadable> {
        let lines = u32::from_be_bytes(self.array()?);
        let mut headers = HeaderMap::new();
        for _ in 0..lines {
            let name = HeaderName::from_bytes(&self.bytes()?).map_err(|_| Unreadable)?;
            let value = HeaderValue::from_maybe_shared(self.bytes()?).map_err(|_| Unreadable)?;
            headers.try_append(name, value).map_err(|_| Unreadable)?;
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
        };
        lines.iter().map(pair).collect()
    }

    fn exchange(body: Body, trailers: Option<HeaderMap>) -> (Request, Exchange) {
        let request = Request {
            method: Method::from_bytes(b"PURGE").expect("a method"),
            target: PathAndQuery::from_static("/a%2f?b=c"),
            headers: headers(&[("a", "1"), ("b", ""), ("a", "2")]),
            body: Bytes::from_static(b"\0\xff"),
        };
        let answer = Answer { status: StatusCode::OK, headers: headers(&[("x", "y")]), body, trailers };
        (request, Exchange { side: Side::Candidate, answer, latency: Duration::from_nanos(1_234_567) })
    }

    #[test]
    fn sorted_names_tell_lines_of_one_name_apart_by_their_order_alone() {
        let packed = |lines: &[(&str, &str)], names| {
            let (request, answered) = exchange(Body::Whole(Bytes::new()), None);
            pack(&Request { headers: headers(lines), ..request }, &answered, names)
        };
        let (one, other) = ([("a", "1"), ("b", "2"), ("a", "3")], [("b", "2"), ("a", "1"), ("a", "3")]);
        assert_eq!(packed(&one, Names::Sorted), packed(&other, Names::Sorted));
        assert_ne!(packed(&one, Names::AsTheyCame), packed(&other, Names::AsTheyCame));
        let turned = [("b", "2"), ("a", "3"), ("a", "1")];
        assert_ne!(packed(&one, Names::Sorted), packed(&turned, Names::Sorted));
    }

    #[test]
    fn everything_survives_and_nothing_shorter_or_longer_is_read() {
        let digest = Body::Digest(Digest { length: 1 << 40, sha256: [9; 32] });
        let cases = [
            (Body::Whole(Bytes::from_static(b"{}")), None),
            (digest, Some(headers(&[("grpc-status", "0")]))),
        ];
        for (body, trailers) in cases {
            let (request, answered) = exchange(body, trailers);
            let packed = pack(&request, &answered, Names::AsTheyCame);
            let (again, answered_again) = unpack(packed.clone()).expect("its own bytes");
            assert_eq!(format!("{request:?}{answered:?}"), format!("{again:?}{answered_again:?}"));
            for length in 0..packed.len() {
                assert_eq!(unpack(packed[..length].to_vec()).err(), Some(Unreadable), "{length}");
            }
            assert_eq!(unpack([packed, vec![0]].concat()).err(), Some(Unreadable));
        }
    }
}
