//! The body of a request or an answer: text, JSON, or bytes as base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, header};

use super::fields::{must, text};
use super::malformed::{Malformed, wrong};
use crate::document::{Document, NodeId, NodeKind};
use crate::format;

/// Padding is written by some and left out by others, and says nothing.
const TAKEN: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, TAKEN);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, TAKEN);

/// The bytes of a body. Text and JSON are what was left when the content coding had been taken off,
/// so these headers no longer speak of it.
pub(super) fn read(
    document: &Document,
    body: Option<NodeId>,
    encoding: Option<NodeId>,
    headers: &mut HeaderMap,
) -> Result<Bytes, Malformed> {
    let is_base64 = encoding.map(|encoding| is_base64(document, encoding)).transpose()?.unwrap_or(false);
    let Some(body) = body else { return Ok(Bytes::new()) };
    if is_base64 {
        must(document, body, NodeKind::String, "a string of base64, as `body_encoding` says")?;
        return from_base64(&text(document, body)?)
            .ok_or_else(|| wrong(document, body, "this is no base64", "encode the raw bytes (RFC 4648)"));
    }
    let bytes = match document.kind(body) {
        NodeKind::String => of_text(document, body, headers)?,
        // As it was written: a number keeps its digits.
        _ => Bytes::copy_from_slice(document.raw(body)),
    };
    if headers.remove(header::CONTENT_ENCODING).is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(bytes)
}

fn is_base64(document: &Document, node: NodeId) -> Result<bool, Malformed> {
    match &*text(document, node)? {
        "base64" => Ok(true),
        _ => Err(wrong(
            document,
            node,
            "this is no encoding of a body",
            "use `base64`, or leave it out for text and JSON",
        )),
    }
}

/// The bytes that a text in base64 stands for, in either alphabet.
pub(crate) fn from_base64(text: &str) -> Option<Bytes> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok().map(Bytes::from)
}

fn of_text(document: &Document, node: NodeId, headers: &HeaderMap) -> Result<Bytes, Malformed> {
    format::bytes_of(headers, &text(document, node)?).ok_or_else(|| {
        let problem = "this has a character that the charset of its `Content-Type` has not";
        wrong(document, node, problem, "give the raw bytes, with `\"body_encoding\": \"base64\"`")
    })
}
