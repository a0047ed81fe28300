//! The checks that ask one side: so many at a time, the others wait in order. One side that hangs
//! does not hold up the checks that ask the other.

use std::collections::VecDeque;

use crate::queue::Job;

/// The checks that ask one side.
pub(super) struct Lane {
    running: usize,
    limit: usize,
    backlog: VecDeque<Box<Job>>,
}

impl Lane {
    pub(super) fn new(limit: usize) -> Self {
        Self { running: 0, limit: limit.max(1), backlog: VecDeque::new() }
    }

    /// The check itself when it may start at once; otherwise it waits, moved into memory of its
    /// own. The number that waits is bounded by the queue's places.
    pub(super) fn admit(&mut self, mut job: Box<Job>) -> Option<Box<Job>> {
        if self.running < self.limit {
            self.running += 1;
            return Some(job);
        }
        job.waiting.compact();
        self.backlog.push_back(job);
        None
    }

    /// So many at a time from now on.
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// One has ended.
    pub(super) fn ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// The next that may start.
    pub(super) fn next(&mut self) -> Option<Box<Job>> {
        let next = if self.running < self.limit { self.backlog.pop_front() } else { None };
        self.running += usize::from(next.is_some());
        next
    }
}
