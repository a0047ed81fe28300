//! `absent: "null"`: a member with this value is as good as none. The value is written as JSON:
//! `null`, `false`, `0`, `""`, `[]` or `{}`.

use std::fmt;

use schemars::{Schema, json_schema};
use serde_json::Value;

use super::Action;
use super::word::{Word, in_the_body};
use crate::document::{Decimal, Document, NodeId, NodeKind};

/// The value that is as good as none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent(String);

pub(super) const WORD: Word = Word {
    word: "absent",
    about: "A member with this value is as good as none: null, false, 0, \"\", [] or {}.",
    example: "absent: \"null\"",
    schema,
    read: |argument| read(argument).map(Action::Absent),
    refuses: in_the_body,
};

fn schema() -> Schema {
    json_schema!({ "type": ["string", "null", "boolean", "number", "array", "object"] })
}

fn read(argument: &Value) -> Result<Absent, String> {
    let text = match argument {
        // JSON in a string, or an empty string itself.
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let expected = || {
        format!(
            "`absent: {text}` is no value that could stand for nothing; write `\"null\"`, `false`, `0`, `\"\"`, `[]` or `{{}}`"
        )
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(values)) if !values.is_empty() => Err(expected()),
        Ok(Value::Object(members)) if !members.is_empty() => Err(expected()),
        Ok(_) => Ok(Absent(text)),
        Err(_) => Err(expected()),
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Absent {
    /// Whether a value is this one.
    pub(crate) fn is(&self, document: &Document, node: NodeId) -> bool {
        let own = self.0.as_bytes();
        match document.kind(node) {
            NodeKind::Null => own == b"null",
            NodeKind::True => own == b"true",
            NodeKind::False => own == b"false",
            NodeKind::Number => {
                super::tolerance::number(own).is_some_and(|number| number == Decimal::of(document.raw(node)))
            }
            NodeKind::String => {
                let text = own.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
                text == Some(document.raw(node))
            }
            NodeKind::Array => own == b"[]" && document.end(node) == node + 1,
            NodeKind::Object => own == b"{}" && document.end(node) == node + 1,
            NodeKind::Name => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    #[test]
    fn values_that_stand_for_nothing() {
        let is = |absent: Value, value: &str| {
            read(&absent).unwrap().is(&document::read(value.to_owned().into(), 100).unwrap(), 0)
        };
        assert!(is(Value::from("null"), "null") && is(Value::Null, "null") && !is(Value::Null, "0"));
        assert!(is(Value::from(0), "0.00") && is(Value::from("0"), "-0e5") && !is(Value::from(0), "\"0\""));
        assert!(
            is(Value::from(""), "\"\"") && is(Value::from("\"\""), "\"\"") && !is(Value::from(""), "null")
        );
        assert!(is(Value::from("[]"), "[ ]") && !is(Value::from("[]"), "[1]") && is(Value::from("{}"), "{}"));
        assert!(is(Value::from(false), "false") && !is(Value::from(false), "null"));
        for bad in [Value::from("nul"), Value::from("[1]"), serde_json::json!({"a": 1})] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
