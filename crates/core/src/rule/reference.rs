//! `ref: {to: path}`: surrogate ids. The two sides may give an element different ids, as long as
//! every place that refers to it does so consistently: within one answer, each of legacy's ids has
//! one counterpart on the candidate's side, and the other way round.

use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use super::Action;
use super::jsonpath::{JsonPath, PathError};
use super::word::{Word, in_the_body};

/// Where the ids are referred to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    to: String,
}

pub(super) const WORD: Word = Word {
    word: "ref",
    about: "Ids here and at `to` may differ, but must differ consistently within one answer.",
    example: "ref: {to: \"$.body.links[*].item\"}",
    schema,
    read: |argument| read(argument).map(Action::Ref),
    refuses: in_the_body,
};

fn schema() -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "to": { "type": "string" } },
        "required": ["to"],
        "additionalProperties": false
    })
}

fn read(argument: &Value) -> Result<Reference, String> {
    let only = argument.as_object().filter(|map| map.len() == 1);
    let to = only.and_then(|map| map.get("to")).and_then(Value::as_str);
    to.map(|to| Reference { to: to.to_owned() }).ok_or_else(|| {
        "`ref` takes the place that refers to the ids, for example `ref: {to: \"$.body.links[*].item\"}`"
            .to_owned()
    })
}

impl Reference {
    pub(super) fn argument(&self) -> Value {
        json!({ "to": self.to })
    }

    /// The place where the ids are referred to.
    pub(super) fn path(&self) -> Result<JsonPath, PathError> {
        let path = JsonPath::of_answer(&self.to)?;
        match in_the_body(&path) {
            None => Ok(path),
            Some(message) => Err(PathError { column: 1, message: message.to_owned() }),
        }
    }
}
