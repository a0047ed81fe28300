//! What a check found, in the article's three outcomes and with the reason for each failure.

use std::borrow::Cow;
use std::fmt;

use crate::label::labels;
use crate::path::Path;

labels! {
    /// The article's three outcomes of a check.
    pub enum Outcome {
        /// Equal after rules, and neither side answered 5xx.
        Matched => "matched",
        /// Different in status, headers, body or trailers.
        Unmatched => "unmatched",
        /// No evidence either way; see [`Cause`].
        Failed => "failed",
    }
}

labels! {
    /// Why a check is `failed`, that is, evidence for nothing.
    pub enum Cause {
        /// Both sides answered the same 5xx: a transient fault proves nothing.
        Both5xx => "both_5xx",
        /// The other side refused the connection.
        Refused => "refused",
        /// The other side gave no complete answer in time.
        Timeout => "timeout",
        /// The other side broke the connection off.
        Reset => "reset",
        /// The other side's name could not be resolved.
        Dns => "dns",
        /// The other side's certificate or handshake failed.
        Tls => "tls",
        /// The other side did not speak HTTP.
        Protocol => "protocol",
        /// An answer over the limit whose digest differs, where the content could still be equal.
        TooLarge => "too_large",
        /// A body that could not be decoded on either side.
        Undecodable => "undecodable",
        /// Comparing would have taken more than the limits of work allow.
        Budget => "budget",
        /// The answering side's data moved between the two answers.
        Stale => "stale",
        /// The answering side differs from itself.
        Flaky => "flaky",
        /// Given up after too many expired leases.
        DeadLetter => "dead_letter",
    }
}

labels! {
    /// Why a request of a known operation was not checked.
    pub enum Skip {
        /// The operation's stage checks nobody.
        Stage => "stage",
        /// Left out by the operation's sample.
        SampledOut => "sampled_out",
        /// May not run on both sides.
        NotIdempotent => "not_idempotent",
        /// The queue of waiting checks was full.
        QueueFull => "queue_full",
        /// The copy was dropped to protect the other side or this node.
        Overload => "overload",
        /// The request's body is larger than `body_limit`.
        BodyTooLarge => "body_too_large",
        /// The connection left HTTP.
        Upgrade => "upgrade",
        /// The client went away before the exchange was complete.
        ClientAborted => "client_aborted",
        /// The answering side gave no complete answer.
        NoAnswer => "no_answer",
        /// The request has passed this deployment before.
        Loop => "loop",
    }
}

labels! {
    /// The part of an answer in which a difference lies.
    pub enum Part {
        /// The status code.
        Status => "status",
        /// A header field.
        Header => "header",
        /// The body.
        Body => "body",
        /// A trailer field.
        Trailer => "trailer",
    }
}

labels! {
    /// How the two sides differ in one place, seen from the candidate: `missing` is what legacy
    /// has and the candidate has not.
    pub enum Kind {
        /// Legacy has it, the candidate does not.
        Missing => "missing",
        /// The candidate has it, legacy does not.
        Extra => "extra",
        /// Values of different types.
        Type => "type",
        /// Values of one type that differ.
        Value => "value",
        /// The same elements in another order.
        Order => "order",
        /// Bodies or elements of different length, where no single place can be named.
        Length => "length",
        /// A name that one side repeats within an object.
        DuplicateKey => "duplicate-key",
        /// One side cannot be decoded as what it claims to be.
        Syntax => "syntax",
    }
}

labels! {
    /// The type of a value in a document.
    pub enum ValueType {
        /// JSON null.
        Null => "null",
        /// true or false.
        Boolean => "boolean",
        /// A number of any size and precision.
        Number => "number",
        /// Text.
        String => "string",
        /// An array.
        Array => "array",
        /// An object.
        Object => "object",
        /// Bytes that are no text.
        Bytes => "bytes",
    }
}

labels! {
    /// How equal two answers are.
    pub enum Equality {
        /// Byte for byte.
        Identical => "identical",
        /// The same content in another spelling: key order, escapes, `1` and `1.0`.
        Equal => "equal",
        /// Equal only because a rule masked something.
        Equivalent => "equivalent",
    }
}

/// A value as one side has it: *not yet redacted*, so it never leaves the process in this form.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// Its type.
    pub kind: ValueType,
    /// Its text: a string's content, a number's lexeme, JSON for arrays and objects; clipped to
    /// [`Value::MAX_TEXT`] bytes.
    pub text: String,
}

impl Value {
    /// Longest text of a value that is kept, in bytes.
    pub const MAX_TEXT: usize = 1024;
}

/// Shows the type only: a value must not reach a log by way of `{:?}`.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}, {} bytes)", self.kind, self.text.len())
    }
}

/// One place where the sides disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where in the answer.
    pub part: Part,
    /// The exact place.
    pub path: Path,
    /// How they differ.
    pub kind: Kind,
    /// What legacy has there, when it has anything.
    pub legacy: Option<Value>,
    /// What the candidate has there, when it has anything.
    pub candidate: Option<Value>,
    /// The simple relation between the two values, where one is known; never a value.
    pub explanation: Option<Cow<'static, str>>,
}

/// The places where the sides disagree, as many as are kept, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first differences, in document order.
    pub kept: Vec<Difference>,
    /// Differences beyond those that are kept.
    pub more: usize,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sides agree.
    Matched(Equality),
    /// The sides disagree, here.
    Unmatched(Differences),
    /// No evidence either way.
    Failed(Cause),
}

impl Verdict {
    /// The verdict's outcome, without its evidence.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Matched(_) => Outcome::Matched,
            Self::Unmatched(_) => Outcome::Unmatched,
            Self::Failed(_) => Outcome::Failed,
        }
    }
}
