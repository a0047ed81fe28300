//! A rule as it is written in a configuration: `{at: "$.body.tags", unordered: true}`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::Action;

/// A rule as it is written: a place and what to do there.
///
/// ```
/// use parallax_core::rule::{Action, RuleSpec};
/// let spec: RuleSpec = serde_json::from_str(r#"{"at": "$.body.tags", "unordered": true}"#).unwrap();
/// assert_eq!(spec, RuleSpec { at: "$.body.tags".into(), action: Action::Unordered });
///
/// let error = serde_json::from_str::<RuleSpec>(r#"{"at": "$.body.tags", "unorderd": true}"#).unwrap_err();
/// assert!(error.to_string().contains("did you mean `unordered`?"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleSpec {
    /// The place: an RFC 9535 JSONPath over `{status, headers, body, trailers}`.
    pub at: String,
    /// What to do there.
    pub action: Action,
}

/// Words of the rule language that this version does not act on yet. They are known, so that they
/// are refused for what they are and never taken for a slip of the pen.
const NOT_YET: &[&str] =
    &["key", "tolerance", "within", "format", "fold", "absent", "decode", "ref", "origin", "only"];

impl Serialize for RuleSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry(self.action.as_str(), &true)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for RuleSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RuleVisitor)
    }
}

impl JsonSchema for RuleSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let action = |action: &Action| json_schema!({ "required": [action.as_str()] });
        let one_of: Vec<Schema> = Action::ALL.iter().map(action).collect();
        json_schema!({
            "type": "object",
            "description": "What may differ, and where.",
            "required": ["at"],
            "additionalProperties": false,
            "properties": {
                "at": {
                    "type": "string",
                    "description": "The place: an RFC 9535 JSONPath (names, wildcards, indices, slices, descendants, [?@.k=='v']) over {status, headers, body, trailers}."
                },
                "ignore": { "const": true, "description": "The place is taken out of both answers." },
                "unordered": { "const": true, "description": "The array is a multiset: order says nothing." }
            },
            "oneOf": one_of
        })
    }
}

struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = RuleSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule, for example `{at: \"$.body.tags\", unordered: true}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuleSpec, A::Error> {
        let (mut at, mut action) = (None, None);
        while let Some(word) = map.next_key::<String>()? {
            if word == "at" {
                if at.replace(map.next_value::<String>()?).is_some() {
                    return Err(A::Error::duplicate_field("at"));
                }
                continue;
            }
            let asked = action_of(&word).map_err(A::Error::custom)?;
            if !map.next_value::<bool>()? {
                let message =
                    format!("`{word}: false` says nothing; write `{word}: true` or remove the rule");
                return Err(A::Error::custom(message));
            }
            if let Some(first) = action.replace(asked) {
                let message = format!(
                    "`{first}` and `{asked}` in one rule; write two rules",
                    first = first.as_str(),
                    asked = asked.as_str()
                );
                return Err(A::Error::custom(message));
            }
        }
        let at = at.ok_or_else(|| A::Error::missing_field("at"))?;
        let missing = || {
            A::Error::custom(format!(
                "the rule at `{at}` does not say what to do; add `ignore: true` or `unordered: true`"
            ))
        };
        Ok(RuleSpec { action: action.ok_or_else(missing)?, at })
    }
}

fn action_of(word: &str) -> Result<Action, String> {
    if let Some(action) = Action::ALL.iter().find(|action| action.as_str() == word) {
        return Ok(*action);
    }
    if NOT_YET.contains(&word) {
        return Err(format!(
            "the rule `{word}` is not available in this version; `ignore` and `unordered` are"
        ));
    }
    let known =
        || Action::ALL.iter().map(|action| action.as_str()).chain(NOT_YET.iter().copied()).chain(["at"]);
    Err(match nearest(word, known()) {
        Some(near) => format!("unknown key `{word}` in a rule; did you mean `{near}`?"),
        None => format!(
            "unknown key `{word}` in a rule; it has `at` and one of {}",
            known().filter(|known| *known != "at").collect::<Vec<_>>().join(", ")
        ),
    })
}

/// The known word that was most likely meant, if any is near enough.
pub(crate) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let word = clip_word(word);
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.len() / 4)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn clip_word(word: &str) -> &str {
    crate::document::clip(word, 64)
}

/// Insertions, deletions and substitutions between two short words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        serde_json::from_str::<RuleSpec>(json).unwrap_err().to_string()
    }

    #[test]
    fn words_of_later_versions_are_known_and_refused() {
        for word in NOT_YET {
            let message = error(&format!(r#"{{"at": "$.body.a", "{word}": true}}"#));
            assert!(message.contains("is not available in this version"), "{message}");
        }
    }

    #[test]
    fn slips_are_named() {
        assert!(error(r#"{"at": "$.body", "ingore": true}"#).contains("did you mean `ignore`?"));
        assert!(error(r#"{"att": "$.body"}"#).contains("did you mean `at`?"));
        assert!(error(r#"{"at": "$.body", "something": 1}"#).contains("it has `at` and one of ignore"));
        assert!(error(r#"{"at": "$.body"}"#).contains("does not say what to do"));
        assert!(error(r#"{"ignore": true}"#).contains("missing field `at`"));
        assert!(error(r#"{"at": "$.body", "ignore": false}"#).contains("says nothing"));
        assert!(error(r#"{"at": "$.body", "ignore": true, "unordered": true}"#).contains("write two rules"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for action in Action::ALL {
            let spec = RuleSpec { at: "$.body..a".into(), action: *action };
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<RuleSpec>(&json).unwrap(), spec);
        }
    }
}
