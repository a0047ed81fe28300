//! `Set-Cookie` (RFC 6265 section 4.1) as a multiset: a cookie is what it is by name, domain and path;
//! value and attributes are compared, their order and the case of their names are not.

use http::HeaderValue;
use http::header::GetAll;

use super::meaning::{readable, text_of, trimmed};

/// A cookie that is not the same on both sides, as each side sent it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) name: String,
    pub(super) legacy: Option<String>,
    pub(super) candidate: Option<String>,
}

struct Cookie {
    name: String,
    domain: String,
    path: String,
    /// Value and the other attributes, folded.
    rest: (String, Vec<(String, String)>),
    text: String,
}

/// The cookies that differ: each of legacy's with its partner, then what only the candidate has.
pub(super) fn compare(
    legacy: &GetAll<'_, HeaderValue>,
    candidate: &GetAll<'_, HeaderValue>,
) -> Vec<Differing> {
    let mut left: Vec<Option<Cookie>> = legacy.iter().map(parse).map(Some).collect();
    let mut right: Vec<Option<Cookie>> = candidate.iter().map(parse).map(Some).collect();
    let same_place = |a: &Cookie, b: &Cookie| a.name == b.name && a.domain == b.domain && a.path == b.path;
    pair(&mut left, &mut right, |a, b| same_place(a, b) && a.rest == b.rest);
    let mut differing = pair(&mut left, &mut right, same_place);
    differing.extend(pair(&mut left, &mut right, |a, b| a.name == b.name));
    let mut found: Vec<Differing> = differing
        .into_iter()
        .map(|(a, b)| Differing { name: readable(&a.name), legacy: Some(a.text), candidate: Some(b.text) })
        .collect();
    found.extend(left.into_iter().flatten().map(|only| Differing {
        name: readable(&only.name),
        legacy: Some(only.text),
        candidate: None,
    }));
    found.extend(right.into_iter().flatten().map(|only| Differing {
        name: readable(&only.name),
        legacy: None,
        candidate: Some(only.text),
    }));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Takes the pairs out that belong together. The fields of one answer are few, which the proxy sees
/// to; nobody pays for the two loops.
fn pair(
    left: &mut [Option<Cookie>],
    right: &mut [Option<Cookie>],
    together: impl Fn(&Cookie, &Cookie) -> bool,
) -> Vec<(Cookie, Cookie)> {
    let mut pairs = Vec::new();
    for ours in left.iter_mut() {
        let Some(cookie) = ours.as_ref() else { continue };
        let partner =
            right.iter_mut().find(|theirs| theirs.as_ref().is_some_and(|theirs| together(cookie, theirs)));
        if let Some(theirs) = partner
            && let (Some(ours), Some(theirs)) = (ours.take(), theirs.take())
        {
            pairs.push((ours, theirs));
        }
    }
    pairs
}

fn parse(value: &HeaderValue) -> Cookie {
    let text = text_of(value.as_bytes());
    let mut pieces = text.split(';').map(trimmed);
    let first = pieces.next().unwrap_or_default();
    // A cookie without `=` has no name, and all of it is its value.
    let (name, value) = first.split_once('=').unwrap_or(("", first));
    let (mut domain, mut path, mut attributes) = (String::new(), String::new(), Vec::new());
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (key, value) = (trimmed(key).to_ascii_lowercase(), trimmed(value));
        match key.as_str() {
            // RFC 6265 section 5.2.3: a leading dot says nothing.
            "domain" => domain = value.trim_start_matches('.').to_ascii_lowercase(),
            "path" => value.clone_into(&mut path),
            "samesite" => attributes.push((key, value.to_ascii_lowercase())),
            _ => attributes.push((key, value.to_owned())),
        }
    }
    attributes.sort();
    let (name, value) = (trimmed(name).to_owned(), trimmed(value).to_owned());
    Cookie { name, domain, path, rest: (value, attributes), text: readable(&text) }
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
        let found = compare(&legacy.get_all(header::SET_COOKIE), &candidate.get_all(header::SET_COOKIE));
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
            !compare(&left.get_all(header::SET_COOKIE), &right.get_all(header::SET_COOKIE)).is_empty()
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
}
