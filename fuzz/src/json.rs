//! The JSON reader beside serde_json: both accept the same texts and find the same values in them.
//!
//! They may part only where it is said here: ours refuses what is nested beyond [`DEPTH_LIMIT`] or has
//! too many nodes, keeps a lone surrogate, keeps a number of any size, and skips a byte order mark.

use bytes::Bytes;
use parallax_core::document::{DEPTH_LIMIT, Document, NodeId, NodeKind, ReadError, read};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

const MAX_NODES: usize = 100_000;

/// Both readers agree about these bytes.
pub fn holds(data: &[u8]) {
    let ours = read(Bytes::copy_from_slice(data), MAX_NODES);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(ours.is_err(), "accepted what is no UTF-8");
        return;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Asked for nothing, serde_json checks the grammar alone: no depth, no range, no surrogates.
    let grammatical = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match ours {
        Ok(document) => {
            assert!(grammatical, "accepted what serde_json refuses");
            is_well_formed(&document);
            if let Ok(theirs) = serde_json::from_str::<Value>(text) {
                assert!(value(&document, document.root(), 0) == theirs, "read another value");
            }
        }
        Err(ReadError::Syntax { offset }) => {
            assert!(!grammatical, "refused at byte {offset} what serde_json accepts");
            assert!(offset <= data.len(), "stopped behind the end");
        }
        Err(ReadError::Depth { .. }) => {
            let opened = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
            assert!(opened > DEPTH_LIMIT, "too deep with {opened} brackets");
        }
        Err(ReadError::Nodes { .. }) => assert!(text.len() > MAX_NODES / 2, "too many nodes"),
    }
}

/// Every subtree ends within its parent, and every span within the source.
fn is_well_formed(document: &Document) {
    let length = document.len() as NodeId;
    assert_eq!(document.end(document.root()), length);
    let mut open = vec![length];
    for node in 0..length {
        while open.last().is_some_and(|&end| end <= node) {
            open.pop();
        }
        let end = document.end(node);
        assert!(node < end && open.last().is_some_and(|&parent| end <= parent));
        open.push(end);
        // Taking the text checks the span.
        assert!(document.raw(node).len() <= document.raw(document.root()).len());
    }
}

/// A node as serde_json has it: the last of a repeated name counts, and numbers are machine numbers.
/// It may recurse, because serde_json has refused what is nested deeply.
fn value(document: &Document, node: NodeId, depth: usize) -> Value {
    assert!(depth <= DEPTH_LIMIT);
    match document.kind(node) {
        NodeKind::Null => Value::Null,
        NodeKind::False => Value::Bool(false),
        NodeKind::True => Value::Bool(true),
        NodeKind::Number => Value::Number(number(&document.text(node))),
        NodeKind::String | NodeKind::Name => Value::String(document.text(node).into_owned()),
        NodeKind::Array => {
            document.elements(node).map(|element| value(document, element, depth + 1)).collect()
        }
        NodeKind::Object => {
            let member = |(name, at)| (document.text(name).into_owned(), value(document, at, depth + 1));
            Value::Object(document.members(node).map(member).collect::<Map<_, _>>())
        }
    }
}

fn number(lexeme: &str) -> Number {
    serde_json::from_str(lexeme).unwrap_or_else(|_| panic!("serde_json had accepted this number"))
}
