//! Accepting: room first, then the commit, then the counts, and only then the word to whoever
//! waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::exchange::{Exchange, Request};
use parallax_core::operation::OperationId;
use parallax_core::tally::End;
use parallax_core::verdict::Skip;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::packed::{self, Names};
use super::room::{Amount, Room};
use super::seal::{Seal, SealError};
use crate::config::Limits;
use crate::queue::Job;
use crate::store::{Acceptance, Backlog, Fingerprint, NewCheck, NewState, Store, StoreError};
use crate::tasks;
use crate::telemetry::{Meter, Telemetry};

/// Acceptances under way at a time, those among them of which it is not known whether they landed.
const UNDER_WAY: usize = 1_024;
/// How long to wait before the store is asked again whether something landed.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Accepts checks for good.
pub struct Durable {
    pub(super) seal: Seal,
    pub(super) store: Store,
    pub(super) room: Room,
    /// Told when something has come.
    pub(super) arrived: Notify,
    under_way: Arc<Semaphore>,
}

/// A check to be accepted, and whose counts it goes to.
pub struct Offer {
    /// The check.
    pub check: NewCheck,
    /// Whose it is.
    pub counted: Counted,
}

/// How an accepted check is counted.
pub enum Counted {
    /// As a request that came with it: it was posted.
    Posted(Arc<Meter>),
    /// Its request was counted when the proxy answered it.
    Proxied(Box<Job>),
}

/// Why nothing was accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// There is no room for more.
    #[error(
        "as many checks wait as may (`limits.stored_checks`, `limits.stored_bytes`); post again in a moment"
    )]
    Full,
    /// Too much is under way of which it is not known whether it landed.
    #[error("the store is not in order, and too much waits for it already; post again in a moment")]
    TooMuchUnderWay,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Nothing was accepted. What has to be counted elsewhere comes back, unless it is not known yet
/// whether it landed.
pub struct Refusal {
    /// Why.
    pub reason: Refused,
    /// Those whose checks did not land.
    pub back: Vec<Counted>,
}

/// One offer after its check has gone to the store.
struct Gone {
    id: CheckId,
    at: Timestamp,
    amount: Amount,
    skipped: Option<Skip>,
    counted: Counted,
}

impl Durable {
    /// Accepts into `store`, in which this much waits already.
    #[must_use]
    pub fn new(
        seal: Seal,
        store: Store,
        limits: &Limits,
        waiting: &[Backlog],
        telemetry: &Telemetry,
    ) -> Arc<Self> {
        let most = Amount { checks: limits.stored_checks as u64, bytes: limits.stored_bytes as u64 };
        let room = Room::new(most, telemetry.stored_checks.clone());
        for backlog in waiting {
            room.hold(Amount { checks: backlog.checks, bytes: backlog.bytes });
        }
        let under_way = Arc::new(Semaphore::new(UNDER_WAY));
        Arc::new(Self { seal, store, room, arrived: Notify::new(), under_way })
    }

    /// What tells one content of a check from another. The order of the names of headers is no content:
    /// who posts a check again may write them in another one.
    #[must_use]
    pub fn fingerprint(
        &self,
        operation_id: &OperationId,
        request: &Request,
        answered: &Exchange,
    ) -> Fingerprint {
        self.seal.fingerprint(operation_id, &packed::pack(request, answered, Names::Sorted))
    }

    /// The content of a check, sealed.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn sealed(
        &self,
        id: CheckId,
        operation_id: &OperationId,
        request: &Request,
        answered: &Exchange,
    ) -> Result<Vec<u8>, SealError> {
        self.seal.seal(id, operation_id, &packed::pack(request, answered, Names::AsTheyCame))
    }

    /// Accepts all of these in one commit, and tells what the store says to each. They are on disk
    /// when this returns. Whoever stops waiting changes nothing about it.
    ///
    /// # Errors
    /// When none was accepted, as far as is known.
    pub async fn accept(self: &Arc<Self>, offers: Vec<Offer>) -> Result<Vec<Acceptance>, Refusal> {
        let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
            return Err(refused(Refused::TooMuchUnderWay, offers));
        };
        let amount = offers.iter().map(|offer| amount_of(&offer.check)).fold(Amount::default(), Amount::and);
        if !self.room.take(amount) {
            return Err(refused(Refused::Full, offers));
        }
        let this = Arc::clone(self);
        let accepting = tasks::spawn(async move { this.commit(offers, amount, permit).await });
        accepting.await.unwrap_or(Err(Refusal { reason: StoreError::Closed.into(), back: Vec::new() }))
    }

    async fn commit(
        self: Arc<Self>,
        offers: Vec<Offer>,
        amount: Amount,
        permit: OwnedSemaphorePermit,
    ) -> Result<Vec<Acceptance>, Refusal> {
        let (checks, gone): (Vec<_>, Vec<_>) = offers.into_iter().map(part).unzip();
        match self.store.accept(checks).await {
            Ok(said) => {
                for (&said, gone) in said.iter().zip(gone) {
                    self.count(said == Acceptance::New, gone);
                }
                self.arrived.notify_one();
                Ok(said)
            }
            Err(error @ StoreError::Unsettled { .. }) => {
                tasks::spawn(self.look_what_landed(gone, permit));
                Err(Refusal { reason: error.into(), back: Vec::new() })
            }
            Err(error) => {
                self.room.release(amount);
                let back = gone.into_iter().map(|gone| gone.counted).collect();
                Err(Refusal { reason: error.into(), back })
            }
        }
    }

    fn count(&self, has_landed: bool, gone: Gone) {
        if !has_landed {
            self.room.release(gone.amount);
        }
        match gone.counted {
            Counted::Posted(meter) if has_landed => {
                meter.accepted();
                if let Some(skip) = gone.skipped {
                    meter.ended_unrun(End::Skipped(skip));
                }
            }
            Counted::Posted(_) => {}
            Counted::Proxied(job) if has_landed => job.ticket.moved(),
            // Nobody knew in time: it is too late to send it.
            Counted::Proxied(job) => job.ticket.skip(Skip::Overload),
        }
    }

    /// The commit has failed and the store could not be asked whether it landed: that is asked until
    /// it can be told, so that what is in the store is counted, and nothing else. The submitter was
    /// told that it failed; a check of the same name is the same check.
    async fn look_what_landed(self: Arc<Self>, gone: Vec<Gone>, _permit: OwnedSemaphorePermit) {
        let ids: Vec<CheckId> = gone.iter().map(|gone| gone.id).collect();
        let kept = loop {
            tokio::time::sleep(ASK_AGAIN).await;
            let ids = ids.clone();
            let read = self.store.read(move |backend| {
                ids.into_iter().map(|id| backend.kept(id)).collect::<Result<Vec<_>, _>>()
            });
            match read.await {
                Ok(kept) => break kept,
                // Nobody is there any more who could be shown the counts.
                Err(StoreError::Closed) => return,
                Err(_) => {}
            }
        };
        for (kept, gone) in kept.into_iter().zip(gone) {
            // One of the same name may be there since before; this one came at another instant.
            let has_landed = kept.is_some_and(|kept| kept.at == gone.at);
            self.count(has_landed, gone);
        }
        self.arrived.notify_one();
    }
}

fn amount_of(check: &NewCheck) -> Amount {
    match &check.state {
        NewState::Waiting(sealed) => Amount::one(sealed.len()),
        NewState::Skipped(_) => Amount::default(),
    }
}

fn part(Offer { check, counted }: Offer) -> (NewCheck, Gone) {
    let skipped = match check.state {
        NewState::Waiting(_) => None,
        NewState::Skipped(skip) => Some(skip),
    };
    let gone = Gone { id: check.id, at: check.at, amount: amount_of(&check), skipped, counted };
    (check, gone)
}

fn refused(reason: Refused, offers: Vec<Offer>) -> Refusal {
    Refusal { reason, back: offers.into_iter().map(|offer| offer.counted).collect() }
}
