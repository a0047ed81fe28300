//! Arrays whose order counts. What is equal at both ends is taken off, what is left is aligned
//! (`align.rs`), and what the alignment leaves over is paired: with its equal in another place,
//! which makes a difference of `order`; with what is most alike; with what stands there instead. So
//! an inserted element is one difference, an edited one differs where it was edited, and a rotation
//! is one difference of the whole array.

use super::align::{Aligned, align};
use super::likeness::{best_first, pair_by, shape, take};
use super::unordered::Pairing;
use super::{Diff, Element, OverBudget, PlaceId, Which, Work};
use crate::document::{NodeId, NodeKind};
use crate::verdict::Kind;

/// How the middle of two arrays is paired.
#[derive(Debug, Default)]
struct Alignment {
    pairing: Pairing,
    moved: bool,
    /// Differences that come of it, a pair counted as one.
    cost: usize,
}

/// What an alignment has left over, with the gap in which it stands.
struct Rest<'e> {
    anchors: &'e [(Element, Element)],
    left: Vec<Element>,
    right: Vec<Element>,
}

impl Diff<'_, '_> {
    pub(super) fn ordered(&mut self, left: NodeId, right: NodeId, place: PlaceId) -> Result<(), OverBudget> {
        let ours: Vec<Element> = self.legacy.elements(left).collect();
        let theirs: Vec<Element> = self.candidate.elements(right).collect();
        self.spend(ours.len() + theirs.len())?;
        let prefix = self.aligned(ours.iter().zip(&theirs))?;
        let (ours, left_rest) = ours.split_at(prefix);
        let (theirs, right_rest) = theirs.split_at(prefix);
        let suffix = self.aligned(left_rest.iter().rev().zip(right_rest.iter().rev()))?;
        let (middle, ours_end) = left_rest.split_at(left_rest.len() - suffix);
        let (other_middle, theirs_end) = right_rest.split_at(right_rest.len() - suffix);
        let Alignment { mut pairing, moved, .. } = self.middle(middle, other_middle)?;
        let ends = ours.iter().zip(theirs).chain(ours_end.iter().zip(theirs_end));
        pairing.pairs.extend(ends.map(|(one, other)| (*one, *other)));
        if moved {
            self.work.push(Work::Unlike(Kind::Order, left, right, place));
        }
        self.tell(pairing, place)
    }

    /// How many pairs from the front are alike.
    fn aligned<'e>(
        &mut self,
        pairs: impl Iterator<Item = (&'e Element, &'e Element)>,
    ) -> Result<usize, OverBudget> {
        let mut count = 0;
        for (one, other) in pairs {
            if !self.alike(one.1, other.1)? {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Whether two elements may be aligned: their hashes agree. A leaf is looked at, too, for under
    /// a tolerant rule its hash says little.
    fn alike(&mut self, left: NodeId, right: NodeId) -> Result<bool, OverBudget> {
        self.spend(1)?;
        if self.legacy.hash_of(left) != self.candidate.hash_of(right) {
            return Ok(false);
        }
        if is_container(self.legacy.document.kind(left)) || self.legacy.is_alike(left, self.candidate, right)
        {
            return Ok(true);
        }
        let start = self.start();
        let same = self.same(left, right)?;
        self.forget(start);
        Ok(same)
    }

    fn middle(&mut self, ours: &[Element], theirs: &[Element]) -> Result<Alignment, OverBudget> {
        if ours.is_empty() || theirs.is_empty() || ours.len() == 1 && theirs.len() == 1 {
            let pairs = ours.iter().copied().zip(theirs.iter().copied()).collect();
            let both = ours.len().min(theirs.len());
            let pairing = Pairing { pairs, missing: ours[both..].to_vec(), extra: theirs[both..].to_vec() };
            return Ok(Alignment { pairing, ..Alignment::default() });
        }
        let by_edits = self.by_edits(ours, theirs)?;
        if ours.len() != theirs.len() || by_edits.cost <= 1 {
            return Ok(by_edits);
        }
        // Values that are edited where they stand are often found elsewhere, too: then the edits
        // are what happened. An object is no coincidence.
        match self.by_position(ours, theirs)? {
            Some(by_position) if by_position.cost <= by_edits.cost => Ok(by_position),
            Some(_) | None => Ok(by_edits),
        }
    }

    /// Each with what stands in its place, unless an object or array would have to change.
    fn by_position(&mut self, ours: &[Element], theirs: &[Element]) -> Result<Option<Alignment>, OverBudget> {
        let mut cost = 0;
        for (one, other) in ours.iter().zip(theirs) {
            if self.alike(one.1, other.1)? {
                continue;
            }
            if is_container(self.legacy.document.kind(one.1))
                || is_container(self.candidate.document.kind(other.1))
            {
                return Ok(None);
            }
            cost += 1;
        }
        let pairs = ours.iter().copied().zip(theirs.iter().copied()).collect();
        let pairing = Pairing { pairs, ..Pairing::default() };
        Ok(Some(Alignment { pairing, moved: false, cost }))
    }

    fn by_edits(&mut self, ours: &[Element], theirs: &[Element]) -> Result<Alignment, OverBudget> {
        let anchors: Vec<(Element, Element)> =
            self.alignment(ours, theirs)?.into_iter().map(|(l, r)| (ours[l], theirs[r])).collect();
        let without = |elements: &[Element], mut taken: Vec<usize>| -> Vec<Element> {
            taken.sort_unstable();
            elements.iter().copied().filter(|it| taken.binary_search(&it.0).is_err()).collect()
        };
        let left = without(ours, anchors.iter().map(|pair| pair.0.0).collect());
        let right = without(theirs, anchors.iter().map(|pair| pair.1.0).collect());
        let mut rest = Rest { anchors: &anchors, left, right };
        let mut pairs = self.same_elsewhere(&mut rest)?;
        let same_elsewhere = pairs.len();
        pairs.extend(self.alike_nearby(&mut rest)?);
        let mut fences = [anchors.as_slice(), &pairs].concat();
        fences.sort_unstable();
        if rises(&fences) {
            rest.anchors = &fences;
            pairs.extend(self.instead(&mut rest)?);
        } else {
            pairs.extend(self.instead(&mut rest)?);
            let (legacy, candidate) = (self.legacy, self.candidate);
            let views = |side: Which| if side == Which::Legacy { legacy } else { candidate };
            let (left, right) = (&mut rest.left, &mut rest.right);
            pairs.extend(pair_by(left, right, |side, node| shape(views(side), node)));
        }
        let (missing, extra) = (rest.left, rest.right);
        let changed = pairs.len() - same_elsewhere;
        pairs.extend_from_slice(&anchors);
        pairs.sort_unstable();
        let moved = !rises(&pairs);
        let cost = usize::from(moved) + changed + missing.len() + extra.len();
        Ok(Alignment { pairing: Pairing { pairs, missing, extra }, moved, cost })
    }

    /// The alignment by hashes; the same whichever side is called the left one.
    fn alignment(&mut self, ours: &[Element], theirs: &[Element]) -> Result<Vec<Aligned>, OverBudget> {
        self.spend(2 * (ours.len() + theirs.len()))?;
        let hashes = |side: Which, elements: &[Element]| -> Vec<u64> {
            elements.iter().map(|&(_, node)| self.view(side).hash_of(node)).collect()
        };
        let (left, right) = (hashes(Which::Legacy, ours), hashes(Which::Candidate, theirs));
        if left <= right {
            return align(&left, &right, |l, r| self.alike(ours[l].1, theirs[r].1));
        }
        let mirrored = align(&right, &left, |r, l| self.alike(ours[l].1, theirs[r].1))?;
        Ok(mirrored.into_iter().map(|(r, l)| (l, r)).collect())
    }

    /// What stands in another place on the other side.
    fn same_elsewhere(&mut self, rest: &mut Rest<'_>) -> Result<Vec<(Element, Element)>, OverBudget> {
        self.spend(rest.left.len() + rest.right.len())?;
        let (legacy, candidate) = (self.legacy, self.candidate);
        let hash_of = |side: Which, node| match side {
            Which::Legacy => legacy.hash_of(node),
            Which::Candidate => candidate.hash_of(node),
        };
        let (left, right) = (rest.left.clone(), rest.right.clone());
        let mut pairs = Vec::new();
        for (one, other) in pair_by(&mut rest.left, &mut rest.right, hash_of) {
            if self.alike(one.1, other.1)? {
                pairs.push((one, other));
            }
        }
        let mut taken: (Vec<_>, Vec<_>) = pairs.iter().map(|(one, other)| (one.0, other.0)).unzip();
        taken.0.sort_unstable();
        taken.1.sort_unstable();
        rest.left = left.into_iter().filter(|it| taken.0.binary_search(&it.0).is_err()).collect();
        rest.right = right.into_iter().filter(|it| taken.1.binary_search(&it.0).is_err()).collect();
        Ok(pairs)
    }

    /// What shares parts: anything in the same gap, and across gaps what shares half.
    fn alike_nearby(&mut self, rest: &mut Rest<'_>) -> Result<Vec<(Element, Element)>, OverBudget> {
        let mut votes = self.votes(&rest.left, &rest.right)?;
        self.spend(votes.len())?;
        let (left, right) = rest.gaps();
        votes.retain(|vote| vote.close || left[vote.left] == right[vote.right]);
        let taken = best_first(votes, (rest.left.len(), rest.right.len()), |vote| {
            let apart = left[vote.left] != right[vote.right];
            (std::cmp::Reverse(vote.weight), apart, vote.left, vote.right)
        });
        Ok(take(&mut rest.left, &mut rest.right, &taken))
    }

    /// What stands in the same gap, in order: as many as there are, the same shapes where the
    /// numbers differ.
    fn instead(&mut self, rest: &mut Rest<'_>) -> Result<Vec<(Element, Element)>, OverBudget> {
        let (left, right) = rest.gaps();
        let mut taken = Vec::new();
        let (mut l, mut r) = (0, 0);
        while let Some(&gap) = left.get(l) {
            while right.get(r).is_some_and(|&other| other < gap) {
                r += 1;
            }
            let ours = l..l + left[l..].iter().take_while(|&&other| other == gap).count();
            let theirs = r..r + right[r..].iter().take_while(|&&other| other == gap).count();
            if ours.len() == theirs.len() {
                taken.extend(ours.clone().zip(theirs.clone()));
            } else if !theirs.is_empty() {
                let found = self.by_shapes(&rest.left[ours.clone()], &rest.right[theirs.clone()])?;
                taken.extend(found.into_iter().map(|(one, other)| (ours.start + one, theirs.start + other)));
            }
            (l, r) = (ours.end, theirs.end);
        }
        Ok(take(&mut rest.left, &mut rest.right, &taken))
    }

    /// Aligns by shape, and by position what stands between.
    fn by_shapes(&mut self, ours: &[Element], theirs: &[Element]) -> Result<Vec<Aligned>, OverBudget> {
        let shapes = |side: Which, elements: &[Element]| -> Vec<u64> {
            elements.iter().map(|&(_, node)| shape(self.view(side), node)).collect()
        };
        let (left, right) = (shapes(Which::Legacy, ours), shapes(Which::Candidate, theirs));
        let aligned = if left <= right {
            align(&left, &right, |l, r| self.spend(1).map(|()| left[l] == right[r]))?
        } else {
            let found = align(&right, &left, |r, l| self.spend(1).map(|()| left[l] == right[r]))?;
            found.into_iter().map(|(r, l)| (l, r)).collect()
        };
        let mut pairs = Vec::new();
        let (mut l, mut r) = (0, 0);
        for (to_l, to_r) in aligned.into_iter().chain([(ours.len(), theirs.len())]) {
            pairs.extend((l..to_l).zip(r..to_r));
            if to_l < ours.len() && to_r < theirs.len() {
                pairs.push((to_l, to_r));
            }
            (l, r) = (to_l + 1, to_r + 1);
        }
        Ok(pairs)
    }
}

impl Rest<'_> {
    /// The gap in which each element stands, counted in anchors before it.
    fn gaps(&self) -> (Vec<usize>, Vec<usize>) {
        let before = |index: usize, of: fn(&(Element, Element)) -> usize| {
            self.anchors.partition_point(|pair| of(pair) < index)
        };
        (
            self.left.iter().map(|it| before(it.0, |pair| pair.0.0)).collect(),
            self.right.iter().map(|it| before(it.0, |pair| pair.1.0)).collect(),
        )
    }
}

/// Whether pairs in the order of the left are in order on the right.
fn rises(pairs: &[(Element, Element)]) -> bool {
    pairs.is_sorted_by_key(|(_, other)| other.0)
}

fn is_container(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Array | NodeKind::Object)
}
