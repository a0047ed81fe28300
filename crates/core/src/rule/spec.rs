//! A rule as it is written in a configuration: `{at: "$.body.tags", unordered: true}`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Action;
use super::word::{WORDS, Word};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// The place: an RFC 9535 JSONPath over `{status, headers, body, trailers}`.
    pub at: String,
    /// What to do there.
    pub action: Action,
}

impl RuleSpec {
    /// The words of the rule language, in the order of the guide: of these, a rule has one.
    ///
    /// ```
    /// use parallax_core::rule::RuleSpec;
    /// assert!(RuleSpec::words().any(|word| word == "unordered"));
    /// ```
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|known| known.word)
    }
}

impl Serialize for RuleSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry(self.action.as_str(), &self.action.argument())?;
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
        let mut properties = serde_json::Map::new();
        let at = "The place: an RFC 9535 JSONPath (names, wildcards, indices, slices, descendants, [?@.k=='v']) over {status, headers, body, trailers}.";
        properties.insert("at".to_owned(), json!({ "type": "string", "description": at }));
        for word in WORDS {
            let mut schema = (word.schema)();
            schema.insert("description".to_owned(), word.about.into());
            properties.insert(word.word.to_owned(), schema.to_value());
        }
        let one_of: Vec<_> = WORDS.iter().map(|word| json!({ "required": [word.word] })).collect();
        json_schema!({
            "type": "object",
            "description": "What may differ, and where.",
            "required": ["at"],
            "additionalProperties": false,
            "properties": properties,
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
            let known = word_of(&word).map_err(A::Error::custom)?;
            let asked = (known.read)(&map.next_value::<Value>()?).map_err(A::Error::custom)?;
            if let Some(first) = action.replace(asked) {
                let message =
                    format!("`{}` and `{}` in one rule; write two rules", first.as_str(), known.word);
                return Err(A::Error::custom(message));
            }
        }
        let at = at.ok_or_else(|| A::Error::missing_field("at"))?;
        let missing = || {
            A::Error::custom(format!(
                "the rule at `{at}` does not say what to do; add for example `ignore: true` or `unordered: true`"
            ))
        };
        Ok(RuleSpec { action: action.ok_or_else(missing)?, at })
    }
}

fn word_of(word: &str) -> Result<&'static Word, String> {
    if let Some(known) = WORDS.iter().find(|known| known.word == word) {
        return Ok(known);
    }
    Err(match nearest(word, RuleSpec::words().chain(["at"])) {
        Some(near) => match WORDS.iter().find(|known| known.word == near) {
            Some(known) => {
                format!(
                    "unknown key `{word}` in a rule; did you mean `{near}`? For example `{}`",
                    known.example
                )
            }
            None => format!("unknown key `{word}` in a rule; did you mean `{near}`?"),
        },
        None => format!(
            "unknown key `{word}` in a rule; it has `at` and one of {}",
            RuleSpec::words().collect::<Vec<_>>().join(", ")
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
    fn every_word_is_read_and_written() {
        for (word, argument) in [
            ("ignore", "true"),
            ("only", r#"["a","b"]"#),
            ("text-only", "true"),
            ("unordered", "true"),
            ("key", r#""id""#),
            ("key", r#"["a","b.c"]"#),
            ("tolerance", r#"{"abs":"0.005","rel":"1%"}"#),
            ("within", r#""2s""#),
            ("format", r#""regex:[a-z]+""#),
            ("fold", r#"["case","nfc"]"#),
            ("absent", r#""null""#),
            ("decode", r#""gzip""#),
            ("ref", r#"{"to":"$.body.b"}"#),
            ("origin", "true"),
        ] {
            let json = format!(r#"{{"at":"$.body.a","{word}":{argument}}}"#);
            let spec: RuleSpec = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&spec).unwrap(), json);
        }
        for word in WORDS {
            let example = format!("{{at: $.body.a, {}}}", word.example);
            let spec: RuleSpec = serde_saphyr::from_str(&example).unwrap();
            assert_eq!(spec.action.as_str(), word.word);
        }
    }
}
