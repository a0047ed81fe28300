//! A copy that leaves together with its request, so that little can move between the two answers. Its
//! answer waits for the answering side's: the check is judged when both are there, and is none when the
//! answering side gave no complete answer or the client left.
//!
//! Nobody waits for such a copy. Where it cannot leave at once it does not leave ahead, and the check
//! goes the usual way; there is one copy for it in any case.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parallax_core::exchange::Side;
use parallax_core::operation::Operation;
use parallax_core::verdict::Skip;
use tokio::sync::oneshot;

use super::{Place, Queue, RequestHead, Reservation, Waiting};
use crate::telemetry::Ticket;
use crate::upstream::Reach;

/// A copy that leaves together with its request, as the runner gets it.
pub struct Ahead {
    /// The operation as it was configured when the request came.
    pub operation: Arc<Operation>,
    /// The ways to the sides as they were configured then.
    pub reach: Arc<Reach>,
    /// What was asked; it has no body.
    pub request: RequestHead,
    /// The side that is asked.
    pub asked: Side,
    /// The bytes that it holds.
    pub reservation: Reservation,
    /// Its place among the waiting; given back when it starts.
    pub place: Place,
    /// Where the check arrives when the answering side has answered; closed when there is none.
    pub completed: oneshot::Receiver<Box<Completed>>,
    sent: Arc<Sent>,
}

/// The check of a copy that has left ahead.
pub struct Completed {
    /// The check, not yet assembled.
    pub waiting: Waiting,
    /// Where its fate is counted.
    pub ticket: Ticket,
    /// The bytes that it holds.
    pub reservation: Reservation,
}

/// The proxy's end. Dropped, there is no check: a copy that has not left does not leave any more, and
/// what one that has left is answered counts for nothing.
pub struct AheadOf {
    complete: Option<oneshot::Sender<Box<Completed>>>,
    sent: Arc<Sent>,
}

/// Whether the copy is sent, decided once by whoever comes first.
#[derive(Default)]
struct Sent(AtomicU8);

const UNDECIDED: u8 = 0;
const SENT: u8 = 1;
const RECALLED: u8 = 2;

impl Sent {
    fn decide(&self, wanted: u8) -> bool {
        self.0.compare_exchange(UNDECIDED, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn recall(&self) -> bool {
        self.decide(RECALLED) || self.0.load(Ordering::Acquire) == RECALLED
    }
}

impl Ahead {
    /// Both ends of a copy.
    pub(super) fn new(
        (operation, reach): (&Arc<Operation>, &Arc<Reach>),
        request: RequestHead,
        asked: Side,
        reservation: Reservation,
        place: Place,
    ) -> (Self, AheadOf) {
        let (complete, completed) = oneshot::channel();
        let sent = Arc::<Sent>::default();
        let of = AheadOf { complete: Some(complete), sent: Arc::clone(&sent) };
        let (operation, reach) = (Arc::clone(operation), Arc::clone(reach));
        (Self { operation, reach, request, asked, reservation, place, completed, sent }, of)
    }

    /// Whether the copy may be sent now; the proxy may have taken it back.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.sent.decide(SENT)
    }

    /// It does not leave ahead. The check, if it has arrived already.
    #[must_use]
    pub fn stays(mut self) -> Option<(Box<Completed>, Place)> {
        self.sent.recall();
        self.completed.close();
        Some((self.completed.try_recv().ok()?, self.place))
    }
}

impl AheadOf {
    /// Whether the copy was not sent and will not be: it may be sent the usual way.
    #[must_use]
    pub fn recall(&self) -> bool {
        self.sent.recall()
    }

    /// The answering side's answer is there. Where the copy did not leave ahead, the check goes the
    /// usual way.
    pub fn complete(mut self, completed: Completed, queue: &Queue) {
        let Some(complete) = self.complete.take() else { return };
        let Err(completed) = complete.send(Box::new(completed)) else { return };
        let Completed { waiting, ticket, reservation } = *completed;
        if self.sent.recall() {
            queue.offer(waiting, ticket, reservation);
        } else {
            ticket.skip(Skip::Overload);
        }
    }
}

impl Drop for AheadOf {
    fn drop(&mut self) {
        if self.complete.is_some() {
            self.sent.recall();
        }
    }
}
