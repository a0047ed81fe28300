//! The runner asks the other side what the answering side has answered already, compares, and
//! reports. It has threads of its own, away from the clients': a slow comparison or a candidate
//! that hangs costs checks, never a client's time.
//!
//! A side is asked at most once for a check: no retry, no redirect followed, a bounded number at
//! a time and a bounded time each. Only after a mismatch are both asked once more, at a bounded rate and
//! marked as such, to tell a fault from data that moved. The number gives way when the side slows down, and when the side
//! is not there at all, nothing is sent; see [`parallax_core::pressure`].

mod ahead;
mod apart;
mod carried;
mod copy;
mod gate;
mod lag;
mod lane;
mod mismatch;
mod rechecks;
mod result;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parallax_core::check::CheckId;
use parallax_core::exchange::Side;
use parallax_core::isolation::Isolation;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::queue::{Ahead, Completed, Job, Work};
use crate::recorder::Recorder;
use crate::upstream::Reach;
use ahead::Early;
pub use apart::{Apart, Ran};
pub use carried::Carried;
pub use gate::{Gates, Seat};
use lag::Lag;
use lane::{Lane, Start};
use mismatch::{Mismatch, Passes};
use rechecks::Rechecks;

/// Checks that are taken at once, and how long to wait then before more are taken. Nobody waits for
/// a check, but every time that a runner is woken for a single one, it takes a core from a thread
/// that has clients to serve.
const BATCH: usize = 256;
const REST: Duration = Duration::from_millis(1);

/// A thread that runs checks.
pub struct Runner {
    jobs: mpsc::Receiver<Work>,
    shared: Arc<Shared>,
    /// The number of the configuration that the lanes have their width from.
    configured: u64,
    seat: Seat,
    legacy: Lane,
    candidate: Lane,
    rechecks: Rechecks,
}

/// What has ended.
enum Ended {
    /// A check that asked this side, and the mismatch that is still to be looked at again.
    Check(Side, Option<Mismatch>),
    /// A copy to this side that has left ahead of its check.
    Ahead(Side, Option<Box<Early>>),
    /// The check of one.
    Judged(Option<Mismatch>),
    /// A recheck, which asked both.
    Recheck,
}

/// What all checks of a runner share.
pub(crate) struct Shared {
    /// Which runner this is.
    pub(crate) number: usize,
    pub(crate) carried: Carried,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) isolation: Arc<dyn Isolation>,
    gates: Arc<Gates>,
    lag: Lag,
}

impl Runner {
    /// The runner of this number, for the checks that come out of `jobs`; each brings the way to the
    /// sides with it. Foreign formats are decoded by `isolation`.
    #[must_use]
    pub fn new(
        jobs: mpsc::Receiver<Work>,
        reach: &Reach,
        seat: Seat,
        carried: Carried,
        recorder: Arc<Recorder>,
        isolation: Arc<dyn Isolation>,
    ) -> Self {
        let lane = |side| Lane::new(seat.gates.of(side), seat.number, copy::patience(reach.upstream(side)));
        let (legacy, candidate) = (lane(Side::Legacy), lane(Side::Candidate));
        let gates = Arc::clone(&seat.gates);
        let (number, lag) = (seat.number, Lag::default());
        let shared = Arc::new(Shared { number, carried, recorder, isolation, gates, lag });
        let (configured, rechecks) = (reach.number(), Rechecks::default());
        Self { jobs, shared, configured, seat, legacy, candidate, rechecks }
    }

    /// Runs checks until nobody can make any more, then until the last is judged, but no longer than
    /// until `cut` turns true. What is given up then counts itself by dropping its ticket. Nobody waits
    /// for a mismatch's time to come: it is unconfirmed then.
    pub async fn run(mut self, mut cut: watch::Receiver<bool>) {
        let mut running: JoinSet<Ended> = JoinSet::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut rest = pin!(tokio::time::sleep(REST));
        let mut is_resting = false;
        loop {
            tokio::select! {
                taken = self.jobs.recv_many(&mut batch, BATCH), if !is_resting => {
                    if taken == 0 {
                        break;
                    }
                    for work in batch.drain(..) {
                        match work {
                            Work::Check(job) => self.admit(job, &mut running),
                            Work::Ahead(ahead) => self.send_ahead(*ahead, &mut running),
                        }
                    }
                    rest.as_mut().reset(Instant::now() + REST);
                    is_resting = true;
                }
                () = rest.as_mut(), if is_resting => {
                    self.shared.lag.note(rest.deadline().elapsed());
                    is_resting = false;
                }
                Some(ended) = running.join_next() => self.follow(ended, &mut running),
                () = self.rechecks.ripen() => self.start_rechecks(&mut running),
                _ = cut.wait_for(|cut| *cut) => return,
            }
        }
        self.rechecks.close();
        let finish = async {
            while let Some(ended) = running.join_next().await {
                self.follow(ended, &mut running);
            }
        };
        tokio::select! {
            () = finish => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
    }

    fn admit(&mut self, job: Box<Job>, running: &mut JoinSet<Ended>) {
        let side = job.waiting.asked();
        self.follow_configuration(&job.waiting.reach, running);
        if let Some(start) = self.lane(side).admit(job) {
            self.start(start, side, running);
        }
    }

    /// Sends a copy that leaves ahead, if that can be at once. If it cannot, its check goes the usual way.
    fn send_ahead(&mut self, ahead: Ahead, running: &mut JoinSet<Ended>) {
        let side = ahead.asked;
        self.follow_configuration(&ahead.reach, running);
        let lane = self.lane(side);
        let pass = if lane.is_free() { lane.enter() } else { None };
        let Some(pass) = pass else {
            if let Some((completed, place)) = ahead.stays() {
                let Completed { waiting, ticket, reservation } = *completed;
                let since = std::time::Instant::now();
                self.admit(Box::new(Job { waiting, ticket, reservation, place, since }), running);
            }
            return;
        };
        if !ahead.leaves() {
            return self.lane(side).ended();
        }
        let shared = Arc::clone(&self.shared);
        let asking = Box::pin(async move { Box::new(ahead::ask(&shared, ahead, pass, new_id()).await) });
        running.spawn(async move { Ended::Ahead(side, AssertUnwindSafe(asking).catch_unwind().await.ok()) });
    }

    /// Judges the check of a copy that has left ahead, when it comes. It holds up no other copy.
    fn judge(&self, early: Early, running: &mut JoinSet<Ended>) {
        let shared = Arc::clone(&self.shared);
        let judging = Box::pin(async move { ahead::judge(&shared, early).await });
        running.spawn(
            async move { Ended::Judged(AssertUnwindSafe(judging).catch_unwind().await.ok().flatten()) },
        );
    }

    /// One has ended, so the next may start.
    fn follow(&mut self, ended: Result<Ended, JoinError>, running: &mut JoinSet<Ended>) {
        let (sides, mismatch): (&[Side], _) = match ended {
            Ok(Ended::Check(side, mismatch)) => (alone(side), mismatch),
            Ok(Ended::Ahead(side, early)) => {
                early.into_iter().for_each(|early| self.judge(*early, running));
                (alone(side), None)
            }
            Ok(Ended::Judged(mismatch)) => (&[], mismatch),
            Ok(Ended::Recheck) => (Side::ALL, None),
            Err(_) => return,
        };
        if let Some(mismatch) = mismatch {
            self.rechecks.push(mismatch, std::time::Instant::now());
        }
        sides.iter().for_each(|side| self.lane(*side).ended());
        self.start_rechecks(running);
        sides.iter().for_each(|side| self.start_next(*side, running));
    }

    /// Starts the rechecks whose time has come, for as long as there is room to both sides. They come
    /// before the checks that wait, because they are few.
    fn start_rechecks(&mut self, running: &mut JoinSet<Ended>) {
        let patience = self.legacy.patience().min(self.candidate.patience());
        let now = std::time::Instant::now();
        while let Some(next) = self.rechecks.next(now, patience) {
            if !(self.legacy.has_room() && self.candidate.has_room()) {
                return self.rechecks.put_back(next);
            }
            if !next.1.may_ask() {
                self.rechecks.delay(next, now);
                continue;
            }
            // Held back at a gate, it is dropped and counts itself.
            let (_, mismatch) = next;
            let answering = mismatch.answering;
            let Some(first) = self.lane(answering).enter() else { continue };
            let Some(other) = self.lane(answering.other()).enter() else {
                self.lane(answering).ended();
                continue;
            };
            let recheck = Box::pin(mismatch.ask_again(Passes { answering: first, other }));
            running.spawn(async move {
                AssertUnwindSafe(recheck).catch_unwind().await.ok();
                Ended::Recheck
            });
        }
    }

    fn start_next(&mut self, side: Side, running: &mut JoinSet<Ended>) {
        while let Some(start) = self.lane(side).next() {
            self.start(start, side, running);
        }
    }

    /// The first check of a newer configuration brings the number that may be in flight from then on,
    /// and how long a check may wait.
    fn follow_configuration(&mut self, reach: &Reach, running: &mut JoinSet<Ended>) {
        if reach.number() <= self.configured {
            return;
        }
        self.configured = reach.number();
        self.seat.gates.resize(reach.max_in_flight());
        for &side in Side::ALL {
            let patience = copy::patience(reach.upstream(side));
            self.lane(side).set_patience(patience);
            self.start_next(side, running);
        }
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        match side {
            Side::Legacy => &mut self.legacy,
            Side::Candidate => &mut self.candidate,
        }
    }

    fn start(&self, Start { job, pass }: Start, side: Side, running: &mut JoinSet<Ended>) {
        let shared = Arc::clone(&self.shared);
        // In a box of its own, because a task is copied several times on its way, and this one is
        // kilobytes.
        let check = Box::pin(async move { result::run(&shared, *job, pass).await });
        running.spawn(async move {
            // A check that panics has counted itself by dropping its ticket.
            let mismatch = AssertUnwindSafe(check).catch_unwind().await.ok().flatten();
            Ended::Check(side, mismatch)
        });
    }
}

fn alone(side: Side) -> &'static [Side] {
    match side {
        Side::Legacy => &[Side::Legacy],
        Side::Candidate => &[Side::Candidate],
    }
}

fn new_id() -> CheckId {
    CheckId(fastrand::u128(..))
}
