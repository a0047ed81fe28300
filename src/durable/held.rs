//! What a feeder has taken from the store and not brought back.

use std::sync::Arc;

use parallax_core::check::CheckId;
use parallax_core::evidence::{Key, Shown};
use parallax_core::operation::OperationId;
use parallax_core::report::ReportedDifference;
use parallax_core::tally::End;
use tokio::sync::mpsc;

use super::room::Amount;
use crate::store::{Completion, Write};
use crate::telemetry::{Keeper, Meter, Settled, Telemetry};

/// Brings the end of one check back.
pub(super) struct Returning {
    pub(super) id: CheckId,
    pub(super) meter: Arc<Meter>,
    pub(super) bytes: usize,
    pub(super) back: mpsc::Sender<Back>,
}

/// A check that has come back.
pub(super) struct Back {
    pub(super) id: CheckId,
    pub(super) meter: Arc<Meter>,
    pub(super) bytes: usize,
    pub(super) how: Settled,
}

impl Keeper for Returning {
    fn settled(self: Box<Self>, how: Settled) {
        let Self { id, meter, bytes, back } = *self;
        // There is a place for every check that is out. Without a feeder, its lease runs out.
        back.try_send(Back { id, meter, bytes, how }).ok();
    }
}

/// A check that has ended and is to be completed in the store.
pub(super) struct Ended {
    pub(super) id: CheckId,
    /// Whose counts it goes to: where it was not run, those of the operation of this name.
    pub(super) whose: Result<Arc<Meter>, OperationId>,
    pub(super) amount: Amount,
    pub(super) end: End,
    /// What it shows, and for what; none where it was not run.
    pub(super) shown: Option<(Key, Box<Shown>)>,
    pub(super) differences: Vec<ReportedDifference>,
}

impl Ended {
    pub(super) fn write(&self, at: jiff::Timestamp) -> Write {
        let (shown, differences) = (self.shown.clone(), self.differences.clone());
        Write::Done(Box::new(Completion { id: self.id, at, end: self.end, shown, differences }))
    }

    /// The store has completed and counted it.
    pub(super) fn count(&self, telemetry: &Telemetry) {
        match (&self.whose, &self.shown) {
            (Ok(meter), Some((key, shown))) => meter.ended(self.end, key, shown),
            (Ok(meter), None) => meter.ended_unrun(self.end),
            (Err(id), _) => telemetry.ended(id, self.end),
        }
    }
}
