//! A rule as somebody would write it, and what it hides.

use serde_json::Value;

use crate::rule::{Action, Format, RuleSpec};

/// The rule as a line of the list under `compare:`.
///
/// ```
/// use parallax_core::rule::RuleSpec;
/// use parallax_core::suggest::as_yaml;
/// let rule: RuleSpec = serde_json::from_str(r#"{"at": "$.body.name", "fold": ["case", "nfc"]}"#).unwrap();
/// assert_eq!(as_yaml(&rule), r#"- {at: "$.body.name", fold: [case, nfc]}"#);
/// ```
#[must_use]
pub fn as_yaml(rule: &RuleSpec) -> String {
    let at = Value::from(rule.at.as_str());
    format!("- {{at: {at}, {}: {}}}", rule.action.as_str(), argument(&rule.action.argument()))
}

/// The argument of a rule as it is written. It is flat: at most a list of words or a map of words.
#[must_use]
pub fn argument(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(scalar).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}: {}", scalar(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => scalar(other),
    }
}

/// Words stay bare where no reader of YAML could take them for something else.
fn scalar(value: &Value) -> String {
    const OTHERS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    match value {
        Value::String(text)
            if text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
                })
                && !OTHERS.contains(&text.as_str()) =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// What a rule would hide, in a sentence.
pub(super) fn hides(action: &Action) -> String {
    match action {
        Action::Ignore => "everything at this place, also a value that is wrong or gone".to_owned(),
        Action::Only(_) => "everything below this place but the members that are named".to_owned(),
        Action::TextOnly => "everything of the pages but their words".to_owned(),
        Action::Unordered => {
            "the order of the elements; what they hold still counts, and how often".to_owned()
        }
        Action::Key(_) => format!(
            "the order of the elements; each is still compared with the one that has the same {}",
            argument(&action.argument())
        ),
        Action::Tolerance(_) => {
            let argument = action.argument();
            let amount = |name: &str| argument.get(name).and_then(Value::as_str);
            match (amount("abs"), amount("rel")) {
                (Some(abs), _) => format!("numbers that are up to {abs} apart"),
                (None, rel) => {
                    format!("numbers that are up to {} of the larger apart", rel.unwrap_or_default())
                }
            }
        }
        Action::Within(within) if within.covers_ms(1) => {
            format!("instants that are up to {within} apart, in any spelling")
        }
        Action::Within(_) => "other spellings of the same instant, such as another offset".to_owned(),
        Action::Format(format) => format!(
            "any two values that are both {}; a wrong one too",
            match format {
                Format::Uuid => "a UUID",
                Format::IsoTime => "a date and time",
                Format::Int => "a whole number",
                Format::Regex(_) => "of the pattern",
            }
        ),
        Action::Fold(folds) => {
            let names = [
                (folds.case, "case"),
                (folds.whitespace, "white space"),
                (folds.nfc, "how accents are composed"),
            ];
            let names: Vec<&str> =
                names.into_iter().filter(|&(asked, _)| asked).map(|(_, name)| name).collect();
            format!("texts that differ in nothing but {}", names.join(" and "))
        }
        Action::Absent(absent) => format!("whether the member is {absent} or not there at all"),
        Action::Decode(_) => {
            "how the document inside the text is written; what it holds still counts".to_owned()
        }
        Action::Ref(_) => "which ids there are, as long as they differ consistently".to_owned(),
        Action::Origin => "the sides' own hosts in addresses; what follows them still counts".to_owned(),
    }
}
