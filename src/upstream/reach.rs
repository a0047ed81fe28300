//! The ways to both sides as one configuration has them: the sides themselves, and every thread's own
//! connections to them.
//!
//! It is a value that is never changed, only followed by another. Whoever reads the routing gets the
//! one that belongs to it, so that a request meets an operation and the sides of the same
//! configuration, and no thread has to be told of a change: the next request simply finds other
//! connections. The old ones go when the last request that holds this value is done.

use std::sync::Arc;

use parallax_core::exchange::Side;

use super::{PoolLimits, Sides, Upstream};
use crate::config::Settings;

/// How many threads there are of each kind; it stays as it is until the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Threads that serve clients.
    pub data: usize,
    /// Threads that run checks.
    pub runners: usize,
}

/// The ways to both sides.
pub struct Reach {
    number: u64,
    legacy: Arc<Upstream>,
    candidate: Arc<Upstream>,
    threads: Threads,
    max_in_flight: usize,
    clients: Vec<Arc<Sides>>,
    copies: Vec<Arc<Sides>>,
}

impl Reach {
    /// The ways to the sides of a first configuration, with no connection yet. `limits` bounds the
    /// connections that a thread keeps for so many requests at a time.
    #[must_use]
    pub fn new(settings: &Settings, threads: Threads, limits: fn(Kept) -> PoolLimits) -> Self {
        let legacy = Arc::new(Upstream::new(Side::Legacy, &settings.legacy));
        let candidate = Arc::new(Upstream::new(Side::Candidate, &settings.candidate));
        let sides = |kept| Arc::new(Sides::new(&legacy, &candidate, limits(kept)));
        let max_in_flight = settings.candidate.max_in_flight.max(1);
        let clients = (0..threads.data).map(|_| sides(Kept::ForClients)).collect();
        let copies = (0..threads.runners)
            .map(|number| sides(Kept::ForCopies(share(max_in_flight, threads.runners, number))))
            .collect();
        Self { number: 0, legacy, candidate, threads, max_in_flight, clients, copies }
    }

    /// The ways after a change from `before` to `settings`: connections to what is still the same
    /// are kept.
    #[must_use]
    pub fn changed(&self, before: &Settings, settings: &Settings, limits: fn(Kept) -> PoolLimits) -> Self {
        let fresh = Self::new(settings, self.threads, limits);
        let keep =
            |same: bool, old: &Arc<Upstream>, new: Arc<Upstream>| if same { Arc::clone(old) } else { new };
        let legacy = keep(before.legacy == settings.legacy, &self.legacy, fresh.legacy);
        let candidate = keep(before.candidate == settings.candidate, &self.candidate, fresh.candidate);
        let follow = |old: &[Arc<Sides>], kept: &dyn Fn(usize) -> Kept| {
            let sides = |(number, old): (usize, &Arc<Sides>)| {
                Arc::new(old.changed(&legacy, &candidate, limits(kept(number))))
            };
            old.iter().enumerate().map(sides).collect()
        };
        let in_flight = |number| share(fresh.max_in_flight, self.threads.runners, number);
        let clients = follow(&self.clients, &|_| Kept::ForClients);
        let copies = follow(&self.copies, &|number| Kept::ForCopies(in_flight(number)));
        let number = self.number + 1;
        Self { number, legacy, candidate, clients, copies, ..fresh }
    }

    /// The threads that have a way to the sides.
    #[must_use]
    pub fn threads(&self) -> Threads {
        self.threads
    }

    /// Counts the changes; the higher one is the newer.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A side as configured.
    #[must_use]
    pub fn upstream(&self, side: Side) -> &Arc<Upstream> {
        match side {
            Side::Legacy => &self.legacy,
            Side::Candidate => &self.candidate,
        }
    }

    /// Both sides as a data thread reaches them.
    #[must_use]
    pub fn for_clients(&self, thread: usize) -> &Arc<Sides> {
        &self.clients[thread]
    }

    /// Both sides as a runner reaches them.
    #[must_use]
    pub fn for_copies(&self, runner: usize) -> &Arc<Sides> {
        &self.copies[runner]
    }

    /// Requests that a runner may have in flight to a side. All runners together ask no more than
    /// is allowed.
    #[must_use]
    pub fn in_flight(&self, runner: usize) -> usize {
        share(self.max_in_flight, self.threads.runners, runner)
    }
}

/// What a thread keeps connections for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Clients' requests.
    ForClients,
    /// So many copies at a time.
    ForCopies(usize),
}

/// One runner's part of what all may have in flight, at least one.
fn share(all: usize, runners: usize, number: usize) -> usize {
    (all / runners + usize::from(number < all % runners)).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const THREADS: Threads = Threads { data: 2, runners: 2 };

    fn settings(text: &str) -> Settings {
        let operations = "operations: [{id: a, match: GET /a}]";
        crate::config::parse(&format!("{text}\n{operations}"), "x.yaml", &|_| None).expect("a configuration")
    }

    fn limits(kept: Kept) -> PoolLimits {
        let idle = match kept {
            Kept::ForClients => 10,
            Kept::ForCopies(in_flight) => in_flight,
        };
        let time = Duration::from_secs(1);
        PoolLimits { idle, idle_for: time, keep_for: time, connect: time }
    }

    #[test]
    fn connections_to_a_side_that_stays_are_kept_and_others_are_not() {
        let before = settings("legacy: http://a\ncandidate: http://b");
        let after = settings("legacy: http://a\ncandidate: {url: http://b, timeout: 1s}");
        let first = Reach::new(&before, THREADS, limits);
        let second = first.changed(&before, &after, limits);
        for thread in 0..2 {
            let pairs = [
                (first.for_clients(thread), second.for_clients(thread)),
                (first.for_copies(thread), second.for_copies(thread)),
            ];
            for (old, new) in pairs {
                assert!(Arc::ptr_eq(&old.legacy.pool, &new.legacy.pool));
                assert!(!Arc::ptr_eq(&old.candidate.pool, &new.candidate.pool));
                assert_eq!(new.candidate.upstream.timeout, Some(Duration::from_secs(1)));
            }
        }
        assert!(second.number() > first.number());
        assert!(!Arc::ptr_eq(first.for_clients(0), first.for_clients(1)), "each thread has its own");
    }

    #[test]
    fn all_runners_together_ask_no_more_than_is_allowed() {
        let reach = |max: usize| {
            let text = format!("legacy: http://a\ncandidate: {{url: http://b, max_in_flight: {max}}}");
            let reach = Reach::new(&settings(&text), THREADS, limits);
            (reach.in_flight(0), reach.in_flight(1))
        };
        assert_eq!((reach(7), reach(2)), ((4, 3), (1, 1)));
    }
}
