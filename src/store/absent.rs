//! The place of a store that another process has now: it takes nothing and knows nothing, and says so.
//! What is not written stays with whoever wanted to write it.

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::Evidences;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::SignatureId;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

use super::StoreError;
use super::backend::{Backend, Minute, Purged, SeenSignature, StoredStage, Write};
use super::checks::{Acceptance, Backlog, Claim, KeptCheck, Lease, Room};

/// No store at the moment.
pub(super) struct Absent;

const GONE: StoreError = StoreError::HandedOver;

impl Backend for Absent {
    fn write(&mut self, _: &[Write]) -> Result<Vec<Acceptance>, StoreError> {
        Err(GONE)
    }

    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError> {
        Err(GONE)
    }

    fn evidences(&mut self) -> Result<Vec<(OperationId, Evidences)>, StoreError> {
        Err(GONE)
    }

    fn minutes(&mut self, _: &OperationId, _: Minute) -> Result<Vec<(Minute, Tally)>, StoreError> {
        Err(GONE)
    }

    fn signatures(&mut self, _: &OperationId) -> Result<Vec<SeenSignature>, StoreError> {
        Err(GONE)
    }

    fn signature(&mut self, _: SignatureId) -> Result<Option<SeenSignature>, StoreError> {
        Err(GONE)
    }

    fn samples(&mut self, _: SignatureId, _: usize) -> Result<Vec<Report>, StoreError> {
        Err(GONE)
    }

    fn sample(&mut self, _: CheckId) -> Result<Option<Report>, StoreError> {
        Err(GONE)
    }

    fn stages(&mut self) -> Result<Vec<StoredStage>, StoreError> {
        Err(GONE)
    }

    fn audit(&mut self, _: Option<&OperationId>, _: usize) -> Result<Vec<Transition>, StoreError> {
        Err(GONE)
    }

    fn purge(&mut self, _: Timestamp, _: usize) -> Result<Purged, StoreError> {
        Err(GONE)
    }

    fn claim(&mut self, _: Timestamp, _: Lease, _: Room) -> Result<Claim, StoreError> {
        Err(GONE)
    }

    fn renew(&mut self, _: Lease, _: &[CheckId]) -> Result<(), StoreError> {
        Err(GONE)
    }

    fn release(&mut self, _: u64, _: &[CheckId]) -> Result<(), StoreError> {
        Err(GONE)
    }

    fn outlive(&mut self, _: u64) -> Result<(), StoreError> {
        Err(GONE)
    }

    fn kept(&mut self, _: CheckId) -> Result<Option<KeptCheck>, StoreError> {
        Err(GONE)
    }

    fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        Err(GONE)
    }

    fn forget_done(&mut self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Err(GONE)
    }

    fn use_key(&mut self, _: &[u8]) -> Result<bool, StoreError> {
        Err(GONE)
    }
}
