//! `Set-Cookie` (RFC 6265 section 4.1) as a multiset: a cookie is what it is by name, domain and path;
//! value, attributes and lifetime are compared. The order of attributes and the case of their names
//! say nothing, and neither does the way in which a lifetime is told.

use std::borrow::Cow;
use std::cmp::Ordering;

use http::HeaderValue;
use http::header::GetAll;

use super::lifetime::{Lifetime, expires, max_age};
use super::meaning::Dates;
use super::text::{readable, text_of, trimmed};

/// A cookie that is not the same on both sides, as each side sent it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) name: String,
    pub(super) legacy: Option<String>,
    pub(super) candidate: Option<String>,
    pub(super) explanation: Option<Cow<'static, str>>,
}

/// The order of the fields is the order of sorting: what makes a cookie the same comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cookie {
    name: String,
    domain: String,
    path: String,
    value: String,
    /// The other attributes, folded and sorted.
    attributes: Vec<(String, String)>,
    lifetime: Lifetime,
    text: String,
}

/// The cookies that differ, by name.
pub(super) fn compare(
    legacy: &GetAll<'_, HeaderValue>,
    candidate: &GetAll<'_, HeaderValue>,
    dates: Dates,
) -> Vec<Differing> {
    let mut left: Vec<Cookie> = legacy.iter().map(|value| parse(value, dates.legacy)).collect();
    let mut right: Vec<Cookie> = candidate.iter().map(|value| parse(value, dates.candidate)).collect();
    left.sort();
    right.sort();
    let (_, left, right) = pair(left, right, Cookie::alike);
    let (mut pairs, left, right) = pair(left, right, |a, b| a.place().cmp(&b.place()));
    let (more, left, right) = pair(left, right, |a, b| a.name.cmp(&b.name));
    pairs.extend(more);
    let mut found: Vec<Differing> = pairs.into_iter().map(unlike).collect();
    found.extend(left.into_iter().map(|only| Differing {
        name: readable(&only.name),
        legacy: Some(readable(&only.text)),
        candidate: None,
        explanation: None,
    }));
    found.extend(right.into_iter().map(|only| Differing {
        name: readable(&only.name),
        legacy: None,
        candidate: Some(readable(&only.text)),
        explanation: None,
    }));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Cookie {
    fn place(&self) -> (&str, &str, &str) {
        (&self.name, &self.domain, &self.path)
    }

    /// Equal for what is the same cookie, its lifetime within the tolerance.
    fn alike(&self, other: &Self) -> Ordering {
        self.place()
            .cmp(&other.place())
            .then_with(|| self.value.cmp(&other.value))
            .then_with(|| self.attributes.cmp(&other.attributes))
            .then_with(|| self.lifetime.about(other.lifetime))
    }

    fn is_deleted(&self) -> bool {
        self.lifetime == Lifetime::Deleted
    }
}

/// Pairs that belong together, and what is left of each side. Both are sorted by an order that the
/// given one follows, so one walk finds as many pairs as there can be, from either side the same.
fn pair(
    left: Vec<Cookie>,
    right: Vec<Cookie>,
    order: impl Fn(&Cookie, &Cookie) -> Ordering,
) -> (Vec<(Cookie, Cookie)>, Vec<Cookie>, Vec<Cookie>) {
    let (mut pairs, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut right = right.into_iter().peekable();
    for cookie in left {
        while let Some(before) = right.next_if(|other| order(&cookie, other) == Ordering::Greater) {
            theirs.push(before);
        }
        match right.next_if(|other| order(&cookie, other) == Ordering::Equal) {
            Some(other) => pairs.push((cookie, other)),
            None => ours.push(cookie),
        }
    }
    theirs.extend(right);
    (pairs, ours, theirs)
}

fn unlike((legacy, candidate): (Cookie, Cookie)) -> Differing {
    Differing {
        name: readable(&legacy.name),
        explanation: explain(&legacy, &candidate),
        legacy: Some(readable(&legacy.text)),
        candidate: Some(readable(&candidate.text)),
    }
}

/// How they are related, if they differ in one respect only.
fn explain(legacy: &Cookie, candidate: &Cookie) -> Option<Cow<'static, str>> {
    let place = legacy.place() == candidate.place();
    let value = legacy.value == candidate.value;
    let attributes = legacy.attributes == candidate.attributes;
    let lifetime = legacy.lifetime.about(candidate.lifetime) == Ordering::Equal;
    match (place, value, attributes, lifetime) {
        (false, true, true, true) => Some("other domain or path".into()),
        (true, false, true, true) => {
            crate::diff::explain_texts(&readable(&legacy.value), &readable(&candidate.value))
        }
        (true, true, false, true) => Some("attributes differ".into()),
        // A cookie that is deleted has no value that could be compared.
        (true, _, true, false) if value || legacy.is_deleted() || candidate.is_deleted() => {
            Some(Lifetime::explain(legacy.lifetime, candidate.lifetime).into())
        }
        _ => None,
    }
}

fn parse(field: &HeaderValue, date: Option<i64>) -> Cookie {
    let text = text_of(field.as_bytes());
    let mut pieces = text.split(';').map(trimmed);
    let first = pieces.next().unwrap_or_default();
    // A cookie without `=` has no name, and all of it is its value.
    let (name, value) = first.split_once('=').unwrap_or(("", first));
    let (mut domain, mut path, mut attributes) = (String::new(), String::new(), Vec::new());
    let (mut lasts, mut until) = (None, None);
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (key, value) = (trimmed(key).to_ascii_lowercase(), trimmed(value));
        // Of an attribute that is repeated the last counts (RFC 6265 section 5.3).
        match (key.as_str(), max_age(value), expires(value)) {
            // RFC 6265 section 5.2.3: a leading dot says nothing.
            ("domain", _, _) => domain = value.trim_start_matches('.').to_ascii_lowercase(),
            ("path", _, _) => value.clone_into(&mut path),
            ("max-age", Some(seconds), _) => lasts = Some(seconds),
            ("expires", _, Some(instant)) => until = Some(instant),
            ("samesite", _, _) => attributes.push((key, value.to_ascii_lowercase())),
            // Their presence is all they say (RFC 6265 sections 5.2.5 and 5.2.6).
            ("secure" | "httponly" | "partitioned", _, _) => attributes.push((key, String::new())),
            _ => attributes.push((key, value.to_owned())),
        }
    }
    attributes.sort();
    attributes.dedup();
    let lifetime = Lifetime::of(lasts, until, date);
    // What is deleted has no value, whatever stands in its place.
    let value = if lifetime == Lifetime::Deleted { "" } else { trimmed(value) };
    let (name, value) = (trimmed(name).to_owned(), value.to_owned());
    Cookie { name, domain, path, value, attributes, lifetime, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, header};

    fn differing(legacy: &[&'static str], candidate: &[&'static str]) -> Vec<String> {
        let map = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (header::SET_COOKIE, HeaderValue::from_static(value))).collect()
        };
        let (legacy, candidate) = (map(legacy), map(candidate));
        let (legacy, candidate) = (legacy.get_all(header::SET_COOKIE), candidate.get_all(header::SET_COOKIE));
        let found = compare(&legacy, &candidate, Dates::default());
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        found
            .iter()
            .map(|one| format!("{}: {} | {}", one.name, side(&one.legacy), side(&one.candidate)))
            .collect()
    }

    #[test]
    fn spelling_and_order_say_nothing() {
        let legacy = ["a=1; Path=/; HttpOnly; SameSite=Lax", "b=2; Domain=.example.org"];
        let candidate = ["b=2; domain=EXAMPLE.org", "a=1; httponly;samesite=lax; path=/"];
        assert_eq!(differing(&legacy, &candidate), [""; 0]);
    }

    #[test]
    fn a_cookie_without_a_name_is_its_value() {
        assert_eq!(differing(&["one"], &["two"]), [": one | two"]);
        assert_eq!(differing(&["one; path=/"], &["one;Path=/"]), [""; 0]);
    }

    #[test]
    fn bytes_that_are_no_utf_8_differ() {
        let map = |bytes: &[u8]| -> HeaderMap {
            [(header::SET_COOKIE, HeaderValue::from_bytes(bytes).unwrap())].into_iter().collect()
        };
        let differ = |left: &[u8], right: &[u8]| {
            let (left, right) = (map(left), map(right));
            {
                let (left, right) = (left.get_all(header::SET_COOKIE), right.get_all(header::SET_COOKIE));
                !compare(&left, &right, Dates::default()).is_empty()
            }
        };
        assert!(differ(b"a=\xe9", b"a=\xe8") && differ(b"a=1; x=\xe9", b"a=1; x=\xe8"));
        assert!(differ(b"a=\xe9", "a=é".as_bytes()) && differ(b"\xe9=1", "é=1".as_bytes()));
        assert!(!differ(b"a=\xe9; x=1; y", b"a=\xe9; y; x=1"));
    }

    #[test]
    fn values_attributes_and_count_matter() {
        assert_eq!(differing(&["a=1"], &["a=2"]), ["a: a=1 | a=2"]);
        assert_eq!(differing(&["a=1; Secure"], &["a=1"]), ["a: a=1; Secure | a=1"]);
        assert_eq!(differing(&["a=1", "a=1"], &["a=1"]), ["a: a=1 | -"]);
        assert_eq!(
            differing(&["a=1; Path=/"], &["a=1; Path=/x", "b=1"]),
            ["a: a=1; Path=/ | a=1; Path=/x", "b: - | b=1"]
        );
    }

    fn told(legacy: &str, candidate: &str, dates: Dates) -> Option<String> {
        let map = |value: &str| -> HeaderMap {
            [(header::SET_COOKIE, HeaderValue::from_str(value).unwrap())].into_iter().collect()
        };
        let (legacy, candidate) = (map(legacy), map(candidate));
        let (legacy, candidate) = (legacy.get_all(header::SET_COOKIE), candidate.get_all(header::SET_COOKIE));
        let found = compare(&legacy, &candidate, dates);
        assert!(found.len() < 2);
        found.into_iter().next().map(|one| one.explanation.unwrap_or_default().into_owned())
    }

    #[test]
    fn a_lifetime_is_told_in_many_ways() {
        // Sat, 01 Jan 2028 00:00:00 GMT, and ten minutes later.
        let dates = Dates { legacy: Some(1_830_297_600), candidate: Some(1_830_298_200) };
        let equal = |legacy: &str, candidate: &str| told(legacy, candidate, dates).is_none();
        assert!(equal("a=1; Max-Age=3600", "a=1; Expires=Sat, 01 Jan 2028 01:10:03 GMT"));
        assert!(equal(
            "a=1; Expires=Sat, 01-Jan-2028 01:00:00 GMT",
            "a=1; expires=Sat, 01 Jan 2028 01:10:00 GMT"
        ));
        assert!(equal("a=1; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1; max-age=3605"));
        assert!(equal("a=deleted; Max-Age=0", "a=; Expires=Thu, 01 Jan 1970 00:00:01 GMT"));
        assert!(equal("a=1; Max-Age=1; Max-Age=9", "a=1; Max-Age=9"));
    }

    #[test]
    fn says_how_lifetimes_differ() {
        let told = |legacy: &str, candidate: &str| told(legacy, candidate, Dates::default()).unwrap();
        assert_eq!(told("a=1; Max-Age=60", "a=1; Max-Age=66"), "lifetime differs");
        assert_eq!(told("a=1", "a=1; Max-Age=66"), "persistent instead of for the session");
        assert_eq!(told("a=1; Max-Age=66", "a=1"), "for the session instead of persistent");
        assert_eq!(told("a=1; Max-Age=66", "a=; Max-Age=0"), "deleted instead of set");
        assert_eq!(told("a=; Max-Age=0", "a=1"), "set instead of deleted");
        assert_eq!(told("a=1; Max-Age=60", "a=2; Max-Age=66"), "");
        assert_eq!(told("a=1; Secure", "a=1"), "attributes differ");
        assert_eq!(told("a=1; Path=/a", "a=1; Path=/b"), "other domain or path");
        assert_eq!(told("a=x", "a=X"), "equal but for case");
        assert_eq!(told("a=1; Max-Age=soon", "a=1"), "attributes differ");
    }

    #[test]
    fn equal_cookies_pair_as_often_as_they_can() {
        let (left, right) = (["a=1; Max-Age=15", "a=1; Max-Age=10"], ["a=1; Max-Age=6", "a=1; Max-Age=11"]);
        assert_eq!(differing(&left, &right), [""; 0]);
        assert_eq!(differing(&right, &left), [""; 0]);
    }

    #[test]
    fn thousands_of_cookies_take_no_long_time() {
        let map = |numbers: &mut dyn Iterator<Item = u32>| -> HeaderMap {
            let field = |number| HeaderValue::from_str(&format!("a={number}; Path=/{number}")).unwrap();
            numbers.map(|number| (header::SET_COOKIE, field(number))).collect()
        };
        let (left, right) = (map(&mut (0..10_000)), map(&mut (5_000..15_000).rev()));
        let (left, right) = (left.get_all(header::SET_COOKIE), right.get_all(header::SET_COOKIE));
        let found = compare(&left, &right, Dates::default());
        assert_eq!(found.len(), 5_000, "one of each side makes one difference");
    }
}
