//! What a field's value means, for those fields whose spelling is not their meaning.

use http::header::{self, GetAll};
use http::{HeaderName, HeaderValue};

use crate::format::MediaType;

/// Whether two values of a field that are not the same bytes mean the same.
pub(super) fn same(
    name: &HeaderName,
    left: &GetAll<'_, HeaderValue>,
    right: &GetAll<'_, HeaderValue>,
) -> bool {
    if left.iter().next().is_none() || right.iter().next().is_none() {
        return false;
    }
    match *name {
        header::CONTENT_TYPE => {
            let media = |values: &GetAll<'_, HeaderValue>| -> Vec<MediaType> {
                values.iter().map(|value| MediaType::of(value.as_bytes())).collect()
            };
            media(left) == media(right)
        }
        header::VARY => tokens(left, true) == tokens(right, true),
        header::ALLOW => tokens(left, false) == tokens(right, false),
        header::CACHE_CONTROL => directives(left) == directives(right),
        // A field in several lines is a list, however it is spaced; one line is taken as it is.
        _ if left.iter().count() > 1 || right.iter().count() > 1 => items(left) == items(right),
        _ => false,
    }
}

/// The bytes of a field as text, each a character of its own: two values are the same text exactly
/// when they are the same bytes, whatever encoding their sender meant.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// A text of [`text_of`] for reading: UTF-8 where its bytes are, else as Latin-1.
pub(super) fn readable(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(letter).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
}

/// A text without the white space around it that RFC 9110 section 5.6.3 allows; other bytes that
/// look like space are content.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The parts of a text between separators that do not stand in quotes.
pub(crate) fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |letter: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match letter {
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            _ => {}
        }
        letter == separator && !quoted
    })
}

/// The content of a quoted string, or the text as it is.
pub(crate) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut content = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        content.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    content
}

fn items(values: &GetAll<'_, HeaderValue>) -> Vec<String> {
    values.iter().flat_map(|value| split(&text_of(value.as_bytes()))).collect()
}

fn split(text: &str) -> Vec<String> {
    split_outside_quotes(text, ',').map(trimmed).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn tokens(values: &GetAll<'_, HeaderValue>, fold: bool) -> Vec<String> {
    let mut tokens = items(values);
    if fold {
        tokens.iter_mut().for_each(|token| token.make_ascii_lowercase());
    }
    tokens.sort();
    tokens.dedup();
    tokens
}

fn directives(values: &GetAll<'_, HeaderValue>) -> Vec<(String, Option<String>)> {
    let directive = |item: String| match item.split_once('=') {
        Some((name, value)) => (trimmed(name).to_ascii_lowercase(), Some(unquote(trimmed(value)))),
        None => (item.to_ascii_lowercase(), None),
    };
    let mut directives: Vec<_> = items(values).into_iter().map(directive).collect();
    directives.sort();
    directives.dedup();
    directives
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn alike(name: &'static str, left: &[&'static str], right: &[&'static str]) -> bool {
        let name = HeaderName::from_static(name);
        let map = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
        };
        same(&name, &map(left).get_all(&name), &map(right).get_all(&name))
    }

    #[test]
    fn sets_know_no_order() {
        assert!(alike("vary", &["Accept, Origin"], &["origin", "accept"]));
        assert!(alike("allow", &["GET,PUT"], &["PUT, GET"]));
        assert!(!alike("allow", &["GET,PUT"], &["GET"]));
        assert!(alike("cache-control", &["no-store, max-age=0"], &["Max-Age=\"0\",no-store"]));
        assert!(!alike("cache-control", &["max-age=0"], &["max-age=60"]));
    }

    #[test]
    fn bytes_that_are_no_utf_8_keep_their_meaning() {
        let alike = |name: HeaderName, left: &[u8], right: &[u8]| {
            let map = |bytes: &[u8]| -> HeaderMap {
                // Twice, so that any field is a list and taken apart.
                let values = [bytes, b"x"].map(|bytes| HeaderValue::from_bytes(bytes).unwrap());
                values.into_iter().map(|value| (name.clone(), value)).collect()
            };
            same(&name, &map(left).get_all(&name), &map(right).get_all(&name))
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
        assert_eq!(readable(&text_of("größe".as_bytes())), "größe");
        assert_eq!(readable(&text_of(b"gr\xf6\xdfe")), "größe");
    }

    #[test]
    fn lists_in_several_lines_are_lists() {
        assert!(alike("link", &["<a>; t=\"x,y\"", "<b>"], &["<a>; t=\"x,y\",<b>"]));
        assert!(!alike("link", &["<a>", "<b>"], &["<b>, <a>"]));
        assert!(!alike("x-note", &["a,b"], &["a, b"]), "one line of an unknown field is no list");
    }

    #[test]
    fn quotes_hide_separators() {
        let parts: Vec<_> = split_outside_quotes(r#"a;"b;\";c";d"#, ';').collect();
        assert_eq!(parts, ["a", r#""b;\";c""#, "d"]);
        assert_eq!(unquote(r#""b\"\\c""#), r#"b"\c"#);
    }
}
