//! `only: [name, …]`: of an object, or of the header fields, nothing but these members is compared.
//! What else is there is taken out as `ignore` does, on both sides.

use schemars::{Schema, json_schema};
use serde_json::Value;

use super::Action;
use super::word::{Word, below_the_answer};

/// The members that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only(Vec<Box<str>>);

pub(super) const WORD: Word = Word {
    word: "only",
    about: "Of the object, or of the headers, nothing but these members is compared.",
    example: "only: [version]",
    schema,
    read: |argument| read(argument).map(Action::Only),
    refuses: |path| {
        below_the_answer(path).or_else(|| {
            let first = path.segments.first().filter(|first| !first.descendant)?;
            let status = first.selectors.iter().all(|selector| selector.is_name("status"));
            status.then_some("the status is a number and has no members")
        })
    },
};

fn schema() -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
}

fn read(argument: &Value) -> Result<Only, String> {
    let names = super::key::names(argument).filter(|names| !names.is_empty());
    names
        .map(Only)
        .ok_or_else(|| "`only` takes the names of members, for example `only: [version]`".to_owned())
}

impl Only {
    pub(super) fn argument(&self) -> Value {
        self.0.iter().map(|name| Value::from(&**name)).collect()
    }

    /// Whether a member of this name is compared.
    pub(crate) fn keeps(&self, name: &[u8]) -> bool {
        self.0.iter().any(|own| own.as_bytes() == name)
    }

    /// Whether a header field of this name, in lower case, is compared.
    pub(crate) fn keeps_field(&self, name: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}
