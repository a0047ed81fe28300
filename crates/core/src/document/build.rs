//! Builds a document piece by piece: how a format that is not JSON becomes the same tree.
//!
//! The tree is written down as JSON while it grows, so what comes out is a [`Document`] like any
//! other: it lies over its own source, a subtree can be shown as text, and the whole can be handed
//! from one process to another as bytes.

use bytes::Bytes;

use super::{DEPTH_LIMIT, Document, Node, NodeId, NodeKind, ReadError};

/// A document that is being written.
///
/// Whoever writes keeps the grammar: a name before each value of an object, an [`Builder::end`] for each
/// container, one value in all.
///
/// ```
/// use parallax_core::document::Builder;
/// let mut builder = Builder::new(1_000);
/// builder.object().unwrap();
/// builder.name("lines").unwrap();
/// builder.array().unwrap();
/// builder.string("a \"b\"").unwrap();
/// builder.number("1.50").unwrap();
/// builder.end();
/// builder.end();
/// let document = builder.finish();
/// assert_eq!(document.raw(document.root()), br#"{"lines":["a \"b\"",1.50]}"#);
/// ```
#[derive(Debug)]
pub struct Builder {
    text: Vec<u8>,
    nodes: Vec<Node>,
    open: Vec<Open>,
    max_nodes: usize,
}

/// A container that is not closed yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    node: NodeId,
    is_object: bool,
    /// Whether something was written into it, so that a comma is due.
    has_content: bool,
}

impl Builder {
    /// For at most so many values and names.
    #[must_use]
    pub fn new(max_nodes: usize) -> Self {
        Self { text: Vec::new(), nodes: Vec::new(), open: Vec::new(), max_nodes }
    }

    /// Opens an object.
    ///
    /// # Errors
    /// Over a limit, as every writing method.
    pub fn object(&mut self) -> Result<(), ReadError> {
        self.container(NodeKind::Object, b'{')
    }

    /// Opens an array.
    ///
    /// # Errors
    /// Over a limit.
    pub fn array(&mut self) -> Result<(), ReadError> {
        self.container(NodeKind::Array, b'[')
    }

    /// Closes the container that was opened last.
    pub fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.text.push(if open.is_object { b'}' } else { b']' });
        let (stop, end) = (self.text.len() as u32, self.nodes.len() as u32);
        let node = &mut self.nodes[open.node as usize];
        (node.stop, node.end) = (stop, end);
    }

    /// The name of the next member.
    ///
    /// # Errors
    /// Over a limit.
    pub fn name(&mut self, name: &str) -> Result<(), ReadError> {
        self.quoted(NodeKind::Name, name)?;
        self.text.push(b':');
        Ok(())
    }

    /// A string.
    ///
    /// # Errors
    /// Over a limit.
    pub fn string(&mut self, text: &str) -> Result<(), ReadError> {
        self.quoted(NodeKind::String, text)
    }

    /// A number by its lexeme, which must be one of JSON.
    ///
    /// # Errors
    /// Over a limit.
    pub fn number(&mut self, lexeme: &str) -> Result<(), ReadError> {
        self.scalar(NodeKind::Number, lexeme)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Over a limit.
    pub fn boolean(&mut self, value: bool) -> Result<(), ReadError> {
        if value { self.scalar(NodeKind::True, "true") } else { self.scalar(NodeKind::False, "false") }
    }

    /// `null`.
    ///
    /// # Errors
    /// Over a limit.
    pub fn null(&mut self) -> Result<(), ReadError> {
        self.scalar(NodeKind::Null, "null")
    }

    /// A subtree of another document, as it was written there.
    ///
    /// # Errors
    /// Over a limit.
    pub fn subtree(&mut self, document: &Document, node: NodeId) -> Result<(), ReadError> {
        let nodes = &document.nodes[node as usize..document.end(node) as usize];
        // No subtree is deeper than it has nodes, so most need no closer look.
        if self.open.len() + nodes.len() > DEPTH_LIMIT && self.open.len() + depth(nodes) > DEPTH_LIMIT {
            return Err(ReadError::Depth { offset: self.text.len() });
        }
        if self.nodes.len() + nodes.len() > self.max_nodes {
            return Err(ReadError::Nodes { offset: self.text.len() });
        }
        self.separate();
        let root = nodes[0];
        let quoted = u32::from(matches!(root.kind, NodeKind::String | NodeKind::Name));
        let (from, to) = (root.start - quoted, root.stop + quoted);
        let (shift, first) = (self.text.len() as u32, self.nodes.len() as u32);
        self.grow(&document.source[from as usize..to as usize])?;
        self.nodes.extend(nodes.iter().map(|one| Node {
            start: one.start - from + shift,
            stop: one.stop - from + shift,
            end: one.end - node + first,
            ..*one
        }));
        Ok(())
    }

    /// The name of the next member as another document has it.
    pub(crate) fn name_of(&mut self, document: &Document, name: NodeId) -> Result<(), ReadError> {
        self.comma();
        self.grow(b"\"")?;
        let start = self.text.len();
        self.grow(document.raw(name))?;
        let stop = self.text.len();
        self.grow(b"\":")?;
        self.push(NodeKind::Name, document.at(name).escaped, start, stop).map(|_| ())
    }

    /// Containers that are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The document. What is still open is closed; nothing at all becomes `null`.
    #[must_use]
    pub fn finish(mut self) -> Document {
        while !self.open.is_empty() {
            self.end();
        }
        if self.nodes.is_empty() {
            self.text = b"null".to_vec();
            self.nodes = vec![Node { kind: NodeKind::Null, escaped: false, start: 0, stop: 4, end: 1 }];
        }
        Document { source: Bytes::from(self.text), nodes: self.nodes }
    }

    fn container(&mut self, kind: NodeKind, opening: u8) -> Result<(), ReadError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(ReadError::Depth { offset: self.text.len() });
        }
        self.separate();
        let start = self.text.len();
        self.grow(&[opening])?;
        let node = self.push(kind, false, start, start + 1)?;
        self.open.push(Open { node, is_object: kind == NodeKind::Object, has_content: false });
        Ok(())
    }

    fn scalar(&mut self, kind: NodeKind, lexeme: &str) -> Result<(), ReadError> {
        self.separate();
        let start = self.text.len();
        self.grow(lexeme.as_bytes())?;
        self.push(kind, false, start, start + lexeme.len()).map(|_| ())
    }

    fn quoted(&mut self, kind: NodeKind, text: &str) -> Result<(), ReadError> {
        if kind == NodeKind::Name {
            self.comma();
        } else {
            self.separate();
        }
        self.grow(b"\"")?;
        let start = self.text.len();
        let escaped = self.escape(text)?;
        let stop = self.text.len();
        self.text.push(b'"');
        self.push(kind, escaped, start, stop).map(|_| ())
    }

    /// Writes a text as JSON does, and tells whether it needed an escape.
    fn escape(&mut self, text: &str) -> Result<bool, ReadError> {
        let must = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        let mut rest = text.as_bytes();
        let mut escaped = false;
        while let Some(at) = rest.iter().position(|&byte| must(byte)) {
            self.grow(&rest[..at])?;
            match rest[at] {
                byte @ (b'"' | b'\\') => self.grow(&[b'\\', byte])?,
                byte => self.grow(format!("\\u{byte:04x}").as_bytes())?,
            }
            rest = &rest[at + 1..];
            escaped = true;
        }
        self.grow(rest)?;
        Ok(escaped)
    }

    /// The comma before a value: in an array only, for in an object the name has written it.
    fn separate(&mut self) {
        if self.open.last().is_some_and(|open| !open.is_object) {
            self.comma();
        }
    }

    fn comma(&mut self) {
        if let Some(open) = self.open.last_mut()
            && std::mem::replace(&mut open.has_content, true)
        {
            self.text.push(b',');
        }
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.text.extend_from_slice(bytes);
        if self.text.len() >= u32::MAX as usize / 2 {
            return Err(ReadError::Nodes { offset: self.text.len() });
        }
        Ok(())
    }

    fn push(
        &mut self,
        kind: NodeKind,
        escaped: bool,
        start: usize,
        stop: usize,
    ) -> Result<NodeId, ReadError> {
        if self.nodes.len() >= self.max_nodes {
            return Err(ReadError::Nodes { offset: start });
        }
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node { kind, escaped, start: start as u32, stop: stop as u32, end: id + 1 });
        Ok(id)
    }
}

/// How many containers lie within each other at most.
fn depth(nodes: &[Node]) -> usize {
    let mut open: Vec<u32> = Vec::new();
    let mut deepest = 0;
    for (at, node) in nodes.iter().enumerate() {
        let id = at as u32 + (nodes[0].end - nodes.len() as u32);
        while open.last().is_some_and(|&end| end <= id) {
            open.pop();
        }
        if matches!(node.kind, NodeKind::Array | NodeKind::Object) {
            open.push(node.end);
            deepest = deepest.max(open.len());
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read;

    /// Writes a document anew, node by node.
    fn rebuilt(document: &Document) -> Document {
        let mut builder = Builder::new(1_000);
        let mut ends = Vec::new();
        for node in 0..document.len() as NodeId {
            while ends.pop_if(|end| *end == node).is_some() {
                builder.end();
            }
            let text = document.text(node);
            match document.kind(node) {
                NodeKind::Null => builder.null(),
                NodeKind::False => builder.boolean(false),
                NodeKind::True => builder.boolean(true),
                NodeKind::Number => builder.number(&text),
                NodeKind::String => builder.string(&text),
                NodeKind::Name => builder.name(&text),
                NodeKind::Array => builder.array(),
                NodeKind::Object => builder.object(),
            }
            .unwrap();
            if matches!(document.kind(node), NodeKind::Array | NodeKind::Object) {
                ends.push(document.end(node));
            }
        }
        builder.finish()
    }

    fn of(text: &str) -> Document {
        read(text.to_owned().into(), 1_000).unwrap()
    }

    #[test]
    fn what_is_built_reads_back_the_same() {
        let text = r#"{"a":[1,-2.50e3,"x\"\\\u0007ü",[],{}],"b":{"c":null,"d":[true,false]},"":""}"#;
        let built = rebuilt(&of(text));
        assert_eq!(built.raw(0), text.as_bytes());
        assert_eq!(built.nodes, of(text).nodes);
    }

    #[test]
    fn a_subtree_is_taken_over() {
        let source = of(r#"{"k":{"a":[1,{"b":"\n"}]},"s":"t"}"#);
        let mut builder = Builder::new(100);
        builder.array().unwrap();
        builder.subtree(&source, 2).unwrap();
        builder.string("between").unwrap();
        builder.subtree(&source, source.len() as NodeId - 1).unwrap();
        let built = builder.finish();
        let text = r#"[{"a":[1,{"b":"\n"}]},"between","t"]"#;
        assert_eq!(built.raw(0), text.as_bytes());
        assert_eq!(built.nodes, of(text).nodes);
    }

    #[test]
    fn limits_hold() {
        let deep = of(&("[".repeat(DEPTH_LIMIT) + &"]".repeat(DEPTH_LIMIT)));
        let mut builder = Builder::new(1_000);
        builder.array().unwrap();
        assert!(matches!(builder.subtree(&deep, 0), Err(ReadError::Depth { .. })));
        assert!(builder.subtree(&deep, 1).is_ok());
        let mut builder = Builder::new(2);
        builder.array().unwrap();
        builder.null().unwrap();
        assert!(matches!(builder.null(), Err(ReadError::Nodes { .. })));
        assert_eq!(Builder::new(1).finish().raw(0), b"null");
    }
}
