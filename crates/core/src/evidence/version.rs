//! Which build of the candidate has answered.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

/// A version of the candidate; the empty one has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Arc<str>);

/// A text that names no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version has 1 to {} printable ASCII characters", Version::MAX_LENGTH)]
pub struct VersionError;

impl Version {
    /// Characters of a name, at most.
    pub const MAX_LENGTH: usize = 128;

    /// That of a candidate that does not tell its version.
    #[must_use]
    pub fn unnamed() -> Self {
        Self("".into())
    }

    /// The name as text; empty where there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !is_printable {
            return Err(VersionError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.as_ref().to_owned()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How the candidate's version is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// Not at all: every build is the same.
    Off,
    /// By the configuration.
    Named(Version),
    /// By a header of its answers.
    Header(HeaderName),
}

impl VersionSource {
    /// The version of a candidate that has answered with these headers, as far as they tell. A name that is
    /// too long or holds what is not printable is none: it comes from outside, and is kept and shown.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use parallax_core::evidence::VersionSource;
    /// let source = VersionSource::Header("x-version".parse().unwrap());
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(source.of(&headers), None);
    /// headers.insert("x-version", "1.4.2".parse().unwrap());
    /// assert_eq!(source.of(&headers), Some("1.4.2".parse().unwrap()));
    /// ```
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> Option<Version> {
        match self {
            Self::Off => Some(Version::unnamed()),
            Self::Named(version) => Some(version.clone()),
            Self::Header(name) => headers.get(name)?.to_str().ok()?.parse().ok(),
        }
    }
}

/// Tells two sets of rules apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RulesId(pub u64);

impl RulesId {
    /// Rules of a time when they were not told apart: counts of an older store, until whoever knows the
    /// present rules takes them over.
    pub const UNKNOWN: Self = Self(0);
}

impl fmt::Display for RulesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that names no rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id of rules; it has 16 hexadecimal digits")]
pub struct RulesIdError(String);

impl std::str::FromStr for RulesId {
    type Err = RulesIdError;

    fn from_str(text: &str) -> Result<Self, RulesIdError> {
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        number.map(Self).ok_or_else(|| RulesIdError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_printable_or_none() {
        let source = VersionSource::Header(HeaderName::from_static("x-version"));
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-version", http::HeaderValue::from_bytes(value).unwrap());
            source.of(&headers).map(String::from)
        };
        assert_eq!(of(b" 1.4.2 (build 7) ").as_deref(), Some("1.4.2 (build 7)"));
        assert_eq!(of(&[b'a'; 128]).map(|name| name.len()), Some(128));
        for odd in [&[b'a'; 129][..], b"", b"a\tb", "ä".as_bytes(), b"\xff"] {
            assert_eq!(of(odd), None);
        }
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        for id in [RulesId::UNKNOWN, RulesId(7), RulesId(u64::MAX)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("7".parse::<RulesId>().is_err());
    }
}
