//! A check: an exchange already made, waiting for the other side's. The proxy, the article's
//! `POST /consistency-checks` and recorded files all make the same thing, so whatever makes
//! checks better is written once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::exchange::{Exchange, Request};
use crate::operation::Operation;

/// Names one check, for good: 128 random bits, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u128);

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that names no check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a check id; it has 32 hexadecimal digits")]
pub struct CheckIdError(String);

impl FromStr for CheckId {
    type Err = CheckIdError;

    fn from_str(text: &str) -> Result<Self, CheckIdError> {
        let error = || CheckIdError(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| error())
    }
}

impl serde::Serialize for CheckId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CheckId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An exchange already made, waiting for the other side's.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name.
    pub id: CheckId,
    /// The operation as it was configured when the request came.
    pub operation: Arc<Operation>,
    /// What was asked.
    pub request: Request,
    /// What the answering side, the source of truth, answered.
    pub answered: Exchange,
}
