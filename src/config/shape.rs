//! The shape of the file, held against the schema of `file`: unknown keys (with the nearest known
//! one), lists where a mapping belongs, missing keys. All of them are reported at once, which
//! reading into the structures alone could not do: it stops at the first.

use std::fmt;

use schemars::Schema;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::{At, Problems};

/// A node of the file with everything but the scalars' texts.
#[derive(Debug)]
pub(super) enum Node {
    Nothing,
    Word,
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Whether the file can be read into the structures, for all the problems of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Unknown keys at most: what is known can be read, and its values checked.
    Readable,
    /// Something is missing, or of another kind.
    Broken,
}

/// Holds a file against the schema, or what stands in it under a path.
pub(super) fn check(root: &Spanned<Node>, schema: &Schema, path: &str, problems: &mut Problems) -> Shape {
    let mut checker = Checker { root: schema.as_value(), problems, shape: Shape::Readable };
    checker.node(root, schema.as_value(), path);
    checker.shape
}

/// Whether the file has one of these keys, which the schema could not say with a remedy.
pub(super) fn needs_one_of(root: &Spanned<Node>, keys: [&str; 2], problems: &mut Problems) -> Shape {
    let Node::Mapping(members) = &root.value else { return Shape::Broken };
    let has = |key: &str| {
        let mut said = members.iter().filter(|(known, _)| known.value == key);
        said.any(|(_, value)| !matches!(value.value, Node::Nothing))
    };
    if keys.iter().any(|key| has(key)) {
        return Shape::Readable;
    }
    let [first, other] = keys;
    let message =
        format!("the file lacks the key `{first}`; add it, or `{other}`, a document to take them from");
    problems.add(root.referenced.into(), message);
    Shape::Broken
}

/// A rule, which the core reads, with messages of its own.
const RULE: &str = "#/$defs/Rule";

struct Checker<'a> {
    root: &'a Value,
    problems: &'a mut Problems,
    shape: Shape,
}

impl<'a> Checker<'a> {
    fn node(&mut self, node: &Spanned<Node>, schema: &'a Value, path: &str) {
        if schema.get("$ref").and_then(Value::as_str) == Some(RULE) {
            return;
        }
        let mut choices = Vec::new();
        self.choices(schema, &mut choices);
        let Some(&choice) = choices.iter().find(|choice| node.value.fits(choice)) else {
            return self.broken(node.referenced.into(), wrong_kind(path, &node.value, &choices));
        };
        match &node.value {
            Node::Nothing | Node::Word => {}
            Node::List(items) => {
                if items.is_empty() && choice.get("minItems").is_some() {
                    self.broken(
                        node.referenced.into(),
                        format!("{} is empty; add at least one", place(path)),
                    );
                }
                let Some(schema) = choice.get("items") else { return };
                for (index, item) in items.iter().enumerate() {
                    self.node(item, schema, &format!("{path}[{index}]"));
                }
            }
            Node::Mapping(members) => self.mapping(members, node.referenced.into(), choice, path),
        }
    }

    fn mapping(
        &mut self,
        members: &[(Spanned<String>, Spanned<Node>)],
        at: At,
        schema: &'a Value,
        path: &str,
    ) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, value) in members {
            let below = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            match properties.and_then(|known| known.get(&key.value)) {
                Some(schema) => self.node(value, schema, &below),
                None => match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let known = properties.into_iter().flatten().map(|(name, _)| name.as_str());
                        let message = unknown_key(&key.value, path, &known.collect::<Vec<_>>());
                        self.problems.add(key.referenced.into(), message);
                    }
                    Some(schema) => self.node(value, schema, &below),
                    None => {}
                },
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = required.as_str() else { continue };
            if !members.iter().any(|(key, _)| key.value == name) {
                self.broken(at, format!("{} lacks the key `{name}`; add it", place(path)));
            }
        }
    }

    fn broken(&mut self, at: At, message: String) {
        self.problems.add(at, message);
        self.shape = Shape::Broken;
    }

    /// The schemas of which one has to fit, references followed.
    fn choices(&self, schema: &'a Value, into: &mut Vec<&'a Value>) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if let Some(target) = self.root.pointer(reference.trim_start_matches('#')) {
                self.choices(target, into);
            }
            return;
        }
        match ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()) {
            Some(choices) => choices.iter().for_each(|choice| self.choices(choice, into)),
            None => into.push(schema),
        }
    }
}

impl Node {
    fn fits(&self, schema: &Value) -> bool {
        let types = types(schema);
        if types.is_empty() {
            // Anything, or one of a list of words.
            return matches!(self, Self::Word) || schema.get("enum").or(schema.get("const")).is_none();
        }
        types.iter().any(|name| match self {
            Self::Nothing => *name == "null",
            Self::Word => matches!(*name, "string" | "integer" | "number" | "boolean"),
            Self::List(_) => *name == "array",
            Self::Mapping(_) => *name == "object",
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Word => "a single value",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn wrong_kind(path: &str, found: &Node, choices: &[&Value]) -> String {
    let mut wanted: Vec<&str> = Vec::new();
    for choice in choices {
        let types = types(choice);
        let words = if types.is_empty() { vec!["string"] } else { types };
        for name in words {
            let kind = match name {
                "array" => "a list",
                "object" => "a mapping (`key: value`)",
                "null" => continue,
                _ => "a single value",
            };
            if !wanted.contains(&kind) {
                wanted.push(kind);
            }
        }
    }
    format!("{} must be {}, and here is {}", place(path), wanted.join(" or "), found.kind())
}

fn unknown_key(key: &str, path: &str, known: &[&str]) -> String {
    let guess = match nearest(key, known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => ";".to_owned(),
    };
    let under = if path.is_empty() { "at the top of the file".to_owned() } else { format!("under `{path}`") };
    format!("unknown key `{key}` {under}{guess} known keys: {}", known.join(", "))
}

/// The known word that a mistyped one most likely stands for.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    let best = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(best) <= (best.len() / 3).max(1)).then_some(best)
}

fn place(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut members: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some(entry) = entries.next_entry::<Spanned<String>, _>()? {
            if members.iter().any(|(known, _)| known.value == entry.0.value) {
                return Err(A::Error::custom(format!("the key `{}` stands twice", entry.0.value)));
            }
            members.push(entry);
        }
        Ok(Node::Mapping(members))
    }
}
