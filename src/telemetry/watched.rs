//! What both sides answer clients, watched for a candidate that fails them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::rollback::{Bad, RollbackWhen, Watch};

use super::Alarms;

/// What a request is watched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    when: RollbackWhen,
    /// Which candidate it was sent to, of those that came one after the other.
    turn: u64,
}

/// How a side did for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    /// Whether it gave no answer, or one that is an error; none where nobody waited for that.
    pub is_error: Option<bool>,
    /// From the request fully sent to the head of the answer, where there was one.
    pub latency: Option<Duration>,
}

impl Did {
    /// It gave no answer.
    pub const NOTHING: Self = Self { is_error: Some(true), latency: None };

    /// It has answered with this status, so long after the request was fully sent.
    #[must_use]
    pub fn answered(status: StatusCode, latency: Duration) -> Self {
        Self { is_error: Some(status.is_server_error()), latency: Some(latency) }
    }

    /// The client left after so long without an answer: it takes that long at least.
    #[must_use]
    pub fn left(after: Duration) -> Self {
        Self { is_error: None, latency: Some(after) }
    }
}

/// One operation's watch.
pub(super) struct Watched {
    id: OperationId,
    began: Instant,
    errors: Watch,
    slow: Watch,
    /// From when on an answer is slow, in nanoseconds; the largest number where that is not known.
    slow_from: AtomicU64,
    turn: AtomicU64,
    alarms: Arc<Alarms>,
}

impl Watched {
    pub(super) fn new(id: &OperationId, alarms: &Arc<Alarms>) -> Self {
        Self {
            id: id.clone(),
            began: Instant::now(),
            errors: Watch::new(Bad::Error, Duration::from_secs(5)),
            slow: Watch::new(Bad::Slow, Duration::from_secs(5)),
            slow_from: AtomicU64::new(u64::MAX),
            turn: AtomicU64::new(0),
            alarms: Arc::clone(alarms),
        }
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_str()
    }

    pub(super) fn look_over(&self, over: Duration) {
        self.errors.look_over(over);
        self.slow.look_over(over);
    }

    pub(super) fn slow_from(&self, limit: Option<Duration>) {
        let limit = limit.and_then(|limit| u64::try_from(limit.as_nanos()).ok());
        self.slow_from.store(limit.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was sent to the candidate before says nothing from now on, also where it is answered later.
    pub(super) fn forget_candidate(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.errors.forget_candidate();
        self.slow.forget_candidate();
    }

    /// Legacy, while no client is answered by the candidate.
    pub(super) fn legacy_alone(&self, did: Did) {
        if let Some(is_error) = did.is_error {
            self.errors.legacy_alone(is_error);
        }
        if let Some(is_slow) = self.is_slow(did) {
            self.slow.legacy_alone(is_slow);
        }
    }

    pub(super) fn watching(&self, when: RollbackWhen) -> Watching {
        Watching { when, turn: self.turn.load(Ordering::Relaxed) }
    }

    pub(super) fn note(&self, side: Side, did: Did, Watching { when, turn }: Watching) {
        if side == Side::Candidate && turn != self.turn.load(Ordering::Relaxed) {
            return;
        }
        let now = self.began.elapsed();
        if let Some(is_error) = did.is_error {
            self.note_one(&self.errors, side, is_error, now, when);
        }
        if when.latency.is_some()
            && let Some(is_slow) = self.is_slow(did)
        {
            self.note_one(&self.slow, side, is_slow, now, when);
        }
    }

    fn note_one(&self, watch: &Watch, side: Side, is_bad: bool, now: Duration, when: RollbackWhen) {
        match side {
            Side::Legacy => watch.legacy(is_bad, now),
            Side::Candidate => {
                if let Some(excess) = watch.candidate(is_bad, now, when.errors) {
                    self.alarms.raise(&self.id, excess);
                }
            }
        }
    }

    /// Whether an answer is slow; none where that is not known.
    fn is_slow(&self, did: Did) -> Option<bool> {
        let limit = self.slow_from.load(Ordering::Relaxed);
        let latency = did.latency.filter(|_| limit != u64::MAX)?;
        Some(latency > Duration::from_nanos(limit))
    }
}
