//! Arrays without an order: a multiset. What is equal on both sides cancels out; what is left is
//! paired by how many members it shares, and then by position, so that an edit within one element
//! is one difference and not an element missing and another extra.
//!
//! Votes are counted through an index of member hashes, of which those are left out that so many
//! elements share that they tell nothing; the work is linear in the leftovers.

use std::collections::HashMap;

use super::{Diff, OverBudget, PlaceId, PlaceStep, Work};
use crate::document::{NodeId, NodeKind, View};

/// A member that more leftovers share than this tells nothing about which belong together.
const MAX_VOTERS: usize = 16;

type Element = (usize, NodeId);

impl Diff<'_, '_> {
    pub(super) fn unordered(
        &mut self,
        left: NodeId,
        right: NodeId,
        place: PlaceId,
        rule: usize,
    ) -> Result<(), OverBudget> {
        let mut ours: Vec<Element> = self.legacy.elements(left).collect();
        let mut theirs: Vec<Element> = self.candidate.elements(right).collect();
        self.spend(2 * (ours.len() + theirs.len()))?;
        if self.cancel(&mut ours, &mut theirs)? {
            self.masked[rule] = self.masked[rule].saturating_add(1);
        }
        let mut pairs = self.by_votes(&mut ours, &mut theirs)?;
        pairs.extend(by_kind(self.legacy, &mut ours, self.candidate, &mut theirs));
        let both = ours.len().min(theirs.len());
        pairs.extend(ours.drain(..both).zip(theirs.drain(..both)));
        pairs.sort_by_key(|((index, _), _)| *index);
        for ((index, left), (_, right)) in pairs {
            self.consider(left, right, place, PlaceStep::Index(index))?;
        }
        for (index, node) in ours {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Missing(node, place));
        }
        for (index, node) in theirs {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Extra(node, place));
        }
        Ok(())
    }

    /// Takes out what is the same on both sides, each with its own partner. Tells whether the
    /// partners stood in another order, that is, whether the rule masked something.
    fn cancel(&mut self, ours: &mut Vec<Element>, theirs: &mut Vec<Element>) -> Result<bool, OverBudget> {
        let (legacy, candidate) = (self.legacy, self.candidate);
        ours.sort_by_key(|&(_, element)| legacy.hash_of(element));
        theirs.sort_by_key(|&(_, element)| candidate.hash_of(element));
        let mut cancelled = Vec::new();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut others = theirs.iter().copied().peekable();
        for &(index, element) in ours.iter() {
            let hash = legacy.hash_of(element);
            right.extend(std::iter::from_fn(|| others.next_if(|other| candidate.hash_of(other.1) < hash)));
            let partner = others.peek().copied().filter(|other| candidate.hash_of(other.1) == hash);
            match partner {
                Some((other_index, other)) if self.same(element, other)? => {
                    others.next();
                    cancelled.push((index, other_index));
                }
                _ => left.push((index, element)),
            }
        }
        right.extend(others);
        left.sort_unstable();
        right.sort_unstable();
        (*ours, *theirs) = (left, right);
        cancelled.sort_unstable();
        Ok(!cancelled.is_sorted_by_key(|&(_, other_index)| other_index))
    }

    /// Pairs objects (and arrays) by the parts that they share, the best partner first come.
    fn by_votes(
        &mut self,
        ours: &mut Vec<Element>,
        theirs: &mut Vec<Element>,
    ) -> Result<Vec<(Element, Element)>, OverBudget> {
        let mut voters: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, &(_, element)) in theirs.iter().enumerate() {
            let parts = parts(self.candidate, element);
            self.spend(parts.len())?;
            for part in parts {
                let voters = voters.entry(part).or_default();
                if voters.len() <= MAX_VOTERS {
                    voters.push(at);
                }
            }
        }
        let mut taken = vec![false; theirs.len()];
        let mut pairs = Vec::new();
        let mut left = Vec::new();
        for &(index, element) in ours.iter() {
            let best = self.best_partner(element, &voters, &taken)?;
            match best {
                Some(at) => {
                    taken[at] = true;
                    pairs.push(((index, element), theirs[at]));
                }
                None => left.push((index, element)),
            }
        }
        let mut at = 0..taken.len();
        theirs.retain(|_| at.next().is_none_or(|at| !taken[at]));
        *ours = left;
        Ok(pairs)
    }

    fn best_partner(
        &mut self,
        element: NodeId,
        voters: &HashMap<u64, Vec<usize>>,
        taken: &[bool],
    ) -> Result<Option<usize>, OverBudget> {
        let mut votes: HashMap<usize, usize> = HashMap::new();
        for part in parts(self.legacy, element) {
            let Some(voters) = voters.get(&part).filter(|voters| voters.len() <= MAX_VOTERS) else {
                self.spend(1)?;
                continue;
            };
            self.spend(voters.len())?;
            for &at in voters.iter().filter(|&&at| !taken[at]) {
                *votes.entry(at).or_default() += 1;
            }
        }
        let best = votes.into_iter().max_by_key(|&(at, votes)| (votes, std::cmp::Reverse(at)));
        Ok(best.map(|(at, _)| at))
    }
}

/// Hashes of what an element consists of: an object's members, an array's elements.
fn parts(view: &View<'_>, element: NodeId) -> Vec<u64> {
    match view.document.kind(element) {
        NodeKind::Object => view
            .members(element)
            .map(|(name, value)| view.hash_of(name).rotate_left(17) ^ view.hash_of(value))
            .collect(),
        NodeKind::Array => view.elements(element).map(|(_, part)| view.hash_of(part)).collect(),
        NodeKind::Null
        | NodeKind::False
        | NodeKind::True
        | NodeKind::Number
        | NodeKind::String
        | NodeKind::Name => Vec::new(),
    }
}

/// Pairs what is of one type, in order.
fn by_kind(
    legacy: &View<'_>,
    ours: &mut Vec<Element>,
    candidate: &View<'_>,
    theirs: &mut Vec<Element>,
) -> Vec<(Element, Element)> {
    let mut by_type: HashMap<&'static str, std::collections::VecDeque<Element>> = HashMap::new();
    for &(index, element) in theirs.iter() {
        by_type
            .entry(candidate.document.value_type(element).as_str())
            .or_default()
            .push_back((index, element));
    }
    let mut pairs = Vec::new();
    ours.retain(|&(index, element)| {
        let kind = legacy.document.value_type(element).as_str();
        let partner = by_type.get_mut(kind).and_then(std::collections::VecDeque::pop_front);
        pairs.extend(partner.map(|partner| ((index, element), partner)));
        partner.is_none()
    });
    *theirs = by_type.into_values().flatten().collect();
    theirs.sort_unstable();
    pairs
}
