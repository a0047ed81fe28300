//! Why a message is not taken, with the status that says so.

use http::StatusCode;

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It breaks the grammar or is ambiguous, here.
    Malformed(&'static str),
    /// A method that a reverse proxy does not pass on.
    Method,
    /// An HTTP version that is neither 1.0 nor 1.1.
    Version,
    /// A transfer coding other than `chunked`.
    Coding,
    /// An expectation other than `100-continue`.
    Expectation,
    /// A target beyond `limits.uri`.
    Target,
    /// A head beyond `limits.head`.
    Head,
    /// More fields than `limits.headers`.
    Fields,
    /// A body beyond `limits.body`.
    Body,
    /// A head that did not come within `limits.head_time`.
    LateHead,
    /// A body that came slower than `limits.body_rate`.
    SlowBody,
}

impl Refusal {
    /// The words of all refusals.
    pub const WORDS: [&'static str; 11] = [
        "malformed",
        "method",
        "version",
        "coding",
        "expectation",
        "uri",
        "head",
        "headers",
        "body",
        "head_time",
        "body_rate",
    ];

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::Head | Self::Fields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LateHead | Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// What is wrong, for the client.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::Malformed(what) => what,
            Self::Method => "this proxy passes on neither CONNECT nor TRACE",
            Self::Version => "this proxy speaks HTTP/1.0, HTTP/1.1 and HTTP/2",
            Self::Coding => "of the transfer codings this proxy knows `chunked` only",
            Self::Expectation => "of the expectations this proxy knows `100-continue` only",
            Self::Target => "the request's target is longer than `limits.uri`",
            Self::Head => "the request's head is longer than `limits.head`",
            Self::Fields => "the request has more header fields than `limits.headers`",
            Self::Body => "the request's body is longer than `limits.body`",
            Self::LateHead => "the request's head did not come within `limits.head_time`",
            Self::SlowBody => "the request's body came slower than `limits.body_rate`",
        }
    }

    /// The reason in a word, for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Method => "method",
            Self::Version => "version",
            Self::Coding => "coding",
            Self::Expectation => "expectation",
            Self::Target => "uri",
            Self::Head => "head",
            Self::Fields => "headers",
            Self::Body => "body",
            Self::LateHead => "head_time",
            Self::SlowBody => "body_rate",
        }
    }
}
