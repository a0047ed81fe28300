//! Checks that are accepted for good: sealed, committed, and only then confirmed. Whatever happens
//! to the process afterwards, each of them ends once and is counted once.
//!
//! They wait in the store and not in memory. A [`Feeder`] takes a bounded number of them at a time,
//! under leases that it renews, hands them to the runners, and brings their ends back. What a
//! killed process had taken is taken again when its leases are known to have run out; that is the
//! one way in which a check is ever run twice, and its end is written once all the same.
//!
//! Nobody here waits for a side, and no client of the proxy waits for anything here.

mod accepting;
mod feeder;
mod held;
mod key;
mod packed;
mod room;
mod seal;
mod shelving;

pub use accepting::{Counted, Durable, Offer, Refusal, Refused};
pub use feeder::{Feeder, Feeding};
pub use key::{KeyError, StoreKey};
pub use seal::{Seal, SealError};
pub use shelving::Shelving;
