//! A document as its rules see it: what is taken out, how arrays are ordered, which values count as
//! the same, and a hash of every subtree that already respects all of it.
//!
//! Rules come before hashes. Peers that hash first and ignore later are wrong inside unordered
//! arrays, where an ignored member decides which elements are paired. The forward walk goes only
//! where some rule may still match; the backward walk hashes children before their parents. A hash
//! pairs; it never proves equality, and where both sides go in step nobody asks for one.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::marks::{Marks, mark};
use super::number::{Decimal, mix};
use super::{Document, NodeId, NodeKind};
use crate::exchange::Side;
use crate::rule::{Action, Canonical, Hold, Key, Leaf, Rules, States};

/// A document under its rules.
#[derive(Debug)]
pub(crate) struct View<'d> {
    /// The document.
    pub(crate) document: &'d Document,
    pub(crate) rules: Rules,
    side: Side,
    marks: Marks,
    /// One a node, from the first time that something must be paired.
    hashes: OnceCell<Vec<u64>>,
}

/// Whether two values are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sameness {
    Same,
    /// By this rule, not by themselves.
    By(usize),
    No,
}

impl<'d> View<'d> {
    /// `at_root` is what the rules know when they have arrived at the document's root.
    pub(crate) fn new(document: &'d Document, rules: &Rules, at_root: States, side: Side) -> Self {
        let marks = if at_root.is_dead() { Marks::default() } else { mark(document, rules, at_root) };
        Self { document, rules: rules.clone(), side, marks, hashes: OnceCell::new() }
    }

    /// Whether no rule says anything of this document.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.marks.is_empty()
    }

    /// Whether some value is the same as another only by both together.
    pub(crate) fn is_tolerant(&self) -> bool {
        self.marks.is_tolerant
    }

    /// Whether some id may differ, if it does so consistently.
    pub(crate) fn has_references(&self) -> bool {
        self.marks.has_references
    }

    /// Subtrees that are taken out, each with its rule, in document order; then members that are as
    /// good as none.
    pub(crate) fn taken_out(&self) -> impl Iterator<Item = (usize, NodeId)> + '_ {
        self.marks.ignored.iter().chain(&self.marks.absent).copied()
    }

    /// The hash of a subtree under the rules.
    pub(crate) fn hash_of(&self, node: NodeId) -> u64 {
        self.hashes.get_or_init(|| self.all_hashes())[node as usize]
    }

    /// The same for one subtree alone, without a look at the rest of the document.
    fn hash_alone(&self, node: NodeId) -> u64 {
        self.hashes_below(node, &HashMap::new())[0]
    }

    /// The rule that says how an array's elements belong together.
    pub(crate) fn order_rule(&self, node: NodeId) -> Option<usize> {
        self.marks.of(node).order()
    }

    /// The rule that says which values are the same here.
    pub(crate) fn value_rule(&self, node: NodeId) -> Option<Hold> {
        self.marks.of(node).value()
    }

    /// The rule by which a member is as good as none.
    pub(crate) fn absent_by(&self, node: NodeId) -> Option<usize> {
        self.marks.of(node).absent()
    }

    /// The elements of an array that are not ignored, each with its index in the source.
    pub(crate) fn elements(&self, node: NodeId) -> impl Iterator<Item = (usize, NodeId)> + '_ {
        self.document.elements(node).enumerate().filter(|&(_, element)| !self.is_ignored(element))
    }

    /// The members of an object that count, name and value.
    pub(crate) fn members(&self, node: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.document.members(node).filter(|&(_, value)| !self.marks.of(value).is_out())
    }

    /// The members of an object that are not ignored, also those that are as good as none.
    pub(crate) fn written_members(&self, node: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.document.members(node).filter(|&(_, value)| !self.is_ignored(value))
    }

    /// Whether two nodes are the same, whatever is below them.
    pub(crate) fn same_leaf(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> Sameness {
        let (left, right) = (self.document, other.document);
        let exact = |same: bool| if same { Sameness::Same } else { self.by_rule(node, other, other_node) };
        match (left.kind(node), right.kind(other_node)) {
            (NodeKind::Number, NodeKind::Number) => exact(
                left.raw(node) == right.raw(other_node)
                    || Decimal::of(left.raw(node)) == Decimal::of(right.raw(other_node)),
            ),
            (NodeKind::String, NodeKind::String) => exact(
                left.raw(node) == right.raw(other_node) || left.content(node) == right.content(other_node),
            ),
            (NodeKind::Name, NodeKind::Name)
                if left.raw(node) != right.raw(other_node)
                    && left.content(node) != right.content(other_node) =>
            {
                Sameness::No
            }
            (kind, other_kind) if kind == other_kind => Sameness::Same,
            _ => Sameness::No,
        }
    }

    fn by_rule(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> Sameness {
        let Some(hold) = self.value_rule(node).or_else(|| other.value_rule(other_node)) else {
            return Sameness::No;
        };
        let (left, right) = (self.document.content(node), other.document.content(other_node));
        let accepted = self.rules.accepts(hold.rule, self.leaf(node, &left), other.leaf(other_node, &right));
        if accepted { Sameness::By(hold.rule) } else { Sameness::No }
    }

    fn leaf<'v>(&self, node: NodeId, content: &'v [u8]) -> Leaf<'v> {
        Leaf { side: self.side, kind: self.document.kind(node), content }
    }

    /// Whether two subtrees are spelt alike.
    pub(crate) fn is_alike(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        let (left, right) = (self.document, other.document);
        left.kind(node) == right.kind(other_node) && left.raw(node) == right.raw(other_node)
    }

    /// The name of a member's value; nothing of an element or of the root.
    fn name_of(&self, node: NodeId) -> Option<Cow<'_, [u8]>> {
        let name = node.checked_sub(1).filter(|&name| self.document.kind(name) == NodeKind::Name)?;
        Some(self.document.content(name))
    }

    /// Whether two subtrees are spelt alike, and have the same name if they are values of members.
    pub(crate) fn is_alike_by_name(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        self.is_alike(node, other, other_node) && self.name_of(node) == other.name_of(other_node)
    }

    /// The hash of a subtree alone and of its name.
    pub(crate) fn hash_with_name(&self, node: NodeId) -> u64 {
        let name = self.name_of(node).map_or(0, |name| xxh3_64(&name));
        mix(name, self.hash_alone(node))
    }

    /// Whether both documents are the same in the same order, as most pairs are: one walk forwards
    /// over both, which also gives the rules that made it so, each time it did. Where they are not in
    /// step nothing is known yet.
    pub(crate) fn in_step(&self, other: &View<'_>) -> Option<Vec<usize>> {
        if self.has_references() || other.has_references() {
            return None;
        }
        let mut by_rules = Vec::new();
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
                (false, false) => {
                    match self.same_leaf(left, other, right) {
                        Sameness::Same => {}
                        Sameness::By(rule) => by_rules.push(rule),
                        Sameness::No => return None,
                    }
                    if self.is_container(left) {
                        open.push((self.document.end(left), other.document.end(right)));
                    }
                    (left, right) = (left + 1, right + 1);
                }
                _ => return None,
            }
        }
        Some(by_rules)
    }

    /// The fields by which an array's element is told from the others; nothing when it lacks one. The
    /// last of a repeated name counts, as in most readers.
    pub(crate) fn key_fields(&self, element: NodeId, key: &Key) -> Option<Vec<NodeId>> {
        let field = |way: &Vec<Box<str>>| {
            way.iter().try_fold(element, |at, name| {
                let named = |&(own, _): &(NodeId, NodeId)| *self.document.content(own) == *name.as_bytes();
                self.members(at).filter(named).last().map(|(_, value)| value)
            })
        };
        key.ways().iter().map(field).collect()
    }

    /// One hash for several subtrees in order.
    pub(crate) fn hash_together(&self, nodes: &[NodeId]) -> u64 {
        nodes.iter().fold(0, |hash, &node| mix(hash, self.hash_of(node)))
    }

    /// Whether two subtrees are spelt alike, and the rules say the same of both.
    fn is_twin(&self, node: NodeId, other: &View<'_>, other_node: NodeId) -> bool {
        self.is_alike(node, other, other_node)
            && self.marks.below(node, self.document.end(node))
                == other.marks.below(other_node, other.document.end(other_node))
    }

    fn is_container(&self, node: NodeId) -> bool {
        matches!(self.document.kind(node), NodeKind::Array | NodeKind::Object)
    }

    /// The next node within a container that is neither taken out nor the name of something that is.
    fn counted(&self, from: NodeId, end: NodeId) -> NodeId {
        if self.is_unmarked() {
            return from;
        }
        let mut at = from;
        while at < end {
            let value = if self.document.kind(at) == NodeKind::Name { at + 1 } else { at };
            if !self.marks.of(value).is_out() {
                break;
            }
            at = self.document.end(value);
        }
        at
    }

    fn is_ignored(&self, node: NodeId) -> bool {
        self.marks.of(node).is_ignored()
    }

    /// The hash of each node. References are hashed by what they refer to, so that an unordered array
    /// of references is paired by the elements that they mean, not by ids that differ anyway.
    fn all_hashes(&self) -> Vec<u64> {
        let root = self.document.root();
        let hashes = self.hashes_below(root, &HashMap::new());
        if !self.has_references() {
            return hashes;
        }
        let mut meant = HashMap::new();
        for (container, id) in self.identified() {
            meant.entry(self.document.content(id).into_owned()).or_insert(hashes[container as usize]);
        }
        self.hashes_below(root, &meant)
    }

    /// The ids that others refer to, each with the container that it stands in.
    fn identified(&self) -> Vec<(NodeId, NodeId)> {
        let mut found = Vec::new();
        let mut open: Vec<NodeId> = Vec::new();
        for node in 0..self.document.len() as NodeId {
            while open.pop_if(|container| self.document.end(*container) <= node).is_some() {}
            if self.value_rule(node).is_some_and(|hold| self.is_reference(hold) && !hold.refers) {
                found.push((open.last().copied().unwrap_or(node), node));
            }
            if self.is_container(node) {
                open.push(node);
            }
        }
        found
    }

    fn is_reference(&self, hold: Hold) -> bool {
        matches!(self.rules.action(hold.rule), Action::Ref(_))
    }

    /// The hash of each node of a subtree.
    fn hashes_below(&self, root: NodeId, meant: &HashMap<Vec<u8>, u64>) -> Vec<u64> {
        let end = self.document.end(root);
        let mut hashes = vec![0; (end - root) as usize];
        for node in (root..end).rev() {
            let hash = self.hash_node(node, meant, |child| hashes[(child - root) as usize]);
            hashes[(node - root) as usize] = hash;
        }
        hashes
    }

    fn hash_node(&self, node: NodeId, meant: &HashMap<Vec<u8>, u64>, hash_of: impl Fn(NodeId) -> u64) -> u64 {
        let kind = self.document.kind(node);
        let seed = kind as u64;
        match kind {
            NodeKind::Null | NodeKind::False | NodeKind::True => mix(seed, 1),
            NodeKind::Number | NodeKind::String if self.value_rule(node).is_some() => {
                self.hash_ruled(node, meant)
            }
            NodeKind::Number => mix(seed, Decimal::of(self.document.raw(node)).hash()),
            NodeKind::String | NodeKind::Name => mix(seed, xxh3_64(&self.document.content(node))),
            NodeKind::Object => {
                let member = |(name, value)| mix(hash_of(name), hash_of(value));
                self.members(node).map(member).fold(mix(seed, 2), u64::wrapping_add)
            }
            NodeKind::Array if self.order_rule(node).is_some() => {
                let element = |(_, element)| mix(seed, hash_of(element));
                self.elements(node).map(element).fold(mix(seed, 3), u64::wrapping_add)
            }
            NodeKind::Array => {
                let step = |hash, (_, element)| mix(hash, hash_of(element));
                self.elements(node).fold(mix(seed, 4), step)
            }
        }
    }

    /// The hash of a value under a rule about values.
    fn hash_ruled(&self, node: NodeId, meant: &HashMap<Vec<u8>, u64>) -> u64 {
        let (kind, content) = (self.document.kind(node), self.document.content(node));
        let seed = kind as u64;
        let exact = || match kind {
            NodeKind::Number => Decimal::of(self.document.raw(node)).hash(),
            _ => xxh3_64(&content),
        };
        let Some(hold) = self.value_rule(node) else { return mix(seed, exact()) };
        if hold.refers
            && let Some(element) = meant.get(&*content)
        {
            return mix(seed, *element);
        }
        match self.rules.canonical(hold.rule, self.leaf(node, &content)) {
            Canonical::Exact => mix(seed, exact()),
            Canonical::Rewritten(text) => mix(seed, xxh3_64(&text)),
            Canonical::Kind => mix(seed, 5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read;
    use crate::rule::RuleSpec;

    fn in_step(left: &str, right: &str, rules: &[(&str, Action)]) -> bool {
        let specs: Vec<_> = rules
            .iter()
            .map(|(at, action)| RuleSpec { at: (*at).to_owned(), action: action.clone() })
            .collect();
        let rules = Rules::compile(&specs).unwrap();
        let of = |text: &str| read(text.to_owned().into(), 1_000).unwrap();
        let (left, right) = (of(left), of(right));
        let view = |document| View::new(document, &rules, rules.at_part("body"), Side::Legacy);
        view(&left).in_step(&view(&right)).is_some()
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
        assert!(in_step(r#"{"x":[1,2],"a":1}"#, r#"{"a":1}"#, std::slice::from_ref(&x)));
        assert!(in_step(
            r#"{"a":1,"b":{"x":1}}"#,
            r#"{"a":1,"b":{"x":{"y":2}},"x":0}"#,
            std::slice::from_ref(&x)
        ));
        assert!(!in_step(r#"{"a":1,"x":2}"#, r#"{"a":1,"b":2}"#, std::slice::from_ref(&x)));
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
