//! Two values below each other so that the eye finds what differs: decimal points stand in one
//! column, and of long values only the surroundings of the first place that differs are shown.

use parallax_core::verdict::{Value, ValueType};

use super::super::output::one_line;

/// Most characters of a value on its line.
const WIDTH: usize = 100;
/// Characters that are shown before the first place that differs.
const BEFORE: usize = 30;

/// Both values on a line each, where there is one.
pub(super) fn shown(legacy: Option<&Value>, candidate: Option<&Value>) -> (Option<String>, Option<String>) {
    match (legacy, candidate) {
        (Some(legacy), Some(candidate)) => {
            let [one, other] = if [legacy, candidate].iter().all(|value| value.kind == ValueType::Number) {
                aligned(&legacy.text, &candidate.text)
            } else {
                [written(legacy), written(candidate)]
            };
            let from = same_start(&one, &other);
            (Some(clipped(&one, from)), Some(clipped(&other, from)))
        }
        (legacy, candidate) => {
            let alone = |value: &Value| clipped(&written(value), 0);
            (legacy.map(alone), candidate.map(alone))
        }
    }
}

fn written(value: &Value) -> String {
    match value.kind {
        ValueType::String => format!("\"{}\"", one_line(&value.text)),
        ValueType::Null
        | ValueType::Boolean
        | ValueType::Number
        | ValueType::Array
        | ValueType::Object
        | ValueType::Bytes => one_line(&value.text),
    }
}

/// Two numbers with their points in one column; numbers too long for a line stay as they are.
fn aligned(legacy: &str, candidate: &str) -> [String; 2] {
    let whole = |number: &str| number.find(['.', 'e', 'E']).unwrap_or(number.len());
    let column = whole(legacy).max(whole(candidate));
    [legacy, candidate].map(|number| {
        let blanks = if column < WIDTH { column - whole(number) } else { 0 };
        format!("{}{}", " ".repeat(blanks), one_line(number))
    })
}

/// Characters that both begin with.
fn same_start(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// The surroundings of a character, with marks where something is left out.
fn clipped(text: &str, around: usize) -> String {
    let length = text.chars().count();
    if length <= WIDTH {
        return text.to_owned();
    }
    // Not further than needed: the end of a text says more than a mark.
    let from = around.saturating_sub(BEFORE).min(length - WIDTH);
    let before = if from > 0 { "…" } else { "" };
    let after = if from + WIDTH < length { "…" } else { "" };
    let middle: String = text.chars().skip(from).take(WIDTH).collect();
    format!("{before}{middle}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(kind: ValueType, legacy: &str, candidate: &str) -> (String, String) {
        let value = |text: &str| Value { kind, text: text.to_owned() };
        let (legacy, candidate) = shown(Some(&value(legacy)), Some(&value(candidate)));
        (legacy.unwrap(), candidate.unwrap())
    }

    #[test]
    fn points_of_numbers_stand_in_one_column() {
        let both = |legacy, candidate| both(ValueType::Number, legacy, candidate);
        assert_eq!(both("12.345", "9.35"), ("12.345".into(), " 9.35".into()));
        assert_eq!(both("1e3", "-200"), ("   1e3".into(), "-200".into()));
        let long = "1".repeat(300);
        assert!(both(&long, "2").1.starts_with('2'));
    }

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let same = "a".repeat(200);
        let (legacy, candidate) =
            both(ValueType::String, &format!("{same}X{same}"), &format!("{same}Y{same}"));
        assert_eq!(legacy, format!("…{}X{}…", "a".repeat(30), "a".repeat(69)));
        assert_eq!(candidate, legacy.replace('X', "Y"));
        let (legacy, _) = both(ValueType::String, &format!("{same}é"), &same);
        assert!(legacy.starts_with('…') && legacy.ends_with("é\""), "{legacy}");
        let (legacy, candidate) = both(ValueType::String, &same, "b");
        assert_eq!((legacy, candidate), (format!("\"{}…", "a".repeat(99)), "\"b\"".to_owned()));
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        let (legacy, candidate) = both(ValueType::String, "\u{1b}[31m", "a\nb");
        assert_eq!((legacy.as_str(), candidate.as_str()), ("\"\\u{1b}[31m\"", "\"a\\nb\""));
    }
}
