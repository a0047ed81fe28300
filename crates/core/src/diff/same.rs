//! Whether two subtrees are the same, exactly. A hash has said that they may be; this walk makes
//! sure, because a false match is the one mistake that a comparison must not make.
//!
//! A tolerant rule is no equivalence, so elements of an unordered array that have one hash may pair
//! up in one way and not in another: such a group is the same when a perfect matching exists. The
//! walk is a machine with a stack of its own; a group asks for pairs, and each pair is a walk.

use super::matching::maximum_matching;
use super::{Diff, OverBudget, Which};
use crate::document::{NodeId, NodeKind, Sameness, View};
use crate::rule::Action;

type Pair = (NodeId, NodeId);

/// Values that the rules took for the same on the way, by how many each list was before.
#[derive(Clone, Copy)]
pub(super) struct Start {
    by_rules: usize,
    references: usize,
}

/// What is being walked.
enum Frame {
    /// Every pair must be the same, and then every group.
    All { pairs: Vec<Pair>, groups: Vec<Group>, start: Start },
    /// The elements must pair up.
    Group(Group, Start),
}

/// Elements of unordered arrays that have one hash, as many on each side.
struct Group {
    left: Vec<NodeId>,
    right: Vec<NodeId>,
    /// The rule to be counted at its array, should the pairs be in another order.
    order: Option<(usize, NodeId)>,
    phase: Phase,
}

enum Phase {
    New,
    /// The elements as they are written are being tried.
    AsWritten,
    /// The elements in the order of their tolerant values are being tried.
    InOrder,
    /// Each is tried with each; so many answers are there.
    Each(Vec<bool>),
    /// The pairs that were found are walked once more, for what the rules masked in them.
    Found,
}

enum Next {
    Ask(Vec<Pair>),
    Done(bool),
}

impl Diff<'_, '_> {
    /// Walks both subtrees, and counts what the rules masked if they are the same. Members are paired
    /// by name, elements of an unordered array by hash and then by a matching.
    pub(super) fn same(&mut self, left: NodeId, right: NodeId) -> Result<bool, OverBudget> {
        if self.is_spelt_alike(left, right) {
            let length = self.legacy.document.raw(left).len();
            self.spend(length / 64)?;
            return Ok(true);
        }
        let start = self.start();
        let mut frames = vec![Frame::All { pairs: vec![(left, right)], groups: Vec::new(), start }];
        let mut answer: Option<bool> = None;
        while let Some(frame) = frames.last_mut() {
            let next = match frame {
                Frame::All { pairs, groups, start } => {
                    if answer.take() == Some(false) || !self.walk(pairs, groups)? {
                        let start = *start;
                        self.forget(start);
                        Err(false)
                    } else {
                        groups.pop().ok_or(true).map(|group| Frame::Group(group, self.start()))
                    }
                }
                Frame::Group(group, start) => {
                    if matches!(answer, Some(false)) || matches!(group.phase, Phase::Each(_)) {
                        self.forget(*start);
                    }
                    let pairs = self.ask(group, answer.take())?;
                    match pairs {
                        Next::Ask(pairs) => Ok(Frame::All { pairs, groups: Vec::new(), start: self.start() }),
                        Next::Done(same) => Err(same),
                    }
                }
            };
            match next {
                Ok(frame) => frames.push(frame),
                Err(same) => {
                    frames.pop();
                    answer = Some(same);
                }
            }
        }
        Ok(answer.unwrap_or(false))
    }

    /// The same bytes of the same kind under no rules are the same value.
    fn is_spelt_alike(&self, left: NodeId, right: NodeId) -> bool {
        let (ours, theirs) = (self.legacy, self.candidate);
        if !ours.is_unmarked() || !theirs.is_unmarked() {
            return false;
        }
        let (left, right) = (ours.document.raw(left), theirs.document.raw(right));
        // Only containers: their first byte tells the kind, and short texts are as fast either way.
        left.len() == right.len() && matches!(left.first(), Some(b'{' | b'[')) && left == right
    }

    /// Where what is noted from here on begins.
    pub(super) fn start(&self) -> Start {
        Start { by_rules: self.by_rules.len(), references: self.references.len() }
    }

    /// Takes back what was noted since: it belongs to pairs that are none.
    pub(super) fn forget(&mut self, start: Start) {
        self.by_rules.truncate(start.by_rules);
        self.references.truncate(start.references);
    }

    /// Walks until nothing but groups is left; false at the first pair that is not the same.
    fn walk(&mut self, pairs: &mut Vec<Pair>, groups: &mut Vec<Group>) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        while let Some((left, right)) = pairs.pop() {
            self.spend(1)?;
            let paired = match (ours.document.kind(left), theirs.document.kind(right)) {
                (NodeKind::Object, NodeKind::Object) => self.pair_members(left, right, pairs)?,
                (NodeKind::Array, NodeKind::Array) => self.pair_elements(left, right, pairs, groups)?,
                _ => {
                    self.spend(self.leaf_steps(left, right))?;
                    self.same_value(left, right)
                }
            };
            if !paired {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two values without parts are the same; notes the rule that makes them so.
    pub(super) fn same_value(&mut self, left: NodeId, right: NodeId) -> bool {
        let (ours, theirs) = (self.legacy, self.candidate);
        let same = match ours.same_leaf(left, theirs, right) {
            Sameness::Same => true,
            Sameness::By(rule) => {
                self.by_rules.push((rule, left));
                true
            }
            Sameness::No => false,
        };
        if same {
            self.note_reference(left, right);
        }
        same
    }

    /// What two long values cost beyond the step of their pair; by a rule they are taken apart.
    fn leaf_steps(&self, left: NodeId, right: NodeId) -> usize {
        let length = self.legacy.document.raw(left).len() + self.candidate.document.raw(right).len();
        let hold = self.legacy.value_rule(left).or_else(|| self.candidate.value_rule(right));
        let bytes_a_step = match hold.map(|hold| self.legacy.rules.action(hold.rule)) {
            // Exact arithmetic on many digits.
            Some(Action::Tolerance(_)) => 4,
            Some(_) => 32,
            None => 128,
        };
        length / bytes_a_step
    }

    fn pair_members(
        &mut self,
        left: NodeId,
        right: NodeId,
        pairs: &mut Vec<Pair>,
    ) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        let same_name = |one: NodeId, other: NodeId| ours.same_leaf(one, theirs, other) == Sameness::Same;
        let first = pairs.len();
        let mut members = (ours.members(left), theirs.members(right));
        loop {
            match (members.0.next(), members.1.next()) {
                (None, None) => return Ok(true),
                (Some((name, value)), Some((other_name, other_value))) if same_name(name, other_name) => {
                    pairs.push((value, other_value));
                }
                (Some(_), Some(_)) => break,
                (Some(_), None) | (None, Some(_)) => return Ok(false),
            }
        }
        pairs.truncate(first);
        let (mut all, mut others): (Vec<_>, Vec<_>) =
            (ours.members(left).collect(), theirs.members(right).collect());
        self.spend(all.len() + others.len())?;
        // A stable sort: a name that is repeated keeps its occurrences in order.
        all.sort_by_key(|&(name, _)| ours.hash_of(name));
        others.sort_by_key(|&(name, _)| theirs.hash_of(name));
        let same_names = all.len() == others.len()
            && all.iter().zip(&others).all(|(one, other)| same_name(one.0, other.0));
        pairs.extend(all.iter().zip(&others).map(|(one, other)| (one.1, other.1)));
        Ok(same_names)
    }

    fn pair_elements(
        &mut self,
        left: NodeId,
        right: NodeId,
        pairs: &mut Vec<Pair>,
        groups: &mut Vec<Group>,
    ) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        let mut all: Vec<NodeId> = ours.elements(left).map(|(_, element)| element).collect();
        let mut others: Vec<NodeId> = theirs.elements(right).map(|(_, element)| element).collect();
        if all.len() != others.len() {
            return Ok(false);
        }
        let Some(rule) = self.order_rule(left, right) else {
            pairs.extend(all.into_iter().zip(others));
            return Ok(true);
        };
        self.spend(all.len() + others.len())?;
        let aligned = |(one, other): (&NodeId, &NodeId)| ours.hash_of(*one) == theirs.hash_of(*other);
        let in_order = all.iter().zip(&others).all(aligned);
        if !in_order {
            self.by_rules.push((rule, left));
        }
        // Counted already, or when a group of one hash turns out to be in another order.
        let order = in_order.then_some((rule, left));
        all.sort_by_key(|&element| ours.hash_of(element));
        others.sort_by_key(|&element| theirs.hash_of(element));
        if !ours.is_tolerant() && !theirs.is_tolerant() {
            pairs.extend(all.into_iter().zip(others));
            return Ok(true);
        }
        let runs = |view: &View<'_>, elements: &[NodeId]| -> Vec<Vec<NodeId>> {
            elements
                .chunk_by(|one, other| view.hash_of(*one) == view.hash_of(*other))
                .map(<[NodeId]>::to_vec)
                .collect()
        };
        let (runs, other_runs) = (runs(ours, &all), runs(theirs, &others));
        if runs.len() != other_runs.len() {
            return Ok(false);
        }
        for (left, right) in runs.into_iter().zip(other_runs) {
            if left.len() != right.len() {
                return Ok(false);
            }
            match (left.as_slice(), right.as_slice()) {
                ([one], [other]) => pairs.push((*one, *other)),
                _ => groups.push(Group { left, right, order, phase: Phase::New }),
            }
        }
        Ok(true)
    }

    /// What a group wants to know next, given what it has asked before.
    fn ask(&mut self, group: &mut Group, answer: Option<bool>) -> Result<Next, OverBudget> {
        let size = group.left.len();
        let zipped = |group: &Group| group.left.iter().copied().zip(group.right.iter().copied()).collect();
        let phase = std::mem::replace(&mut group.phase, Phase::New);
        let (phase, next) = match (phase, answer) {
            (Phase::New, _) => (Phase::AsWritten, Next::Ask(zipped(group))),
            (Phase::AsWritten, answer) if answer != Some(true) => {
                let sorted = |nodes: &[NodeId], order: Vec<usize>| -> Vec<NodeId> {
                    order.into_iter().map(|at| nodes[at]).collect()
                };
                group.left = sorted(&group.left, self.tolerant_order(Which::Legacy, &group.left)?);
                group.right = sorted(&group.right, self.tolerant_order(Which::Candidate, &group.right)?);
                let pairs: Vec<Pair> = zipped(group);
                self.note_order(group.order, &pairs);
                (Phase::InOrder, Next::Ask(pairs))
            }
            (Phase::AsWritten | Phase::InOrder | Phase::Found, Some(true)) => {
                (Phase::Found, Next::Done(true))
            }
            (Phase::AsWritten | Phase::Found, _) => (Phase::Found, Next::Done(false)),
            (Phase::InOrder, _) => {
                self.spend(size.saturating_mul(size))?;
                (Phase::Each(Vec::new()), Next::Ask(vec![(group.left[0], group.right[0])]))
            }
            (Phase::Each(mut answers), answer) => {
                answers.push(answer == Some(true));
                if answers.len() < size * size {
                    let (row, column) = (answers.len() / size, answers.len() % size);
                    (Phase::Each(answers), Next::Ask(vec![(group.left[row], group.right[column])]))
                } else {
                    let found = maximum_matching(size, size, |row, column| {
                        Ok::<bool, OverBudget>(answers[row * size + column])
                    })?;
                    if found.len() < size {
                        return Ok(Next::Done(false));
                    }
                    let pairs = found.iter().map(|&(row, column)| (group.left[row], group.right[column]));
                    let pairs: Vec<Pair> = pairs.collect();
                    self.note_order(group.order, &pairs);
                    (Phase::Found, Next::Ask(pairs))
                }
            }
        };
        group.phase = phase;
        Ok(next)
    }

    /// Notes the rule of an unordered array whose elements are paired in another order.
    fn note_order(&mut self, order: Option<(usize, NodeId)>, pairs: &[Pair]) {
        let mut pairs = pairs.to_vec();
        pairs.sort_unstable();
        if !pairs.is_sorted_by_key(|pair| pair.1) {
            self.by_rules.extend(order);
        }
    }
}
