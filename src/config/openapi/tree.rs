//! An OpenAPI document as a tree with places. YAML's events are put together here and not by serde, because a
//! document may be tens of megabytes of which only the skeleton is of interest, because it may be nested as deep
//! as somebody likes (nothing here recurses), and because one thing wrong with it should not hide the next.
//! JSON is read as the YAML that it is.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::config::error::{At, Source};

/// Values that a document has, at most; one of 13 MB with a thousand operations has 400,000.
const MOST_NODES: usize = 8_000_000;

/// A document.
#[derive(Debug, Default)]
pub(super) struct Tree<'t> {
    pub(super) text: &'t str,
    nodes: Vec<Node<'t>>,
}

/// A value of a document, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(usize);

#[derive(Debug)]
struct Node<'t> {
    at: At,
    bytes: Range<usize>,
    value: Value<'t>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Null,
    Text(Cow<'t, str>),
    List(Vec<NodeId>),
    /// Keys that are no texts are left out: nothing here asks for them.
    Mapping(Vec<Member<'t>>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Member<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) at: At,
    pub(super) value: NodeId,
}

/// Why there is no tree.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) at: At,
    pub(super) message: String,
}

impl<'t> Tree<'t> {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is not YAML, or holds more than one document, or too many values.
    pub(super) fn read(text: &'t str) -> Result<Self, Unreadable> {
        let mut builder = Builder { tree: Self { text, nodes: Vec::new() }, ..Builder::default() };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| not_yaml(&error))?;
            builder.take(event, span)?;
        }
        if builder.tree.nodes.is_empty() {
            let message = "it is empty; name an OpenAPI document".to_owned();
            return Err(Unreadable { at: At::start_of(Source::OpenApi), message });
        }
        Ok(builder.tree)
    }

    /// The outermost value.
    pub(super) fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(super) fn at(&self, id: NodeId) -> At {
        self.nodes[id.0].at
    }

    pub(super) fn value(&self, id: NodeId) -> &Value<'t> {
        &self.nodes[id.0].value
    }

    /// The text of a value, for what is read on by others.
    pub(super) fn source(&self, id: NodeId) -> &'t str {
        self.text.get(self.nodes[id.0].bytes.clone()).unwrap_or_default()
    }

    /// The members of a mapping; none for anything else.
    pub(super) fn members(&self, id: NodeId) -> &[Member<'t>] {
        match self.value(id) {
            Value::Mapping(members) => members,
            Value::Null | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub(super) fn items(&self, id: NodeId) -> &[NodeId] {
        match self.value(id) {
            Value::List(items) => items,
            Value::Null | Value::Text(_) | Value::Mapping(_) => &[],
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.members(id).iter().find(|member| member.key == key).map(|member| member.value)
    }

    /// A value that is a single word.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Mapping(_) => None,
        }
    }

    /// The word that a key has.
    pub(super) fn text_of(&self, id: NodeId, key: &str) -> Option<&str> {
        self.get(id, key).and_then(|value| self.text(value))
    }
}

fn place(marker: granit_parser::Marker) -> At {
    At { source: Source::OpenApi, line: marker.line() as u64, column: marker.col() as u64 + 1 }
}

fn not_yaml(error: &ScanError) -> Unreadable {
    let message = match &*error.info() {
        "recursion limit exceeded" => "it is nested too deeply: 255 levels at most".to_owned(),
        told => format!("not readable as YAML or JSON: {told}"),
    };
    Unreadable { at: place(*error.marker()), message }
}

/// Puts a tree together. What is open is on a stack of its own.
#[derive(Default)]
struct Builder<'t> {
    tree: Tree<'t>,
    open: Vec<Open<'t>>,
    /// The values that have an anchor, by its number.
    anchors: Vec<Option<NodeId>>,
    documents: usize,
}

/// A list or mapping that is being read.
struct Open<'t> {
    id: NodeId,
    /// In a mapping: the key that waits for its value, or that is no text.
    key: Option<(Option<Cow<'t, str>>, At)>,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), Unreadable> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here; keep one in a file".to_owned();
                    return Err(Unreadable { at: place(span.start), message });
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = if is_null { Value::Null } else { Value::Text(text) };
                self.add(value, span, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Value::List(Vec::new()), span, anchor)?,
            Event::MappingStart(_, anchor, _) => self.begin(Value::Mapping(Vec::new()), span, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let end = span.end.byte_offset().unwrap_or(self.tree.text.len());
                    self.tree.nodes[open.id.0].bytes.end = end;
                }
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(anchor).copied().flatten();
                let message = || "this alias leads nowhere".to_owned();
                let id = known.ok_or_else(|| Unreadable { at: place(span.start), message: message() })?;
                self.attach(id, place(span.start));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, value: Value<'t>, span: Span, anchor: usize) -> Result<(), Unreadable> {
        let id = self.add(value, span, anchor)?;
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn add(&mut self, value: Value<'t>, span: Span, anchor: usize) -> Result<NodeId, Unreadable> {
        let at = place(span.start);
        if self.tree.nodes.len() == MOST_NODES {
            let message =
                format!("it has more than {MOST_NODES} values; leave out what is not about operations");
            return Err(Unreadable { at, message });
        }
        let id = NodeId(self.tree.nodes.len());
        self.tree.nodes.push(Node { at, bytes: span.byte_range().unwrap_or_default(), value });
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some(id);
        }
        self.attach(id, at);
        Ok(id)
    }

    /// Puts a value into what is open: as an element, a key, or the value of the key before it.
    fn attach(&mut self, id: NodeId, at: At) {
        let Some(open) = self.open.last_mut() else { return };
        let key = match (&self.tree.nodes[open.id.0].value, open.key.take()) {
            (Value::List(_), _) => None,
            (_, None) => {
                let text = match &self.tree.nodes[id.0].value {
                    Value::Text(text) => Some(text.clone()),
                    Value::Null | Value::List(_) | Value::Mapping(_) => None,
                };
                open.key = Some((text, at));
                return;
            }
            (_, Some((None, _))) => return,
            (_, Some((Some(key), at))) => Some(Member { key, at, value: id }),
        };
        match (&mut self.tree.nodes[open.id.0].value, key) {
            (Value::List(items), _) => items.push(id),
            (Value::Mapping(members), Some(member)) => members.push(member),
            (Value::Mapping(_) | Value::Null | Value::Text(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_texts_are_those_of_the_document() {
        let text = "a: {b: [1, 'x y']}\nc: &deep\n  d: ~\ne: *deep\n? [f]\n: g\n200: h\n";
        let tree = Tree::read(text).expect("a tree");
        let root = tree.root();
        let b = tree.get(tree.get(root, "a").expect("a"), "b").expect("b");
        assert_eq!((tree.at(b).line, tree.at(b).column), (1, 8));
        assert_eq!(tree.source(b), "[1, 'x y']");
        assert_eq!(tree.text(tree.items(b)[1]), Some("x y"));
        let e = tree.get(root, "e").expect("e");
        assert_eq!(Some(e), tree.get(root, "c"));
        assert!(matches!(tree.value(tree.get(e, "d").expect("d")), Value::Null));
        assert_eq!(tree.source(e).trim_end(), "d: ~");
        let keys: Vec<&str> = tree.members(root).iter().map(|member| &*member.key).collect();
        assert_eq!(keys, ["a", "c", "e", "200"]);
    }

    #[test]
    fn what_is_no_tree_is_told_with_its_place() {
        let told = |text: &str| {
            let error = Tree::read(text).expect_err("no tree");
            (error.at.line, error.message)
        };
        assert_eq!(told(""), (1, "it is empty; name an OpenAPI document".to_owned()));
        assert_eq!(told("# nothing\n"), (1, "it is empty; name an OpenAPI document".to_owned()));
        assert!(told("a: 1\n---\nb: 2\n").1.contains("second document"));
        assert!(told("a: *b\n").1.starts_with("not readable as YAML or JSON: "));
        for deep in
            ["[".repeat(100_000), "{\"a\":".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)]
        {
            assert_eq!(told(&deep).1, "it is nested too deeply: 255 levels at most");
        }
        let cyclic = Tree::read("a: &x [*x]\n").expect("a tree with a circle");
        let a = cyclic.get(cyclic.root(), "a").expect("a");
        assert_eq!(cyclic.items(a), [a]);
    }
}
