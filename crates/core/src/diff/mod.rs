//! Where two documents differ, named as exactly as possible: one edit is one leaf difference.
//!
//! A worklist instead of recursion; hashes pair what belongs together and the exact walk of
//! `same.rs` confirms it, so that no difference is ever lost to a collision. All work is counted in
//! steps and ends at a limit, so the result is the same every run and no body can blow it up. Objects,
//! ordered, unordered and keyed arrays have a file each.

mod align;
mod explain;
mod keyed;
mod likeness;
mod matching;
mod object;
mod ordered;
mod reference;
mod same;
mod unordered;

pub(crate) use explain::explain_texts;

use self::unordered::Pairing;
use crate::document::{NodeId, NodeKind, View};
use crate::path::{Path, Step};
use crate::rule::Action;
use crate::verdict::{Difference, Differences, Kind, Part};

/// More work than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverBudget;

/// Two documents under their rules, and what comparing them has found.
pub(crate) struct Diff<'v, 'd> {
    legacy: &'v View<'d>,
    candidate: &'v View<'d>,
    /// Places masked, by rule.
    masked: &'v mut [u32],
    /// Rules that made values or arrays the same in what is being walked, each with legacy's place.
    by_rules: Vec<(usize, NodeId)>,
    /// Ids that may differ, as they were paired.
    references: Vec<reference::Paired>,
    steps: u64,
    max_steps: u64,
    max_differences: usize,
    places: Vec<Place>,
    work: Vec<Work>,
    found: Differences,
}

type PlaceId = u32;

/// An element with its index in the source.
type Element = (usize, NodeId);

/// A place on the way from the root: its parent and the last step.
struct Place {
    parent: PlaceId,
    step: PlaceStep,
}

#[derive(Clone, Copy)]
enum PlaceStep {
    Body,
    /// A member, by the node of its name.
    Name {
        side: Which,
        name: NodeId,
        wide: bool,
    },
    Index(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Legacy,
    Candidate,
}

/// What is still to be looked at, or to be said when its turn comes.
#[derive(Clone, Copy)]
enum Work {
    Pair(NodeId, NodeId, PlaceId),
    Missing(NodeId, PlaceId),
    Extra(NodeId, PlaceId),
    Unlike(Kind, NodeId, NodeId, PlaceId),
}

/// Compares two documents from their roots.
pub(crate) fn diff(
    legacy: &View<'_>,
    candidate: &View<'_>,
    masked: &mut [u32],
) -> Result<Differences, OverBudget> {
    let mut diff = Diff {
        legacy,
        candidate,
        masked,
        by_rules: Vec::new(),
        references: Vec::new(),
        steps: 0,
        max_steps: legacy.rules.limits().steps,
        max_differences: legacy.rules.limits().differences,
        places: vec![Place { parent: 0, step: PlaceStep::Body }],
        work: Vec::new(),
        found: Differences::default(),
    };
    diff.consider(legacy.document.root(), candidate.document.root(), 0, PlaceStep::Body)?;
    diff.work_off()?;
    diff.check_references();
    diff.count_masked();
    Ok(diff.found)
}

impl<'v, 'd> Diff<'v, 'd> {
    fn view(&self, side: Which) -> &'v View<'d> {
        match side {
            Which::Legacy => self.legacy,
            Which::Candidate => self.candidate,
        }
    }
}

impl Diff<'_, '_> {
    fn work_off(&mut self) -> Result<(), OverBudget> {
        while let Some(work) = self.work.pop() {
            match work {
                Work::Pair(left, right, place) => self.pair(left, right, place)?,
                Work::Missing(node, place) => self.report(Kind::Missing, Some(node), None, place),
                Work::Extra(node, place) => self.report(Kind::Extra, None, Some(node), place),
                Work::Unlike(kind, left, right, place) => self.report(kind, Some(left), Some(right), place),
            }
        }
        Ok(())
    }

    /// Looks closer at a pair whose content is not the same.
    fn pair(&mut self, left: NodeId, right: NodeId, place: PlaceId) -> Result<(), OverBudget> {
        self.spend(1)?;
        let (ours, theirs) = (self.legacy.document, self.candidate.document);
        let first = self.work.len();
        match (ours.kind(left), theirs.kind(right)) {
            (NodeKind::Object, NodeKind::Object) => self.objects(left, right, place)?,
            (NodeKind::Array, NodeKind::Array) => self.arrays(left, right, place)?,
            _ if ours.value_type(left) != theirs.value_type(right) => {
                self.report(Kind::Type, Some(left), Some(right), place);
            }
            // The same after all: a reference whose ids stand for unlike elements, or a rule that only
            // one side's place has.
            _ if self.same_value(left, right) => {}
            _ => self.report(Kind::Value, Some(left), Some(right), place),
        }
        // The worklist is a stack; what comes first in the document is to be said first.
        self.work[first..].reverse();
        Ok(())
    }

    fn arrays(&mut self, left: NodeId, right: NodeId, place: PlaceId) -> Result<(), OverBudget> {
        let Some(rule) = self.order_rule(left, right) else { return self.ordered(left, right, place) };
        match self.legacy.rules.action(rule) {
            Action::Key(key) => self.keyed(left, right, place, rule, key),
            _ => self.unordered(left, right, place, rule),
        }
    }

    fn order_rule(&self, left: NodeId, right: NodeId) -> Option<usize> {
        self.legacy.order_rule(left).or_else(|| self.candidate.order_rule(right))
    }

    /// Counts what the rules have masked.
    fn count_masked(&mut self) {
        let mut by_rules = std::mem::take(&mut self.by_rules);
        by_rules.sort_unstable();
        by_rules.dedup();
        for (rule, _) in by_rules {
            self.masked[rule] = self.masked[rule].saturating_add(1);
        }
    }

    /// Puts a pair on the worklist unless it is the same.
    fn consider(
        &mut self,
        left: NodeId,
        right: NodeId,
        parent: PlaceId,
        step: PlaceStep,
    ) -> Result<(), OverBudget> {
        if self.legacy.hash_of(left) == self.candidate.hash_of(right) && self.same(left, right)? {
            return Ok(());
        }
        let place = match step {
            PlaceStep::Body => parent,
            PlaceStep::Name { .. } | PlaceStep::Index(_) => self.place(parent, step),
        };
        self.work.push(Work::Pair(left, right, place));
        Ok(())
    }

    /// Puts what became of an array's elements on the worklist, in the order of their indices.
    fn tell(&mut self, pairing: Pairing, place: PlaceId) -> Result<(), OverBudget> {
        let Pairing { mut pairs, missing, extra } = pairing;
        pairs.sort_unstable();
        let first = self.work.len();
        for ((index, left), (_, right)) in pairs {
            self.consider(left, right, place, PlaceStep::Index(index))?;
        }
        for (index, node) in missing {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Missing(node, place));
        }
        for (index, node) in extra {
            let place = self.place(place, PlaceStep::Index(index));
            self.work.push(Work::Extra(node, place));
        }
        let places = &self.places;
        let index = |work: &Work| match *work {
            Work::Pair(_, _, at) | Work::Missing(_, at) | Work::Extra(_, at) | Work::Unlike(_, _, _, at) => {
                match places[at as usize].step {
                    PlaceStep::Index(index) => index,
                    PlaceStep::Body | PlaceStep::Name { .. } => 0,
                }
            }
        };
        // Stable: at one index the pair comes first, then what is missing, then what is extra.
        self.work[first..].sort_by_key(index);
        Ok(())
    }

    fn place(&mut self, parent: PlaceId, step: PlaceStep) -> PlaceId {
        self.places.push(Place { parent, step });
        (self.places.len() - 1) as PlaceId
    }

    fn spend(&mut self, steps: usize) -> Result<(), OverBudget> {
        self.steps += steps as u64;
        if self.steps > self.max_steps { Err(OverBudget) } else { Ok(()) }
    }

    fn report(&mut self, kind: Kind, left: Option<NodeId>, right: Option<NodeId>, place: PlaceId) {
        if self.found.kept.len() >= self.max_differences {
            self.found.more += 1;
            return;
        }
        let legacy = left.map(|node| self.legacy.document.value(node));
        let candidate = right.map(|node| self.candidate.document.value(node));
        let explanation = explain::explain(kind, legacy.as_ref(), candidate.as_ref());
        let path = self.path(place);
        self.keep(Difference { part: Part::Body, path, kind, legacy, candidate, explanation });
    }

    fn keep(&mut self, difference: Difference) {
        if self.found.kept.len() < self.max_differences {
            self.found.kept.push(difference);
        } else {
            self.found.more += 1;
        }
    }

    fn path(&self, place: PlaceId) -> Path {
        let mut steps = Vec::new();
        let mut at = place;
        loop {
            let Place { parent, step } = &self.places[at as usize];
            match *step {
                PlaceStep::Body => break,
                PlaceStep::Index(index) => steps.push(Step::Index(index)),
                PlaceStep::Name { side, name, wide } => {
                    let document = match side {
                        Which::Legacy => self.legacy.document,
                        Which::Candidate => self.candidate.document,
                    };
                    steps.push(Step::member(&document.text(name), wide));
                }
            }
            at = *parent;
        }
        steps.push(Step::name("body"));
        steps.reverse();
        Path::from(steps)
    }
}
