//! Ids that may differ, if they do so consistently: each of legacy's has one counterpart on the
//! candidate's side and the other way round, wherever they stand. The pairs are noted while the
//! documents are compared; at the end the places that give the ids speak first, and whatever does
//! not fit them is a difference.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Diff;
use crate::document::NodeId;
use crate::path::Path;
use crate::rule::{Action, Hold};
use crate::verdict::{Difference, Kind, Part};

/// Two places that were paired, where a rule says that ids may differ.
#[derive(Clone, Copy)]
pub(super) struct Paired {
    hold: Hold,
    left: NodeId,
    right: NodeId,
}

type Ids<'d> = HashMap<(usize, Cow<'d, [u8]>), Cow<'d, [u8]>>;

impl Diff<'_, '_> {
    /// Notes a pair of ids, if these are.
    pub(super) fn note_reference(&mut self, left: NodeId, right: NodeId) {
        if !self.legacy.has_references() && !self.candidate.has_references() {
            return;
        }
        // The same rule that has let the values differ.
        let hold = self.legacy.value_rule(left).or_else(|| self.candidate.value_rule(right));
        if let Some(hold) = hold
            && matches!(self.legacy.rules.action(hold.rule), Action::Ref(_))
        {
            self.references.push(Paired { hold, left, right });
        }
    }

    /// Reports the ids that do not fit, and counts those that differ and do.
    pub(super) fn check_references(&mut self) {
        let mut paired = std::mem::take(&mut self.references);
        // The two sides are walked in no particular order; the documents have one.
        paired.sort_by_key(|pair| (pair.hold.refers, pair.left, pair.right));
        let (ours, theirs) = (self.legacy.document, self.candidate.document);
        let (mut counterparts, mut origins): (Ids<'_>, Ids<'_>) = (HashMap::new(), HashMap::new());
        for pair in paired {
            let rule = pair.hold.rule;
            let (left, right) = (ours.content(pair.left), theirs.content(pair.right));
            let there = counterparts.entry((rule, left.clone())).or_insert_with(|| right.clone());
            let back = origins.entry((rule, right.clone())).or_insert_with(|| left.clone());
            if *there != right || *back != left {
                self.report_id(pair);
            }
        }
    }

    fn report_id(&mut self, pair: Paired) {
        // The way there is looked for from the root: not for those that nobody will see.
        if self.found.kept.len() >= self.max_differences {
            self.found.more += 1;
            return;
        }
        let explanation = if pair.hold.refers {
            "refers to another element than legacy does"
        } else {
            "the same id for different elements, or different ids for the same"
        };
        let path = Path::from(crate::document::way_to(self.legacy.document, pair.left));
        // Already said where the values were compared.
        self.keep(Difference {
            part: Part::Body,
            path,
            kind: Kind::Value,
            legacy: Some(self.legacy.document.value(pair.left)),
            candidate: Some(self.candidate.document.value(pair.right)),
            explanation: Some(explanation.into()),
        });
    }
}
