//! What an SQLite error means for whoever runs parallax.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// An SQLite error in the store's words.
pub(super) fn explain(place: &str, error: &Error) -> StoreError {
    let place = place.to_owned();
    let detail = error.to_string();
    if is_odd_row(error) {
        return StoreError::Corrupt { place, detail };
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { place, detail },
        Some(ErrorCode::DiskFull) => StoreError::Full { place, detail },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { place, detail },
        Some(ErrorCode::NotADatabase) => StoreError::NotAStore { place, detail },
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            StoreError::Invalid { problem: detail }
        }
        _ => StoreError::Unavailable { place, detail },
    }
}

/// Whether a row was read that holds what this version never writes.
fn is_odd_row(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
    )
}
