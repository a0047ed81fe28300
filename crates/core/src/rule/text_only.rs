//! `text-only: true`: of a document with pages (a PDF), nothing but the words of each page is
//! compared; fonts, images and layout are not.

use super::Action;
use super::word::{Word, in_the_body, read_true, schema_true};

/// The members of a paged document that lead to its words; see `format/pdf.rs`.
pub(crate) const KEPT: [&str; 2] = ["pages", "text"];

pub(super) const WORD: Word = Word {
    word: "text-only",
    about: "Of a PDF, nothing but the words of each page is compared.",
    example: "text-only: true",
    schema: schema_true,
    read: |argument| read_true("text-only", argument, Action::TextOnly),
    refuses: in_the_body,
};
