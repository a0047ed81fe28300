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
mod same;
mod unordered;

pub(crate) use explain::explain_texts;

use self::unordered::Pairing;
use crate::document::{NodeId, NodeKind, View};
use crate::path::{Path, Step};
use crate::verdict::{Difference, Differences, Kind, Part};

/// Differences of one pair that are kept.
pub(crate) const MAX_DIFFERENCES: usize = 200;
/// Steps of work for one pair: some hundred nanoseconds each at worst.
pub(crate) const MAX_STEPS: u64 = 20_000_000;

/// More work than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverBudget;

/// Two documents under their rules, and what comparing them has found.
pub(crate) struct Diff<'v, 'd> {
    legacy: &'v View<'d>,
    candidate: &'v View<'d>,
    /// Places masked, by rule.
    masked: &'v mut [u32],
    steps: u64,
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
        steps: 0,
        places: vec![Place { parent: 0, step: PlaceStep::Body }],
        work: Vec::new(),
        found: Differences::default(),
    };
    diff.consider(legacy.document.root(), candidate.document.root(), 0, PlaceStep::Body)?;
    diff.work_off()?;
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
            (NodeKind::Array, NodeKind::Array) => match self.unordered_by(left, right) {
                Some(rule) => self.unordered(left, right, place, rule)?,
                None => self.ordered(left, right, place)?,
            },
            _ if ours.value_type(left) != theirs.value_type(right) => {
                self.report(Kind::Type, Some(left), Some(right), place);
            }
            _ => self.report(Kind::Value, Some(left), Some(right), place),
        }
        // The worklist is a stack; what comes first in the document is to be said first.
        self.work[first..].reverse();
        Ok(())
    }

    fn unordered_by(&self, left: NodeId, right: NodeId) -> Option<usize> {
        self.legacy.unordered(left).or_else(|| self.candidate.unordered(right))
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
        if self.steps > MAX_STEPS { Err(OverBudget) } else { Ok(()) }
    }

    fn report(&mut self, kind: Kind, left: Option<NodeId>, right: Option<NodeId>, place: PlaceId) {
        if self.found.kept.len() >= MAX_DIFFERENCES {
            self.found.more += 1;
            return;
        }
        let legacy = left.map(|node| self.legacy.document.value(node));
        let candidate = right.map(|node| self.candidate.document.value(node));
        let explanation = match (kind, &legacy, &candidate) {
            (Kind::Type | Kind::Value, Some(legacy), Some(candidate)) => explain::explain(legacy, candidate),
            _ => None,
        };
        let path = self.path(place);
        self.found.kept.push(Difference { part: Part::Body, path, kind, legacy, candidate, explanation });
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
