//! A body as one tree that can be compared: every format is read into the same arena.
//!
//! The arena lies over the source bytes: a node is a kind, the span of its text and the end of its
//! subtree, in the order of the source. Nothing is decoded that nobody asks for, so a number keeps
//! every digit, a repeated key stays visible and a lone surrogate survives. Nodes come before their
//! children, so a walk forwards goes down and a walk backwards goes up: nothing here recurses, and
//! no depth of nesting can exhaust the stack.

mod build;
mod canonical;
mod marks;
mod number;
mod read;
mod ruled;
mod text;

use std::borrow::Cow;

use bytes::Bytes;

pub use build::Builder;
pub(crate) use canonical::{Sameness, View};
pub(crate) use marks::children;
pub use number::Decimal;
pub(crate) use read::read_beside;
pub use read::{DEPTH_LIMIT, ReadError, read};
pub(crate) use ruled::RuledValues;

use crate::path::{Step, WIDE_SIBLINGS};
use crate::verdict::{Value, ValueType};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `null`
    Null,
    /// `false`
    False,
    /// `true`
    True,
    /// A number, kept as it was written.
    Number,
    /// A string.
    String,
    /// An array; its elements follow.
    Array,
    /// An object; its members follow, each a [`NodeKind::Name`] and then its value.
    Object,
    /// The name of a member.
    Name,
}

/// One node of a document: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    kind: NodeKind,
    /// Whether a string or name holds escapes, so that its text is not simply its span.
    escaped: bool,
    /// Where its text starts, in bytes; within the quotes of a string.
    start: u32,
    /// Where its text ends.
    stop: u32,
    /// The node after its subtree.
    end: u32,
}

/// The place of a node in its document.
pub type NodeId = u32;

/// A body as a tree over its own bytes.
///
/// ```
/// use parallax_core::document::{NodeKind, read};
/// let document = read(br#"{"id": 12345678901234567890123}"#.as_slice().into(), 1_000).unwrap();
/// let (name, value) = document.members(document.root()).next().unwrap();
/// assert_eq!(document.text(name), "id");
/// assert_eq!(document.kind(value), NodeKind::Number);
/// assert_eq!(document.text(value), "12345678901234567890123");
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    source: Bytes,
    nodes: Vec<Node>,
}

impl Document {
    /// The node that holds all others.
    #[must_use]
    pub fn root(&self) -> NodeId {
        0
    }

    /// Nodes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a document has at least its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What a node is.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> NodeKind {
        self.at(node).kind
    }

    /// The node after a node's subtree.
    #[must_use]
    pub fn end(&self, node: NodeId) -> NodeId {
        self.at(node).end
    }

    /// The bytes of a node as they were written; a string without its quotes.
    #[must_use]
    pub fn raw(&self, node: NodeId) -> &[u8] {
        let node = self.at(node);
        &self.source[node.start as usize..node.stop as usize]
    }

    /// The bytes that the document was read from.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// Where a node stands in its source, in bytes; a string without its quotes.
    #[must_use]
    pub fn span(&self, node: NodeId) -> std::ops::Range<usize> {
        let node = self.at(node);
        node.start as usize..node.stop as usize
    }

    /// The content of a string or name, escapes resolved: UTF-8, where a lone surrogate is encoded
    /// as if it were a character. The text of any other node as it was written.
    #[must_use]
    pub fn content(&self, node: NodeId) -> Cow<'_, [u8]> {
        if self.at(node).escaped { text::unescape(self.raw(node)).into() } else { self.raw(node).into() }
    }

    /// The content for reading: a lone surrogate becomes U+FFFD.
    #[must_use]
    pub fn text(&self, node: NodeId) -> Cow<'_, str> {
        match self.content(node) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => text::readable(bytes).into(),
        }
    }

    /// The elements of an array; of any other node, none.
    pub fn elements(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = if self.kind(node) == NodeKind::Array { self.end(node) } else { 0 };
        let next = move |at: NodeId| Some(at).filter(|&at| at < end);
        std::iter::successors(next(node + 1), move |&at| next(self.end(at)))
    }

    /// The members of an object, name and value; of any other node, none.
    pub fn members(&self, node: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let end = if self.kind(node) == NodeKind::Object { self.end(node) } else { 0 };
        let next = move |name: NodeId| Some((name, name + 1)).filter(|&(name, _)| name < end);
        std::iter::successors(next(node + 1), move |&(_, value)| next(self.end(value)))
    }

    /// A node's type as the outside calls it.
    #[must_use]
    pub fn value_type(&self, node: NodeId) -> ValueType {
        match self.kind(node) {
            NodeKind::Null => ValueType::Null,
            NodeKind::False | NodeKind::True => ValueType::Boolean,
            NodeKind::Number => ValueType::Number,
            NodeKind::String | NodeKind::Name => ValueType::String,
            NodeKind::Array => ValueType::Array,
            NodeKind::Object => ValueType::Object,
        }
    }

    /// A node's value for a difference, clipped.
    #[must_use]
    pub fn value(&self, node: NodeId) -> Value {
        let longest = Value::MAX_TEXT * 6;
        let raw = self.raw(node);
        let text =
            if raw.len() <= longest { self.text(node) } else { String::from_utf8_lossy(&raw[..longest]) };
        Value { kind: self.value_type(node), text: clip(&text, Value::MAX_TEXT).to_owned() }
    }

    fn at(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }
}

/// The steps from the body to a node of its document.
pub(crate) fn way_to(document: &Document, node: NodeId) -> Vec<Step> {
    let mut steps = vec![Step::name("body")];
    steps.extend(steps_to(document, node));
    steps
}

/// The steps from a document's root to one of its nodes.
pub(crate) fn steps_to(document: &Document, node: NodeId) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = document.root();
    while at != node {
        let holds = |child: NodeId| child <= node && node < document.end(child);
        let wide = document.members(at).count() > WIDE_SIBLINGS;
        let member = document.members(at).find(|&(_, value)| holds(value));
        let element = || document.elements(at).enumerate().find(|&(_, element)| holds(element));
        if let Some((name, value)) = member {
            steps.push(Step::member(&document.text(name), wide));
            at = value;
        } else if let Some((index, element)) = element() {
            steps.push(Step::Index(index));
            at = element;
        } else {
            break;
        }
    }
    steps
}

/// The longest beginning of a text that has at most `bytes` bytes.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_between_characters() {
        assert_eq!(clip("größe", 3), "gr");
        assert_eq!(clip("größe", 4), "grö");
        assert_eq!(clip("größe", 99), "größe");
    }

    #[test]
    fn children_of_a_scalar_are_none() {
        let document = read(b"[1,[2,3],{\"a\":4}]".as_slice().into(), 100).unwrap();
        assert_eq!(document.elements(0).collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!(document.elements(1).count() + document.members(0).count(), 0);
        assert_eq!(document.members(5).collect::<Vec<_>>(), [(6, 7)]);
        assert_eq!(document.len(), 8);
    }
}
