//! The checks that ask one side: as many at a time as the gate gives this runner, the others wait
//! in order. One side that hangs does not hold up the checks that ask the other.
//!
//! A check is sent soon or not at all: one that has waited for longer than the side may take would
//! hold a moment's answer against a much later one, and come on top of whatever made it wait. It is
//! skipped as `overload`, as is one that comes while the breaker is open; one from the store goes
//! back there and comes again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::{Gate, Pass};
use crate::queue::Job;

/// The checks that ask one side.
pub(super) struct Lane {
    gate: Arc<Gate>,
    /// This runner's number.
    number: usize,
    /// How long a check may wait.
    patience: Duration,
    running: usize,
    backlog: VecDeque<Box<Job>>,
}

/// A check that may start, with its copy's way through the gate.
pub(super) struct Start {
    pub(super) job: Box<Job>,
    pub(super) pass: Pass,
}

impl Lane {
    pub(super) fn new(gate: &Arc<Gate>, number: usize, patience: Duration) -> Self {
        Self { gate: Arc::clone(gate), number, patience, running: 0, backlog: VecDeque::new() }
    }

    /// How long a check may wait from now on.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The check itself when it may start at once; otherwise it waits, moved into memory of its
    /// own, and the one that has waited longest may start if there is room. The number that waits is
    /// bounded by the queue's places.
    pub(super) fn admit(&mut self, mut job: Box<Job>) -> Option<Start> {
        if self.backlog.is_empty() && self.has_room() {
            return self.start(job);
        }
        job.waiting.compact();
        self.backlog.push_back(job);
        self.next()
    }

    /// Whether a copy that is no check's own, such as a recheck's, could be sent now.
    pub(super) fn has_room(&self) -> bool {
        self.running < self.gate.share(self.number)
    }

    /// Whether there is room and nobody waits for it.
    pub(super) fn is_free(&self) -> bool {
        self.backlog.is_empty() && self.has_room()
    }

    /// Lets such a copy through, where there is room; none while the breaker is open.
    pub(super) fn enter(&mut self) -> Option<Pass> {
        let pass = self.gate.enter(Instant::now())?;
        self.running += 1;
        Some(pass)
    }

    /// How long a check may wait.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// One has ended.
    pub(super) fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// The next that may start. To be asked until there is none: the limit may have grown by more
    /// than the one that ended.
    pub(super) fn next(&mut self) -> Option<Start> {
        while self.has_room() {
            let job = self.backlog.pop_front()?;
            if let Some(start) = self.start(job) {
                return Some(start);
            }
        }
        None
    }

    fn start(&mut self, job: Box<Job>) -> Option<Start> {
        let now = Instant::now();
        let is_late = now.saturating_duration_since(job.since) > self.patience;
        let pass = if is_late { None } else { self.gate.enter(now) };
        let Some(pass) = pass else {
            job.ticket.give_back();
            return None;
        };
        self.running += 1;
        Some(Start { job, pass })
    }
}
