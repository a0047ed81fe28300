//! `decode: json`: a document within a string. It takes the place of the string before anything is
//! compared, so that rules reach into it: `$.body.payload.a`. `base64` and `gzip` (gzip within base64)
//! give the JSON or the text that they hold; a string that holds no such thing stays what it is.

use std::io::Read;
use std::vec::IntoIter;

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use schemars::json_schema;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::spec::nearest;
use super::word::{Word, in_the_body};
use super::{Action, Rules, States};
use crate::document::{Builder, Document, NodeId, NodeKind, ReadError, View, children, read};
use crate::exchange::Side;
use crate::label::labels;

labels! {
    /// What a string holds.
    pub enum Decode {
        /// JSON.
        Json => "json",
        /// Base 64 (RFC 4648, either alphabet) of JSON or text.
        Base64 => "base64",
        /// Base 64 of a gzip of JSON or text.
        Gzip => "gzip",
    }
}

/// Most documents within documents that are opened.
const MAX_PASSES: usize = 8;

pub(super) const WORD: Word = Word {
    word: "decode",
    about: "A document within a string: json, base64, or gzip (within base64).",
    example: "decode: json",
    schema: || json_schema!({ "enum": ["json", "base64", "gzip"] }),
    read: |argument| read_argument(argument).map(Action::Decode),
    refuses: in_the_body,
};

fn read_argument(argument: &Value) -> Result<Decode, String> {
    let text = argument.as_str().unwrap_or_default();
    let found = Decode::ALL.iter().find(|decode| decode.as_str() == text);
    found.copied().ok_or_else(|| {
        let near = nearest(text, Decode::ALL.iter().map(|decode| decode.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?"));
        format!("`decode` takes `json`, `base64` or `gzip`{}", hint.unwrap_or_default())
    })
}

/// A string that was decoded: by which rule, and hashes of what it was and of what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) rule: usize,
    pub(crate) written: u64,
    pub(crate) content: u64,
}

/// The document with the documents that its strings hold in their places, if there are any.
pub(crate) fn expand(
    document: &Document,
    rules: &Rules,
    at_root: States,
    hits: &mut Vec<Hit>,
) -> Result<Option<Document>, ReadError> {
    let mut expanded: Option<Document> = None;
    if !rules.decodes() || at_root.is_dead() {
        return Ok(None);
    }
    let room = &mut rules.limits().decoded_bytes.clone();
    for _ in 0..MAX_PASSES {
        let before = hits.len();
        let from = expanded.as_ref().unwrap_or(document);
        let mut expansion =
            Expansion { from, rules, builder: Builder::new(rules.limits().nodes), room, hits };
        expansion.run(at_root)?;
        let next = expansion.builder.finish();
        if hits.len() == before {
            break;
        }
        expanded = Some(next);
    }
    Ok(expanded)
}

struct Expansion<'e> {
    from: &'e Document,
    rules: &'e Rules,
    builder: Builder,
    /// Bytes that all compressed strings of the document may still become.
    room: &'e mut usize,
    hits: &'e mut Vec<Hit>,
}

/// What is left of a container to be written.
struct Open {
    is_object: bool,
    rest: IntoIter<(NodeId, States)>,
}

impl Expansion<'_> {
    fn run(&mut self, at_root: States) -> Result<(), ReadError> {
        let mut open: Vec<Open> = Vec::new();
        open.extend(self.write(self.from.root(), &at_root)?);
        while let Some(container) = open.last_mut() {
            let Some((child, states)) = container.rest.next() else {
                self.builder.end();
                open.pop();
                continue;
            };
            if container.is_object {
                self.builder.name_of(self.from, child - 1)?;
            }
            open.extend(self.write(child, &states)?);
        }
        Ok(())
    }

    /// Writes a value whole, or opens it when a rule may match within.
    fn write(&mut self, node: NodeId, states: &States) -> Result<Option<Open>, ReadError> {
        let kind = self.from.kind(node);
        if kind == NodeKind::String
            && let Some(decoded) = self.decoded(node, states)?
        {
            self.builder.subtree(&decoded, decoded.root())?;
            return Ok(None);
        }
        let is_object = kind == NodeKind::Object;
        if states.is_dead() || !(is_object || kind == NodeKind::Array) {
            self.builder.subtree(self.from, node)?;
            return Ok(None);
        }
        if is_object {
            self.builder.object()?;
        } else {
            self.builder.array()?;
        }
        let rest: Vec<_> = children(self.from, node, self.rules.automaton(), states).collect();
        Ok(Some(Open { is_object, rest: rest.into_iter() }))
    }

    fn decoded(&mut self, node: NodeId, states: &States) -> Result<Option<Document>, ReadError> {
        // The last of the list has the word.
        let decodes = self.rules.accepted(states).filter_map(|hold| match self.rules.action(hold.rule) {
            Action::Decode(decode) => Some((hold.rule, *decode)),
            _ => None,
        });
        let Some((rule, decode)) = decodes.last() else { return Ok(None) };
        let content = self.from.content(node);
        let Some(document) = decode.open(&content, self.room, self.rules.limits().nodes)? else {
            return Ok(None);
        };
        let hash = hash_of(&document);
        self.hits.push(Hit { rule, written: xxh3_64(&content), content: hash });
        Ok(Some(document))
    }
}

impl Decode {
    /// Whether two texts hold the same document, by their hashes: for telling, not for judging.
    pub(crate) fn holds_same(self, left: &str, right: &str) -> bool {
        let limits = super::Limits::default();
        let hash = |text: &str| {
            let room = &mut limits.decoded_bytes.clone();
            let document = self.open(text.as_bytes(), room, limits.nodes).ok()??;
            // A bare number or word may be anything.
            let is_tree = matches!(document.kind(document.root()), NodeKind::Object | NodeKind::Array);
            let hash = || hash_of(&document);
            (is_tree || self != Self::Json).then(hash)
        };
        hash(left).is_some_and(|own| hash(right) == Some(own))
    }

    /// What a string holds, if it holds such a thing.
    ///
    /// # Errors
    /// More than there is room for.
    fn open(self, content: &[u8], room: &mut usize, max_nodes: usize) -> Result<Option<Document>, ReadError> {
        Ok(match self {
            Self::Json => read(content.to_vec().into(), max_nodes).ok(),
            Self::Base64 => base64(content).and_then(|bytes| held(bytes, max_nodes)),
            Self::Gzip => {
                let Some(bytes) = base64(content) else { return Ok(None) };
                gunzip(&bytes, room)?.and_then(|bytes| held(bytes, max_nodes))
            }
        })
    }
}

fn hash_of(document: &Document) -> u64 {
    View::new(document, &Rules::default(), States::default(), Side::Legacy).hash_of(document.root())
}

/// The tree or the text that bytes hold.
fn held(bytes: Vec<u8>, max_nodes: usize) -> Option<Document> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    let bytes = Bytes::from(bytes);
    if matches!(first, Some(b'{' | b'['))
        && let Ok(document) = read(bytes.clone(), max_nodes)
    {
        return Some(document);
    }
    let mut builder = Builder::new(1);
    builder.string(std::str::from_utf8(&bytes).ok()?).ok()?;
    Some(builder.finish())
}

fn base64(content: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet: &Alphabet = if is_url_safe { &URL_SAFE } else { &STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(alphabet, config).decode(&text).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// What a gzip holds. Whatever comes out of it takes room, also where it breaks off.
fn gunzip(bytes: &[u8], room: &mut usize) -> Result<Option<Vec<u8>>, ReadError> {
    let mut content = Vec::new();
    let limit = *room as u64 + 1;
    let read = flate2::read::MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut content);
    *room = room.checked_sub(content.len()).ok_or(ReadError::Nodes { offset: 0 })?;
    Ok(read.is_ok().then_some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(body: &str, rules: &str) -> String {
        let specs: Vec<super::super::RuleSpec> = serde_saphyr::from_str(rules).unwrap();
        let rules = Rules::compile(&specs).unwrap();
        let document = read(body.to_owned().into(), 1_000).unwrap();
        let mut hits = Vec::new();
        let expanded = expand(&document, &rules, rules.at_part("body"), &mut hits).unwrap();
        let document = expanded.unwrap_or(document);
        String::from_utf8(document.raw(document.root()).to_vec()).unwrap()
    }

    #[test]
    fn a_string_gives_way_to_what_it_holds() {
        let body = r#"{"a":"{\"b\":[1]}","c":["W10=","x"],"d":"\ud800"}"#;
        assert_eq!(
            expanded(body, "- {at: $.body.a, decode: json}\n- {at: '$.body.c[*]', decode: base64}"),
            r#"{"a":{"b":[1]},"c":[[],"x"],"d":"\ud800"}"#
        );
        assert_eq!(expanded(r#""[1]""#, "- {at: $.body, decode: json}"), "[1]");
    }

    #[test]
    fn documents_within_documents_are_opened() {
        let body = r#"{"a":"{\"b\":\"{\\\"c\\\":1}\"}"}"#;
        let rules = "- {at: $.body.a, decode: json}\n- {at: $.body.a.b, decode: json}";
        assert_eq!(expanded(body, rules), r#"{"a":{"b":{"c":1}}}"#);
    }

    #[test]
    fn what_holds_nothing_of_the_kind_stays() {
        for (body, decode) in
            [(r#"{"a":"{"}"#, "json"), (r#"{"a":"*"}"#, "base64"), (r#"{"a":"W10="}"#, "gzip")]
        {
            assert_eq!(expanded(body, &format!("- {{at: $.body.a, decode: {decode}}}")), body);
        }
    }
}
