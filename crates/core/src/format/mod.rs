//! From the bytes of a body to what they hold: the content coding is taken off, and the content type
//! decides what is read.
//!
//! Sniffing only where the content type is missing: a sloppy monolith that sends JSON as `text/html`
//! and a candidate that does not are different, and the client sees it. Nothing here fails loudly: a
//! body that cannot be read is an error value, and the comparison decides what that means.

mod charset;
mod coding;
mod digest;
mod events;
mod form;
mod html;
mod html_tree;
pub(crate) mod image;
mod lines;
mod markup;
mod media;
mod multipart;
pub(crate) mod pdf;
mod table;
mod text;
mod xml;

use bytes::Bytes;
use http::{HeaderMap, header};

pub(crate) use coding::{Codings, DecodeError, decode};
pub use digest::{DigestStream, decoded_length};
pub(crate) use markup::{shaped, without_echoes};
pub(crate) use media::{BodyKind, MediaType};
pub(crate) use text::as_documents;

use self::charset::{Declared, characters};
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

/// What a body holds, for showing it beside the other side's, as whose it is shaped.
pub(crate) fn content(headers: &HeaderMap, bytes: &Bytes, other: Option<(&HeaderMap, &Bytes)>) -> Content {
    match opened(headers, bytes) {
        Ok((_, None)) => Content::Empty,
        Ok((_, Some(Opened::Document(kind, document)))) if kind.is_markup() => {
            let other = other.and_then(|(headers, bytes)| opened(headers, bytes).ok());
            let shaped = match other {
                Some((_, Some(Opened::Document(theirs, other)))) if theirs == kind => {
                    shaped(&document, &other, MAX_NODES).map(|(ours, _)| ours)
                }
                _ => markup::shaped_alone(&document, MAX_NODES),
            };
            shaped.map_or(Content::Opaque(bytes.len()), |document| Content::Document(Box::new(document)))
        }
        Ok((_, Some(Opened::Document(_, document)))) => Content::Document(document),
        Ok((_, Some(Opened::Text(text)))) => Content::Text(text),
        // Showing is no reason to run a foreign decoder.
        Ok((length, Some(Opened::Opaque | Opened::Foreign(_)))) => Content::Opaque(length),
        Err(()) => Content::Opaque(bytes.len()),
    }
}

/// A body without its coding, opened: its length, and what it is unless it is empty.
fn opened(headers: &HeaderMap, bytes: &Bytes) -> Result<(usize, Option<Opened>), ()> {
    let decoded = Codings::of(headers).and_then(|codings| decode(&codings, bytes, MAX_DECODED));
    let decoded = decoded.map_err(|_| ())?;
    if decoded.is_empty() {
        return Ok((0, None));
    }
    let opened = open(headers, &decoded, None, MAX_NODES).map_err(|(_, _)| ())?;
    Ok((decoded.len(), Some(opened)))
}

/// The bytes of a body whose text is known, encoded as its headers say that it is; none where the
/// text has a character that this encoding has not. Where [`open`] reads UTF-8 whatever the
/// headers say, it is UTF-8.
pub(crate) fn bytes_of(headers: &HeaderMap, text: &str) -> Option<Bytes> {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let declared = match declared_kind(headers) {
        Some(
            BodyKind::Json
            | BodyKind::JsonLines
            | BodyKind::JsonSequence
            | BodyKind::Events
            | BodyKind::Form
            | BodyKind::Multipart,
        ) => {
            return Some(Bytes::copy_from_slice(text.as_bytes()));
        }
        Some(BodyKind::Xml) => Declared::Xml,
        Some(BodyKind::Html) => Declared::Html,
        _ => Declared::Never,
    };
    let charset = media::parameter_of(content_type, "charset");
    charset::encoded(text, charset.as_deref(), declared).map(Bytes::from)
}

/// What the content type says, where there is one.
pub(crate) fn declared_kind(headers: &HeaderMap) -> Option<BodyKind> {
    headers.get(header::CONTENT_TYPE).map(|value| BodyKind::of(value.as_bytes()))
}

/// Whether a body may be a text that is compared line by line.
pub(crate) fn may_be_text(headers: &HeaderMap) -> bool {
    declared_kind(headers).is_none_or(|kind| kind == BodyKind::Text)
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
    /// A tree; of markup its neutral form, which is still to be shaped.
    Document(BodyKind, Box<Document>),
    /// Text.
    Text(Box<str>),
    /// A format that is decoded in isolation.
    Foreign(Foreign),
    /// Anything else.
    Opaque,
}

/// Opens a decoded body that is not empty, beside the other side's JSON when there is one.
///
/// # Errors
/// What the body should have been, and why it is not.
pub(crate) fn open(
    headers: &HeaderMap,
    decoded: &Bytes,
    other: Option<&Document>,
    max_nodes: usize,
) -> Result<Opened, (BodyKind, ReadError)> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return sniffed(decoded, other, max_nodes);
    };
    let kind = BodyKind::of(content_type.as_bytes());
    open_as(kind, content_type.as_bytes(), decoded, other, max_nodes, 0).map_err(|error| (kind, error))
}

/// Opens a body of a known kind that lies within so many others.
fn open_as(
    kind: BodyKind,
    content_type: &[u8],
    bytes: &Bytes,
    other: Option<&Document>,
    max_nodes: usize,
    depth: usize,
) -> Result<Opened, ReadError> {
    let charset = || media::parameter_of(content_type, "charset");
    let document = match kind {
        BodyKind::Json => json(bytes, other, max_nodes)?,
        BodyKind::JsonLines => lines::documents(bytes, b'\n', max_nodes)?,
        BodyKind::JsonSequence => lines::documents(bytes, 0x1e, max_nodes)?,
        BodyKind::Events => {
            // An event stream is UTF-8, whatever it says.
            events::events(&characters(bytes, None, Declared::Never)?.text, max_nodes)?
        }
        BodyKind::Xml => xml::read_xml(bytes, charset().as_deref(), max_nodes)?,
        BodyKind::Html => html::read_html(bytes, charset().as_deref(), max_nodes)?,
        BodyKind::Form => form::fields(bytes, max_nodes)?,
        BodyKind::Multipart => multipart::parts(bytes, content_type, max_nodes, depth)?,
        BodyKind::Csv => {
            let text = characters(bytes, charset().as_deref(), Declared::Never)?.text;
            table::table(&text, table::Style::of(content_type), max_nodes)?
        }
        BodyKind::Text => {
            return Ok(Opened::Text(characters(bytes, charset().as_deref(), Declared::Never)?.text.into()));
        }
        BodyKind::Foreign(what) => return Ok(Opened::Foreign(what)),
        BodyKind::Opaque => return Ok(Opened::Opaque),
    };
    Ok(Opened::Document(kind, Box::new(document)))
}

/// JSON is UTF-8 (RFC 8259 section 8.1), or what its byte order mark says.
fn json(bytes: &Bytes, other: Option<&Document>, max_nodes: usize) -> Result<Document, ReadError> {
    if !bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff") {
        return read_beside(bytes.clone(), max_nodes, other);
    }
    let characters = characters(bytes, None, Declared::Never)?;
    let text = Bytes::copy_from_slice(characters.text.as_bytes());
    read_beside(text, max_nodes, other).map_err(|error| characters.placed(error))
}

/// A body without a content type: what its first bytes say and the rest keeps, else text when it is
/// UTF-8 without control characters.
fn sniffed(
    decoded: &Bytes,
    other: Option<&Document>,
    max_nodes: usize,
) -> Result<Opened, (BodyKind, ReadError)> {
    let is_utf_16 = decoded.starts_with(b"\xff\xfe") || decoded.starts_with(b"\xfe\xff");
    if let Some(what) = kind_by_signature(decoded) {
        return Ok(Opened::Foreign(what));
    }
    if let Some(kind) = kind_by_beginning(decoded) {
        match open_as(kind, b"", decoded, other, max_nodes, 0) {
            Ok(opened) => return Ok(opened),
            // It only looked like it.
            Err(ReadError::Syntax { .. }) => {}
            Err(limit) => return Err((kind, limit)),
        }
    }
    let text = if is_utf_16 { None } else { std::str::from_utf8(decoded).ok() };
    Ok(match text.filter(|text| text.bytes().all(|byte| byte >= b' ' || byte.is_ascii_whitespace())) {
        Some(text) => Opened::Text(text.into()),
        None => Opened::Opaque,
    })
}

fn kind_by_beginning(decoded: &[u8]) -> Option<BodyKind> {
    let start = decoded.strip_prefix(b"\xef\xbb\xbf").unwrap_or(decoded).trim_ascii_start();
    let begins =
        |word: &str| start.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    match start.first() {
        Some(b'{' | b'[') => Some(BodyKind::Json),
        _ if begins("<!doctype html") || begins("<html") => Some(BodyKind::Html),
        _ if start.starts_with(b"<?xml") => Some(BodyKind::Xml),
        _ => None,
    }
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
            match open(&headers, &Bytes::from_static(body.as_bytes()), None, 1_000) {
                Ok(Opened::Document(..)) => "document",
                Ok(Opened::Text(_)) => "text",
                Ok(Opened::Foreign(what)) => what.as_str(),
                Ok(Opened::Opaque) => "opaque",
                Err(_) => "broken",
            }
        };
        assert_eq!(kind(None, " {\"a\":1}"), "document");
        assert_eq!(kind(None, "{a}"), "text");
        assert_eq!(kind(None, "\u{1}"), "opaque");
        assert_eq!(kind(None, "<?xml version='1.0'?><a/>"), "document");
        assert_eq!(kind(None, "<?xml version='1.0'?><a>"), "text");
        assert_eq!(kind(None, " <!DOCTYPE html><p>"), "document");
        assert_eq!(kind(Some("text/plain"), "{\"a\":1}"), "text");
        assert_eq!(kind(Some("Application/Problem+JSON; charset=utf-8"), "x"), "broken");
        assert_eq!(kind(Some("application/octet-stream"), "{}"), "opaque");
        assert_eq!(kind(Some("image/png"), "{}"), "image");
        assert_eq!(kind(None, "%PDF-1.7"), "pdf");
        assert_eq!(kind(None, "GIF89a\u{1}"), "image");
        assert_eq!(kind(Some("text/plain"), "%PDF-1.7"), "text");
    }
}
