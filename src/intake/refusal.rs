//! Why a check is not accepted.

use parallax_core::posted::Malformed;

use crate::durable::{Refused, SealError};
use crate::store::StoreError;

/// Why a check is not accepted. No message repeats a value of the payload.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The payload is not in order.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No operation has such requests.
    #[error(
        "no operation has requests with this method and path; add one to `operations` in the configuration, or \
         leave such checks out"
    )]
    NoOperation,
    /// The operation that is named is not configured.
    #[error("there is no such operation in the configuration; method and path tell it where it is left out")]
    UnknownOperation,
    /// The operation that is named has other requests.
    #[error(
        "this operation has other requests (`match: {matcher}`); leave `operation_id` out to have it found"
    )]
    OtherOperation {
        /// Its requests.
        matcher: String,
    },
    /// Another check was accepted under this name.
    #[error("another check was posted with this id; an id is for one request with one answer")]
    Conflict {
        /// The name.
        id: String,
    },
    /// There is no room for more.
    #[error("{0}")]
    Full(Refused),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be sealed.
    #[error("the check cannot be sealed: {0}")]
    Seal(#[from] SealError),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => Self::Store(error),
            full @ (Refused::Full | Refused::TooMuchUnderWay) => Self::Full(full),
        }
    }
}
