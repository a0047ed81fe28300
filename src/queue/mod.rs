//! Checks on their way from whoever made them to the runner: bounded by count and by bytes. What
//! does not fit is dropped and counted, never waited for.

mod ahead;
mod budget;
mod chunks;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parallax_core::exchange::Side;
use parallax_core::operation::Operation;
use parallax_core::verdict::Skip;
use prometheus::IntGauge;
use tokio::sync::mpsc;

pub use ahead::{Ahead, AheadOf, Completed};
pub use budget::{Budget, Reservation};
pub use chunks::Chunks;
pub(crate) use waiting::compact_headers;
pub use waiting::{AnswerHead, CapturedBody, RequestHead, Waiting};

use crate::telemetry::Ticket;
use crate::upstream::Reach;

/// A check with its place in the counts and its share of the budget.
pub struct Job {
    /// The check, not yet assembled.
    pub waiting: Waiting,
    /// Where its fate is counted.
    pub ticket: Ticket,
    /// The bytes that it holds.
    pub reservation: Reservation,
    /// Its place among the waiting; given back when it starts.
    pub place: Place,
    /// Since when it waits.
    pub since: Instant,
}

/// What a runner gets.
pub enum Work {
    /// A check whose copy is to be sent.
    Check(Box<Job>),
    /// A copy that leaves before its check is complete.
    Ahead(Box<Ahead>),
}

/// The entrance: cloned to every thread that makes checks.
#[derive(Clone)]
pub struct Queue {
    runners: Arc<[mpsc::Sender<Work>]>,
    next: Arc<AtomicUsize>,
    budget: Arc<Budget>,
    places: Arc<Places>,
    /// Where checks of durable operations go instead.
    to_store: Option<mpsc::Sender<Box<Job>>>,
}

struct Places {
    taken: AtomicUsize,
    limit: usize,
    depth: IntGauge,
}

/// A place among the waiting checks, given back when dropped.
pub struct Place {
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        self.places.depth.dec();
    }
}

/// A queue for at most `checks` waiting checks and `bytes` held bytes, with an exit for each
/// runner.
#[must_use]
pub fn channel(
    runners: usize,
    checks: usize,
    bytes: usize,
    depth: IntGauge,
) -> (Queue, Vec<mpsc::Receiver<Work>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..runners.max(1)).map(|_| mpsc::channel(checks.max(1))).unzip();
    let queue = Queue {
        runners: senders.into(),
        next: Arc::new(AtomicUsize::new(0)),
        budget: Arc::new(Budget::new(bytes)),
        places: Arc::new(Places { taken: AtomicUsize::new(0), limit: checks, depth }),
        to_store: None,
    };
    (queue, receivers)
}

impl Queue {
    /// The bytes that checks in the making may hold.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The same queue, but for checks of durable operations: those go to the store first.
    #[must_use]
    pub fn with_store(&self, to_store: mpsc::Sender<Box<Job>>) -> Self {
        Self { to_store: Some(to_store), ..self.clone() }
    }

    /// Hands a check over without waiting; where there is no place, it is counted as skipped.
    pub fn offer(&self, waiting: Waiting, ticket: Ticket, reservation: Reservation) {
        let Some(place) = self.take_place() else {
            return ticket.skip(Skip::QueueFull);
        };
        let job = Box::new(Job { waiting, ticket, reservation, place, since: Instant::now() });
        match &self.to_store {
            Some(to_store) if job.waiting.operation.durable => {
                if let Err(refused) = to_store.try_send(job) {
                    self.hand_over(refused.into_inner());
                }
            }
            Some(_) | None => self.hand_over(job),
        }
    }

    /// Hands a check over that has its place already.
    pub fn hand_over(&self, job: Box<Job>) {
        if let Err(refused) = self.next_runner().try_send(Work::Check(job))
            && let Work::Check(job) = refused.into_inner()
        {
            if job.ticket.stored_id().is_some() {
                job.ticket.give_back();
            } else {
                job.ticket.skip(Skip::QueueFull);
            }
        }
    }

    /// A place and room for a check from the store, where there is any.
    #[must_use]
    pub fn room(&self, bytes: usize) -> Option<(Place, Reservation)> {
        let mut reservation = self.budget.reservation();
        let place = self.take_place()?;
        reservation.grow(bytes).then_some((place, reservation))
    }

    /// Hands over, without waiting, a copy that leaves together with its request. None where there is
    /// no place: then its check goes the usual way.
    #[must_use]
    pub fn send_ahead(
        &self,
        of: (&Arc<Operation>, &Arc<Reach>),
        request: RequestHead,
        asked: Side,
        reservation: Reservation,
    ) -> Option<AheadOf> {
        let (ahead, of) = Ahead::new(of, request, asked, reservation, self.take_place()?);
        self.next_runner().try_send(Work::Ahead(Box::new(ahead))).is_ok().then_some(of)
    }

    fn next_runner(&self) -> &mpsc::Sender<Work> {
        &self.runners[self.next.fetch_add(1, Ordering::Relaxed) % self.runners.len()]
    }

    fn take_place(&self) -> Option<Place> {
        let taken = self.places.taken.fetch_add(1, Ordering::Relaxed);
        if taken >= self.places.limit {
            self.places.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.places.depth.inc();
        Some(Place { places: Arc::clone(&self.places) })
    }
}
