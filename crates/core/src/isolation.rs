//! Formats whose decoders are large and old in spirit: PDF and images. A body of these can make a
//! library take all memory, loop or overflow its stack, and none of that can be caught inside a
//! process. So decoding them is a service that the comparison is handed: [`InProcess`] for tests and
//! tools that trust their input, a child process with limits in the program that serves.
//!
//! What crosses the border is bytes in one direction and a [`Document`] in the other, which is its own
//! JSON text. The decoders never see headers, and nothing of a body is in an error.

use bytes::Bytes;

use crate::document::Document;
use crate::exchange::{Answer, Body};
use crate::format::{BodyKind, Codings, declared_kind, image, kind_by_signature, pdf};
use crate::label::labels;
use crate::verdict::Cause;

labels! {
    /// A format that is decoded in isolation.
    pub enum Foreign {
        /// ISO 32000.
        Pdf => "pdf",
        /// PNG, JPEG, GIF, WebP or BMP; which of them, the bytes say.
        Image => "image",
    }
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not what they say they are, or locked by a password.
    #[error("not what it says it is")]
    Broken,
    /// The decoder gave up in a way that it must not, so that nothing is known about the bytes.
    #[error("the decoder failed")]
    Crashed,
    /// More work, memory or time than one body may take.
    #[error("more than one body may take")]
    Budget,
    /// More decoded bytes or pixels than are compared.
    #[error("too large to be compared")]
    TooLarge,
}

impl Refusal {
    /// What the check fails with where this decides it.
    #[must_use]
    pub fn cause(self) -> Cause {
        match self {
            Self::Broken | Self::Crashed => Cause::Undecodable,
            Self::Budget => Cause::Budget,
            Self::TooLarge => Cause::TooLarge,
        }
    }
}

/// Decodes foreign formats, wherever it does that.
pub trait Isolation: Send + Sync {
    /// The tree of a body, or why there is none. May block for as long as its limits allow.
    ///
    /// # Errors
    /// As [`Refusal`] says; never a panic, whatever the bytes are.
    fn decode(&self, what: Foreign, bytes: &Bytes) -> Result<Document, Refusal>;
}

/// Decodes where it is called: for tests and benches, and for the child itself. The limits are those
/// that are counted; memory and time are nobody's concern here.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

impl Isolation for InProcess {
    fn decode(&self, what: Foreign, bytes: &Bytes) -> Result<Document, Refusal> {
        decode(what, bytes)
    }
}

/// Decodes a body that is not empty into its tree: see [`crate::format`] for what the trees hold.
///
/// # Errors
/// As [`Refusal`] says. A library's panic passes through: whoever calls this is a child process.
///
/// ```
/// use parallax_core::isolation::{Foreign, Refusal, decode};
/// assert_eq!(decode(Foreign::Pdf, &b"<html>".as_slice().into()).unwrap_err(), Refusal::Broken);
/// ```
pub fn decode(what: Foreign, bytes: &Bytes) -> Result<Document, Refusal> {
    match what {
        Foreign::Pdf => pdf::decode(bytes),
        Foreign::Image => image::decode(bytes),
    }
}

/// Whether comparing this answer may call an [`Isolation`], so that it blocks.
#[must_use]
pub fn may_be_needed(answer: &Answer) -> bool {
    let Body::Whole(bytes) = &answer.body else { return false };
    match declared_kind(&answer.headers) {
        Some(kind) => matches!(kind, BodyKind::Foreign(_)),
        // What is below a content coding is not known yet.
        None => {
            let is_plain = Codings::of(&answer.headers).is_ok_and(|codings| codings.is_identity());
            !is_plain || kind_by_signature(bytes).is_some()
        }
    }
}
