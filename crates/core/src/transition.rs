//! An audited change of stage: who moved which operation from where to where, when, why, and on
//! what evidence. A transition is written once and never changed.

use serde::ser::SerializeStruct;

use crate::operation::OperationId;
use crate::stage::Stage;

/// An audited change of stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When it was decided.
    pub at: jiff::Timestamp,
    /// Who decided: the name of a token, of a user, or of the program itself.
    pub who: String,
    /// The operation that moved.
    pub operation_id: OperationId,
    /// The stage it left.
    pub from: Stage,
    /// The stage it entered.
    pub to: Stage,
    /// Why, in the words of whoever decided.
    pub reason: String,
    /// Whether it went through although the operation was not ready.
    pub forced: bool,
    /// Whether no human decided.
    pub automatic: bool,
    /// The operation's revision after it: grows by one with every transition of the operation.
    pub revision: u64,
    /// The numbers that it was decided on.
    pub evidence: serde_json::Value,
}

impl Transition {
    /// The member of the evidence that says that the operation was retired, and not moved: its stage stays,
    /// and from then on it may be taken out of the configuration.
    pub const RETIRED: &str = "retired";

    /// Whether it retired the operation. Any later change of its stage takes that back.
    #[must_use]
    pub fn retires(&self) -> bool {
        self.evidence.get(Self::RETIRED) == Some(&serde_json::Value::Bool(true))
    }
}

/// The row of `GET /api/v1/audit`: `share` is that of the stage entered, `null` outside canary.
///
/// ```
/// use parallax_core::{stage::Stage, transition::Transition};
/// let transition = Transition {
///     at: "2026-01-02T03:04:05Z".parse().unwrap(),
///     who: "anna".into(),
///     operation_id: "getReturn".parse().unwrap(),
///     from: Stage::Switched,
///     to: Stage::Shadow,
///     reason: "errors".into(),
///     forced: false,
///     automatic: false,
///     revision: 7,
///     evidence: serde_json::json!({"matched": 3}),
/// };
/// assert_eq!(
///     serde_json::to_string(&transition).unwrap(),
///     r#"{"at":"2026-01-02T03:04:05Z","who":"anna","operation_id":"getReturn","from":"switched","to":"shadow","share":null,"reason":"errors","forced":false,"automatic":false,"evidence":{"matched":3}}"#
/// );
/// ```
impl serde::Serialize for Transition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Transition", 10)?;
        row.serialize_field("at", &self.at)?;
        row.serialize_field("who", &self.who)?;
        row.serialize_field("operation_id", &self.operation_id)?;
        row.serialize_field("from", &self.from.name())?;
        row.serialize_field("to", &self.to.name())?;
        row.serialize_field("share", &self.to.share())?;
        row.serialize_field("reason", &self.reason)?;
        row.serialize_field("forced", &self.forced)?;
        row.serialize_field("automatic", &self.automatic)?;
        row.serialize_field("evidence", &self.evidence)?;
        row.end()
    }
}
