//! A check as the proxy leaves it: heads and the pieces of the bodies, as they came. It is put
//! together on the runner's thread, because the proxy's threads have clients to serve.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use parallax_core::check::{Check, CheckId};
use parallax_core::exchange::{Answer, Body, Digest, Exchange, Request, Side};
use parallax_core::format::DigestStream;
use parallax_core::operation::Operation;

use super::Chunks;
use crate::upstream::Reach;

/// What was asked, without its body.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// Path and query as they came.
    pub target: PathAndQuery,
    /// End-to-end headers.
    pub headers: HeaderMap,
    /// What the HTTP library remembers of the head: the case of the header names.
    pub extensions: Extensions,
}

/// What was answered, without its body.
#[derive(Debug)]
pub struct AnswerHead {
    /// The status.
    pub status: StatusCode,
    /// End-to-end headers.
    pub headers: HeaderMap,
}

/// An answer's body as it was captured.
pub enum CapturedBody {
    /// All of it.
    Whole(Chunks),
    /// More than the operation's limit: its hash so far, and the pieces that are still to be
    /// hashed.
    Hashing(Box<DigestStream>, VecDeque<Bytes>),
    /// More than the limit: its hash.
    Hashed(Digest),
}

impl CapturedBody {
    fn into_body(self) -> Body {
        match self {
            Self::Whole(chunks) => Body::Whole(chunks.into_bytes()),
            Self::Hashing(mut digest, rest) => {
                rest.iter().for_each(|piece| digest.update(piece));
                Body::Digest(digest.finish())
            }
            Self::Hashed(digest) => Body::Digest(digest),
        }
    }
}

/// A check that waits for the other side's answer.
pub struct Waiting {
    /// The operation as it was configured when the request came.
    pub operation: Arc<Operation>,
    /// The ways to the sides as they were configured then: what one configuration says of the
    /// candidate is not held against the candidate of another.
    pub reach: Arc<Reach>,
    /// What was asked.
    pub request: RequestHead,
    /// Its body.
    pub request_body: Chunks,
    /// Which side answered.
    pub answering: Side,
    /// What it answered.
    pub answer: AnswerHead,
    /// The answer's body.
    pub answer_body: CapturedBody,
    /// The answer's trailers.
    pub trailers: Option<HeaderMap>,
    /// From the request fully sent to the head of the answer.
    pub latency: Duration,
}

impl Waiting {
    /// A check whose exchange is complete already.
    #[must_use]
    pub fn of(operation: Arc<Operation>, reach: Arc<Reach>, request: Request, answered: Exchange) -> Self {
        let Request { method, target, headers, body } = request;
        let Exchange { side: answering, answer, latency } = answered;
        let whole = |body| {
            let mut chunks = Chunks::default();
            chunks.push(body);
            chunks
        };
        Self {
            operation,
            reach,
            request: RequestHead { method, target, headers, extensions: Extensions::new() },
            request_body: whole(body),
            answering,
            answer: AnswerHead { status: answer.status, headers: answer.headers },
            answer_body: match answer.body {
                Body::Whole(bytes) => CapturedBody::Whole(whole(bytes)),
                Body::Digest(digest) => CapturedBody::Hashed(digest),
            },
            trailers: answer.trailers,
            latency,
        }
    }

    /// The side that is still to be asked.
    #[must_use]
    pub fn asked(&self) -> Side {
        self.answering.other()
    }

    /// Moves everything into memory of its own, for a check that cannot start at once: what it
    /// holds are otherwise slices of the connections' read buffers.
    pub fn compact(&mut self) {
        self.request_body = self.request_body.compacted();
        compact_headers(&mut self.request.headers);
        compact_headers(&mut self.answer.headers);
        if let CapturedBody::Whole(chunks) = &mut self.answer_body {
            *chunks = chunks.compacted();
        }
    }

    /// The check, put together.
    #[must_use]
    pub fn into_check(self, id: CheckId) -> (Check, Extensions) {
        let answer = Answer {
            status: self.answer.status,
            headers: self.answer.headers,
            body: self.answer_body.into_body(),
            trailers: self.trailers,
        };
        let request = Request {
            method: self.request.method,
            target: self.request.target,
            headers: self.request.headers,
            body: self.request_body.into_bytes(),
        };
        let answered = Exchange { side: self.answering, answer, latency: self.latency };
        (Check { id, operation: self.operation, request, answered }, self.request.extensions)
    }
}

/// Moves all values into one piece of memory of their own.
pub(crate) fn compact_headers(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut all = BytesMut::with_capacity(length);
    headers.values().for_each(|value| all.extend_from_slice(value.as_bytes()));
    let mut all = all.freeze();
    for value in headers.values_mut() {
        let sensitive = value.is_sensitive();
        if let Ok(mut own) = HeaderValue::from_maybe_shared(all.split_to(value.len())) {
            own.set_sensitive(sensitive);
            *value = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacting_changes_no_header() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", ""), ("a", "22"), ("c", "333")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let before = headers.clone();
        compact_headers(&mut headers);
        assert_eq!(headers, before);
    }
}
