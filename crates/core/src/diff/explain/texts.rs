//! How two texts are related.

use unicode_normalization::UnicodeNormalization;

use super::{Explanation, instants, numbers};
use crate::document::Decimal;
use crate::rule::{Folds, Origins};

/// The relation between two whole texts.
pub(crate) fn explain_texts(legacy: &str, candidate: &str) -> Explanation {
    if legacy == candidate {
        // Alike for reading only: lone surrogates, or bytes that are no text.
        return None;
    }
    if candidate.is_empty() || legacy.is_empty() {
        let empty = if candidate.is_empty() { "empty instead of text" } else { "text instead of empty" };
        return Some(empty.into());
    }
    space(legacy, candidate)
        .map(Into::into)
        .or_else(|| instants::explain(legacy, candidate))
        .or_else(|| spelling(legacy, candidate).map(Into::into))
        .or_else(|| numerals(legacy, candidate))
        .or_else(|| addresses(legacy, candidate).map(Into::into))
        .or_else(|| parts(legacy, candidate).map(Into::into))
}

fn space(legacy: &str, candidate: &str) -> Option<&'static str> {
    if legacy.trim() == candidate.trim() {
        let (start, end) = (
            legacy.trim_start().len() + candidate.len() == candidate.trim_start().len() + legacy.len(),
            legacy.trim_end().len() + candidate.len() == candidate.trim_end().len() + legacy.len(),
        );
        return Some(match (start, end) {
            (true, _) if candidate.len() > legacy.len() => "trailing space",
            (true, _) if candidate.len() < legacy.len() => "trailing space is gone",
            (_, true) if candidate.len() > legacy.len() => "leading space",
            (_, true) if candidate.len() < legacy.len() => "leading space is gone",
            _ => "surrounding white space differs",
        });
    }
    let unified = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    if unified(legacy) == unified(candidate) {
        return Some("other line ends");
    }
    legacy.split_whitespace().eq(candidate.split_whitespace()).then_some("white space differs")
}

fn spelling(legacy: &str, candidate: &str) -> Option<&'static str> {
    let fold = |case, whitespace, nfc| {
        let folds = Folds { case, whitespace, nfc };
        folds.fold(legacy) == folds.fold(candidate)
    };
    if fold(true, false, false) {
        return Some("equal but for case");
    }
    if fold(false, false, true) {
        return Some("accents composed in another way");
    }
    if fold(true, true, true) {
        return Some("equal but for case and white space");
    }
    let bare = |text: &str| -> String { text.nfd().filter(char::is_ascii).collect() };
    if bare(legacy) == bare(candidate) && !bare(legacy).is_empty() {
        let ascii = |text: &str| text.is_ascii();
        return Some(match (ascii(legacy), ascii(candidate)) {
            (false, true) => "accents are lost",
            (true, false) => "accents were added",
            _ => "accents or symbols differ",
        });
    }
    let quoted = |text: &str, other: &str| {
        text.len() == other.len() + 2
            && text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(other)
    };
    if quoted(candidate, legacy) || quoted(legacy, candidate) {
        return Some("quotes around the text");
    }
    escaping(legacy, candidate)
}

fn escaping(legacy: &str, candidate: &str) -> Option<&'static str> {
    let html = |text: &str| {
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
            .iter()
            .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
    };
    if html(candidate) == legacy {
        return Some("escaped for HTML");
    }
    if html(legacy) == candidate {
        return Some("no longer escaped for HTML");
    }
    // UTF-8 that was read as Latin-1 and written again.
    let twice = |text: &str| -> Option<String> {
        let bytes: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(letter).ok()).collect();
        String::from_utf8(bytes?).ok()
    };
    if !candidate.is_ascii() && twice(candidate).as_deref() == Some(legacy) {
        return Some("encoded as UTF-8 twice");
    }
    (!legacy.is_ascii() && twice(legacy).as_deref() == Some(candidate))
        .then_some("no longer encoded as UTF-8 twice")
}

/// Texts that are spelt like numbers.
fn numerals(legacy: &str, candidate: &str) -> Explanation {
    let (left, right) = (Decimal::parse(legacy.as_bytes())?, Decimal::parse(candidate.as_bytes())?);
    if left == right {
        return Some("the same number, other spelling".into());
    }
    numbers::explain(legacy, candidate)
}

fn addresses(legacy: &str, candidate: &str) -> Option<&'static str> {
    let after = |text: &str, scheme: &str| text.strip_prefix(scheme).map(str::to_owned);
    let became = |from: &str, to: &str| {
        after(legacy, from).is_some_and(|rest| after(candidate, to).is_some_and(|other| other == rest))
    };
    if became("http://", "https://") {
        return Some("http became https");
    }
    if became("https://", "http://") {
        return Some("https became http");
    }
    let is_path = |text: &str| text.contains('/');
    if is_path(legacy) && legacy.strip_suffix('/') == Some(candidate) {
        return Some("trailing slash is gone");
    }
    if is_path(candidate) && candidate.strip_suffix('/') == Some(legacy) {
        return Some("trailing slash");
    }
    let path = |text: &str| Origins::default().fold(crate::exchange::Side::Legacy, text);
    let (ours, theirs) = (path(legacy), path(candidate));
    if ours != theirs || (ours == legacy && theirs == candidate) {
        return None;
    }
    Some(match (ours == legacy, theirs == candidate) {
        (false, true) => "relative instead of absolute URL",
        (true, false) => "absolute instead of relative URL",
        _ => "other host, same path",
    })
}

/// One is a part of the other.
fn parts(legacy: &str, candidate: &str) -> Option<&'static str> {
    let is_long = |text: &str| text.chars().count() >= 4;
    if is_long(candidate) && legacy.starts_with(candidate) {
        return Some("cut short");
    }
    if is_long(legacy) && candidate.starts_with(legacy) {
        return Some("longer, with the same beginning");
    }
    let words = |text: &str| {
        let mut words: Vec<String> = text.split([',', ';', ' ']).map(|word| word.trim().to_owned()).collect();
        words.sort_unstable();
        words
    };
    let several = legacy.contains([',', ';', ' ']);
    (several && words(legacy) == words(candidate)).then_some("the same words in another order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(legacy: &str, candidate: &str) -> String {
        explain_texts(legacy, candidate).unwrap_or_default().into_owned()
    }

    #[test]
    fn says_what_space_there_is() {
        assert_eq!(texts("Ann", "Ann "), "trailing space");
        assert_eq!(texts("Ann ", "Ann"), "trailing space is gone");
        assert_eq!(texts("Ann", " Ann"), "leading space");
        assert_eq!(texts(" Ann", "Ann "), "surrounding white space differs");
        assert_eq!(texts("a  b", "a b"), "white space differs");
        assert_eq!(texts("a\nb", "a\r\nb"), "other line ends");
        assert_eq!(texts("Ann", ""), "empty instead of text");
        assert_eq!(texts("", "Ann"), "text instead of empty");
    }

    #[test]
    fn says_how_a_text_is_spelt() {
        assert_eq!(texts("Ann", "ANN"), "equal but for case");
        assert_eq!(texts("A  b", "a b"), "equal but for case and white space");
        assert_eq!(texts("Jose\u{301}", "José"), "accents composed in another way");
        assert_eq!(texts("José", "Jose"), "accents are lost");
        assert_eq!(texts("abc", "\"abc\""), "quotes around the text");
        assert_eq!(texts("a<b", "a&lt;b"), "escaped for HTML");
        assert_eq!(texts("größe", "grÃ¶Ã\u{9f}e"), "encoded as UTF-8 twice");
        assert_eq!(texts("12.50", "12.5"), "the same number, other spelling");
        assert_eq!(texts("12.345", "12.35"), "rounded to 2 decimals");
        assert_eq!(texts("東京", "大阪"), "");
        assert_eq!(texts("Ann", "Bob"), "");
    }

    #[test]
    fn says_how_addresses_are_related() {
        assert_eq!(texts("http://a/b", "https://a/b"), "http became https");
        assert_eq!(texts("http://a/b", "http://c/b"), "other host, same path");
        assert_eq!(texts("http://a/b", "/b"), "relative instead of absolute URL");
        assert_eq!(texts("/a/b", "/a/b/"), "trailing slash");
        assert_eq!(texts("/a", "/b"), "");
    }

    #[test]
    fn says_what_is_a_part() {
        assert_eq!(texts("a long text", "a long"), "cut short");
        assert_eq!(texts("a long", "a long text"), "longer, with the same beginning");
        assert_eq!(texts("red, green", "green, red"), "the same words in another order");
    }

    #[test]
    fn an_instant_is_told_before_its_letters() {
        assert_eq!(texts("2026-01-02T03:04:05Z", "2026-01-02t03:04:05z"), "same instant, other spelling");
    }
}
