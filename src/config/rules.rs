//! The rules under `compare:`, handed to the core, which knows what they mean and what is wrong
//! with them. Here it is only told where in the file that is: at the rule, its path or its argument.

use std::fmt;

use parallax_core::rule::{RuleSpec, Rules};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::{At, Placed, Problems};

/// A rule as it is typed.
#[derive(Debug)]
pub(super) enum Written {
    /// Keys and values, each with its place.
    Keys(Vec<(Placed<String>, Placed<Value>)>),
    /// Something else, which is no rule.
    Other(&'static str),
}

/// The places of a rule that was read.
#[derive(Clone, Copy)]
struct Places {
    rule: At,
    path: At,
    argument: At,
}

/// The rules of one operation, compiled: first those under `defaults`, then its own.
pub(super) fn compile_rules(written: &[&Placed<Written>], problems: &mut Problems) -> Rules {
    let (mut places, mut specs): (Vec<Places>, Vec<RuleSpec>) =
        written.iter().filter_map(|written| read(written, problems)).unzip();
    // One refusal at a time is told, so that each is left out in turn until the rest holds.
    loop {
        match Rules::compile(&specs) {
            Ok(compiled) => return compiled,
            Err(error) if error.index < specs.len() => {
                let other = error.other.and_then(|other| places.get(other)).map(|places| places.rule);
                let own = places.remove(error.index);
                specs.remove(error.index);
                let (at, also) = match other {
                    Some(other) => {
                        let place = problems.place(other, own.rule.source);
                        (own.rule, format!("; the other is {place}, column {}", other.column))
                    }
                    None if error.in_argument => (own.argument, String::new()),
                    None => (own.path, String::new()),
                };
                problems.add(at, format!("`{}`: {}{also}", error.at, error.message));
            }
            Err(error) => {
                places.iter().take(1).for_each(|places| problems.add(places.rule, error.to_string()));
                return Rules::default();
            }
        }
    }
}

/// One rule with its places, or everything that is wrong with it collected.
fn read(written: &Placed<Written>, problems: &mut Problems) -> Option<(Places, RuleSpec)> {
    let rule = written.at;
    let keys = match &written.value {
        Written::Keys(keys) => keys,
        Written::Other(kind) => {
            let example = "write one such as `{at: \"$.body.tags\", unordered: true}`";
            problems.add(rule, format!("a rule is a mapping, and here is {kind}; {example}"));
            return None;
        }
    };
    let mut is_whole = true;
    let mut refuse = |at, message: String| {
        problems.add(at, message);
        is_whole = false;
    };
    let (mut places, mut first) = (Places { rule, path: rule, argument: rule }, None);
    for (key, value) in keys {
        if key.value == "at" {
            places.path = value.at;
            if !value.value.is_string() {
                refuse(places.path, "`at` takes a path, for example `at: $.body.tags`".to_owned());
            }
        } else if let Err(error) = alone(&key.value, &value.value) {
            let is_known = RuleSpec::words().any(|word| word == key.value);
            refuse(if is_known { value.at } else { key.at }, error);
        } else if let Some(first) = first.replace(&key.value) {
            let message = format!("`{first}` and `{}` in one rule; write two rules", key.value);
            refuse(key.at, message);
        } else {
            places.argument = value.at;
        }
    }
    if !is_whole {
        return None;
    }
    let object: Map<_, _> =
        keys.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
    if !object.contains_key("at") {
        let example = "add one, for example `at: $.body.tags`";
        problems.add(rule, format!("a rule needs the place where it holds; {example}"));
        return None;
    }
    problems.take(rule, serde_json::from_value(Value::Object(object))).map(|spec| (places, spec))
}

/// What the core says of one word and its argument, whatever else the rule says.
fn alone(word: &str, argument: &Value) -> Result<RuleSpec, String> {
    let keys = [("at".to_owned(), Value::from("$.body")), (word.to_owned(), argument.clone())];
    serde_json::from_value(Value::Object(keys.into_iter().collect())).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule, for example `{at: \"$.body.tags\", unordered: true}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        let mut keys: Vec<(Placed<String>, Placed<Value>)> = Vec::new();
        while let Some(entry) = entries.next_entry::<Placed<String>, _>()? {
            if keys.iter().any(|(known, _)| known.value == entry.0.value) {
                return Err(A::Error::custom(format!("the key `{}` stands twice", entry.0.value)));
            }
            keys.push(entry);
        }
        Ok(Written::Keys(keys))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Written::Other("a list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
        Ok(Written::Other("a single value"))
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Other("nothing"))
    }

    fn visit_none<E>(self) -> Result<Written, E> {
        Ok(Written::Other("nothing"))
    }
}
