//! What the rules say of each node of a document, found in one walk.

use super::{Document, NodeId, NodeKind};
use crate::rule::{Action, Automaton, Filter, Hold, Rules, States, TEXT_ONLY_KEEPS};

/// What the rules say of one node: of each matter, the rule that has the word, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Each is the rule's index and one, so that nothing is 0.
    ignored: u16,
    order: u16,
    absent: u16,
    value: u16,
    refers: bool,
}

impl Mark {
    pub(super) fn is_ignored(self) -> bool {
        self.ignored != 0
    }

    /// Whether the node does not count.
    pub(super) fn is_out(self) -> bool {
        self.ignored != 0 || self.absent != 0
    }

    pub(super) fn order(self) -> Option<usize> {
        rule(self.order)
    }

    pub(super) fn absent(self) -> Option<usize> {
        rule(self.absent)
    }

    pub(super) fn value(self) -> Option<Hold> {
        rule(self.value).map(|rule| Hold { rule, refers: self.refers })
    }
}

fn rule(mark: u16) -> Option<usize> {
    usize::from(mark).checked_sub(1)
}

/// The marks of a document.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// One a node, or none at all when no rule reaches this document.
    of_nodes: Vec<Mark>,
    /// Subtrees that are ignored, each with its rule.
    pub(super) ignored: Vec<(usize, NodeId)>,
    /// Members that are as good as none, each with its rule.
    pub(super) absent: Vec<(usize, NodeId)>,
    /// Whether some value is the same as another only by both together.
    pub(super) is_tolerant: bool,
    /// Whether some id may differ, if it does so consistently.
    pub(super) has_references: bool,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.of_nodes.is_empty()
    }

    pub(super) fn of(&self, node: NodeId) -> Mark {
        self.of_nodes.get(node as usize).copied().unwrap_or_default()
    }

    pub(super) fn below(&self, node: NodeId, end: NodeId) -> &[Mark] {
        self.of_nodes.get(node as usize..end as usize).unwrap_or_default()
    }
}

/// Walks a document where some rule may still match.
pub(super) fn mark(document: &Document, rules: &Rules, at_root: States) -> Marks {
    let marks = Marks { of_nodes: vec![Mark::default(); document.len()], ..Marks::default() };
    let mut marking = Marking { document, rules, marks };
    marking.node(document.root(), &at_root, false);
    let mut waiting = vec![(document.root(), at_root)];
    while let Some((node, states)) = waiting.pop() {
        if marking.marks.of(node).is_ignored() {
            continue;
        }
        let is_object = document.kind(node) == NodeKind::Object;
        for (child, states) in children(document, node, rules.automaton(), &states) {
            if states.is_dead() || marking.marks.of(child).is_ignored() {
                continue;
            }
            marking.node(child, &states, is_object);
            if matches!(document.kind(child), NodeKind::Array | NodeKind::Object) {
                waiting.push((child, states));
            }
        }
    }
    marking.marks
}

struct Marking<'m> {
    document: &'m Document,
    rules: &'m Rules,
    marks: Marks,
}

impl Marking<'_> {
    fn node(&mut self, node: NodeId, states: &States, is_member: bool) {
        let (rules, kind) = (self.rules, self.document.kind(node));
        for hold in rules.accepted(states) {
            let number = hold.rule as u16 + 1;
            match rules.action(hold.rule) {
                Action::Ignore => return self.ignore(node, hold.rule),
                Action::Only(only) => {
                    let members = self.document.members(node);
                    let other = members.filter(|&(name, _)| !only.keeps(&self.document.content(name)));
                    for value in other.map(|(_, value)| value).collect::<Vec<_>>() {
                        self.ignore(value, hold.rule);
                    }
                }
                Action::TextOnly => self.text_only(node, hold.rule),
                Action::Unordered | Action::Key(_) if kind == NodeKind::Array => {
                    self.at(node).order = number;
                }
                Action::Absent(absent) if is_member && absent.is(self.document, node) => {
                    self.at(node).absent = number;
                    self.forget_absent(node);
                    self.marks.absent.push((hold.rule, node));
                }
                action if action.is_of_values() && matches!(kind, NodeKind::String | NodeKind::Number) => {
                    self.marks.has_references |= matches!(action, Action::Ref(_));
                    self.marks.is_tolerant |=
                        matches!(action, Action::Tolerance(_) | Action::Within(_) | Action::Ref(_));
                    let mark = self.at(node);
                    (mark.value, mark.refers) = (number, hold.refers);
                }
                _ => {}
            }
        }
    }

    fn at(&mut self, node: NodeId) -> &mut Mark {
        &mut self.marks.of_nodes[node as usize]
    }

    fn ignore(&mut self, node: NodeId, rule: usize) {
        if !self.marks.of(node).is_ignored() {
            self.at(node).ignored = rule as u16 + 1;
            self.forget_absent(node);
            self.marks.ignored.push((rule, node));
        }
    }

    /// One rule counts a place: what another has said of this node, as the last of all, is void.
    fn forget_absent(&mut self, node: NodeId) {
        self.marks.absent.pop_if(|(_, last)| *last == node);
    }

    /// Ignores what of a paged document is not its words.
    fn text_only(&mut self, node: NodeId, rule: usize) {
        let mut at = node;
        while at < self.document.end(node) {
            let is_kept = |name: NodeId| {
                TEXT_ONLY_KEEPS.iter().any(|kept| *self.document.content(name) == *kept.as_bytes())
            };
            if self.document.kind(at) == NodeKind::Name && !is_kept(at) {
                self.ignore(at + 1, rule);
                at = self.document.end(at + 1);
            } else {
                at += 1;
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
