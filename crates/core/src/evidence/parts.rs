//! An evidence as it is passed on to another process.

use super::{Distinct, Evidence, Faults, Recent};

#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Parts {
    matched: u64,
    unmatched: u64,
    failed: u64,
    recent: Vec<u8>,
    distinct: Vec<u8>,
    faults: Vec<u8>,
}

/// What was passed on is no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no bytes of an evidence")]
pub(super) struct Odd;

impl From<Evidence> for Parts {
    fn from(evidence: Evidence) -> Self {
        Self {
            matched: evidence.matched,
            unmatched: evidence.unmatched,
            failed: evidence.failed,
            recent: evidence.recent.to_bytes(),
            distinct: evidence.distinct.to_bytes(),
            faults: evidence.faults.to_bytes(),
        }
    }
}

impl TryFrom<Parts> for Evidence {
    type Error = Odd;

    fn try_from(parts: Parts) -> Result<Self, Odd> {
        Ok(Self {
            matched: parts.matched,
            unmatched: parts.unmatched,
            failed: parts.failed,
            recent: Recent::from_bytes(&parts.recent).ok_or(Odd)?,
            distinct: Distinct::from_bytes(&parts.distinct).ok_or(Odd)?,
            faults: Faults::from_bytes(&parts.faults).ok_or(Odd)?,
        })
    }
}
