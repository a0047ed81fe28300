//! A verdict with *redacted* exchanges: the only form that is stored, logged or shown.

mod again;
mod build;
mod layout;

pub use again::{Again, NotAgain};

use serde::{Deserialize, Serialize};

use crate::check::CheckId;
use crate::exchange::Side;
use crate::operation::OperationId;
use crate::relation::Relation;
use crate::signature::{Signature, SignatureId};
use crate::verdict::{Cause, Kind, Outcome, Part};

/// What is kept of a check: its verdict, and as much of the exchanges as the operation's
/// redaction allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The check's name.
    pub id: CheckId,
    /// When it was judged.
    pub at: jiff::Timestamp,
    /// Its operation.
    pub operation_id: OperationId,
    /// Which side answered the client.
    pub answering: Side,
    /// The outcome.
    pub outcome: Outcome,
    /// Why it failed, where it did.
    pub reason: Option<Cause>,
    /// The places where the sides disagree, values redacted.
    pub differences: Vec<ReportedDifference>,
    /// Differences beyond those that are kept.
    pub more: usize,
    /// The faults that the differences belong to, each once.
    pub signatures: Vec<Signature>,
    /// The exchanges, unless the operation keeps no samples.
    pub sample: Option<Sample>,
}

/// One place where the sides disagree, values redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedDifference {
    /// The fault it belongs to.
    pub signature: SignatureId,
    /// Where in the answer.
    pub part: Part,
    /// The place: `$.body.items[2].price`.
    pub path: String,
    /// How the sides differ there.
    pub kind: Kind,
    /// What legacy has, redacted.
    pub legacy: Option<String>,
    /// What the candidate has, redacted.
    pub candidate: Option<String>,
    /// The relation between the two values, where one is known.
    pub explanation: Option<String>,
    /// What a rule would need to know of the two values, without either.
    #[serde(default)]
    pub relation: Relation,
}

/// Both exchanges, redacted and laid out for reading side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What was asked.
    pub request: RequestSample,
    /// What legacy answered, when it did.
    pub legacy: Option<AnswerSample>,
    /// What the candidate answered, when it did.
    pub candidate: Option<AnswerSample>,
}

/// A request, redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSample {
    /// The method.
    pub method: String,
    /// Path and query, parameters redacted.
    pub target: String,
    /// Headers, redacted.
    pub headers: Vec<Line>,
    /// The body, redacted.
    pub body: Vec<Line>,
    /// Whether values were replaced, so that the request cannot be sent again as it stands.
    pub redacted: bool,
    /// Whether every value was masked, so that none of it is what was sent. Of a sample that an earlier
    /// version has stored, nobody knows.
    #[serde(default = "unknown")]
    pub masked: bool,
}

fn unknown() -> bool {
    true
}

/// An answer, redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerSample {
    /// The status.
    pub status: u16,
    /// Headers, redacted.
    pub headers: Vec<Line>,
    /// The body, redacted, one node or line of text a line.
    pub body: Vec<Line>,
    /// Lines of the body beyond those that are kept.
    pub more_lines: usize,
    /// Trailers, redacted.
    pub trailers: Vec<Line>,
}

/// One line of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// How deep it is nested.
    pub depth: u16,
    /// Its text.
    pub text: String,
    /// Whether the sides disagree here.
    pub differs: bool,
}
