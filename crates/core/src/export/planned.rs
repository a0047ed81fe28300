//! What every tool has to know of an operation: its place in the order, who answers, and where its
//! requests go on the candidate.

use super::notes::Notes;
use super::order::by_precedence;
use super::path::{self, Part, Rewrite};
use super::plan::{PresentPlan, Route};
use crate::exchange::Side;
use crate::stage::Share;

/// Who answers an operation's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Legacy, all of them.
    Legacy,
    /// The candidate this share, of those that have a key.
    Share(Share),
    /// The candidate, all of them.
    Candidate,
}

/// An operation as it is to be written down.
#[derive(Clone, Debug)]
pub(super) struct Planned<'p> {
    pub(super) route: &'p Route,
    pub(super) answers: Answers,
    pub(super) rewrite: Rewrite<'p>,
}

impl Planned<'_> {
    /// Whether the candidate's path has a value that is not among the first nine. Where values are written as
    /// `\\1`, the tenth would be the first and a zero.
    pub(super) fn has_a_tenth_value(&self) -> bool {
        let is_tenth = |part: &Part<'_>| matches!(part, Part::Value(number) if *number >= 9);
        matches!(&self.rewrite, Rewrite::Parts(parts) if parts.iter().any(is_tenth))
    }

    /// The candidate never answers, because the tool cannot do it.
    pub(super) fn give_up(&mut self, notes: &mut Notes, why: &str) {
        if self.answers != Answers::Legacy {
            notes.departs(&self.route.id, why);
            self.answers = Answers::Legacy;
        }
    }

    /// `GET /returns/{return_id}, canary 5%`, for a comment.
    pub(super) fn title(&self) -> String {
        let Route { id, method, template, stage, .. } = self.route;
        format!("{id}: {method} {template}, {stage}")
    }
}

/// The operations in the order in which they are to be tried.
pub(super) fn planned<'p>(plan: &'p PresentPlan, notes: &mut Notes) -> Vec<Planned<'p>> {
    by_precedence(&plan.routes).into_iter().map(|route| one(route, notes)).collect()
}

fn one<'p>(route: &'p Route, notes: &mut Notes) -> Planned<'p> {
    let answers = match (route.stage.share(), route.stage.plan(None).answering) {
        (Some(share), _) => Answers::Share(share),
        (None, Side::Legacy) => Answers::Legacy,
        (None, Side::Candidate) => Answers::Candidate,
    };
    let mut planned = Planned { route, answers, rewrite: path::rewrite(route) };
    if planned.rewrite == Rewrite::Unsafe {
        planned.give_up(
            notes,
            "`candidate_path` has a segment made of a part of another, which could become `..` there",
        );
    }
    if path::is_loose(&route.template) {
        notes.of(&route.id, "a segment ends in what it also has before: some more paths match here");
    }
    planned
}
