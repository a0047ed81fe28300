//! What both sides answer clients, watched for a candidate that fails them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::rollback::{Bad, RollbackWhen, Watch};

use super::Alarms;

/// How a side did for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    /// It gave no answer, or one that is an error.
    pub is_error: bool,
    /// From the request fully sent to the head of the answer, where there was one.
    pub latency: Option<Duration>,
}

impl Did {
    /// It gave no answer.
    pub const NOTHING: Self = Self { is_error: true, latency: None };
}

/// One operation's watch.
pub(super) struct Watched {
    id: OperationId,
    began: Instant,
    errors: Watch,
    slow: Watch,
    /// From when on an answer is slow, in nanoseconds; the largest number where that is not known.
    slow_from: AtomicU64,
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
            alarms: Arc::clone(alarms),
        }
    }

    pub(super) fn look_over(&self, over: Duration) {
        self.errors.look_over(over);
        self.slow.look_over(over);
    }

    pub(super) fn slow_from(&self, limit: Option<Duration>) {
        let limit = limit.and_then(|limit| u64::try_from(limit.as_nanos()).ok());
        self.slow_from.store(limit.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn forget_candidate(&self) {
        self.errors.forget_candidate();
        self.slow.forget_candidate();
    }

    /// Legacy, while no client is answered by the candidate.
    pub(super) fn legacy_alone(&self, did: Did) {
        self.errors.legacy_alone(did.is_error);
        if let Some(is_slow) = self.is_slow(did) {
            self.slow.legacy_alone(is_slow);
        }
    }

    pub(super) fn note(&self, side: Side, did: Did, when: RollbackWhen) {
        let now = self.began.elapsed();
        self.note_one(&self.errors, side, did.is_error, now, when);
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
