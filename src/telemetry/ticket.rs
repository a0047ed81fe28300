//! The ticket that makes sure each request is counted once in every term it belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parallax_core::check::{Check, CheckId};
use parallax_core::evidence::Shown;
use parallax_core::exchange::Side;
use parallax_core::judge::Judged;
use parallax_core::recheck::Finding;
use parallax_core::report::ReportedDifference;
use parallax_core::rollback::RollbackWhen;
use parallax_core::signature::Signature;
use parallax_core::tally::End;
use parallax_core::verdict::{Skip, Verdict};

use super::{Did, Meter};

/// One request's place in the counts: in flight until its fate is known, then in exactly one
/// other term. A ticket that is dropped without a fate counts as skipped `overload`: whatever
/// held it was given up by this node.
///
/// A check that waits in the store is counted there, together with its completion. Its ticket tells
/// its [`Keeper`] how it ended, and counts only what is no term of the sum.
#[must_use]
pub struct Ticket {
    meter: Option<Arc<Meter>>,
    fate: Option<Arc<Fate>>,
    stored: Option<Box<Stored>>,
    shown: Option<Box<Shown>>,
    /// Under which the check is counted, beside its operation.
    name: Option<Box<str>>,
}

struct Stored {
    id: CheckId,
    may_be_asked_for: bool,
    keeper: Box<dyn Keeper>,
    differences: Vec<ReportedDifference>,
}

/// Whoever brings the end of a check back to the store.
pub trait Keeper: Send + Sync {
    /// The check is settled, as far as it will be.
    fn settled(self: Box<Self>, how: Settled);
}

/// How the run of a check from the store is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It has ended.
    Ended {
        /// How.
        end: End,
        /// The places where the sides disagree, values redacted.
        differences: Vec<ReportedDifference>,
        /// What it shows besides, where it was run.
        shown: Box<Shown>,
    },
    /// It was not begun and may be taken again.
    GivenBack,
    /// It was left without a word: nobody knows how far it came.
    Left,
}

/// Where a ticket says why its request was not checked, for whoever wants to know of this one
/// request: the access log, a trace.
#[derive(Debug, Default)]
pub struct Fate(AtomicU8);

impl Fate {
    /// Why the request was skipped; none while it may still be checked, and once it was.
    #[must_use]
    pub fn skipped(&self) -> Option<Skip> {
        let place = self.0.load(Ordering::Relaxed);
        Skip::ALL.get(usize::from(place).checked_sub(1)?).copied()
    }

    fn skip(&self, reason: Skip) {
        self.0.store(reason as u8 + 1, Ordering::Relaxed);
    }
}

impl Ticket {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self { meter: Some(meter), fate: None, stored: None, shown: None, name: None }
    }

    /// The ticket of a check from the store, which was counted when the store accepted it, and for
    /// whose differences somebody may ask or nobody.
    pub fn stored(meter: Arc<Meter>, id: CheckId, may_be_asked_for: bool, keeper: Box<dyn Keeper>) -> Self {
        let stored = Box::new(Stored { id, may_be_asked_for, keeper, differences: Vec::new() });
        Self { meter: Some(meter), fate: None, stored: Some(stored), shown: None, name: None }
    }

    /// The name under which the store keeps the check, where it does.
    #[must_use]
    pub fn stored_id(&self) -> Option<CheckId> {
        self.stored.as_ref().map(|stored| stored.id)
    }

    /// Whether somebody may ask for this one check, and not only for its kind.
    #[must_use]
    pub fn may_be_asked_for(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.may_be_asked_for)
    }

    /// Notes where the sides disagree, for whoever asks for the check.
    pub fn note(&mut self, differences: Vec<ReportedDifference>) {
        if let Some(stored) = &mut self.stored {
            stored.differences = differences;
        }
    }

    /// Notes what the check shows besides its outcome.
    pub fn show(&mut self, shown: Shown) {
        self.shown = Some(Box::new(shown));
    }

    /// Notes the faults of a mismatch.
    pub fn show_faults(&mut self, signatures: &[Signature]) {
        let shown = self.shown.get_or_insert_default();
        shown.faults = signatures.iter().map(|signature| signature.id).collect();
    }

    /// The store has accepted the check and counted its request: from now on its end is counted
    /// there, and no more here.
    pub fn moved(mut self) {
        if let Some(meter) = self.meter.take() {
            meter.moved();
        }
    }

    /// The check was not begun: nothing was sent. One from the store goes back there; any other is
    /// given up.
    pub fn give_back(mut self) {
        match self.stored.take() {
            Some(stored) => {
                self.meter = None;
                stored.keeper.settled(Settled::GivenBack);
            }
            None => self.skipped(Skip::Overload),
        }
    }

    /// Has the ticket's fate told here too.
    pub fn tell(&mut self, fate: &Arc<Fate>) {
        self.fate = Some(Arc::clone(fate));
    }

    /// The request is not checked.
    pub fn skip(mut self, reason: Skip) {
        self.skipped(reason);
    }

    fn skipped(&mut self, reason: Skip) {
        if let Some(fate) = self.fate.take() {
            fate.skip(reason);
        }
        self.settle(End::Skipped(reason));
    }

    /// The check was judged.
    pub fn judged(self, judged: &Judged) {
        self.decided(judged, None);
    }

    /// The check is a mismatch that was to be looked at again, and this came of it.
    pub fn rechecked(self, judged: &Judged, finding: Finding) {
        self.decided(judged, Some(finding));
    }

    fn decided(mut self, Judged { verdict, masked }: &Judged, finding: Option<Finding>) {
        if let Some(meter) = &self.meter {
            if let Some(name) = &self.name {
                meter.count_named(name, verdict.outcome(), 1);
            }
            if let Some(finding) = finding {
                meter.counters.rechecks[finding as usize].inc();
            }
            for (counter, &places) in meter.masked.iter().zip(masked) {
                counter.inc_by(places.into());
            }
        }
        let cause = match verdict {
            Verdict::Matched(_) => None,
            Verdict::Unmatched(differences) => {
                if let Some(meter) = &self.meter {
                    for difference in &differences.kept {
                        meter.counters.differences[difference.part as usize].inc();
                    }
                }
                None
            }
            Verdict::Failed(cause) => Some(*cause),
        };
        self.settle(End::Judged { outcome: verdict.outcome(), cause });
    }

    /// The check is of a GraphQL operation of this name.
    pub fn named(&mut self, name: &str) {
        self.name = Some(name.into());
    }

    /// Notes what of its operation's description the check has met.
    pub fn met(&self, check: &Check) {
        if let Some(meter) = &self.meter {
            meter.met(check);
        }
    }

    /// Records a side's latency for the request.
    pub fn observe(&self, side: Side, latency: Duration) {
        if let Some(meter) = &self.meter {
            meter.observe(side, latency);
        }
    }

    /// Notes how legacy did with a copy while the candidate answers clients.
    pub fn legacy_did(&self, did: Did, when: RollbackWhen) {
        if let Some(meter) = &self.meter {
            meter.did(Side::Legacy, did, meter.watching(when));
        }
    }

    fn settle(&mut self, end: End) {
        let Some(meter) = self.meter.take() else { return };
        let shown = self.shown.take().unwrap_or_default();
        if let Some(stored) = self.stored.take() {
            let Stored { keeper, differences, .. } = *stored;
            return keeper.settled(Settled::Ended { end, differences, shown });
        }
        meter.settled(end, &shown);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(stored) = self.stored.take() {
            self.meter = None;
            stored.keeper.settled(Settled::Left);
        } else if self.meter.is_some() {
            self.skipped(Skip::Overload);
        }
    }
}
