//! The simple relation between two values, where there is one: what a developer would say of them
//! in a bug report. An explanation never contains a value; it may be stored and shown where values
//! may not.

mod instants;
mod numbers;
mod texts;

use std::borrow::Cow;

pub(crate) use texts::explain_texts;

use crate::verdict::{Kind, Value, ValueType};

pub(crate) type Explanation = Option<Cow<'static, str>>;

/// What the candidate made of what legacy has.
pub(super) fn explain(kind: Kind, legacy: Option<&Value>, candidate: Option<&Value>) -> Explanation {
    match (kind, legacy, candidate) {
        (Kind::Type | Kind::Value, Some(legacy), Some(candidate)) => explain_values(legacy, candidate),
        (Kind::Missing, Some(legacy), None) => {
            nothing(legacy).map(|nothing| format!("{nothing} became absent").into())
        }
        (Kind::Extra, None, Some(candidate)) => {
            nothing(candidate).map(|nothing| format!("absent became {nothing}").into())
        }
        _ => None,
    }
}

/// The word for a value that stands for nothing, if it does.
fn nothing(value: &Value) -> Option<&'static str> {
    match (value.kind, value.text.as_str()) {
        (ValueType::Null, _) => Some("null"),
        (ValueType::String, "") => Some("an empty string"),
        (ValueType::Array, text) if is_empty(text, '[', ']') => Some("an empty array"),
        (ValueType::Object, text) if is_empty(text, '{', '}') => Some("an empty object"),
        _ => None,
    }
}

fn is_empty(text: &str, open: char, close: char) -> bool {
    let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

fn explain_values(legacy: &Value, candidate: &Value) -> Explanation {
    if legacy.kind != candidate.kind {
        return Some(explain_types(legacy, candidate));
    }
    if is_clipped(legacy) || is_clipped(candidate) {
        return None;
    }
    match legacy.kind {
        ValueType::String => explain_texts(&legacy.text, &candidate.text),
        ValueType::Number => numbers::explain(&legacy.text, &candidate.text),
        ValueType::Null | ValueType::Boolean | ValueType::Array | ValueType::Object | ValueType::Bytes => {
            None
        }
    }
}

/// Whether the text may be only the beginning of the value, of which nothing can be said.
fn is_clipped(value: &Value) -> bool {
    value.text.len() + 4 > Value::MAX_TEXT
}

fn explain_types(legacy: &Value, candidate: &Value) -> Cow<'static, str> {
    let (from, to) = (legacy.kind, candidate.kind);
    let spelt = match (is_clipped(legacy) || is_clipped(candidate), nothing(legacy), nothing(candidate)) {
        (false, None, None) if legacy.text == candidate.text => ", same text",
        (false, None, None) if is_list_of(legacy, candidate) => ", with the same value in it",
        (false, None, None) if is_list_of(candidate, legacy) => ", the value that was in it",
        _ => "",
    };
    format!("{to} instead of {from}{spelt}").into()
}

/// Whether the second is an array with nothing but the first in it.
fn is_list_of(value: &Value, list: &Value) -> bool {
    let inner = list.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let quoted = format!("\"{}\"", value.text);
    list.kind == ValueType::Array
        && inner.is_some_and(|inner| match value.kind {
            ValueType::String => inner.trim() == quoted,
            _ => inner.trim() == value.text,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: ValueType, text: &str) -> Value {
        Value { kind, text: text.to_owned() }
    }

    #[test]
    fn says_what_became_of_nothing() {
        let gone = |kind, text: &str| explain(Kind::Missing, Some(&value(kind, text)), None);
        assert_eq!(gone(ValueType::Null, "null").as_deref(), Some("null became absent"));
        assert_eq!(gone(ValueType::Array, "[ ]").as_deref(), Some("an empty array became absent"));
        assert_eq!(gone(ValueType::String, "x"), None);
        let came = explain(Kind::Extra, None, Some(&value(ValueType::Null, "null")));
        assert_eq!(came.as_deref(), Some("absent became null"));
    }

    #[test]
    fn says_how_types_are_related() {
        let types = |legacy: (ValueType, &str), candidate: (ValueType, &str)| {
            let (legacy, candidate) = (value(legacy.0, legacy.1), value(candidate.0, candidate.1));
            explain(Kind::Type, Some(&legacy), Some(&candidate)).unwrap_or_default()
        };
        let (string, number) = (ValueType::String, ValueType::Number);
        assert_eq!(types((number, "5"), (string, "5")), "string instead of number, same text");
        assert_eq!(types((number, "5"), (string, "6")), "string instead of number");
        assert_eq!(
            types((string, "a"), (ValueType::Array, r#"["a"]"#)),
            "array instead of string, with the same value in it"
        );
        assert_eq!(
            types((ValueType::Array, "[5]"), (number, "5")),
            "number instead of array, the value that was in it"
        );
        assert_eq!(types((ValueType::Null, "null"), (string, "null")), "string instead of null");
    }

    #[test]
    fn of_a_clipped_text_nothing_is_said() {
        let long = |end: &str| value(ValueType::String, &("x".repeat(Value::MAX_TEXT - 1) + end));
        assert_eq!(explain(Kind::Value, Some(&long("a")), Some(&long("A"))), None, "the rest is not known");
    }
}
