//! What is on with its keys, or `off`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::error::{At, Placed, Problems};
use super::file::WordOr;

/// A word, which may only be `off`, or a mapping of keys.
#[derive(Debug)]
pub(super) enum OrOff<K> {
    Word(At, String),
    Keys(At, K),
}

/// The keys of every layer that says something, the first one first; none when it is off. What is said after a
/// word that means nothing is for `wrong` to tell.
pub(super) fn layered<'f, K>(
    layers: [Option<&'f OrOff<K>>; 3],
    wrong: impl Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<Vec<&'f K>> {
    let mut keys = Vec::new();
    for layer in layers.into_iter().flatten() {
        match layer {
            OrOff::Keys(_, layer) => keys.push(layer),
            OrOff::Word(at, word) if word != "off" => {
                problems.add(*at, wrong(word));
                return None;
            }
            OrOff::Word(..) if keys.is_empty() => return None,
            // `defaults` is off, the operation is not.
            OrOff::Word(..) => {}
        }
    }
    Some(keys)
}

impl<'de, K: Deserialize<'de>> Deserialize<'de> for OrOff<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Placed::<WordOr<K>>::deserialize(deserializer)?;
        Ok(match said.value {
            WordOr::Word(word) => Self::Word(said.at, word),
            WordOr::Mapping(keys) => Self::Keys(said.at, keys),
        })
    }
}

impl<K: JsonSchema> JsonSchema for OrOff<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrOff", K::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<K>();
        json_schema!({"anyOf": [{"const": "off"}, keys]})
    }
}
