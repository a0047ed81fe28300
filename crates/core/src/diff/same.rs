//! Whether two subtrees are the same, exactly. A hash has said that they may be; this walk makes
//! sure, because a false match is the one mistake that a comparison must not make.

use super::{Diff, OverBudget};
use crate::document::{NodeId, NodeKind};

impl Diff<'_, '_> {
    /// Walks both subtrees. Each node is visited once; members are paired by name, elements of an
    /// unordered array by hash.
    pub(super) fn same(&mut self, left: NodeId, right: NodeId) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        if ours.is_unmarked() && theirs.is_unmarked() {
            let (left, right) = (ours.document.raw(left), theirs.document.raw(right));
            if left.len() == right.len() && self.same_kind_bytes(left, right) {
                // The same bytes are the same value, a string being told from a number by its hash.
                self.spend(left.len() / 64)?;
                return Ok(true);
            }
        }
        let mut waiting = vec![(left, right)];
        while let Some((left, right)) = waiting.pop() {
            self.spend(1)?;
            let paired = match (ours.document.kind(left), theirs.document.kind(right)) {
                (NodeKind::Object, NodeKind::Object) => self.pair_members(left, right, &mut waiting)?,
                (NodeKind::Array, NodeKind::Array) => self.pair_elements(left, right, &mut waiting)?,
                _ => ours.same_leaf(left, theirs, right),
            };
            if !paired {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn same_kind_bytes(&self, left: &[u8], right: &[u8]) -> bool {
        // Only containers: their first byte tells the kind, and short texts are as fast either way.
        matches!(left.first(), Some(b'{' | b'[')) && left == right
    }

    fn pair_members(
        &mut self,
        left: NodeId,
        right: NodeId,
        waiting: &mut Vec<(NodeId, NodeId)>,
    ) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        let first = waiting.len();
        let mut members = (ours.members(left), theirs.members(right));
        loop {
            match (members.0.next(), members.1.next()) {
                (None, None) => return Ok(true),
                (Some((name, value)), Some((other_name, other_value)))
                    if ours.same_leaf(name, theirs, other_name) =>
                {
                    waiting.push((value, other_value));
                }
                (Some(_), Some(_)) => break,
                (Some(_), None) | (None, Some(_)) => return Ok(false),
            }
        }
        waiting.truncate(first);
        let (mut all, mut others): (Vec<_>, Vec<_>) =
            (ours.members(left).collect(), theirs.members(right).collect());
        self.spend(all.len() + others.len())?;
        // A stable sort: a name that is repeated keeps its occurrences in order.
        all.sort_by_key(|&(name, _)| ours.hash_of(name));
        others.sort_by_key(|&(name, _)| theirs.hash_of(name));
        let same_names = all.len() == others.len()
            && all.iter().zip(&others).all(|(one, other)| ours.same_leaf(one.0, theirs, other.0));
        waiting.extend(all.iter().zip(&others).map(|(one, other)| (one.1, other.1)));
        Ok(same_names)
    }

    fn pair_elements(
        &mut self,
        left: NodeId,
        right: NodeId,
        waiting: &mut Vec<(NodeId, NodeId)>,
    ) -> Result<bool, OverBudget> {
        let (ours, theirs) = (self.legacy, self.candidate);
        let mut all: Vec<NodeId> = ours.elements(left).map(|(_, element)| element).collect();
        let mut others: Vec<NodeId> = theirs.elements(right).map(|(_, element)| element).collect();
        if all.len() != others.len() {
            return Ok(false);
        }
        if let Some(rule) = self.unordered_by(left, right) {
            let aligned = |(one, other): (&NodeId, &NodeId)| ours.hash_of(*one) == theirs.hash_of(*other);
            if !all.iter().zip(&others).all(aligned) {
                self.spend(all.len() + others.len())?;
                all.sort_by_key(|&element| ours.hash_of(element));
                others.sort_by_key(|&element| theirs.hash_of(element));
                self.masked[rule] = self.masked[rule].saturating_add(1);
            }
        }
        waiting.extend(all.into_iter().zip(others));
        Ok(true)
    }
}
