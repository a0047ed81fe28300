//! Arrays whose order counts: what is equal at both ends is taken off, and what is left is compared
//! by position. So an inserted element is one difference, and so is a permutation.

use super::{Diff, OverBudget, PlaceId, PlaceStep, Work};
use crate::document::{NodeId, View};
use crate::verdict::Kind;

/// An element with its index in the source.
type Element = (usize, NodeId);

impl Diff<'_, '_> {
    pub(super) fn ordered(&mut self, left: NodeId, right: NodeId, place: PlaceId) -> Result<(), OverBudget> {
        let ours: Vec<Element> = self.legacy.elements(left).collect();
        let theirs: Vec<Element> = self.candidate.elements(right).collect();
        self.spend(ours.len() + theirs.len())?;
        let prefix = self.aligned(ours.iter().zip(&theirs));
        let (ours, left_rest) = ours.split_at(prefix);
        let (theirs, right_rest) = theirs.split_at(prefix);
        let suffix = self.aligned(left_rest.iter().rev().zip(right_rest.iter().rev()));
        let (middle, ours_end) = left_rest.split_at(left_rest.len() - suffix);
        let (other_middle, theirs_end) = right_rest.split_at(right_rest.len() - suffix);
        self.by_position(ours, theirs, place)?;
        if is_permutation(self.legacy, middle, self.candidate, other_middle) {
            self.work.push(Work::Unlike(Kind::Order, left, right, place));
        } else {
            self.by_position(middle, other_middle, place)?;
        }
        self.by_position(ours_end, theirs_end, place)
    }

    /// How many pairs from the front have equal hashes.
    fn aligned<'e>(&self, pairs: impl Iterator<Item = (&'e Element, &'e Element)>) -> usize {
        let equal = |(ours, theirs): &(&Element, &Element)| {
            self.legacy.hash_of(ours.1) == self.candidate.hash_of(theirs.1)
        };
        pairs.take_while(equal).count()
    }

    /// Pairs by position; what is over on one side is missing or extra.
    pub(super) fn by_position(
        &mut self,
        ours: &[Element],
        theirs: &[Element],
        place: PlaceId,
    ) -> Result<(), OverBudget> {
        for (&(index, left), &(_, right)) in ours.iter().zip(theirs) {
            self.consider(left, right, place, PlaceStep::Index(index))?;
        }
        let both = ours.len().min(theirs.len());
        for &(index, node) in &ours[both..] {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Missing(node, place));
        }
        for &(index, node) in &theirs[both..] {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Extra(node, place));
        }
        Ok(())
    }
}

/// Whether both sides have the same elements, in whatever order.
fn is_permutation(legacy: &View<'_>, ours: &[Element], candidate: &View<'_>, theirs: &[Element]) -> bool {
    let sorted = |view: &View<'_>, elements: &[Element]| {
        let mut hashes: Vec<u64> = elements.iter().map(|&(_, element)| view.hash_of(element)).collect();
        hashes.sort_unstable();
        hashes
    };
    ours.len() > 1 && ours.len() == theirs.len() && sorted(legacy, ours) == sorted(candidate, theirs)
}
