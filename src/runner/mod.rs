//! The runner asks the other side what the answering side has answered already, compares, and
//! reports. It has threads of its own, away from the clients': a slow comparison or a candidate
//! that hangs costs checks, never a client's time.
//!
//! A side is asked at most once for a check: no retry, no redirect followed, a bounded number at
//! a time and a bounded time each. The number gives way when the side slows down, and when the side
//! is not there at all, nothing is sent; see [`parallax_core::pressure`].

mod apart;
mod carried;
mod copy;
mod gate;
mod lag;
mod lane;
mod result;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use parallax_core::exchange::Side;
use parallax_core::isolation::Isolation;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::queue::Job;
use crate::recorder::Recorder;
use crate::upstream::Reach;
pub use apart::{Apart, Ran};
pub use carried::Carried;
pub use gate::{Gates, Seat};
use lag::Lag;
use lane::{Lane, Start};

/// Checks that are taken at once, and how long to wait then before more are taken. Nobody waits for
/// a check, but every time that a runner is woken for a single one, it takes a core from a thread
/// that has clients to serve.
const BATCH: usize = 256;
const REST: Duration = Duration::from_millis(1);

/// A thread that runs checks.
pub struct Runner {
    jobs: mpsc::Receiver<Box<Job>>,
    shared: Arc<Shared>,
    /// The number of the configuration that the lanes have their width from.
    configured: u64,
    seat: Seat,
    legacy: Lane,
    candidate: Lane,
}

/// What all checks of a runner share.
pub(crate) struct Shared {
    /// Which runner this is.
    pub(crate) number: usize,
    pub(crate) carried: Carried,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) isolation: Arc<dyn Isolation>,
    lag: Lag,
}

impl Runner {
    /// The runner of this number, for the checks that come out of `jobs`; each brings the way to the
    /// sides with it. Foreign formats are decoded by `isolation`.
    #[must_use]
    pub fn new(
        jobs: mpsc::Receiver<Box<Job>>,
        reach: &Reach,
        seat: Seat,
        carried: Carried,
        recorder: Arc<Recorder>,
        isolation: Arc<dyn Isolation>,
    ) -> Self {
        let lane = |side| Lane::new(seat.gates.of(side), seat.number, copy::patience(reach.upstream(side)));
        let (legacy, candidate) = (lane(Side::Legacy), lane(Side::Candidate));
        let shared =
            Arc::new(Shared { number: seat.number, carried, recorder, isolation, lag: Lag::default() });
        Self { jobs, shared, configured: reach.number(), seat, legacy, candidate }
    }

    /// Runs checks until nobody can make any more, then until the last is judged, but no longer than
    /// until `cut` turns true. What is given up then counts itself by dropping its ticket.
    pub async fn run(mut self, mut cut: watch::Receiver<bool>) {
        let mut running: JoinSet<Side> = JoinSet::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut rest = pin!(tokio::time::sleep(REST));
        let mut is_resting = false;
        loop {
            tokio::select! {
                taken = self.jobs.recv_many(&mut batch, BATCH), if !is_resting => {
                    if taken == 0 {
                        break;
                    }
                    for job in batch.drain(..) {
                        self.admit(job, &mut running);
                    }
                    rest.as_mut().reset(Instant::now() + REST);
                    is_resting = true;
                }
                () = rest.as_mut(), if is_resting => {
                    self.shared.lag.note(rest.deadline().elapsed());
                    is_resting = false;
                }
                Some(ended) = running.join_next() => self.follow(&ended, &mut running),
                _ = cut.wait_for(|cut| *cut) => return,
            }
        }
        let finish = async {
            while let Some(ended) = running.join_next().await {
                self.follow(&ended, &mut running);
            }
        };
        tokio::select! {
            () = finish => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
    }

    fn admit(&mut self, job: Box<Job>, running: &mut JoinSet<Side>) {
        let side = job.waiting.asked();
        self.follow_configuration(&job.waiting.reach, running);
        if let Some(start) = self.lane(side).admit(job) {
            self.start(start, side, running);
        }
    }

    /// One has ended, so the next may start.
    fn follow(&mut self, ended: &Result<Side, JoinError>, running: &mut JoinSet<Side>) {
        let Ok(side) = ended else { return };
        self.lane(*side).ended();
        self.start_next(*side, running);
    }

    fn start_next(&mut self, side: Side, running: &mut JoinSet<Side>) {
        while let Some(start) = self.lane(side).next() {
            self.start(start, side, running);
        }
    }

    /// The first check of a newer configuration brings the number that may be in flight from then on,
    /// and how long a check may wait.
    fn follow_configuration(&mut self, reach: &Reach, running: &mut JoinSet<Side>) {
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

    fn start(&self, Start { job, pass }: Start, side: Side, running: &mut JoinSet<Side>) {
        let shared = Arc::clone(&self.shared);
        // In a box of its own, because a task is copied several times on its way, and this one is
        // kilobytes.
        let check = Box::pin(async move { result::run(&shared, *job, pass).await });
        running.spawn(async move {
            // A check that panics has counted itself by dropping its ticket.
            AssertUnwindSafe(check).catch_unwind().await.ok();
            side
        });
    }
}
