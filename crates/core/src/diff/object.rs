//! Objects: members are paired by name, wherever they stand. A name that one side repeats is a
//! difference of its own kind, because readers disagree about which of its values counts.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Diff, OverBudget, PlaceId, PlaceStep, Which, Work};
use crate::document::{NodeId, View};
use crate::path::WIDE_SIBLINGS;
use crate::verdict::Kind;

/// A member in the order of its object.
struct Member<'d> {
    at: usize,
    hash: u64,
    content: Cow<'d, [u8]>,
    name: NodeId,
    value: NodeId,
}

impl Member<'_> {
    fn by_name(&self, other: &Member<'_>) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| self.content.cmp(&other.content))
    }
}

impl Diff<'_, '_> {
    pub(super) fn objects(&mut self, left: NodeId, right: NodeId, place: PlaceId) -> Result<(), OverBudget> {
        let (ours, theirs) = (sorted_members(self.legacy, left), sorted_members(self.candidate, right));
        self.spend(ours.len() + theirs.len())?;
        let wide = ours.len().max(theirs.len()) > WIDE_SIBLINGS;
        let mut groups = pair_up(&ours, &theirs);
        // In the order of legacy's members, then what only the candidate has.
        groups.sort_by_key(|(left, right)| match (left.first(), right.first()) {
            (Some(member), _) => (0, member.at),
            (None, Some(member)) => (1, member.at),
            (None, None) => (2, 0),
        });
        for (left, right) in groups {
            self.members(left, right, place, wide)?;
        }
        Ok(())
    }

    /// All members of one name on both sides.
    fn members(
        &mut self,
        left: &[Member<'_>],
        right: &[Member<'_>],
        parent: PlaceId,
        wide: bool,
    ) -> Result<(), OverBudget> {
        let step = |side: Which, member: &Member<'_>| PlaceStep::Name { side, name: member.name, wide };
        match (left, right) {
            ([], []) => {}
            ([ours, ..], []) if self.legacy.absent_by(ours.value).is_some() => {}
            ([], [theirs, ..]) if self.candidate.absent_by(theirs.value).is_some() => {}
            ([ours, ..], []) => {
                let place = self.place(parent, step(Which::Legacy, ours));
                self.work.push(Work::Missing(ours.value, place));
            }
            ([], [theirs, ..]) => {
                let place = self.place(parent, step(Which::Candidate, theirs));
                self.work.push(Work::Extra(theirs.value, place));
            }
            ([ours, ..], [theirs, ..]) if left.len() != right.len() => {
                let place = self.place(parent, step(Which::Legacy, ours));
                self.work.push(Work::Unlike(Kind::DuplicateKey, ours.value, theirs.value, place));
            }
            _ => {
                for (ours, theirs) in left.iter().zip(right) {
                    self.count_as_there(ours.value, theirs.value);
                    self.consider(ours.value, theirs.value, parent, step(Which::Legacy, ours))?;
                }
            }
        }
        Ok(())
    }
}

impl Diff<'_, '_> {
    /// A value that is as good as none beside one that is not: the rule masks nothing here, though it
    /// was counted where the member stood alone.
    fn count_as_there(&mut self, left: NodeId, right: NodeId) {
        let absent = (self.legacy.absent_by(left), self.candidate.absent_by(right));
        if let (Some(rule), None) | (None, Some(rule)) = absent {
            self.masked[rule] = self.masked[rule].saturating_sub(1);
        }
    }
}

fn sorted_members<'d>(view: &View<'d>, node: NodeId) -> Vec<Member<'d>> {
    let document = view.document;
    let mut members: Vec<Member<'d>> = view
        .written_members(node)
        .enumerate()
        .map(|(at, (name, value))| Member {
            at,
            hash: view.hash_of(name),
            content: document.content(name),
            name,
            value,
        })
        .collect();
    // Stable: occurrences of a repeated name stay in order.
    members.sort_by(Member::by_name);
    members
}

type Group<'m, 'd> = (&'m [Member<'d>], &'m [Member<'d>]);

/// Joins two sorted lists by name.
fn pair_up<'m, 'd>(mut left: &'m [Member<'d>], mut right: &'m [Member<'d>]) -> Vec<Group<'m, 'd>> {
    let mut groups = Vec::with_capacity(left.len().max(right.len()));
    while let Some(first) = match (left.first(), right.first()) {
        (Some(a), Some(b)) if b.by_name(a) == Ordering::Less => Some(b),
        (Some(a), _) => Some(a),
        (None, other) => other,
    } {
        let run = |members: &[Member<'_>]| {
            members.iter().take_while(|member| member.by_name(first) == Ordering::Equal).count()
        };
        let (ours, left_rest) = left.split_at(run(left));
        let (theirs, right_rest) = right.split_at(run(right));
        groups.push((ours, theirs));
        (left, right) = (left_rest, right_rest);
    }
    groups
}
