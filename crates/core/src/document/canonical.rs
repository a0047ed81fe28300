//! A document as its rules see it: what is ignored, which arrays have no order, and a hash of every
//! subtree that already respects both.
//!
//! Rules come before hashes. Peers that hash first and ignore later are wrong inside unordered
//! arrays, where an ignored member decides which elements are paired. The forward walk goes only
//! where some rule may still match; the backward walk hashes children before their parents. A hash
//! pairs; it never proves equality, and where both sides go in step nobody asks for one.

use std::cell::OnceCell;

use xxhash_rust::xxh3::xxh3_64;

use super::number::{Decimal, mix};
use super::{Document, NodeId, NodeKind};
use crate::rule::{Action, Automaton, Filter, Rules, States};

/// What the rules say of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    None,
    Ignored,
    Unordered(u16),
}

/// A document under its rules.
#[derive(Debug)]
pub(crate) struct View<'d> {
    /// The document.
    pub(crate) document: &'d Document,
    /// Subtrees that are ignored, each with its rule.
    pub(crate) ignored: Vec<(usize, NodeId)>,
    /// One a node, or none at all when no rule reaches this document.
    marks: Vec<Mark>,
    /// One a node, from the first time that something must be paired.
    hashes: OnceCell<Vec<u64>>,
}

impl<'d> View<'d> {
    /// `at_root` is what the rules know when they have arrived at the document's root.
    pub(crate) fn new(document: &'d Document, rules: &Rules, at_root: States) -> Self {
        let mut view = Self { document, ignored: Vec::new(), marks: Vec::new(), hashes: OnceCell::new() };
        if !at_root.is_dead() {
            view.mark(rules, at_root);
        }
        view
    }

    /// Whether no rule says anything of this document.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.marks.is_empty()
    }

    /// The hash of a subtree under the rules.
    pub(crate) fn hash_of(&self, node: NodeId) -> u64 {
        self.hashes.get_or_init(|| self.hashes_below(self.document.root()))[node as usize]
    }

    /// The same for one subtree alone, without a look at the rest of the document.
    pub(crate) fn hash_alone(&self, node: NodeId) -> u64 {
        self.hashes_below(node)[0]
    }

    /// The rule by which an array has no order.
    pub(crate) fn unordered(&self, node: NodeId) -> Option<usize> {
        match self.marks.get(node as usize) {
            Some(Mark::Unordered(rule)) => Some(usize::from(*rule)),
            Some(Mark::None | Mark::Ignored) | None => None,
        }
    }

    /// The elements of an array that are not ignored, each with its index in the source.
    pub(crate) fn elements(&self, node: NodeId) -> impl Iterator<Item = (usize, NodeId)> + '_ {
        self.document.elements(node).enumerate().filter(|&(_, element)| !self.is_ignored(element))
    }

    /// The members of an object that are not ignored, name and value.
    pub(crate) fn members(&self, node: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.document.members(node).filter(|&(_, value)| !self.is_ignored(value))
    }

    /// Whether two nodes are the same, whatever is below them.
    pub(crate) fn same_leaf(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        let (left, right) = (self.document, other.document);
        match (left.kind(node), right.kind(other_node)) {
            (NodeKind::Number, NodeKind::Number) => {
                left.raw(node) == right.raw(other_node)
                    || Decimal::of(left.raw(node)) == Decimal::of(right.raw(other_node))
            }
            (NodeKind::String, NodeKind::String) | (NodeKind::Name, NodeKind::Name) => {
                left.raw(node) == right.raw(other_node) || left.content(node) == right.content(other_node)
            }
            (kind, other_kind) => kind == other_kind,
        }
    }

    /// Whether two subtrees are spelt alike.
    pub(crate) fn is_alike(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        let (left, right) = (self.document, other.document);
        left.kind(node) == right.kind(other_node) && left.raw(node) == right.raw(other_node)
    }

    /// Whether both documents are the same in the same order, as most pairs are: one walk forwards
    /// over both. That they are not in step says nothing yet.
    pub(crate) fn is_in_step(&self, other: &View<'_>) -> bool {
        let mut open = vec![(self.document.len() as NodeId, other.document.len() as NodeId)];
        let (mut left, mut right) = (0, 0);
        while let Some(&(end, other_end)) = open.last() {
            (left, right) = (self.counted(left, end), other.counted(right, other_end));
            match (left == end, right == other_end) {
                (true, true) => {
                    open.pop();
                }
                (false, false) if self.is_container(left) && self.is_twin(left, other, right) => {
                    (left, right) = (self.document.end(left), other.document.end(right));
                }
                (false, false) if self.same_leaf(left, other, right) => {
                    if self.is_container(left) {
                        open.push((self.document.end(left), other.document.end(right)));
                    }
                    (left, right) = (left + 1, right + 1);
                }
                _ => return false,
            }
        }
        true
    }

    /// Whether two subtrees are spelt alike, and the rules say the same of both.
    fn is_twin(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        self.is_alike(node, other, other_node) && self.marks_below(node) == other.marks_below(other_node)
    }

    fn marks_below(&self, node: NodeId) -> &[Mark] {
        self.marks.get(node as usize..self.document.end(node) as usize).unwrap_or_default()
    }

    fn is_container(&self, node: NodeId) -> bool {
        matches!(self.document.kind(node), NodeKind::Array | NodeKind::Object)
    }

    /// The next node within a container that is neither ignored nor the name of something ignored.
    fn counted(&self, from: NodeId, end: NodeId) -> NodeId {
        if self.is_unmarked() {
            return from;
        }
        let mut at = from;
        while at < end {
            let value = if self.document.kind(at) == NodeKind::Name { at + 1 } else { at };
            if !self.is_ignored(value) {
                break;
            }
            at = self.document.end(value);
        }
        at
    }

    fn is_ignored(&self, node: NodeId) -> bool {
        matches!(self.marks.get(node as usize), Some(Mark::Ignored))
    }

    fn mark(&mut self, rules: &Rules, at_root: States) {
        self.marks = vec![Mark::None; self.document.len()];
        self.mark_node(self.document.root(), rules, &at_root);
        let mut waiting = vec![(self.document.root(), at_root)];
        while let Some((node, states)) = waiting.pop() {
            for (child, states) in children(self.document, node, rules.automaton(), &states) {
                if states.is_dead() {
                    continue;
                }
                self.mark_node(child, rules, &states);
                if self.is_container(child) && !self.is_ignored(child) {
                    waiting.push((child, states));
                }
            }
        }
    }

    fn mark_node(&mut self, node: NodeId, rules: &Rules, states: &States) {
        for rule in rules.automaton().accepted(states) {
            match rules.action(rule) {
                Action::Ignore => {
                    self.marks[node as usize] = Mark::Ignored;
                    self.ignored.push((rule, node));
                    return;
                }
                Action::Unordered if self.document.kind(node) == NodeKind::Array => {
                    self.marks[node as usize] = Mark::Unordered(rule as u16);
                }
                Action::Unordered => {}
            }
        }
    }

    /// The hash of each node of a subtree.
    fn hashes_below(&self, root: NodeId) -> Vec<u64> {
        let end = self.document.end(root);
        let mut hashes = vec![0; (end - root) as usize];
        for node in (root..end).rev() {
            hashes[(node - root) as usize] = self.hash_node(node, |child| hashes[(child - root) as usize]);
        }
        hashes
    }

    fn hash_node(&self, node: NodeId, hash_of: impl Fn(NodeId) -> u64) -> u64 {
        let kind = self.document.kind(node);
        let seed = kind as u64;
        match kind {
            NodeKind::Null | NodeKind::False | NodeKind::True => mix(seed, 1),
            NodeKind::Number => mix(seed, Decimal::of(self.document.raw(node)).hash()),
            NodeKind::String | NodeKind::Name => mix(seed, xxh3_64(&self.document.content(node))),
            NodeKind::Object => {
                let member = |(name, value)| mix(hash_of(name), hash_of(value));
                self.members(node).map(member).fold(mix(seed, 2), u64::wrapping_add)
            }
            NodeKind::Array if self.unordered(node).is_some() => {
                let element = |(_, element)| mix(seed, hash_of(element));
                self.elements(node).map(element).fold(mix(seed, 3), u64::wrapping_add)
            }
            NodeKind::Array => {
                let step = |hash, (_, element)| mix(hash, hash_of(element));
                self.elements(node).fold(mix(seed, 4), step)
            }
        }
    }
}

/// The values below a node, each with what the rules know when they have arrived there.
pub(crate) fn children<'d>(
    document: &'d Document,
    node: NodeId,
    automaton: &'d Automaton,
    states: &'d States,
) -> impl Iterator<Item = (NodeId, States)> + 'd {
    let length = if automaton.counts(states) { document.elements(node).count() } else { 0 };
    let members = document.members(node).map(move |(name, value)| {
        let passes = |filter: &Filter| passes(document, value, filter);
        (value, automaton.by_name(states, &document.content(name), passes))
    });
    let elements = document.elements(node).enumerate().map(move |(index, element)| {
        let passes = |filter: &Filter| passes(document, element, filter);
        (element, automaton.by_index(states, index, length, passes))
    });
    members.chain(elements)
}

/// Whether a node satisfies a filter: `@.k == 'v'`.
fn passes(document: &Document, node: NodeId, filter: &Filter) -> bool {
    let mut at = node;
    for name in &filter.names {
        // The last of a repeated name counts, as in most readers.
        let named = |key| *document.content(key) == *name.as_bytes();
        let found = document.members(at).filter(|&(key, _)| named(key)).last();
        match found {
            Some((_, value)) => at = value,
            None => return false,
        }
    }
    match document.kind(at) {
        NodeKind::String => filter.value.is_text(&document.text(at)),
        NodeKind::Null | NodeKind::False | NodeKind::True | NodeKind::Number => {
            filter.value.is_literal(document.raw(at))
        }
        NodeKind::Array | NodeKind::Object | NodeKind::Name => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read;
    use crate::rule::RuleSpec;

    fn in_step(left: &str, right: &str, rules: &[(&str, Action)]) -> bool {
        let specs: Vec<_> =
            rules.iter().map(|&(at, action)| RuleSpec { at: at.to_owned(), action }).collect();
        let rules = Rules::compile(&specs).unwrap();
        let of = |text: &str| read(text.to_owned().into(), 1_000).unwrap();
        let (left, right) = (of(left), of(right));
        let view = |document| View::new(document, &rules, rules.at_part("body"));
        view(&left).is_in_step(&view(&right))
    }

    #[test]
    fn another_spelling_is_in_step() {
        let left = r#"{"a":[1.0,{"b":"\u0041"},[]],"c":{"d":null}}"#;
        assert!(in_step(left, r#" {"a": [1, {"b": "A"}, [ ]], "c": {"d": null}}"#, &[]));
        for other in [
            r#"{"a":[1.0,{"b":"A"},[]],"c":{"d":false}}"#,
            r#"{"a":[1.0,{"b":"A"}],"c":{"d":null}}"#,
            r#"{"a":[1.0,{"b":"A"},[],[]],"c":{"d":null}}"#,
            r#"{"a":[1.0,{"b":"A"},{}],"c":{"d":null}}"#,
            r#"{"a":[1.0,{"b":"A","c":{"d":null}},[]]}"#,
            r#"{"c":{"d":null},"a":[1.0,{"b":"A"},[]]}"#,
        ] {
            assert!(!in_step(left, other, &[]), "{other}");
            assert!(!in_step(other, left, &[]), "{other}");
        }
    }

    #[test]
    fn what_is_ignored_is_stepped_over_on_its_side() {
        let x = ("$.body..x", Action::Ignore);
        assert!(in_step(r#"{"x":[1,2],"a":1}"#, r#"{"a":1}"#, &[x]));
        assert!(in_step(r#"{"a":1,"b":{"x":1}}"#, r#"{"a":1,"b":{"x":{"y":2}},"x":0}"#, &[x]));
        assert!(!in_step(r#"{"a":1,"x":2}"#, r#"{"a":1,"b":2}"#, &[x]));
        assert!(!in_step(r#"[{"x":1},2]"#, r#"[{"x":1,"b":2}]"#, &[x]));
    }

    #[test]
    fn the_same_bytes_under_unlike_rules_are_not_the_same() {
        // The element is second on one side and first on the other, where the rule takes `x` out.
        let rules = [("$.body[0]", Action::Ignore), ("$.body[1].x", Action::Ignore)];
        assert!(in_step(r#"[0,{"x":1}]"#, r#"[9,{"x":2}]"#, &rules));
        assert!(!in_step(r#"[{"x":1},{"x":1},{"x":1}]"#, r#"[{"x":1},{"x":1},{"x":1,"y":2}]"#, &rules));
        let by_id = [("$.body.a[?@.k=='v'].x", Action::Ignore)];
        assert!(!in_step(r#"{"a":[{"k":"v","x":1}]}"#, r#"{"a":[{"k":"w","x":1}]}"#, &by_id));
    }
}
