//! When two values are the same by a rule.

use std::borrow::Cow;

use super::{Action, Rules, tolerance, within};
use crate::document::NodeKind;
use crate::exchange::Side;

/// A string or number with its content, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'v> {
    pub(crate) side: Side,
    pub(crate) kind: NodeKind,
    pub(crate) content: &'v [u8],
}

/// What of a value a hash is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Canonical {
    /// Of the value itself.
    Exact,
    /// Of the value as the rule rewrites it.
    Rewritten(Vec<u8>),
    /// Of nothing but its type: whether two such values are the same, only both together say.
    Kind,
}

impl<'v> Leaf<'v> {
    /// The text, unless it is none: a lone surrogate is no character.
    fn text(&self) -> Option<Cow<'v, str>> {
        std::str::from_utf8(self.content).ok().map(Cow::Borrowed)
    }
}

impl Rules {
    /// What to hash of a value under a rule. Values that the rule takes for the same have the same.
    pub(crate) fn canonical(&self, rule: usize, leaf: Leaf<'_>) -> Canonical {
        let Some(text) = leaf.text() else { return Canonical::Exact };
        let is_string = leaf.kind == NodeKind::String;
        let kind_if = |holds: bool| if holds { Canonical::Kind } else { Canonical::Exact };
        match self.action(rule) {
            Action::Fold(folds) if is_string => Canonical::Rewritten(folds.fold(&text).into_bytes()),
            Action::Origin if is_string => {
                Canonical::Rewritten(self.origins().fold(leaf.side, &text).into_bytes())
            }
            Action::Format(format) => kind_if(format.accepts(&text)),
            Action::Tolerance(_) => kind_if(tolerance::number(leaf.content).is_some()),
            Action::Within(_) => kind_if(is_string && within::instant(&text).is_some()),
            Action::Ref(_) => Canonical::Kind,
            Action::Fold(_)
            | Action::Origin
            | Action::Ignore
            | Action::Only(_)
            | Action::TextOnly
            | Action::Unordered
            | Action::Key(_)
            | Action::Absent(_)
            | Action::Decode(_) => Canonical::Exact,
        }
    }

    /// Whether two values that are not the same are the same by a rule.
    pub(crate) fn accepts(&self, rule: usize, left: Leaf<'_>, right: Leaf<'_>) -> bool {
        if left.kind != right.kind {
            return false;
        }
        let (Some(ours), Some(theirs)) = (left.text(), right.text()) else { return false };
        match self.action(rule) {
            Action::Format(format) => format.accepts(&ours) && format.accepts(&theirs),
            Action::Tolerance(tolerance) => {
                let numbers = (tolerance::number(left.content), tolerance::number(right.content));
                matches!(numbers, (Some(ours), Some(theirs)) if tolerance.accepts(ours, theirs))
            }
            Action::Within(within) => match (within::instant(&ours), within::instant(&theirs)) {
                (Some(ours), Some(theirs)) => within.accepts(ours, theirs),
                _ => false,
            },
            Action::Ref(_) => true,
            Action::Fold(_) | Action::Origin => {
                let (ours, theirs) = (self.canonical(rule, left), self.canonical(rule, right));
                ours != Canonical::Exact && ours == theirs
            }
            Action::Ignore
            | Action::Only(_)
            | Action::TextOnly
            | Action::Unordered
            | Action::Key(_)
            | Action::Absent(_)
            | Action::Decode(_) => false,
        }
    }
}
