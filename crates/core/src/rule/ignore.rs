//! `ignore: true`: the place is taken out of both answers before anything is compared, so an
//! ignored member neither differs nor decides which elements of an unordered array belong
//! together. What was taken out is counted where the two sides had something different there.

use super::Action;
use super::word::{Word, below_the_answer, read_true, schema_true};

pub(super) const WORD: Word = Word {
    word: "ignore",
    about: "The place is taken out of both answers.",
    example: "ignore: true",
    schema: schema_true,
    read: |argument| read_true("ignore", argument, Action::Ignore),
    refuses: below_the_answer,
};
