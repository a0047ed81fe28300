//! `tolerance: {abs: "0.005", rel: "0.1%"}`: numbers may differ by so much, inclusive. `rel` is of the
//! larger magnitude; where both are given, either is enough. Numbers are JSON numbers and strings
//! that are spelt like one, and the arithmetic is exact: nothing goes through a float.

use num_bigint::BigInt;
use schemars::{Schema, json_schema};
use serde_json::{Map, Value};

use super::Action;
use super::word::{Word, for_values};
use crate::document::Decimal;

/// How much numbers may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    abs: Option<Amount>,
    rel: Option<Amount>,
}

/// A number that is not negative: as it was written, and as a lexeme.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Amount {
    written: String,
    lexeme: String,
}

/// Digits and powers of ten of an amount.
const MAX_AMOUNT: i32 = 40;
/// Decimal places that two numbers may lie apart and still be subtracted; beyond, they are not near.
const MAX_SPREAD: i128 = 4_096;

pub(super) const WORD: Word = Word {
    word: "tolerance",
    about: "Numbers may differ by so much, inclusive; `rel` is of the larger magnitude.",
    example: "tolerance: {abs: \"0.005\"}",
    schema,
    read: |argument| read(argument).map(Action::Tolerance),
    refuses: for_values,
};

fn schema() -> Schema {
    let amount = || json_schema!({ "type": ["string", "number"] });
    json_schema!({
        "type": "object",
        "properties": { "abs": amount(), "rel": amount() },
        "additionalProperties": false,
        "minProperties": 1
    })
}

fn read(argument: &Value) -> Result<Tolerance, String> {
    const EXPECTED: &str =
        "`tolerance` takes `abs`, `rel` or both, for example `tolerance: {abs: \"0.005\", rel: \"0.1%\"}`";
    let map = argument.as_object().filter(|map| !map.is_empty()).ok_or(EXPECTED)?;
    if let Some(unknown) = map.keys().find(|key| !matches!(key.as_str(), "abs" | "rel")) {
        return Err(format!("unknown key `{unknown}`; {EXPECTED}"));
    }
    let amount = |key: &str| map.get(key).map(|value| amount(key, value)).transpose();
    Ok(Tolerance { abs: amount("abs")?, rel: amount("rel")? })
}

fn amount(key: &str, value: &Value) -> Result<Amount, String> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let lexeme = match written.strip_suffix('%') {
        Some(percent) if key == "rel" => format!("{percent}e-2"),
        _ => written.clone(),
    };
    let small = number(lexeme.as_bytes()).and_then(|decimal| decimal.small());
    match small {
        Some((value, exponent)) if value >= 0 && exponent.abs() <= MAX_AMOUNT => {
            Ok(Amount { written, lexeme })
        }
        _ => Err(format!("`{key}: {written}` is no amount; write a number such as \"0.005\"")),
    }
}

/// A text that is spelt like a JSON number.
pub(super) fn number(text: &[u8]) -> Option<Decimal<'_>> {
    if !matches!(text.first(), Some(b'-' | b'0'..=b'9')) {
        return None;
    }
    Decimal::parse(text)
}

impl Tolerance {
    pub(super) fn argument(&self) -> Value {
        let entry = |key: &str, amount: &Option<Amount>| {
            amount.as_ref().map(|amount| (key.to_owned(), Value::from(amount.written.as_str())))
        };
        let entries = [entry("abs", &self.abs), entry("rel", &self.rel)];
        Value::Object(entries.into_iter().flatten().collect::<Map<_, _>>())
    }

    /// Whether two numbers are near enough.
    pub(crate) fn accepts(&self, left: Decimal<'_>, right: Decimal<'_>) -> bool {
        left == right
            || self.abs.as_ref().is_some_and(|abs| is_within(left, right, abs.decimal()))
            || self.rel.as_ref().is_some_and(|rel| is_within_share(left, right, rel.decimal()))
    }
}

impl Tolerance {
    /// Whether every two numbers are near enough that differ by this much at most.
    pub(crate) fn covers_abs(&self, distance: Decimal<'_>) -> bool {
        self.abs.as_ref().is_some_and(|abs| abs.decimal().order(&distance).is_ge())
    }

    /// Whether every two numbers are near enough that differ by this share of the larger at most.
    pub(crate) fn covers_rel(&self, share: Decimal<'_>) -> bool {
        self.rel.as_ref().is_some_and(|rel| rel.decimal().order(&share).is_ge())
    }
}

impl Amount {
    fn decimal(&self) -> Decimal<'_> {
        Decimal::of(self.lexeme.as_bytes())
    }
}

/// |left - right| ≤ limit, for numbers that are not equal.
fn is_within(left: Decimal<'_>, right: Decimal<'_>, limit: Decimal<'_>) -> bool {
    let (Some(low), Some(high)) = (lowest([left, right]), highest([left, right])) else { return false };
    if limit.is_zero() {
        return false;
    }
    let (Some(limit_low), Some(limit_high)) = (lowest([limit]), highest([limit])) else { return false };
    // Both are multiples of their lowest place, so they lie that far apart at least.
    if low > limit_high {
        return false;
    }
    if high + 2 <= limit_high {
        return true;
    }
    let base = low.min(limit_low);
    if high.max(limit_high) - base > MAX_SPREAD {
        return false;
    }
    let distance = (scaled(left, base) - scaled(right, base)).magnitude().clone();
    distance <= *scaled(limit, base).magnitude()
}

/// |left - right| ≤ share × max(|left|, |right|), for numbers that are not equal.
fn is_within_share(left: Decimal<'_>, right: Decimal<'_>, share: Decimal<'_>) -> bool {
    let (Some(base), Some(high)) = (lowest([left, right]), highest([left, right])) else { return false };
    let (Some((share, exponent)), true) = (share.small(), high - base <= MAX_SPREAD) else { return false };
    let (left, right) = (scaled(left, base), scaled(right, base));
    let larger = left.magnitude().max(right.magnitude()).clone();
    let distance = (left - right).magnitude().clone();
    let power = num_bigint::BigUint::from(10_u8).pow(exponent.unsigned_abs());
    let share = num_bigint::BigUint::from(share.unsigned_abs());
    if exponent < 0 { distance * power <= share * larger } else { distance <= share * larger * power }
}

/// The lowest power of ten of these numbers; of zeros, none counts.
fn lowest<const N: usize>(numbers: [Decimal<'_>; N]) -> Option<i128> {
    let exponents = numbers.iter().filter(|number| !number.is_zero()).map(Decimal::exponent);
    exponents.reduce(|one, other| Some(one?.min(other?))).unwrap_or(Some(0))
}

fn highest<const N: usize>(numbers: [Decimal<'_>; N]) -> Option<i128> {
    let exponents = numbers.iter().filter(|number| !number.is_zero()).map(Decimal::leading);
    exponents.reduce(|one, other| Some(one?.max(other?))).unwrap_or(Some(0))
}

/// The number in units of a power of ten that is not above its own.
fn scaled(number: Decimal<'_>, base: i128) -> BigInt {
    if number.is_zero() {
        return BigInt::ZERO;
    }
    let places = number.exponent().map_or(0, |exponent| exponent - base);
    let zeros = usize::try_from(places).unwrap_or(0).min(MAX_SPREAD as usize);
    let mut digits: Vec<u8> = number.significant().collect();
    digits.resize(digits.len() + zeros, b'0');
    let magnitude = BigInt::parse_bytes(&digits, 10).unwrap_or_default();
    if number.is_negative() { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: &str, left: &str, right: &str) -> bool {
        let rule = read(&serde_json::from_str(rule).unwrap()).unwrap();
        let accepts = |left: &str, right: &str| {
            rule.accepts(number(left.as_bytes()).unwrap(), number(right.as_bytes()).unwrap())
        };
        assert_eq!(accepts(left, right), accepts(right, left));
        accepts(left, right)
    }

    #[test]
    fn an_absolute_tolerance_is_inclusive() {
        let rule = r#"{"abs": "0.005"}"#;
        assert!(
            accepts(rule, "1.000", "1.005") && accepts(rule, "-1", "-1.005") && accepts(rule, "0", "0.005")
        );
        assert!(!accepts(rule, "1", "1.0050000000000000000000000000000000000000000001"));
        assert!(accepts(rule, "-0.002", "0.003") && !accepts(rule, "-0.003", "0.003"));
        assert!(accepts(rule, "123456789012345678901234567890.001", "123456789012345678901234567890.006"));
        assert!(accepts(r#"{"abs": 0}"#, "1", "1.0") && !accepts(r#"{"abs": 0}"#, "1", "2"));
    }

    #[test]
    fn a_relative_tolerance_is_of_the_larger_magnitude() {
        let rule = r#"{"rel": "10%"}"#;
        assert!(accepts(rule, "90", "100") && !accepts(rule, "89.99", "100"));
        assert!(accepts(rule, "-90", "-100") && !accepts(rule, "-1", "1"));
        assert!(accepts(r#"{"rel": 0.1}"#, "9e999999998", "1e999999999"));
        assert!(accepts(r#"{"rel": 2}"#, "-1", "1"));
        assert!(
            accepts(r#"{"abs": 1, "rel": "1%"}"#, "0.5", "1.5")
                && accepts(r#"{"abs": 1, "rel": "1%"}"#, "990", "1000")
        );
    }

    #[test]
    fn numbers_of_any_size_are_answered_at_once() {
        let rule = r#"{"abs": "0.005", "rel": "0.001"}"#;
        assert!(!accepts(rule, "1e999999999", "1") && !accepts(rule, "1e999999999", "2e999999999"));
        assert!(accepts(rule, "1e-999999999", "2e-999999999") && accepts(rule, "1e-999999999", "0"));
        let long = format!("1{}", "0".repeat(100_000));
        assert!(!accepts(rule, &long, "1") && accepts(rule, &long, &format!("{long}.0")));
        let huge = format!("1e{}", "9".repeat(50));
        assert!(accepts(rule, &huge, &huge) && !accepts(rule, &huge, "1"));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let error = |text: &str| read(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert!(error(r#"{"abs": "-1"}"#).contains("`abs: -1` is no amount"));
        assert!(error(r#"{"abs": "1%"}"#).contains("no amount"));
        assert!(error(r#"{"absolute": 1}"#).contains("unknown key `absolute`"));
        assert!(error("{}").contains("takes `abs`, `rel` or both"));
        assert!(error("0.1").contains("takes `abs`, `rel` or both"));
    }
}
