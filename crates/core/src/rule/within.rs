//! `within: 2s`: instants may differ by so much, inclusive. An instant is an ISO 8601 date and time
//! with any offset, or a date of HTTP. Two without an offset are compared with each other; one with
//! and one without are no two instants.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::{Schema, json_schema};
use serde_json::Value;

use super::Action;
use super::word::{Word, for_values};

/// How much instants may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    written: String,
    nanoseconds: i128,
}

/// A moment, and whether its spelling says where in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) nanoseconds: i128,
    pub(crate) has_offset: bool,
}

/// The longest spelling of a moment that is read.
const LONGEST: usize = 64;

pub(super) const WORD: Word = Word {
    word: "within",
    about: "Instants may differ by so much, inclusive, whatever their offsets.",
    example: "within: 2s",
    schema,
    read: |argument| read(argument).map(Action::Within),
    refuses: for_values,
};

fn schema() -> Schema {
    json_schema!({ "type": "string", "pattern": "^[0-9]+(ns|us|ms|s|m|h|d)$" })
}

fn read(argument: &Value) -> Result<Within, String> {
    const UNITS: [(&str, i128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    let written = argument.as_str().unwrap_or_default().trim();
    let digits = written.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = UNITS.iter().find(|(unit, _)| *unit == &written[digits.len()..]);
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    match (number, unit) {
        (Some(number), Some((_, nanoseconds))) => {
            Ok(Within { written: written.to_owned(), nanoseconds: i128::from(number) * nanoseconds })
        }
        _ => Err("`within` takes a duration such as `500ms`, `2s`, `5m`, `1h` or `1d`".to_owned()),
    }
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Within {
    /// Whether every two instants are near enough that are this far apart at most.
    pub(crate) fn covers_ms(&self, milliseconds: u64) -> bool {
        i128::from(milliseconds) * 1_000_000 <= self.nanoseconds
    }

    pub(crate) fn accepts(&self, left: Instant, right: Instant) -> bool {
        left.has_offset == right.has_offset
            && (left.nanoseconds - right.nanoseconds).abs() <= self.nanoseconds
    }
}

/// The moment that a text names, if it names one.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes.len() > LONGEST || !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let at =
        |timestamp: Timestamp, has_offset| Instant { nanoseconds: timestamp.as_nanosecond(), has_offset };
    if bytes[0].is_ascii_alphabetic() {
        let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned_datetime(text).ok()?;
        return Some(at(zoned.timestamp(), true));
    }
    // A date alone is a day, which is no instant.
    if !bytes[8..].iter().any(|byte| matches!(byte, b'T' | b't' | b' ')) {
        return None;
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(at(timestamp, true));
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(at(TimeZone::UTC.to_timestamp(civil).ok()?, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(limit: &str, left: &str, right: &str) -> Option<bool> {
        let rule = read(&Value::from(limit)).unwrap();
        Some(rule.accepts(instant(left)?, instant(right)?))
    }

    #[test]
    fn instants_count_whatever_their_offset() {
        assert_eq!(accepts("2s", "2026-01-02T03:04:05Z", "2026-01-02T05:04:07+02:00"), Some(true));
        assert_eq!(accepts("2s", "2026-01-02T03:04:05Z", "2026-01-02T05:04:07.000000001+02:00"), Some(false));
        assert_eq!(accepts("0s", "2026-01-02 03:04:05.5Z", "2026-01-02T03:04:05.500+0000"), Some(true));
        assert_eq!(accepts("1h", "2026-01-02T03:04:05", "2026-01-02T04:04:05"), Some(true));
        assert_eq!(accepts("1h", "2026-01-02T03:04:05", "2026-01-02T03:04:05Z"), Some(false));
        assert_eq!(accepts("1s", "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:38Z"), Some(true));
    }

    #[test]
    fn other_texts_are_no_instants() {
        for text in ["", "2026-01-02", "20260102", "yesterday at 10", "12345678901", &"9".repeat(500)] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(read(&Value::from("250ms")).unwrap().nanoseconds, 250_000_000);
        assert_eq!(read(&Value::from("7d")).unwrap().to_string(), "7d");
        for text in ["", "2", "s", "-2s", "2 weeks", "1.5s"] {
            assert!(read(&Value::from(text)).unwrap_err().contains("takes a duration"), "{text}");
        }
    }
}
