//! The store: what must outlive the process. Lasting counts, signatures and redacted samples of
//! their faults, the stage of every operation, the audit of how it got there, and the checks that
//! were accepted for good, sealed until they are done.
//!
//! One trait ([`Backend`]), one contract suite run against every backend, and the backend is
//! chosen by its URL. A backend is synchronous and lives on a thread of its own; everyone else
//! holds a [`Store`], the handle to that thread. Writes that wait together are committed together,
//! because the price of a commit is the disk's, not the row's.
//!
//! The store never sees an unredacted exchange, never retries a write whose fate is unknown, and
//! nobody who serves a client waits for it.

mod absent;
mod backend;
mod checks;
mod error;
mod handle;
mod memory;
mod plan_file;
mod sqlite;
mod terms;
mod url;

#[doc(hidden)]
pub mod testing;

#[cfg(test)]
mod contract;

pub use backend::{
    Backend, MAX_SAMPLES, MAX_SIGNATURES, Minute, Purged, SeenSignature, StoredStage, Write, other_signature,
};
pub use checks::{
    Acceptance, Backlog, Claim, ClaimedCheck, Completion, Fingerprint, KEPT_FOR, KEPT_UNASKED_FOR, KeptCheck,
    Lease, MAX_ATTEMPTS, NewCheck, NewState, Room,
};
pub use error::StoreError;
pub use handle::Store;
pub use memory::Memory;
pub use plan_file::{PlanFile, merge};
pub use sqlite::Sqlite;
pub use url::StoreUrl;

/// Opens the store that a URL names, on a thread of its own. Reads and writes files, so it blocks.
///
/// # Errors
/// When the URL names no store, or the store cannot be opened.
pub fn open(url: &str) -> Result<Store, StoreError> {
    Store::start(open_backend(url)?)
}

/// Opens the backend that a URL names. Blocks.
///
/// # Errors
/// When the URL names no store, or the store cannot be opened.
pub fn open_backend(url: &str) -> Result<Box<dyn Backend>, StoreError> {
    Ok(match url.parse()? {
        StoreUrl::Memory => Box::new(Memory::default()),
        StoreUrl::Sqlite(path) => Box::new(Sqlite::open(&path)?),
    })
}
