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

/// How many threads there are of each kind; it stays as it is until the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Threads that serve clients.
    pub data: usize,
    /// Threads that run checks.
    pub runners: usize,
}

/// Connections to a second legacy instance that a runner keeps: it is asked now and then.
const FOR_NOISE: usize = 4;

/// The ways to both sides.
pub struct Reach {
    number: u64,
    legacy: Arc<Upstream>,
    candidate: Arc<Upstream>,
    secondary: Option<Arc<Upstream>>,
    threads: Threads,
    max_in_flight: usize,
    clients: Vec<Arc<Sides>>,
    copies: Vec<Arc<Sides>>,
}

impl Reach {
    /// The ways to these sides, with no connection yet and so many copies in flight at a time.
    /// `limits` bounds the connections that a thread keeps for so many requests at a time.
    #[must_use]
    pub fn new(
        legacy: Arc<Upstream>,
        candidate: Arc<Upstream>,
        max_in_flight: usize,
        threads: Threads,
        limits: fn(Kept) -> PoolLimits,
    ) -> Self {
        let sides = |kept| Arc::new(Sides::new(&legacy, &candidate, limits(kept)));
        let max_in_flight = max_in_flight.max(1);
        let clients = (0..threads.data).map(|_| sides(Kept::ForClients)).collect();
        let kept = Kept::ForCopies(share(max_in_flight, threads.runners));
        let copies = (0..threads.runners).map(|_| sides(kept)).collect();
        Self { number: 0, legacy, candidate, secondary: None, threads, max_in_flight, clients, copies }
    }

    /// The ways to other sides from now on: connections to one that is still the same are kept.
    #[must_use]
    pub fn changed(
        &self,
        legacy: Arc<Upstream>,
        candidate: Arc<Upstream>,
        max_in_flight: usize,
        limits: fn(Kept) -> PoolLimits,
    ) -> Self {
        let max_in_flight = max_in_flight.max(1);
        let follow = |old: &[Arc<Sides>], kept| {
            old.iter().map(|old| Arc::new(old.changed(&legacy, &candidate, limits(kept)))).collect()
        };
        let clients = follow(&self.clients, Kept::ForClients);
        let copies = follow(&self.copies, Kept::ForCopies(share(max_in_flight, self.threads.runners)));
        let (number, threads) = (self.number + 1, self.threads);
        Self { number, legacy, candidate, secondary: None, threads, max_in_flight, clients, copies }
    }

    /// The same ways, and one to a second legacy instance for the runners. Where `before` had one to the
    /// same, its connections are kept.
    #[must_use]
    pub fn with_secondary(
        mut self,
        secondary: Option<Arc<Upstream>>,
        before: Option<&Self>,
        limits: fn(Kept) -> PoolLimits,
    ) -> Self {
        let Some(secondary) = secondary else { return self };
        let limits = limits(Kept::ForCopies(FOR_NOISE));
        let extended = self.copies.iter().enumerate().map(|(runner, sides)| {
            let before = before.map(|before| &**before.for_copies(runner));
            Arc::new(sides.with_secondary(&secondary, before, limits))
        });
        self.copies = extended.collect();
        self.secondary = Some(secondary);
        self
    }

    /// The second legacy instance as configured, if there is one.
    #[must_use]
    pub fn secondary(&self) -> Option<&Arc<Upstream>> {
        self.secondary.as_ref()
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

    /// Copies that all runners together may have in flight to a side.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
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

/// One runner's part of what all may have in flight is never more; fewer kept connections would
/// churn.
fn share(all: usize, runners: usize) -> usize {
    all.div_ceil(runners.max(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::CountRepair;

    const THREADS: Threads = Threads { data: 2, runners: 2 };

    fn side(side: Side, url: &str) -> Arc<Upstream> {
        let operations = "operations: [{id: a, match: GET /a}]";
        let text = format!("legacy: {url}\ncandidate: http://other\n{operations}");
        let settings = crate::config::parse(&text, "x.yaml", &|_| None).expect("a configuration");
        Arc::new(Upstream::new(side, &settings.legacy, CountRepair::new(|_| ())).expect("a side"))
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
        let legacy = side(Side::Legacy, "http://a");
        let candidate = |url| side(Side::Candidate, url);
        let first = Reach::new(Arc::clone(&legacy), candidate("http://b"), 7, THREADS, limits);
        let second = first.changed(legacy, candidate("http://c"), 7, limits);
        for thread in 0..2 {
            let pairs = [
                (first.for_clients(thread), second.for_clients(thread)),
                (first.for_copies(thread), second.for_copies(thread)),
            ];
            for (old, new) in pairs {
                assert!(Arc::ptr_eq(&old.legacy.pool, &new.legacy.pool));
                assert!(!Arc::ptr_eq(&old.candidate.pool, &new.candidate.pool));
            }
        }
        assert!(second.number() > first.number());
        assert!(!Arc::ptr_eq(first.for_clients(0), first.for_clients(1)), "each thread has its own");
    }
}
