//! Arrays without an order: a multiset. What is equal on both sides cancels out, each with its own
//! partner; what is left is paired by likeness, then by shape and by type, so that an edit within
//! one element is one difference and not an element missing and another extra.

use super::likeness::{best_first, pair_by, shape, take, telling};
use super::{Diff, Element, OverBudget, PlaceId, Which};
use crate::document::NodeId;

/// What became of an array's elements.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    /// Pairs that may differ.
    pub(super) pairs: Vec<(Element, Element)>,
    pub(super) missing: Vec<Element>,
    pub(super) extra: Vec<Element>,
}

impl Diff<'_, '_> {
    pub(super) fn unordered(
        &mut self,
        left: NodeId,
        right: NodeId,
        place: PlaceId,
        rule: usize,
    ) -> Result<(), OverBudget> {
        let ours: Vec<Element> = self.legacy.elements(left).collect();
        let theirs: Vec<Element> = self.candidate.elements(right).collect();
        self.spend(2 * (ours.len() + theirs.len()))?;
        let (same, pairing) = self.pair_multisets(ours, theirs)?;
        self.mask_order(same, rule);
        self.tell(pairing, place)
    }

    /// Counts the rule where partners stand in another order.
    pub(super) fn mask_order(&mut self, mut same: Vec<(usize, usize)>, rule: usize) {
        same.sort_unstable();
        if !same.is_sorted_by_key(|&(_, other)| other) {
            self.masked[rule] = self.masked[rule].saturating_add(1);
        }
    }

    /// The indices of what is the same, and how the rest is paired.
    pub(super) fn pair_multisets(
        &mut self,
        mut ours: Vec<Element>,
        mut theirs: Vec<Element>,
    ) -> Result<(Vec<(usize, usize)>, Pairing), OverBudget> {
        let same = self.cancel(&mut ours, &mut theirs)?;
        let mut pairs = self.by_likeness(&mut ours, &mut theirs)?;
        pairs.extend(self.by_shape(&mut ours, &mut theirs)?);
        Ok((same, Pairing { pairs, missing: ours, extra: theirs }))
    }

    /// Takes out what is the same on both sides and tells where it stood.
    fn cancel(
        &mut self,
        ours: &mut Vec<Element>,
        theirs: &mut Vec<Element>,
    ) -> Result<Vec<(usize, usize)>, OverBudget> {
        let (left, right) = (self.by_hash(Which::Legacy, ours), self.by_hash(Which::Candidate, theirs));
        ours.clear();
        theirs.clear();
        let mut same = Vec::with_capacity(left.len().min(right.len()));
        let mut groups = right.chunk_by(|one, other| one.0 == other.0).peekable();
        let elements = |group: &[(u64, Element)]| group.iter().map(|entry| entry.1).collect::<Vec<_>>();
        for group in left.chunk_by(|one, other| one.0 == other.0) {
            while let Some(alone) = groups.next_if(|other| other[0].0 < group[0].0) {
                theirs.extend(alone.iter().map(|entry| entry.1));
            }
            match groups.next_if(|other| other[0].0 == group[0].0) {
                None => ours.extend(group.iter().map(|entry| entry.1)),
                Some([(_, other)]) if group.len() == 1 => {
                    let (one, other) = (group[0].1, *other);
                    let start = self.start();
                    if self.same(one.1, other.1)? {
                        same.push((one.0, other.0));
                    } else {
                        self.forget(start);
                        ours.push(one);
                        theirs.push(other);
                    }
                }
                Some(others) => {
                    let matching = self.match_group(&elements(group), &elements(others))?;
                    same.extend(matching.pairs.iter().map(|(one, other)| (one.0, other.0)));
                    ours.extend(matching.left);
                    theirs.extend(matching.right);
                }
            }
        }
        theirs.extend(groups.flatten().map(|entry| entry.1));
        ours.sort_unstable();
        theirs.sort_unstable();
        Ok(same)
    }

    fn by_hash(&self, side: Which, elements: &[Element]) -> Vec<(u64, Element)> {
        let view = self.view(side);
        let mut hashed: Vec<_> = elements.iter().map(|&element| (view.hash_of(element.1), element)).collect();
        hashed.sort_unstable();
        hashed
    }

    /// Takes out what shares parts, the most alike first.
    fn by_likeness(
        &mut self,
        ours: &mut Vec<Element>,
        theirs: &mut Vec<Element>,
    ) -> Result<Vec<(Element, Element)>, OverBudget> {
        let votes = self.votes(ours, theirs)?;
        self.spend(votes.len())?;
        let (legacy, candidate) = (self.legacy, self.candidate);
        let taken = best_first(votes, (ours.len(), theirs.len()), |vote| {
            let (one, other) = (ours[vote.left], theirs[vote.right]);
            let content = (legacy.hash_of(one.1), candidate.hash_of(other.1));
            (std::cmp::Reverse(vote.weight), content, vote.left, vote.right)
        });
        Ok(take(ours, theirs, &taken))
    }

    /// Takes out what is of one shape or at least of one type, and then whatever there is, in an
    /// order that their content gives.
    fn by_shape(
        &mut self,
        ours: &mut Vec<Element>,
        theirs: &mut Vec<Element>,
    ) -> Result<Vec<(Element, Element)>, OverBudget> {
        self.spend(2 * (ours.len() + theirs.len()))?;
        let (legacy, candidate) = (self.legacy, self.candidate);
        let key = |view: &crate::document::View<'_>, node| (telling(view, node), view.hash_of(node));
        ours.sort_by_cached_key(|&(index, node)| (key(legacy, node), index));
        theirs.sort_by_cached_key(|&(index, node)| (key(candidate, node), index));
        let views = |side: Which| if side == Which::Legacy { legacy } else { candidate };
        let mut pairs = pair_by(ours, theirs, |side, node| shape(views(side), node));
        pairs.extend(pair_by(ours, theirs, |side, node| views(side).document.value_type(node) as u8));
        pairs.extend(pair_by(ours, theirs, |_, _| ()));
        Ok(pairs)
    }
}
