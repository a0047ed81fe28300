//! What went wrong on the way to a side: the fault in the contract's words, whether anything had
//! been sent, and the request itself where it was not, so that it may go elsewhere.

use std::error::Error as _;
use std::io;

use parallax_core::verdict::Cause;

use super::RequestBody;
use parallax_core::wire::Ambiguous;

/// What went wrong, without the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {detail}")]
pub struct Fault {
    /// The contract's word for it.
    pub cause: Cause,
    /// What exactly, for a person.
    pub detail: String,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct SendError {
    /// What went wrong.
    pub fault: Fault,
    /// The request, when not a byte of it was sent.
    pub unsent: Option<Box<http::Request<RequestBody>>>,
    /// Whether the client is to blame: its own body ended before its end.
    pub client_broke_off: bool,
}

impl SendError {
    /// Not a byte was sent.
    #[must_use]
    pub fn unsent(fault: Fault, request: http::Request<RequestBody>) -> Self {
        Self { fault, unsent: Some(Box::new(request)), client_broke_off: false }
    }

    /// Bytes were sent, or may have been.
    #[must_use]
    pub fn sent(error: &hyper::Error) -> Self {
        Self { fault: Fault::exchanging(error), unsent: None, client_broke_off: error.is_user() }
    }
}

impl Fault {
    /// A fault of this kind.
    #[must_use]
    pub fn new(cause: Cause, detail: String) -> Self {
        Self { cause, detail }
    }

    /// This program ends.
    #[must_use]
    pub(super) fn stopping() -> Self {
        Self::new(Cause::Reset, "this program is about to end".to_owned())
    }

    /// A connection that could not be made.
    #[must_use]
    pub fn connecting(error: &io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::NotFound => Cause::Dns,
            io::ErrorKind::TimedOut => Cause::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::Reset,
            _ => Cause::Refused,
        };
        Self { cause, detail: error.to_string() }
    }

    /// A connection that failed while it carried a request.
    #[must_use]
    pub fn exchanging(error: &hyper::Error) -> Self {
        let cause = if error.is_parse() {
            Cause::Protocol
        } else if error.is_timeout() {
            Cause::Timeout
        } else if let Some(error) = find::<h2::Error>(error) {
            of_http2(error)
        } else if let Some(error) = find::<io::Error>(error) {
            of_io(error)
        } else {
            Cause::Reset
        };
        let detail = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        Self { cause, detail }
    }

    /// Something that is no HTTP, or not what may be answered.
    #[must_use]
    pub fn protocol(detail: &str) -> Self {
        Self { cause: Cause::Protocol, detail: detail.to_owned() }
    }

    /// No complete answer in time.
    #[must_use]
    pub fn timeout(limit: std::time::Duration) -> Self {
        Self { cause: Cause::Timeout, detail: format!("no complete answer within {limit:?}") }
    }
}

/// What went wrong below HTTP.
fn of_io(error: &io::Error) -> Cause {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Ambiguous>) {
        return Cause::Protocol;
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Cause::Timeout,
        // TLS that failed after the handshake: a side may refuse our certificate only then. The
        // error itself may be lost on its way through HTTP/2; nobody else uses its kind.
        io::ErrorKind::InvalidData => Cause::Tls,
        _ => Cause::Reset,
    }
}

fn of_http2(error: &h2::Error) -> Cause {
    match error.get_io() {
        Some(error) => of_io(error),
        // The library has found that what the side sent is no HTTP/2.
        None if error.is_library() => Cause::Protocol,
        None if error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) => Cause::Protocol,
        None => Cause::Reset,
    }
}

/// Whether an HTTP/2 side has said that it never looked at the request (RFC 9113 section 8.7), or
/// it never got as far as the side: then the library lets go of it without a word of the side's.
pub(super) fn was_never_looked_at(error: &hyper::Error) -> bool {
    match find::<h2::Error>(error) {
        // Only requests beyond the last one that the side will answer get this error.
        Some(error) if error.is_go_away() => error.is_remote(),
        Some(error) => error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM),
        None => error.is_user(),
    }
}

/// Whether the side goes away.
pub(super) fn is_going_away(error: &hyper::Error) -> bool {
    find::<h2::Error>(error).is_some_and(h2::Error::is_go_away)
}

/// Whether the connection broke off, without a word about the request.
pub(super) fn broke_off(error: &hyper::Error) -> bool {
    let is_io = find::<h2::Error>(error).is_some_and(h2::Error::is_io);
    is_io || error.is_closed() || error.is_canceled() || error.is_incomplete_message()
}

fn find<E: std::error::Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref::<E>() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}
