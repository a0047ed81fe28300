//! A request and what one side answered, complete: the raw material of every check.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};

use crate::label::labels;

labels! {
    /// One of the two services. Which one is the *answering side*, the source of truth, depends
    /// on the stage of the operation and is never assumed.
    pub enum Side {
        /// The service that is being replaced.
        Legacy => "legacy",
        /// The service that replaces it.
        Candidate => "candidate",
    }
}

impl Side {
    /// The side that is compared with this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Legacy => Self::Candidate,
            Self::Candidate => Self::Legacy,
        }
    }
}

/// A request as the client sent it, hop-by-hop headers already taken off.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, byte for byte as they came.
    pub target: PathAndQuery,
    /// End-to-end headers.
    pub headers: HeaderMap,
    /// The whole body; empty when there was none.
    pub body: Bytes,
}

/// What one side answered, complete to its last byte and trailer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// End-to-end headers.
    pub headers: HeaderMap,
    /// The body as it was sent, content coding and all, or its digest.
    pub body: Body,
    /// Trailer fields, when there were any.
    pub trailers: Option<HeaderMap>,
}

/// The body of an answer: whole while it is within the operation's `body_limit`, otherwise only
/// what is needed to tell whether two bodies are the same.
#[derive(Clone, Debug)]
pub enum Body {
    /// Every byte, still content-coded.
    Whole(Bytes),
    /// More than the limit: length and SHA-256 of the *decoded* bytes.
    Digest(Digest),
}

/// Length and hash of a body that is too large to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Decoded length in bytes.
    pub length: u64,
    /// SHA-256 of the decoded bytes.
    pub sha256: [u8; 32],
}

impl Body {
    /// Bytes that this body holds in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Digest(_) => std::mem::size_of::<Digest>(),
        }
    }
}

/// One side's complete outcome with its timing.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Which side answered.
    pub side: Side,
    /// What it answered.
    pub answer: Answer,
    /// From the request fully sent to the head of the answer.
    pub latency: Duration,
}
