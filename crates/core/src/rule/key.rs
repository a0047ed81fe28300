//! `key: name`: the elements of an array belong together by a field, whatever their order. Several
//! names are one key of several fields; `a.b` is the member `b` of the member `a`.

use schemars::{Schema, json_schema};
use serde_json::Value;

use super::Action;
use super::word::{Word, in_the_body};

/// The fields by which elements belong together, each a way of names into the element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    fields: Vec<Box<str>>,
    ways: Vec<Vec<Box<str>>>,
}

pub(super) const WORD: Word = Word {
    word: "key",
    about: "The array's elements belong together by this field (or these); their order says nothing.",
    example: "key: id",
    schema,
    read: |argument| read(argument).map(Action::Key),
    refuses: in_the_body,
};

fn schema() -> Schema {
    json_schema!({
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
    })
}

/// A name or a list of names.
pub(super) fn names(argument: &Value) -> Option<Vec<Box<str>>> {
    let name = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(Box::from);
    match argument {
        Value::Array(values) => values.iter().map(name).collect(),
        one => Some(vec![name(one)?]),
    }
}

fn read(argument: &Value) -> Result<Key, String> {
    let fields = names(argument).filter(|names| !names.is_empty());
    let fields = fields.ok_or_else(|| "`key` takes the name of a field, for example `key: id`".to_owned())?;
    let ways = fields.iter().map(|field| field.split('.').map(Box::from).collect()).collect();
    Ok(Key { fields, ways })
}

impl Key {
    pub(super) fn argument(&self) -> Value {
        match self.fields.as_slice() {
            [one] => Value::from(&**one),
            several => several.iter().map(|name| Value::from(&**name)).collect(),
        }
    }

    /// Whether it is this one field alone.
    pub(crate) fn is_only(&self, name: &str) -> bool {
        matches!(self.fields.as_slice(), [field] if **field == *name)
    }

    /// The ways of names from an element to each field of its key.
    pub(crate) fn ways(&self) -> &[Vec<Box<str>>] {
        &self.ways
    }
}
