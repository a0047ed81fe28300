//! A timer that is looked at each time that a connection has nothing to read.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

/// A timer that is set once and looked at often. To look at it again costs nothing where it is known
/// whom it wakes and it has not come.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    wakes: Option<Waker>,
}

impl Timer {
    /// A timer for this instant.
    pub(super) fn at(instant: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(instant)), wakes: None }
    }

    /// Sets it to another instant.
    pub(super) fn set(&mut self, instant: Instant) {
        self.sleep.as_mut().reset(instant);
        // It may have come just before, and has forgotten then whom it wakes.
        self.wakes = None;
    }

    /// Ready once the instant has come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_known = self.wakes.as_ref().is_some_and(|known| known.will_wake(context.waker()));
        if is_known && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.wakes = Some(context.waker().clone());
        // Out of budget, it would not be noted whom to wake, and that is not told apart.
        pin!(unconstrained(self.sleep.as_mut())).poll(context)
    }
}
