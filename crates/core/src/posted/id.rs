//! The poster's own name for a check, by which it may be posted again without being counted twice.

use std::fmt;
use std::sync::Arc;

/// An idempotency key: 1 to 128 printable ASCII characters without spaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostedId(Arc<str>);

/// A text that is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id; use 1 to 128 printable ASCII characters without spaces, such as a UUID")]
pub struct PostedIdError;

impl PostedId {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for PostedId {
    type Err = PostedIdError;

    fn from_str(text: &str) -> Result<Self, PostedIdError> {
        // `.` and `..` mean another place in every URL, and the key may stand in one.
        let is_dots = matches!(text, "." | "..");
        let is_key = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key && !is_dots { Ok(Self(text.into())) } else { Err(PostedIdError) }
    }
}

impl fmt::Display for PostedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
