//! `format: uuid`: whatever the two values are, both only need the format: made-up ids, time stamps.

use std::fmt;

use regex::Regex;
use schemars::{Schema, json_schema};
use serde_json::Value;

use super::Action;
use super::spec::nearest;
use super::word::{Word, for_values};

/// What both values need to look like.
#[derive(Clone, Debug)]
pub enum Format {
    /// RFC 9562: 8-4-4-4-12 hexadecimal digits.
    Uuid,
    /// An ISO 8601 date and time, with or without an offset.
    IsoTime,
    /// A whole number, as a number or as text.
    Int,
    /// The whole text matches.
    Regex(Regex),
}

/// Most memory that a compiled expression may take.
const MAX_REGEX: usize = 1 << 20;

pub(super) const WORD: Word = Word {
    word: "format",
    about: "Both values only need the format: uuid, iso-time, int, or regex:… for the whole text.",
    example: "format: uuid",
    schema,
    read: |argument| read(argument).map(Action::Format),
    refuses: for_values,
};

fn schema() -> Schema {
    json_schema!({ "type": "string", "pattern": "^(uuid|iso-time|int|regex:.+)$" })
}

fn read(argument: &Value) -> Result<Format, String> {
    const WORDS: [&str; 4] = ["uuid", "iso-time", "int", "regex:"];
    let text = argument.as_str().unwrap_or_default();
    match text {
        "uuid" => Ok(Format::Uuid),
        "iso-time" => Ok(Format::IsoTime),
        "int" => Ok(Format::Int),
        _ => match text.strip_prefix("regex:") {
            Some(pattern) => compile(pattern).map(Format::Regex),
            None => {
                let hint = nearest(text, WORDS.into_iter()).map(|near| format!("; did you mean `{near}`?"));
                Err(format!(
                    "`format` takes `uuid`, `iso-time`, `int` or `regex:…`{}",
                    hint.unwrap_or_default()
                ))
            }
        },
    }
}

/// The expression for the whole text, so that a rule does not mask more than it says.
fn compile(pattern: &str) -> Result<Regex, String> {
    // Alone first: what is wrong with it is told of what was written.
    let checked = Regex::new(pattern).map_err(|error| {
        // A drawing of the place comes first, on lines of its own; the last line says what is wrong.
        let error = error.to_string();
        let told = error.lines().last().unwrap_or_default();
        format!("`regex:{pattern}`: {}", told.strip_prefix("error: ").unwrap_or(told))
    })?;
    regex::RegexBuilder::new(&format!("^(?:{})$", checked.as_str()))
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|_| format!("`regex:{pattern}` is too large when compiled; write a simpler one"))
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Format {}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid => f.write_str("uuid"),
            Self::IsoTime => f.write_str("iso-time"),
            Self::Int => f.write_str("int"),
            Self::Regex(regex) => {
                let whole = regex.as_str();
                let inner = whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
                write!(f, "regex:{}", inner.unwrap_or(whole))
            }
        }
    }
}

impl Format {
    /// Whether a text has the format.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Uuid => is_uuid(text),
            Self::IsoTime => {
                text.starts_with(|first: char| first.is_ascii_digit()) && super::instant(text).is_some()
            }
            Self::Int => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let is_right = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(format: &str, text: &str) -> bool {
        read(&Value::from(format)).unwrap().accepts(text)
    }

    #[test]
    fn the_whole_text_needs_the_format() {
        assert!(accepts("uuid", "A3bb189e-8bf9-3888-9912-ace4e6543002"));
        assert!(!accepts("uuid", "a3bb189e-8bf9-3888-9912-ace4e6543002x") && !accepts("uuid", "a3bb189e"));
        assert!(accepts("iso-time", "2026-01-02T03:04:05+02:00") && !accepts("iso-time", "2026-01-02"));
        assert!(accepts("int", "-12") && !accepts("int", "1.0") && !accepts("int", "-"));
        assert!(accepts("regex:req-[0-9]+", "req-12") && !accepts("regex:req-[0-9]+", "req-12x"));
        assert!(accepts("regex:a|b", "b") && !accepts("regex:a|b", "ab"));
    }

    #[test]
    fn a_bad_format_is_refused() {
        let error = |text: &str| read(&Value::from(text)).unwrap_err();
        assert!(error("uiud").contains("did you mean `uuid`?"));
        assert!(error("regex:[").contains("`regex:[`"));
        assert!(error("regex:a)(b").contains("`regex:a)(b`"));
        assert!(error("regex:\\w{1000}{1000}").contains("regex:"));
    }

    #[test]
    fn what_was_written_is_shown() {
        for text in ["uuid", "iso-time", "int", "regex:^a(b|c)$"] {
            assert_eq!(read(&Value::from(text)).unwrap().to_string(), text);
        }
    }
}
