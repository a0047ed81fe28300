//! The tree that the HTML parser builds: nodes in one list, so that dropping it never recurses.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, LocalName, Namespace, QualName};

/// The node that holds all others.
pub(super) const DOCUMENT: usize = 0;

/// What a node is.
#[derive(Debug)]
pub(super) enum Data {
    Document,
    Element {
        attributes: Vec<(String, String)>,
    },
    Text(String),
    /// A comment or a processing instruction: it has a place, and no content.
    Comment,
}

/// A node of the tree.
#[derive(Debug)]
pub(super) struct Node {
    /// An element's name; any other node has an empty one.
    name: QualName,
    pub(super) data: Data,
    pub(super) children: Vec<usize>,
    parent: Option<usize>,
    depth: usize,
}

impl Node {
    /// An element's name; nothing for any other node.
    pub(super) fn name(&self) -> &str {
        &self.name.local
    }
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: RefCell<Vec<Node>>,
    doctype: RefCell<Option<String>>,
    deepest: Cell<usize>,
    seen: Cell<usize>,
}

impl Tree {
    pub(super) fn new() -> Self {
        let document =
            Node { name: nameless(), data: Data::Document, children: Vec::new(), parent: None, depth: 0 };
        Self {
            nodes: RefCell::new(vec![document]),
            doctype: RefCell::default(),
            deepest: Cell::new(0),
            seen: Cell::new(0),
        }
    }

    pub(super) fn nodes(&self) -> Ref<'_, Vec<Node>> {
        self.nodes.borrow()
    }

    pub(super) fn doctype(&self) -> Option<String> {
        self.doctype.borrow().clone()
    }

    /// How many nodes and attributes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// How deep a node was ever put.
    pub(super) fn depth(&self) -> usize {
        self.deepest.get()
    }

    /// Changes since the beginning: as long as it stays the same, the parser is within one tag or comment.
    pub(super) fn seen(&self) -> usize {
        self.seen.get()
    }

    fn notice(&self) {
        self.seen.set(self.seen.get() + 1);
    }

    fn create(&self, name: QualName, data: Data) -> usize {
        self.notice();
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { name, data, children: Vec::new(), parent: None, depth: 0 });
        nodes.len() - 1
    }

    /// Puts a node or a text among a parent's children. A text joins the one before it.
    fn insert(&self, parent: usize, place: usize, child: NodeOrText<usize>) {
        self.notice();
        let id = match child {
            NodeOrText::AppendNode(id) => {
                self.detach(id);
                id
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = place.checked_sub(1).and_then(|at| nodes[parent].children.get(at)).copied();
                if let Some(Data::Text(known)) = before.map(|id| &mut nodes[id].data) {
                    known.push_str(&text);
                    return;
                }
                drop(nodes);
                self.create(nameless(), Data::Text(text.to_string()))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[parent].depth + 1;
        (nodes[id].parent, nodes[id].depth) = (Some(parent), depth);
        let place = place.min(nodes[parent].children.len());
        nodes[parent].children.insert(place, id);
        self.deepest.set(self.deepest.get().max(depth));
    }

    fn detach(&self, id: usize) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(parent) = nodes[id].parent.take() else { return };
        if let Some(place) = nodes[parent].children.iter().rposition(|&child| child == id) {
            nodes[parent].children.remove(place);
        }
    }

    fn children(&self, parent: usize) -> usize {
        self.nodes.borrow()[parent].children.len()
    }
}

fn nameless() -> QualName {
    QualName::new(None, Namespace::default(), LocalName::default())
}

/// Attributes by their names, as they are written.
fn named(attributes: Vec<Attribute>) -> Vec<(String, String)> {
    let name = |name: &QualName| match &name.prefix {
        Some(prefix) => format!("{prefix}:{}", name.local),
        None => name.local.to_string(),
    };
    attributes.into_iter().map(|one| (name(&one.name), one.value.to_string())).collect()
}

impl TreeSink for Tree {
    type Handle = usize;
    type Output = Self;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        DOCUMENT
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Ref<'a, QualName> {
        Ref::map(self.nodes.borrow(), |nodes| &nodes[*target].name)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        self.create(name, Data::Element { attributes: named(attributes) })
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.create(nameless(), Data::Comment)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.create(nameless(), Data::Comment)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        self.insert(*parent, self.children(*parent), child);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let has_parent = self.nodes.borrow()[*element].parent.is_some();
        if has_parent { self.append_before_sibling(element, child) } else { self.append(previous, child) }
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.notice();
        let parts = [&name, &public, &system].map(ToString::to_string);
        *self.doctype.borrow_mut() = Some(parts.join(" ").trim_end().to_owned());
    }

    /// A template's content is its children.
    fn get_template_contents(&self, target: &usize) -> usize {
        *target
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        if let NodeOrText::AppendNode(id) = &child {
            self.detach(*id);
        }
        let nodes = self.nodes.borrow();
        let Some(parent) = nodes[*sibling].parent else { return };
        let place = nodes[parent].children.iter().rposition(|child| child == sibling).unwrap_or(0);
        drop(nodes);
        self.insert(parent, place, child);
    }

    fn add_attrs_if_missing(&self, target: &usize, added: Vec<Attribute>) {
        self.notice();
        let mut nodes = self.nodes.borrow_mut();
        let Data::Element { attributes } = &mut nodes[*target].data else { return };
        for (name, value) in named(added) {
            if attributes.iter().all(|(known, _)| *known != name) {
                attributes.push((name, value));
            }
        }
    }

    fn remove_from_parent(&self, target: &usize) {
        self.notice();
        self.detach(*target);
    }

    fn reparent_children(&self, node: &usize, parent: &usize) {
        self.notice();
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[*node].children);
        let depth = nodes[*parent].depth + 1;
        for &child in &children {
            (nodes[child].parent, nodes[child].depth) = (Some(*parent), depth);
        }
        nodes[*parent].children.extend(children);
    }
}
