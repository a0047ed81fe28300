//! Field values as text: lossless, taken apart at separators, quotes taken off.

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

/// As [`split_outside_quotes`], where a target in angle brackets (RFC 8288 section 3) hides
/// separators and quotes as well.
pub(super) fn split_outside_targets(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    text.split(move |letter: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match letter {
            '>' if inside => inside = false,
            _ if inside => {}
            '\\' if quoted && !was_escaped => escaped = true,
            '"' if !was_escaped => quoted = !quoted,
            '<' if !quoted => inside = true,
            _ => {}
        }
        letter == separator && !quoted && !inside
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

/// The items of a list, each without the white space around it; empty ones say nothing (RFC 9110
/// section 5.6.1.2).
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    split_outside_quotes(text, ',').map(trimmed).filter(|item| !item.is_empty())
}

/// `name=value`, the name in lower case and the quotes off the value; a name alone has no value.
pub(super) fn parameter(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (trimmed(name).to_ascii_lowercase(), Some(unquote(trimmed(value)))),
        None => (text.to_ascii_lowercase(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hide_separators() {
        let parts: Vec<_> = split_outside_quotes(r#"a;"b;\";c";d"#, ';').collect();
        assert_eq!(parts, ["a", r#""b;\";c""#, "d"]);
        assert_eq!(unquote(r#""b\"\\c""#), r#"b"\c"#);
        assert_eq!(unquote("\""), "\"");
    }

    #[test]
    fn targets_hide_separators_and_quotes() {
        let parts: Vec<_> = split_outside_targets(r#"<a,,b">; t="<,", <c"#, ',').collect();
        assert_eq!(parts, [r#"<a,,b">; t="<,""#, " <c"]);
    }

    #[test]
    fn text_is_lossless_and_readable() {
        assert_eq!(readable(&text_of("größe".as_bytes())), "größe");
        assert_eq!(readable(&text_of(b"gr\xf6\xdfe")), "größe");
        assert_ne!(text_of("é".as_bytes()), text_of(b"\xe9"));
        assert_eq!(trimmed("\t a\u{a0} "), "a\u{a0}");
    }
}
