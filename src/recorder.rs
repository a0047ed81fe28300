//! What becomes of a report: counted under its signatures, logged, and now and then kept as a
//! sample. And the way of all counts into the store.
//!
//! Nobody waits for the store here. Counts stay in memory until the store has them for good, and
//! only then are they taken off; a store that is down costs nothing but the delay.

mod faults;
mod flush;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use parallax_core::evidence::Evidences;
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::Signature;

pub use flush::{Batch, Flush};

use crate::store::{SeenSignature, Store, Write};
use crate::telemetry::{Lasting, Telemetry};
use faults::Faults;

/// Counts and keeps what the runners find.
pub struct Recorder {
    faults: Mutex<Faults>,
    store: Store,
    telemetry: Arc<Telemetry>,
}

/// What to do about one more check with these signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Seen often lately: it is counted, that is enough.
    Count,
    /// The first, or the first for a while: keep a sample, and say how many were passed over.
    Sample {
        /// Checks since the last sample that had none of their own.
        suppressed: u64,
    },
}

impl Recorder {
    /// A recorder that knows the faults that the store has already.
    #[must_use]
    pub fn new(store: Store, telemetry: Arc<Telemetry>, known: Vec<SeenSignature>) -> Arc<Self> {
        Arc::new(Self { faults: Mutex::new(Faults::new(known)), store, telemetry })
    }

    /// Counts an unmatched check of a request that this side had answered under each of its signatures.
    #[must_use]
    pub fn count(&self, operation_id: &OperationId, found: (Side, Vec<Signature>), now: Instant) -> Notice {
        let at = jiff::Timestamp::now();
        self.faults().count(operation_id, found, at, now)
    }

    /// Counts places where the answering side differed from itself.
    #[must_use]
    pub fn noise(&self, operation_id: &OperationId, signatures: Vec<Signature>, now: Instant) -> Notice {
        self.faults().noise(operation_id, signatures, jiff::Timestamp::now(), now)
    }

    /// Takes over counts, faults and samples that the process before this one could not write any
    /// more. They are written with this one's own.
    pub fn inherit(&self, writes: Vec<Write>) {
        let mut faults = Vec::new();
        for write in writes {
            match write {
                Write::Tally { operation_id, tally, .. } => {
                    self.telemetry.inherit(&operation_id, &tally.into());
                }
                Write::Evidence { operation_id, key, evidence: late } => {
                    let mut evidence = Evidences::default();
                    evidence.add(&key, &late);
                    self.telemetry.inherit(&operation_id, &Lasting { evidence, ..Lasting::default() });
                }
                fault @ (Write::Seen { .. }
                | Write::Noise { .. }
                | Write::Sample(_)
                | Write::Transition(_)
                | Write::Check(_)
                | Write::Done(_)) => faults.push(fault),
            }
        }
        self.faults().put_back(faults);
    }

    /// Keeps a sample until it is written.
    pub fn keep(&self, report: Report) {
        self.faults().keep(report);
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
