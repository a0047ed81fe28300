//! What went wrong on the way to a side: the fault in the contract's words, whether anything had
//! been sent, and the request itself where it was not, so that it may go elsewhere.

use std::error::Error as _;
use std::io;

use parallax_core::verdict::Cause;

use super::RequestBody;

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
        } else if error.is_timeout() || io_kind(error) == Some(io::ErrorKind::TimedOut) {
            Cause::Timeout
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

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = inner.source();
    }
    None
}
