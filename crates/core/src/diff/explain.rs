//! The simple relation between two values, where there is one: what a developer would say of them
//! in a bug report. An explanation never contains a value; it may be stored and shown where values
//! may not.

use std::borrow::Cow;

use crate::document::Decimal;
use crate::verdict::{Value, ValueType};

type Explanation = Option<Cow<'static, str>>;

/// What the candidate made of legacy's value.
pub(super) fn explain(legacy: &Value, candidate: &Value) -> Explanation {
    if legacy.kind != candidate.kind {
        return Some(explain_types(legacy, candidate));
    }
    if is_clipped(legacy) || is_clipped(candidate) {
        return None;
    }
    match legacy.kind {
        ValueType::String => explain_texts(&legacy.text, &candidate.text),
        ValueType::Number => explain_numbers(&legacy.text, &candidate.text),
        ValueType::Null | ValueType::Boolean | ValueType::Array | ValueType::Object | ValueType::Bytes => {
            None
        }
    }
}

/// Whether the text may be only the beginning of the value, of which nothing can be said.
fn is_clipped(value: &Value) -> bool {
    value.text.len() + 4 > Value::MAX_TEXT
}

/// The relation between two whole texts.
pub(crate) fn explain_texts(legacy: &str, candidate: &str) -> Explanation {
    if legacy == candidate {
        // Alike for reading only: lone surrogates, or bytes that are no text.
        return None;
    }
    if candidate.is_empty() || legacy.is_empty() {
        return Some(
            if candidate.is_empty() { "empty instead of text" } else { "text instead of empty" }.into(),
        );
    }
    if legacy.trim() == candidate.trim() {
        return Some("surrounding white space differs".into());
    }
    if is_instant(legacy) && is_instant(candidate) {
        return explain_instants(legacy, candidate);
    }
    if legacy.to_lowercase() == candidate.to_lowercase() {
        return Some("equal but for case".into());
    }
    if legacy.split_whitespace().eq(candidate.split_whitespace()) {
        return Some("white space differs".into());
    }
    let of = |text: &str, scheme: &str| text.strip_prefix(scheme).map(str::to_owned);
    match (of(legacy, "http://"), of(candidate, "https://")) {
        (Some(rest), Some(other)) if rest == other => return Some("http became https".into()),
        _ => {}
    }
    None
}

fn explain_types(legacy: &Value, candidate: &Value) -> Cow<'static, str> {
    let same_text = legacy.text == candidate.text && !is_clipped(legacy);
    let spelt = if same_text && !legacy.text.is_empty() { ", same text" } else { "" };
    format!("{} instead of {}{spelt}", candidate.kind, legacy.kind).into()
}

/// Cheap: a date and a time with an offset, at the places where they must be.
fn is_instant(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 17
        && bytes.len() <= 40
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
}

fn explain_instants(legacy: &str, candidate: &str) -> Explanation {
    let (left, right) = (legacy.parse::<jiff::Timestamp>().ok()?, candidate.parse::<jiff::Timestamp>().ok()?);
    let wall = |text: &str| text.get(..19).map(str::to_owned);
    if left == right {
        let moved = wall(legacy) != wall(candidate);
        return Some(
            if moved { "same instant, other offset" } else { "same instant, other spelling" }.into(),
        );
    }
    if wall(legacy) == wall(candidate) && left.as_second() != right.as_second() {
        return Some("same wall time, other offset".into());
    }
    if left.as_second() == right.as_second() {
        return Some("same second, other fraction".into());
    }
    None
}

/// One is the other, rounded: half a unit of its last place away at most.
fn explain_numbers(legacy: &str, candidate: &str) -> Explanation {
    let (left, right) = (Decimal::of(legacy.as_bytes()), Decimal::of(candidate.as_bytes()));
    let (left, right) = (left.small()?, right.small()?);
    if left.0 == -right.0 && left.1 == right.1 {
        return Some("opposite sign".into());
    }
    if let Some(places) = rounded(left, right) {
        return Some(format!("rounded to {places} decimals").into());
    }
    rounded(right, left).map(|places| format!("was rounded to {places} decimals").into())
}

/// To how many decimals `coarse` is `fine` rounded.
fn rounded(fine: (i128, i32), coarse: (i128, i32)) -> Option<i32> {
    let places = coarse.1.min(0).checked_neg()?;
    let lost = u32::try_from((-places).checked_sub(fine.1)?).ok().filter(|&lost| (1..=30).contains(&lost))?;
    let unit = 10_i128.checked_pow(lost)?;
    let scale = u32::try_from(coarse.1.checked_sub(fine.1)?).ok().filter(|&scale| scale <= 30)?;
    let coarse_value = coarse.0.checked_mul(10_i128.checked_pow(scale)?)?;
    let distance = fine.0.checked_sub(coarse_value)?.checked_abs()?;
    (distance.checked_mul(2)? <= unit).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(legacy: &str, candidate: &str) -> String {
        explain_texts(legacy, candidate).unwrap_or_default().into_owned()
    }

    fn numbers(legacy: &str, candidate: &str) -> String {
        explain_numbers(legacy, candidate).unwrap_or_default().into_owned()
    }

    #[test]
    fn says_how_texts_are_related() {
        assert_eq!(texts("Ann", "ANN"), "equal but for case");
        assert_eq!(texts("Ann", "Ann "), "surrounding white space differs");
        assert_eq!(texts("a  b", "a b"), "white space differs");
        assert_eq!(texts("http://a/b", "https://a/b"), "http became https");
        assert_eq!(texts("Ann", ""), "empty instead of text");
        assert_eq!(texts("", "Ann"), "text instead of empty");
        assert_eq!(texts("Ann", "Bob"), "");
        let long = |end: &str| Value { kind: ValueType::String, text: "x".repeat(Value::MAX_TEXT - 1) + end };
        assert_eq!(explain(&long("a"), &long("A")), None, "the rest is not known");
    }

    #[test]
    fn says_how_instants_are_related() {
        assert_eq!(texts("2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00"), "same instant, other offset");
        assert_eq!(
            texts("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000+00:00"),
            "same instant, other spelling"
        );
        assert_eq!(
            texts("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00"),
            "same wall time, other offset"
        );
        assert_eq!(texts("2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05Z"), "same second, other fraction");
        assert_eq!(texts("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"), "");
    }

    #[test]
    fn says_how_numbers_are_related() {
        assert_eq!(numbers("12.345", "12.35"), "rounded to 2 decimals");
        assert_eq!(numbers("12.345", "12.34"), "rounded to 2 decimals");
        assert_eq!(numbers("12.3", "12"), "rounded to 0 decimals");
        assert_eq!(numbers("99.96", "100"), "rounded to 0 decimals");
        assert_eq!(numbers("12", "12.3"), "was rounded to 0 decimals");
        assert_eq!(numbers("12.345", "12.36"), "");
        assert_eq!(numbers("5", "-5"), "opposite sign");
        assert_eq!(numbers("5", "6"), "");
        assert_eq!(numbers("1e999999999", "1"), "");
        assert_eq!(numbers("100000000000000000000000000000000000001", "1"), "");
    }
}
