//! The words of the rule language: how each is written, and where it may stand.

use schemars::{Schema, json_schema};
use serde_json::Value;

use super::{
    Action, JsonPath, absent, decode, fold, format, ignore, key, only, origin, reference, text_only,
    tolerance, unordered, within,
};

/// A word of the rule language.
pub(super) struct Word {
    pub(super) word: &'static str,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
    /// How it is written, for messages.
    pub(super) example: &'static str,
    /// Its argument, for the configuration's schema.
    pub(super) schema: fn() -> Schema,
    /// Reads its argument; an error says what is expected instead.
    pub(super) read: fn(&Value) -> Result<Action, String>,
    /// Why it cannot stand at a place, if it cannot.
    pub(super) refuses: fn(&JsonPath) -> Option<&'static str>,
}

/// Every word, in the order of the guide.
pub(super) const WORDS: [&Word; 13] = [
    &ignore::WORD,
    &only::WORD,
    &text_only::WORD,
    &unordered::WORD,
    &key::WORD,
    &tolerance::WORD,
    &within::WORD,
    &format::WORD,
    &fold::WORD,
    &absent::WORD,
    &decode::WORD,
    &reference::WORD,
    &origin::WORD,
];

impl Action {
    fn word(&self) -> &'static Word {
        match self {
            Self::Ignore => &ignore::WORD,
            Self::Only(_) => &only::WORD,
            Self::TextOnly => &text_only::WORD,
            Self::Unordered => &unordered::WORD,
            Self::Key(_) => &key::WORD,
            Self::Tolerance(_) => &tolerance::WORD,
            Self::Within(_) => &within::WORD,
            Self::Format(_) => &format::WORD,
            Self::Fold(_) => &fold::WORD,
            Self::Absent(_) => &absent::WORD,
            Self::Decode(_) => &decode::WORD,
            Self::Ref(_) => &reference::WORD,
            Self::Origin => &origin::WORD,
        }
    }

    /// The word by which a rule asks for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.word().word
    }

    /// Its argument as it is written.
    #[must_use]
    pub fn argument(&self) -> Value {
        match self {
            Self::Ignore | Self::TextOnly | Self::Unordered | Self::Origin => Value::Bool(true),
            Self::Only(only) => only.argument(),
            Self::Key(key) => key.argument(),
            Self::Tolerance(tolerance) => tolerance.argument(),
            Self::Within(within) => Value::String(within.to_string()),
            Self::Format(format) => Value::String(format.to_string()),
            Self::Fold(folds) => folds.argument(),
            Self::Absent(absent) => Value::String(absent.to_string()),
            Self::Decode(decode) => Value::String(decode.as_str().to_owned()),
            Self::Ref(reference) => reference.argument(),
        }
    }

    /// Whether it says which values are the same, so that only one such rule can hold for a value.
    pub(crate) fn is_of_values(&self) -> bool {
        match self {
            Self::Tolerance(_)
            | Self::Within(_)
            | Self::Format(_)
            | Self::Fold(_)
            | Self::Ref(_)
            | Self::Origin => true,
            Self::Ignore
            | Self::Only(_)
            | Self::TextOnly
            | Self::Unordered
            | Self::Key(_)
            | Self::Absent(_)
            | Self::Decode(_) => false,
        }
    }

    /// Whether it says how the elements of an array belong together.
    pub(crate) fn is_of_order(&self) -> bool {
        matches!(self, Self::Unordered | Self::Key(_))
    }

    /// Why it cannot stand at a place, if it cannot.
    pub(super) fn refuses(&self, path: &JsonPath) -> Option<&'static str> {
        (self.word().refuses)(path)
    }
}

/// For a word whose only argument is `true`.
pub(super) fn read_true(word: &str, argument: &Value, action: Action) -> Result<Action, String> {
    match argument {
        Value::Bool(true) => Ok(action),
        Value::Bool(false) => {
            Err(format!("`{word}: false` says nothing; write `{word}: true` or remove the rule"))
        }
        _ => Err(format!("`{word}` takes no argument; write `{word}: true`")),
    }
}

pub(super) fn schema_true() -> Schema {
    json_schema!({ "const": true })
}

const WHOLE: &str = "a rule for the whole answer; name a part of it, for example `$.body`";

/// A word that needs a part of the answer, whichever.
pub(super) fn below_the_answer(path: &JsonPath) -> Option<&'static str> {
    path.segments.is_empty().then_some(WHOLE)
}

/// A word that has a meaning in the body alone.
pub(super) fn in_the_body(path: &JsonPath) -> Option<&'static str> {
    if path.segments.is_empty() {
        return Some(WHOLE);
    }
    (!path.reaches("body"))
        .then_some("this rule has a meaning only in the body; headers are compared by meaning")
}

/// A word for values: of the body, of a header or of a trailer.
pub(super) fn for_values(path: &JsonPath) -> Option<&'static str> {
    let Some(first) = path.segments.first() else { return Some(WHOLE) };
    let fields = path.reaches("headers") || path.reaches("trailers");
    if !path.reaches("body") && !fields {
        return Some("the status is compared as it is; `ignore` is the only rule for it");
    }
    (!path.reaches("body") && !first.descendant && path.segments.len() < 2)
        .then_some("this rule is for a header's value; name one, for example `$.headers.location`")
}
