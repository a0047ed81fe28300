//! When a request may be sent a second time, and what that takes.
//!
//! It may when the side never looked at it: not a byte was written, or an HTTP/2 side said so
//! (RFC 9113 section 8.7). It also may when a *kept* connection turns out to have been closed by
//! the side before it answered anything, and the request is idempotent and has no body (RFC 9110
//! section 9.2.2, RFC 9112 section 9.3.1). Nothing else is ever sent twice, and a copy only where not a
//! byte of it was written: what a side says of it does not count.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};

use super::RequestBody;
use super::tape::Tape;

/// Whether a request may go to a second connection after a kept one was found closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Not once it may have been seen: the copy for comparison.
    Never,
    /// When it is idempotent and has no body: the client's own request.
    IfHarmless,
}

/// A connection that was idle for less than this is taken to be open: no server in use closes
/// connections sooner, and the clone of the head is saved for busy connections.
const SURELY_OPEN: Duration = Duration::from_millis(500);

impl Again {
    /// Whether the request may be seen twice.
    pub(super) fn is_harmless(self, request: &Request<RequestBody>) -> bool {
        let is_harmless = request.method().is_idempotent() && matches!(request.body(), RequestBody::Empty);
        self == Self::IfHarmless && is_harmless
    }

    /// What a second sending takes, where it might come to one.
    pub(super) fn spare(self, request: &Request<RequestBody>, idle_since: Instant) -> Option<Spare> {
        let may_be_needed = idle_since.elapsed() >= SURELY_OPEN && self.is_harmless(request);
        may_be_needed.then(|| Spare::of_head(request, SpareBody::Empty))
    }
}

/// What it takes to send a request a second time.
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: http::Extensions,
    body: SpareBody,
}

enum SpareBody {
    Empty,
    Whole(Bytes),
    Taped(Tape),
}

impl Spare {
    /// Of a request that goes out over HTTP/2. Its body is put on a tape when it is streamed.
    pub(super) fn of(request: &mut Request<RequestBody>) -> Self {
        let body = match std::mem::replace(request.body_mut(), RequestBody::Empty) {
            RequestBody::Empty => SpareBody::Empty,
            RequestBody::Whole(bytes) => {
                *request.body_mut() = RequestBody::Whole(bytes.clone());
                SpareBody::Whole(bytes)
            }
            RequestBody::Streamed(source) => {
                let (tape, reader) = Tape::of(source);
                *request.body_mut() = RequestBody::Taped(reader);
                SpareBody::Taped(tape)
            }
            RequestBody::Taped(reader) => {
                let tape = reader.tape().clone();
                *request.body_mut() = RequestBody::Taped(reader);
                SpareBody::Taped(tape)
            }
        };
        Self::of_head(request, body)
    }

    fn of_head(request: &Request<RequestBody>, body: SpareBody) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
            body,
        }
    }

    /// The request once more; none when its body cannot be sent from the beginning any more.
    pub(super) fn restore(self) -> Option<Request<RequestBody>> {
        let body = match self.body {
            SpareBody::Empty => RequestBody::Empty,
            SpareBody::Whole(bytes) => RequestBody::whole(bytes),
            SpareBody::Taped(tape) => RequestBody::Taped(tape.rewind()?),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
        Some(request)
    }

    /// It has been answered: nothing of the body needs to be kept.
    pub(super) fn forget(self) {
        if let SpareBody::Taped(tape) = self.body {
            tape.forget();
        }
    }

    /// Whether the client's own body broke off.
    pub(super) fn client_broke_off(&self) -> bool {
        matches!(&self.body, SpareBody::Taped(tape) if tape.has_failed())
    }
}
