//! Header and trailer fields, compared by what they mean.
//!
//! What says how or when an answer came (`Date`, `Server`, framing, connection) does not count; a
//! rewrite on another framework changes it and no client minds. What is a list, a set, directives, a
//! date or a structured field is compared as one. Everything else is compared byte for byte: two
//! spellings of an unknown field may mean two things. Adding a field: a row of `table.rs`.

mod cookie;
mod instant;
mod lifetime;
mod meaning;
mod normal;
mod structured;
mod table;
mod text;

use std::borrow::Cow;

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use text::{split_outside_quotes, text_of, trimmed, unquote};

use meaning::Dates;

use crate::document::NodeKind;
use crate::exchange::Side;
use crate::path::{Path, Step};
use crate::rule::{HeaderProfile, Leaf, Rules, States};
use crate::verdict::{Difference, Kind, Part, Value, ValueType};

/// Fields that never count by the default profile; those that `Connection` names join them.
const NEVER: [&str; 17] = [
    "age",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "server-timing",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-powered-by",
];

/// What comparing the fields of one part found.
pub(crate) struct Compared {
    /// The differences, in the order of the fields' names.
    pub(crate) differences: Vec<Difference>,
    /// Whether every field that counts is the same byte for byte.
    pub(crate) identical: bool,
}

/// Compares the header fields or the trailer fields of both sides.
pub(crate) fn compare(
    part: Part,
    legacy: &HeaderMap,
    candidate: &HeaderMap,
    rules: &Rules,
    masked: &mut [u32],
) -> Compared {
    let (place, at_part) = match part {
        Part::Trailer => ("trailers", rules.at_part("trailers")),
        Part::Header | Part::Body | Part::Status => ("headers", rules.at_part("headers")),
    };
    let mut found = Compared { differences: Vec::new(), identical: true };
    if let Some(rule) = rules.ignored(&at_part) {
        masked[rule] += u32::from(legacy != candidate);
        return found;
    }
    let unlike = unlike(legacy, candidate, rules);
    if unlike.is_empty() {
        return found;
    }
    let fields = Fields { part, place, rules, dates: Dates::of(legacy, candidate) };
    for name in unlike {
        if let Some(rule) = rules.left_out(&at_part, name.as_str()) {
            masked[rule] += 1;
            continue;
        }
        fields.field(name, legacy, candidate, &at_part, &mut found, masked);
    }
    found
}

/// Names of the fields that count and are not the same byte for byte, sorted.
fn unlike<'h>(legacy: &'h HeaderMap, candidate: &'h HeaderMap, rules: &Rules) -> Vec<&'h HeaderName> {
    // Mostly both sides send the same in the same order, which is told without a search.
    if legacy.iter().eq(candidate) {
        return Vec::new();
    }
    let differs = |name: &&HeaderName| !legacy.get_all(*name).iter().eq(candidate.get_all(*name));
    let only_theirs = |name: &&HeaderName| !legacy.contains_key(*name);
    let mut names: Vec<&HeaderName> = legacy.keys().filter(differs).collect();
    names.extend(candidate.keys().filter(only_theirs));
    names.retain(|name| counts(name.as_str(), legacy, candidate, rules));
    names.sort_unstable_by_key(|name| name.as_str());
    names
}

/// Whether a field is part of the answer.
fn counts(name: &str, legacy: &HeaderMap, candidate: &HeaderMap, rules: &Rules) -> bool {
    // Our own markers are no part of an answer, by any profile.
    !name.starts_with("parallax-")
        && !rules.is_signature(name)
        && match rules.headers() {
            HeaderProfile::Strict => true,
            HeaderProfile::Default => {
                !NEVER.contains(&name)
                    && !is_per_connection(legacy, name)
                    && !is_per_connection(candidate, name)
            }
        }
}

fn is_per_connection(headers: &HeaderMap, name: &str) -> bool {
    let listed = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case(name)))
    };
    headers.get_all(http::header::CONNECTION).iter().any(listed)
}

struct Fields<'r> {
    part: Part,
    place: &'static str,
    rules: &'r Rules,
    dates: Dates,
}

/// A place where the two sides do not mean the same, before any rule has looked at the values.
struct Unlike {
    below: Vec<Step>,
    legacy: Option<String>,
    candidate: Option<String>,
    explanation: Option<Cow<'static, str>>,
}

impl Fields<'_> {
    /// One field that is not the same byte for byte.
    fn field(
        &self,
        name: &HeaderName,
        legacy: &HeaderMap,
        candidate: &HeaderMap,
        at_part: &States,
        found: &mut Compared,
        masked: &mut [u32],
    ) {
        let (left, right) = (legacy.get_all(name), candidate.get_all(name));
        let states = self.rules.automaton().by_field(at_part, name.as_str());
        if let Some(rule) = self.rules.ignored(&states) {
            masked[rule] += 1;
            return;
        }
        found.identical = false;
        if name == http::header::SET_COOKIE {
            for cookie in cookie::compare(&left, &right, self.dates) {
                self.cookie(name, cookie, &states, found, masked);
            }
        } else if let Some(unlike) = meaning::compare(name, &left, &right, self.dates) {
            let unlike = Unlike {
                below: vec![Step::name(name.as_str())],
                legacy: joined(&left),
                candidate: joined(&right),
                explanation: unlike.explanation,
            };
            self.unlike(unlike, &states, found, masked);
        }
    }

    fn cookie(
        &self,
        name: &HeaderName,
        cookie: cookie::Differing,
        states: &States,
        found: &mut Compared,
        masked: &mut [u32],
    ) {
        let below = self.rules.automaton().by_name(states, cookie.name.as_bytes(), |_| false);
        match self.rules.ignored(&below) {
            Some(rule) => masked[rule] += 1,
            None => {
                let unlike = Unlike {
                    below: vec![Step::name(name.as_str()), Step::name(cookie.name)],
                    legacy: cookie.legacy,
                    candidate: cookie.candidate,
                    explanation: cookie.explanation,
                };
                self.unlike(unlike, &below, found, masked);
            }
        }
    }

    /// Judges a field or a cookie to be different, unless a rule about values takes the two for the
    /// same: whatever is not the same, and not ignored, comes through here once.
    fn unlike(&self, unlike: Unlike, states: &States, found: &mut Compared, masked: &mut [u32]) {
        let Unlike { below, legacy, candidate, explanation } = unlike;
        if let (Some(legacy), Some(candidate)) = (&legacy, &candidate)
            && let Some(hold) = self.rules.value_rule(states)
        {
            let leaf = |side, text| Leaf { side, kind: NodeKind::String, content: String::as_bytes(text) };
            if self.rules.accepts(hold.rule, leaf(Side::Legacy, legacy), leaf(Side::Candidate, candidate)) {
                masked[hold.rule] += 1;
                return;
            }
        }
        let kind = match (&legacy, &candidate) {
            (Some(_), None) => Kind::Missing,
            (None, Some(_)) => Kind::Extra,
            (Some(_), Some(_)) | (None, None) => Kind::Value,
        };
        let of_texts = || crate::diff::explain_texts(legacy.as_deref()?, candidate.as_deref()?);
        let explanation = explanation.or_else(of_texts);
        let mut steps = vec![Step::name(self.place)];
        steps.extend(below);
        found.differences.push(Difference {
            part: self.part,
            path: Path::from(steps),
            kind,
            legacy: legacy.as_deref().map(value),
            candidate: candidate.as_deref().map(value),
            explanation,
        });
    }
}

fn value(text: &str) -> Value {
    Value { kind: ValueType::String, text: crate::document::clip(text, Value::MAX_TEXT).to_owned() }
}

/// The values of a field in one line, as RFC 9110 section 5.3 joins them.
fn joined(values: &GetAll<'_, HeaderValue>) -> Option<String> {
    let texts: Vec<String> = values.iter().map(|value| text::readable(&text_of(value.as_bytes()))).collect();
    if texts.is_empty() { None } else { Some(texts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn differences(legacy: &[(&str, &str)], candidate: &[(&str, &str)], rules: &Rules) -> Vec<String> {
        let mut masked = vec![0; rules.specs().len()];
        let found = compare(Part::Header, &map(legacy), &map(candidate), rules, &mut masked);
        found.differences.iter().map(|one| format!("{} {}", one.kind, one.path)).collect()
    }

    #[test]
    fn what_says_how_an_answer_came_does_not_count() {
        let legacy = [
            ("date", "a"),
            ("server", "nginx"),
            ("x-hop", "1"),
            ("connection", "close, X-Hop"),
            ("parallax-shadow", "1"),
        ];
        assert_eq!(differences(&legacy, &[("x-powered-by", "php")], &Rules::default()), [""; 0]);
        let strict = Rules::default().with_headers(HeaderProfile::Strict);
        assert_eq!(
            differences(&legacy, &[("x-powered-by", "php")], &strict),
            [
                "missing $.headers.connection",
                "missing $.headers.date",
                "missing $.headers.server",
                "missing $.headers['x-hop']",
                "extra $.headers['x-powered-by']"
            ]
        );
    }

    #[test]
    fn what_counts_is_named() {
        let legacy = [("location", "/a"), ("etag", "\"1\""), ("x-a", "1"), ("x-a", "2")];
        let candidate = [("location", "/b"), ("x-new", ""), ("x-a", "1,2")];
        assert_eq!(
            differences(&legacy, &candidate, &Rules::default()),
            ["missing $.headers.etag", "value $.headers.location", "extra $.headers['x-new']"]
        );
    }

    #[test]
    fn cookies_are_named_and_can_be_ignored() {
        let legacy = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2"), ("set-cookie", "c=3")];
        let candidate = [("set-cookie", "b=3"), ("set-cookie", "a=1; path=/")];
        assert_eq!(
            differences(&legacy, &candidate, &Rules::default()),
            ["value $.headers['set-cookie'].b", "missing $.headers['set-cookie'].c"]
        );
        let spec = crate::rule::RuleSpec {
            at: "$.headers['Set-Cookie'].b".into(),
            action: crate::rule::Action::Ignore,
        };
        let rules = Rules::compile(&[spec]).unwrap();
        assert_eq!(differences(&legacy, &candidate, &rules), ["missing $.headers['set-cookie'].c"]);
    }
}
