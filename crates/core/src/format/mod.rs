//! From the bytes of a body to what they hold: the content coding is taken off, and the content type
//! decides what is read.
//!
//! Sniffing only where the content type is missing: a sloppy monolith that sends JSON as `text/html`
//! and a candidate that does not are different, and the client sees it. Nothing here fails loudly: a
//! body that cannot be read is an error value, and the comparison decides what that means.

mod coding;
mod digest;
pub(crate) mod image;
mod media;
pub(crate) mod pdf;

use bytes::Bytes;
use http::{HeaderMap, header};

pub(crate) use coding::{Codings, DecodeError, decode};
pub use digest::DigestStream;
pub(crate) use media::{BodyKind, MediaType};

use crate::document::{Document, ReadError, read_beside};
use crate::isolation::Foreign;

/// Most bytes that one body is decoded to for comparison.
pub(crate) const MAX_DECODED: usize = 32 * 1024 * 1024;
/// Most values and names of one document.
pub(crate) const MAX_NODES: usize = 2_000_000;

/// What a body holds.
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// A tree.
    Document(Box<Document>),
    /// Text.
    Text(Box<str>),
    /// Bytes that are no text, or not what they say they are; so many.
    Opaque(usize),
}

/// What a body holds, for showing it.
pub(crate) fn content(headers: &HeaderMap, bytes: &Bytes) -> Content {
    let decoded = match Codings::of(headers).and_then(|codings| decode(&codings, bytes, MAX_DECODED)) {
        Ok(decoded) => decoded,
        Err(_) => return Content::Opaque(bytes.len()),
    };
    if decoded.is_empty() {
        return Content::Empty;
    }
    match open(headers, &decoded, None) {
        Ok(Opened::Document(document)) => Content::Document(document),
        Ok(Opened::Text) => Content::Text(String::from_utf8_lossy(&decoded).into()),
        // Showing is no reason to run a foreign decoder.
        Ok(Opened::Opaque | Opened::Foreign(_)) => Content::Opaque(decoded.len()),
        Err(_) => Content::Opaque(bytes.len()),
    }
}

/// What the content type says, where there is one.
pub(crate) fn declared_kind(headers: &HeaderMap) -> Option<BodyKind> {
    headers.get(header::CONTENT_TYPE).map(|value| BodyKind::of(value.as_bytes()))
}

/// What the first bytes say, where they say that the body is of a foreign format.
pub(crate) fn kind_by_signature(decoded: &[u8]) -> Option<Foreign> {
    if decoded.starts_with(b"%PDF-") {
        Some(Foreign::Pdf)
    } else {
        image::format_of(decoded).map(|_| Foreign::Image)
    }
}

/// A hash as trees hold it.
fn sha256_text(hash: &[u8; 32]) -> String {
    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
    digits.fold("sha256:".to_owned(), |text, digits| text + &digits)
}

/// A decoded body, opened as what it is.
pub(crate) enum Opened {
    /// JSON.
    Document(Box<Document>),
    /// Text.
    Text,
    /// A format that is decoded in isolation.
    Foreign(Foreign),
    /// Anything else.
    Opaque,
}

/// Opens a decoded body that is not empty, beside the other side's document when there is one.
pub(crate) fn open(
    headers: &HeaderMap,
    decoded: &Bytes,
    other: Option<&Document>,
) -> Result<Opened, ReadError> {
    match declared_kind(headers) {
        Some(BodyKind::Json) => document(decoded, other),
        Some(BodyKind::Text) => Ok(Opened::Text),
        Some(BodyKind::Foreign(what)) => Ok(Opened::Foreign(what)),
        Some(BodyKind::Opaque) => Ok(Opened::Opaque),
        None => Ok(sniffed(decoded, other)),
    }
}

/// A body without a content type: JSON when it is an object or array that reads as such, else text
/// when it is UTF-8 without control characters.
fn sniffed(decoded: &Bytes, other: Option<&Document>) -> Opened {
    let first = decoded.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'['))
        && let Ok(opened) = document(decoded, other)
    {
        return opened;
    }
    let is_text = |text: &str| text.bytes().all(|byte| byte >= b' ' || byte.is_ascii_whitespace());
    match std::str::from_utf8(decoded) {
        Ok(text) if is_text(text) && !decoded.starts_with(b"%PDF-") => Opened::Text,
        _ => kind_by_signature(decoded).map_or(Opened::Opaque, Opened::Foreign),
    }
}

fn document(decoded: &Bytes, other: Option<&Document>) -> Result<Opened, ReadError> {
    read_beside(decoded.clone(), MAX_NODES, other).map(|document| Opened::Document(Box::new(document)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sniffs_only_without_a_content_type() {
        let kind = |content_type: Option<&'static str>, body: &'static str| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(value));
            }
            match open(&headers, &Bytes::from_static(body.as_bytes()), None) {
                Ok(Opened::Document(_)) => "document",
                Ok(Opened::Text) => "text",
                Ok(Opened::Foreign(what)) => what.as_str(),
                Ok(Opened::Opaque) => "opaque",
                Err(_) => "broken",
            }
        };
        assert_eq!(kind(None, " {\"a\":1}"), "document");
        assert_eq!(kind(None, "{a}"), "text");
        assert_eq!(kind(None, "\u{1}"), "opaque");
        assert_eq!(kind(Some("text/html"), "{\"a\":1}"), "text");
        assert_eq!(kind(Some("Application/Problem+JSON; charset=utf-8"), "x"), "broken");
        assert_eq!(kind(Some("application/octet-stream"), "{}"), "opaque");
        assert_eq!(kind(Some("image/png"), "{}"), "image");
        assert_eq!(kind(None, "%PDF-1.7"), "pdf");
        assert_eq!(kind(None, "GIF89a\u{1}"), "image");
        assert_eq!(kind(Some("text/plain"), "%PDF-1.7"), "text");
    }
}
