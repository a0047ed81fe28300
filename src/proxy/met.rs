//! A request that has met its operation: what was decided then, and how the sides do that it is sent to.

use std::sync::Arc;

use http::HeaderValue;
use parallax_core::exchange::Side;
use parallax_core::operation::Operation;
use parallax_core::stage::Plan;
use parallax_core::verdict::Skip;

use super::upload::UploadLimits;
use crate::telemetry::{Did, Meter, Watching};
use crate::upstream::{Reach, Sides};

/// A request that has met its operation.
pub(super) struct Met {
    pub(super) operation: Arc<Operation>,
    pub(super) meter: Arc<Meter>,
    pub(super) plan: Plan,
    pub(super) sides: Arc<Sides>,
    pub(super) upload: UploadLimits,
    /// When the operation is rolled back by itself, where the candidate answers clients.
    pub(super) watched: Option<Watching>,
    /// Whether whoever asks has chosen the side.
    pub(super) is_pinned: bool,
    /// A cookie by which the client is known from now on.
    pub(super) gift: Option<HeaderValue>,
    /// The way to the other side, when that is to be checked.
    pub(super) check: Result<Arc<Reach>, Skip>,
}

/// Notes that a side has broken off in the middle of its answer.
pub(super) struct OnBreak {
    meter: Arc<Meter>,
    side: Side,
    watching: Watching,
}

impl OnBreak {
    /// It has.
    pub(super) fn tell(self) {
        self.meter.did(self.side, Did::NOTHING, self.watching);
    }
}

impl Met {
    /// What is to be told when the answer breaks off on its way.
    pub(super) fn on_break(&self) -> Option<OnBreak> {
        Some(OnBreak { watching: self.watched?, side: self.plan.answering, meter: Arc::clone(&self.meter) })
    }

    /// Notes how the side did that has answered, or has not.
    pub(super) fn note(&self, side: Side, did: Did) {
        let Some(watching) = self.watched else {
            // What somebody tries out says nothing of what clients are answered.
            let is_noted = self.operation.rollback_when.is_some() && !self.is_pinned;
            if is_noted && side == Side::Legacy {
                self.meter.legacy_did(did);
            }
            return;
        };
        // Legacy answers in its place: the client sees no error, and the candidate was none the better.
        if side != self.plan.answering {
            self.meter.did(self.plan.answering, Did::NOTHING, watching);
        }
        self.meter.did(side, did, watching);
    }
}
