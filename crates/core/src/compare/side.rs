//! One side's body, opened, and how it is told in a difference.

use bytes::Bytes;
use http::HeaderMap;

use super::bytes_value;
use crate::document::{Document, ReadError, clip};
use crate::format::{BodyKind, Opened, open};
use crate::isolation::{Isolation, Refusal};
use crate::verdict::{Cause, Value, ValueType};

/// One side's body, opened.
pub(super) enum Side {
    Empty,
    /// A tree; of markup its neutral form.
    Tree(BodyKind, Box<Document>),
    Text(Box<str>),
    Opaque,
    /// This by its type, but not by its content, from this byte on where that is known.
    Broken(BodyKind, Option<usize>),
}

impl Side {
    /// Opens a decoded body, beside the other side's JSON when there is one.
    ///
    /// # Errors
    /// The body passes a limit.
    pub(super) fn open(
        headers: &HeaderMap,
        decoded: &Bytes,
        other: Option<&Document>,
        max_nodes: usize,
        isolation: &dyn Isolation,
    ) -> Result<Self, Cause> {
        if decoded.is_empty() {
            return Ok(Self::Empty);
        }
        match open(headers, decoded, other, max_nodes) {
            Ok(Opened::Document(kind, document)) => Ok(Self::Tree(kind, document)),
            Ok(Opened::Text(text)) => Ok(Self::Text(text)),
            Ok(Opened::Foreign(what)) => match isolation.decode(what, decoded) {
                Ok(document) => Ok(Self::Tree(BodyKind::Foreign(what), Box::new(document))),
                Err(Refusal::Broken) => Ok(Self::Broken(BodyKind::Foreign(what), None)),
                Err(refusal) => Err(refusal.cause()),
            },
            Ok(Opened::Opaque) => Ok(Self::Opaque),
            Err((kind, ReadError::Syntax { offset })) => Ok(Self::Broken(kind, Some(offset))),
            Err((_, ReadError::Depth { .. } | ReadError::Nodes { .. })) => Err(Cause::Budget),
        }
    }

    /// The tree of a JSON body.
    pub(super) fn json(&self) -> Option<&Document> {
        match self {
            Self::Tree(BodyKind::Json, document) => Some(document),
            Self::Tree(..) | Self::Empty | Self::Text(_) | Self::Opaque | Self::Broken(..) => None,
        }
    }

    /// What the body is, in a word.
    pub(super) fn called(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Tree(kind, _) | Self::Broken(kind, _) => kind.called(),
            Self::Text(_) => BodyKind::Text.called(),
            Self::Opaque => BodyKind::Opaque.called(),
        }
    }

    /// The whole body as the value of a difference.
    pub(super) fn value(&self, decoded: &Bytes) -> Value {
        match self {
            Self::Tree(kind, document) if !kind.is_markup() && !matches!(kind, BodyKind::Foreign(_)) => {
                document.value(document.root())
            }
            Self::Text(text) => text_value(text),
            // What is no tree cannot be redacted by path, so its text is not shown either.
            Self::Tree(..) | Self::Opaque | Self::Empty | Self::Broken(..) => bytes_value(decoded.len()),
        }
    }

    /// The same where the other side is of another kind: markup is told as it was written. It is a
    /// text then, and hidden like one.
    pub(super) fn whole(&self, decoded: &Bytes) -> Value {
        match (self, std::str::from_utf8(decoded)) {
            (Self::Tree(kind, _), Ok(text)) if kind.is_markup() => text_value(text),
            _ => self.value(decoded),
        }
    }
}

/// A text as the value of a difference.
pub(super) fn text_value(text: &str) -> Value {
    Value { kind: ValueType::String, text: clip(text, Value::MAX_TEXT).to_owned() }
}

/// Where a side's body stops being what it should be.
pub(super) fn broken(side: &str, kind: BodyKind, offset: Option<usize>) -> String {
    let what = match kind {
        BodyKind::Text => "text in its charset".to_owned(),
        // A document type is well-formed, but nobody wants to expand what it may define.
        BodyKind::Xml => "XML, or a document type,".to_owned(),
        kind => kind.called().trim_start_matches("an ").trim_start_matches("a ").to_owned(),
    };
    match offset {
        Some(offset) => format!("{side} sent no {what} from byte {offset} on"),
        None => format!("{side} sent what cannot be decoded as {}", kind.called()),
    }
}

/// What to say of two texts that differ in their line ends alone.
pub(super) fn line_ends(ours: &str, theirs: &str) -> Option<&'static str> {
    let of = |text: &str| text.contains("\r\n");
    let alike = || ours.replace("\r\n", "\n") == theirs.replace("\r\n", "\n");
    if ours == theirs || !(of(ours) || of(theirs)) || !alike() {
        return None;
    }
    Some(match (of(ours), of(theirs)) {
        (false, true) => "lines end with CRLF instead of LF",
        (true, false) => "lines end with LF instead of CRLF",
        _ => "lines end differently",
    })
}
