//! What a comparison found, as the contract's object.

use parallax_core::compare::Comparison;
use parallax_core::verdict::{Difference, Differences, Outcome, Value, ValueType};
use serde_json::json;

pub(super) fn of(comparison: &Comparison) -> anyhow::Result<String> {
    let none = Differences::default();
    let (outcome, equality, differences) = match comparison {
        Comparison::Equal(equality) => (Outcome::Matched, equality.as_str(), &none),
        Comparison::Different(differences) => (Outcome::Unmatched, "different", differences),
        Comparison::Incomparable(_) => (Outcome::Failed, "incomparable", &none),
    };
    let one = |difference: &Difference| {
        json!({
            "part": difference.part,
            "path": difference.path.to_string(),
            "kind": difference.kind,
            "legacy": difference.legacy.as_ref().map(value_json),
            "candidate": difference.candidate.as_ref().map(value_json),
            "explanation": difference.explanation,
        })
    };
    let object = json!({
        "outcome": outcome,
        "equality": equality,
        "differences": differences.kept.iter().map(one).collect::<Vec<_>>(),
        "more": differences.more,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
}

/// A value as JSON where it is JSON: numbers keep every digit, so that they are given as text when
/// reading them would lose some.
fn value_json(value: &Value) -> serde_json::Value {
    match value.kind {
        ValueType::String | ValueType::Bytes => json!(value.text),
        ValueType::Null | ValueType::Boolean | ValueType::Number | ValueType::Array | ValueType::Object => {
            without_loss(&value.text).unwrap_or_else(|| json!(value.text))
        }
    }
}

fn without_loss(text: &str) -> Option<serde_json::Value> {
    let read: serde_json::Value = serde_json::from_str(text).ok()?;
    let written = read.to_string();
    (written == text).then_some(read)
}
