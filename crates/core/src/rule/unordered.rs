//! `unordered: true`: the array is a multiset. Elements are paired by content and counted; their
//! order says nothing, so an index into such an array would mean another element on each side and is
//! refused.

use super::jsonpath::Segment;
use super::word::{Word, in_the_body, read_true, schema_true};
use super::{Action, JsonPath, RuleError, RuleSpec, Selector};

pub(super) const WORD: Word = Word {
    word: "unordered",
    about: "The array is a multiset: order says nothing.",
    example: "unordered: true",
    schema: schema_true,
    read: |argument| read_true("unordered", argument, Action::Unordered),
    refuses: in_the_body,
};

/// Refuses an index or slice that selects from an array that another rule makes unordered. Behind the
/// paths of the rules stand those of their references.
pub(super) fn check_indices(specs: &[RuleSpec], paths: &[JsonPath]) -> Result<(), RuleError> {
    let references = specs.iter().enumerate().filter(|(_, spec)| matches!(spec.action, Action::Ref(_)));
    let owners: Vec<usize> = (0..specs.len()).chain(references.map(|(index, _)| index)).collect();
    let unordered = || specs.iter().enumerate().filter(|(_, spec)| spec.action.is_of_order());
    for (&index, path) in owners.iter().zip(paths) {
        for (at, segment) in path.segments.iter().enumerate() {
            if !segment.selectors.iter().any(Selector::is_positional) {
                continue;
            }
            if let Some((number, other)) =
                unordered().find(|&(other, _)| may_meet(&paths[other].segments, &path.segments, at))
            {
                let message = format!(
                    "an index means nothing in `{}`, which is unordered; select by content, for example `[?@.id=='a']`, or all with `[*]`",
                    other.at
                );
                return Err(RuleError::new(index, &specs[index].at, message).beside(number));
            }
        }
    }
    Ok(())
}

/// Whether some place is selected by all of `left` and by the first `upto` segments of `right`.
fn may_meet(left: &[Segment], right: &[Segment], upto: usize) -> bool {
    let mut seen = vec![false; (left.len() + 1) * (upto + 1)];
    let mut waiting = vec![(0, 0)];
    while let Some((l, r)) = waiting.pop() {
        if std::mem::replace(&mut seen[l * (upto + 1) + r], true) {
            continue;
        }
        if (l, r) == (left.len(), upto) {
            return true;
        }
        let (on_left, on_right) = (left.get(l), right.get(r));
        // One step further on both sides: each takes it with its selector or stays, where it may.
        let advances_left = on_left.is_some();
        let advances_right = on_right.is_some() && r < upto;
        let stays_left = on_left.is_some_and(|segment| segment.descendant);
        let stays_right = on_right.is_some_and(|segment| segment.descendant);
        if let (Some(a), Some(b), true) = (on_left, on_right, advances_right)
            && a.selectors.iter().any(|a| b.selectors.iter().any(|b| a.may_meet(b)))
        {
            waiting.push((l + 1, r + 1));
        }
        if advances_left && stays_right {
            waiting.push((l + 1, r));
        }
        if stays_left && advances_right {
            waiting.push((l, r + 1));
        }
    }
    false
}
