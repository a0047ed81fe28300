//! Whether two values of a field mean the same, and how they are related where they do not.

use std::borrow::Cow;

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::instant::{SURELY_PAST, http_date};
use super::normal::{Entry, entries};
use super::structured;
use super::table::Meaning;
use super::text::{items, text_of, trimmed};
use crate::format::MediaType;

/// When each side says that it answered: what the times in its other fields are relative to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dates {
    pub(super) legacy: Option<i64>,
    pub(super) candidate: Option<i64>,
}

/// That a field differs, and how the values are related if they are in a way that only their
/// meaning shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unlike {
    pub(super) explanation: Option<Cow<'static, str>>,
}

impl Dates {
    pub(super) fn of(legacy: &HeaderMap, candidate: &HeaderMap) -> Self {
        let date = |headers: &HeaderMap| {
            headers.get(header::DATE).and_then(|value| http_date(trimmed(&text_of(value.as_bytes()))))
        };
        Self { legacy: date(legacy), candidate: date(candidate) }
    }
}

/// Compares two values of a field that are not the same bytes; either may be absent, not both.
pub(super) fn compare(
    name: &HeaderName,
    left: &GetAll<'_, HeaderValue>,
    right: &GetAll<'_, HeaderValue>,
    dates: Dates,
) -> Option<Unlike> {
    let (Some(ours), Some(theirs)) = (lines(left), lines(right)) else {
        return Some(Unlike { explanation: None });
    };
    let meaning = Meaning::of(name);
    let (legacy, candidate) = (ours.join(","), theirs.join(","));
    if let (Some(left), Some(right)) = (entries(meaning, &legacy), entries(meaning, &candidate)) {
        let explanation = if left == right { return None } else { related(left, right) };
        return Some(Unlike { explanation: explanation.map(Cow::Borrowed) });
    }
    // A field in several lines is a list, however it is spaced (RFC 9110 section 5.3); one line of
    // a field that is no list is taken as it is.
    let several = ours.len() > 1 || theirs.len() > 1;
    if several && items(&legacy).eq(items(&candidate)) {
        return None;
    }
    let (same, explanation) = match meaning {
        Meaning::MediaType => (media(left) == media(right), None),
        Meaning::Structured(shape) => (structured::same(shape, &legacy, &candidate), None),
        _ if several => (false, None),
        Meaning::EntityTag => (false, weakness(&legacy, &candidate)),
        Meaning::Instant => instants(http_date(&legacy), http_date(&candidate)),
        Meaning::Deprecation => instants(deprecation(&legacy), deprecation(&candidate)),
        Meaning::Expiry => expiries(http_date(&legacy), http_date(&candidate), dates),
        Meaning::Bytes
        | Meaning::Set(_)
        | Meaning::List(_)
        | Meaning::Weighted
        | Meaning::Links
        | Meaning::Challenges
        | Meaning::Directives(_)
        | Meaning::Disposition
        | Meaning::Policies => (false, None),
    };
    if same { None } else { Some(Unlike { explanation: explanation.map(Cow::Borrowed) }) }
}

/// The lines of a field, as text; `None` when it is absent.
fn lines(values: &GetAll<'_, HeaderValue>) -> Option<Vec<String>> {
    let lines: Vec<String> = values.iter().map(|value| text_of(value.as_bytes())).collect();
    if lines.is_empty() { None } else { Some(lines) }
}

fn media(values: &GetAll<'_, HeaderValue>) -> Vec<MediaType> {
    values.iter().map(|value| MediaType::of(value.as_bytes())).collect()
}

/// How two lists are related that are not the same.
fn related(mut left: Vec<Entry>, mut right: Vec<Entry>) -> Option<&'static str> {
    left.sort();
    right.sort();
    if left == right {
        return Some("same items in another order");
    }
    let has_all = |whole: &[Entry], part: &[Entry]| {
        let mut rest = whole.iter();
        part.iter().all(|item| rest.any(|other| other == item))
    };
    if has_all(&left, &right) {
        Some("some items are missing")
    } else if has_all(&right, &left) {
        Some("has items that were not there")
    } else {
        None
    }
}

/// The same tag, weak on one side only, is not the same validator (RFC 9110 section 8.8.3.2: no
/// ranges, no `If-Match`).
fn weakness(legacy: &str, candidate: &str) -> Option<&'static str> {
    match (legacy.strip_prefix("W/"), candidate.strip_prefix("W/")) {
        (None, Some(tag)) if tag == legacy => Some("weak instead of strong"),
        (Some(tag), None) if tag == candidate => Some("strong instead of weak"),
        _ => None,
    }
}

fn instants(left: Option<i64>, right: Option<i64>) -> (bool, Option<&'static str>) {
    match (left, right) {
        (Some(left), Some(right)) if left == right => (true, None),
        (Some(_), Some(_)) => (false, Some("other instant")),
        (None, _) | (_, None) => (false, None),
    }
}

/// `@` and seconds, or an HTTP date.
fn deprecation(text: &str) -> Option<i64> {
    let Some(seconds) = text.strip_prefix('@') else { return http_date(text) };
    if seconds.len() > 15 {
        return None;
    }
    let digits = seconds.strip_prefix('-').unwrap_or(seconds);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { seconds.parse().ok() } else { None }
}

/// What expires so and so long after it was answered expires alike, whenever that was; what has
/// expired has, and what is no date is in the past (RFC 9111 sections 4.2.1 and 5.3).
fn expiries(left: Option<i64>, right: Option<i64>, dates: Dates) -> (bool, Option<&'static str>) {
    let fresh = |at: Option<i64>, date: Option<i64>| at.filter(|&at| at > date.unwrap_or(SURELY_PAST));
    let lifetime = |at: i64, date: Option<i64>| date.map(|date| at.saturating_sub(date));
    match (fresh(left, dates.legacy), fresh(right, dates.candidate)) {
        (None, None) => (true, None),
        (None, Some(_)) => (false, Some("fresh instead of expired")),
        (Some(_), None) => (false, Some("expired instead of fresh")),
        (Some(left), Some(right)) => {
            let (ours, theirs) = (lifetime(left, dates.legacy), lifetime(right, dates.candidate));
            if ours.is_some() && ours == theirs { (true, None) } else { instants(Some(left), Some(right)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 2094 08:49:37 GMT";

    fn field(
        name: &'static str,
        left: &[&'static str],
        right: &[&'static str],
        dates: Dates,
    ) -> Option<String> {
        let name = HeaderName::from_static(name);
        let map = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
        };
        let found = compare(&name, &map(left).get_all(&name), &map(right).get_all(&name), dates);
        found.map(|unlike| unlike.explanation.unwrap_or_default().into_owned())
    }

    fn alike(name: &'static str, left: &[&'static str], right: &[&'static str]) -> bool {
        field(name, left, right, Dates::default()).is_none()
    }

    fn told(name: &'static str, left: &'static str, right: &'static str) -> String {
        field(name, &[left], &[right], Dates::default()).unwrap()
    }

    #[test]
    fn sets_know_no_order() {
        assert!(alike("vary", &["Accept, Origin"], &["origin", "accept"]));
        assert!(alike("allow", &["GET,PUT"], &["PUT, GET"]));
        assert_eq!(told("allow", "GET,PUT", "GET"), "some items are missing");
        assert_eq!(told("allow", "GET", "GET,PUT"), "has items that were not there");
        assert_eq!(told("allow", "GET", "get"), "");
        assert_eq!(told("link", "<a>,<b>", "<b>,<a>"), "same items in another order");
        assert!(!alike("cache-control", &["max-age=0"], &["max-age=60"]));
        assert!(!alike("vary", &[], &["accept"]) && !alike("vary", &["accept"], &[]));
    }

    #[test]
    fn bytes_that_are_no_utf_8_keep_their_meaning() {
        let alike = |name: HeaderName, left: &[u8], right: &[u8]| {
            let map = |bytes: &[u8]| -> HeaderMap {
                // Twice, so that any field is a list and taken apart.
                let values = [bytes, b"x"].map(|bytes| HeaderValue::from_bytes(bytes).unwrap());
                values.into_iter().map(|value| (name.clone(), value)).collect()
            };
            compare(&name, &map(left).get_all(&name), &map(right).get_all(&name), Dates::default()).is_none()
        };
        for name in [header::LINK, header::CONTENT_TYPE, header::CACHE_CONTROL, header::VARY] {
            assert!(alike(name.clone(), b"a/b; c=\xe9", b"a/b; c=\xe9"), "{name}");
            for (left, right) in [
                (b"a/b; c=\xe9".as_slice(), b"a/b; c=\xe8".as_slice()),
                (b"a/b; c=\xe9", "a/b; c=é".as_bytes()),
            ] {
                assert!(!alike(name.clone(), left, right), "{name} {left:?} {right:?}");
            }
        }
        assert!(!alike(header::LINK, b"<a>\xa0", b"<a>"));
    }

    #[test]
    fn lists_in_several_lines_are_lists() {
        assert!(alike("link", &["<a>; t=\"x,y\"", "<b>"], &["<a>; t=\"x,y\",<b>"]));
        assert!(!alike("link", &["<a>", "<b>"], &["<b>, <a>"]));
        assert!(alike("x-note", &["a", "b"], &["a, b"]));
        assert!(!alike("x-note", &["a,b"], &["a, b"]), "one line of an unknown field is no list");
        assert!(alike("priority", &["u=1", "i"], &["i, u=1"]));
        assert!(!alike("priority", &["u="], &["u= "]), "what does not parse is bytes");
    }

    #[test]
    fn dates_are_instants() {
        assert!(alike("last-modified", &[EARLY], &["Sunday, 06-Nov-94 08:49:37 GMT"]));
        assert!(alike("last-modified", &[EARLY], &["Sun Nov  6 08:49:37 1994"]));
        assert_eq!(told("last-modified", EARLY, LATER), "other instant");
        assert_eq!(told("retry-after", EARLY, "120"), "");
        assert_eq!(told("retry-after", "120", "121"), "");
        assert!(alike("deprecation", &["@784111777"], &[EARLY]));
        assert_eq!(told("deprecation", "@1", "@2"), "other instant");
        assert_eq!(told("deprecation", "true", "@2"), "");
        assert!(!alike("last-modified", &["@784111777"], &[EARLY]));
    }

    #[test]
    fn an_answer_expires_some_time_after_it_was_made() {
        assert!(alike("expires", &["0"], &["-1"]) && alike("expires", &["0"], &[EARLY]));
        assert_eq!(told("expires", LATER, "0"), "expired instead of fresh");
        assert_eq!(told("expires", "0", LATER), "fresh instead of expired");
        assert_eq!(told("expires", LATER, "Mon, 07 Nov 2094 08:49:37 GMT"), "other instant");
        let minute_apart = Dates { legacy: Some(1_000_000_000), candidate: Some(1_000_000_060) };
        let next = "Sun, 06 Nov 2094 08:50:37 GMT";
        assert_eq!(field("expires", &[LATER], &[next], minute_apart), None);
        assert!(field("expires", &[next], &[LATER], minute_apart).is_some());
    }

    #[test]
    fn a_weak_tag_is_not_the_strong_one() {
        assert_eq!(told("etag", "\"a\"", "W/\"a\""), "weak instead of strong");
        assert_eq!(told("etag", "W/\"a\"", "\"a\""), "strong instead of weak");
        assert_eq!(told("etag", "W/\"a\"", "\"b\""), "");
        assert_eq!(told("etag", "\"a\"", "\"A\""), "");
    }
}
