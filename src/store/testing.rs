//! A backend that fails on demand, for tests of everyone who uses the store: "the store is down,
//! then it is back".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::Evidences;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::SignatureId;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

use super::backend::{Backend, Minute, Purged, SeenSignature, StoredStage, Write};
use super::checks::{Acceptance, Backlog, Claim, KeptCheck, Lease, Room};
use super::{Memory, Store, StoreError};

/// A backend that is down whenever its [`Outage`] says so.
#[derive(Debug, Default)]
pub struct Flaky<B> {
    inner: B,
    outage: Outage,
}

/// Turns a [`Flaky`] backend off and on, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Outage(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_down: AtomicBool,
    transactions: AtomicUsize,
}

impl Outage {
    /// From now on every call fails and changes nothing.
    pub fn begin(&self) {
        self.0.is_down.store(true, Ordering::SeqCst);
    }

    /// From now on calls reach the backend again.
    pub fn end(&self) {
        self.0.is_down.store(false, Ordering::SeqCst);
    }

    /// Batches that the backend was given to write, refused ones included.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.0.transactions.load(Ordering::SeqCst)
    }
}

/// A store in memory with the switch that turns it off and on.
///
/// # Errors
/// When the system has no thread to give.
pub fn flaky() -> Result<(Store, Outage), StoreError> {
    let (backend, outage) = Flaky::new(Memory::default());
    Ok((Store::start(Box::new(backend))?, outage))
}

impl<B: Backend> Flaky<B> {
    /// Wraps a backend; it is up at first.
    #[must_use]
    pub fn new(inner: B) -> (Self, Outage) {
        let outage = Outage::default();
        (Self { inner, outage: outage.clone() }, outage)
    }

    fn up(&mut self) -> Result<&mut B, StoreError> {
        if self.outage.0.is_down.load(Ordering::SeqCst) {
            let (place, detail) = ("(flaky)".to_owned(), "it was turned off".to_owned());
            return Err(StoreError::Unavailable { place, detail });
        }
        Ok(&mut self.inner)
    }
}

impl<B: Backend> Backend for Flaky<B> {
    fn write(&mut self, batch: &[Write]) -> Result<Vec<Acceptance>, StoreError> {
        let result = self.up()?.write(batch);
        self.outage.0.transactions.fetch_add(1, Ordering::SeqCst);
        result
    }

    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError> {
        self.up()?.totals()
    }

    fn evidences(&mut self) -> Result<Vec<(OperationId, Evidences)>, StoreError> {
        self.up()?.evidences()
    }

    fn minutes(
        &mut self,
        operation_id: &OperationId,
        since: Minute,
    ) -> Result<Vec<(Minute, Tally)>, StoreError> {
        self.up()?.minutes(operation_id, since)
    }

    fn signatures(&mut self, operation_id: &OperationId) -> Result<Vec<SeenSignature>, StoreError> {
        self.up()?.signatures(operation_id)
    }

    fn signature(&mut self, id: SignatureId) -> Result<Option<SeenSignature>, StoreError> {
        self.up()?.signature(id)
    }

    fn samples(&mut self, id: SignatureId, limit: usize) -> Result<Vec<Report>, StoreError> {
        self.up()?.samples(id, limit)
    }

    fn sample(&mut self, id: CheckId) -> Result<Option<Report>, StoreError> {
        self.up()?.sample(id)
    }

    fn stages(&mut self) -> Result<Vec<StoredStage>, StoreError> {
        self.up()?.stages()
    }

    fn audit(
        &mut self,
        operation_id: Option<&OperationId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        self.up()?.audit(operation_id, limit)
    }

    fn purge(&mut self, before: Timestamp, limit: usize) -> Result<Purged, StoreError> {
        self.up()?.purge(before, limit)
    }

    fn claim(&mut self, now: Timestamp, lease: Lease, room: Room) -> Result<Claim, StoreError> {
        self.up()?.claim(now, lease, room)
    }

    fn renew(&mut self, lease: Lease, checks: &[CheckId]) -> Result<(), StoreError> {
        self.up()?.renew(lease, checks)
    }

    fn release(&mut self, holder: u64, checks: &[CheckId]) -> Result<(), StoreError> {
        self.up()?.release(holder, checks)
    }

    fn outlive(&mut self, holder: u64) -> Result<(), StoreError> {
        self.up()?.outlive(holder)
    }

    fn kept(&mut self, id: CheckId) -> Result<Option<KeptCheck>, StoreError> {
        self.up()?.kept(id)
    }

    fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        self.up()?.backlog()
    }

    fn forget_done(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.up()?.forget_done(before, limit)
    }

    fn use_key(&mut self, key_id: &[u8]) -> Result<bool, StoreError> {
        self.up()?.use_key(key_id)
    }
}
