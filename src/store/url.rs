//! The URL that names a store, and what lies beside it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::StoreError;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory://`: gone with the process.
    Memory,
    /// `sqlite://PATH`: one file; a relative path starts at the working directory.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Where the plan file lies: beside the store. A store in memory has none.
    ///
    /// ```
    /// use parallax::store::StoreUrl;
    /// let url: StoreUrl = "sqlite:///var/lib/parallax.db".parse().unwrap();
    /// assert_eq!(url.plan_file(), Some("/var/lib/parallax.plan.json".into()));
    /// ```
    #[must_use]
    pub fn plan_file(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Sqlite(path) => Some(path.with_extension("plan.json")),
        }
    }

    /// Where the key lies that seals what waits, unless it is in the environment: beside the store.
    ///
    /// ```
    /// use parallax::store::StoreUrl;
    /// let url: StoreUrl = "sqlite:///var/lib/parallax.db".parse().unwrap();
    /// assert_eq!(url.key_file(), Some("/var/lib/parallax.key".into()));
    /// ```
    #[must_use]
    pub fn key_file(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Sqlite(path) => Some(path.with_extension("key")),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    /// Messages name the scheme only: the rest of a URL may hold a password.
    fn from_str(url: &str) -> Result<Self, StoreError> {
        let invalid = |problem| StoreError::Url { problem };
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(invalid("a store in memory has no name; write `memory://`")),
            "sqlite" if rest.is_empty() || rest.ends_with('/') => {
                Err(invalid("the file is missing; write for example `sqlite://parallax.db`"))
            }
            "sqlite" if rest.contains('?') => Err(invalid("an SQLite store takes no `?parameters`")),
            "sqlite" => Ok(Self::Sqlite(rest.into())),
            "postgres" | "postgresql" => {
                Err(invalid("postgres:// is not available in this version; use `sqlite://parallax.db`"))
            }
            _ => Err(invalid("the scheme is unknown; use `sqlite://PATH` or `memory://`")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory://"),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_their_backend() {
        assert_eq!("memory://".parse(), Ok(StoreUrl::Memory));
        assert_eq!("sqlite://parallax.db".parse(), Ok(StoreUrl::Sqlite("parallax.db".into())));
        assert_eq!("sqlite:///abs/x.db".parse(), Ok(StoreUrl::Sqlite("/abs/x.db".into())));
        for text in ["memory://", "sqlite://a/b.db"] {
            assert_eq!(text.parse::<StoreUrl>().map(|url| url.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_names_no_store_is_refused_with_the_remedy_and_without_its_password() {
        let cases = [
            ("", "unknown"),
            ("parallax.db", "`sqlite://PATH` or `memory://`"),
            ("mysql://u:hunter2@db/x", "`sqlite://PATH` or `memory://`"),
            ("postgres://u:hunter2@db/x", "not available in this version"),
            ("sqlite://", "the file is missing"),
            ("sqlite://dir/", "the file is missing"),
            ("sqlite://x.db?mode=ro", "no `?parameters`"),
            ("memory://x", "has no name"),
        ];
        for (url, expected) in cases {
            let message = url.parse::<StoreUrl>().expect_err(url).to_string();
            assert!(message.contains(expected), "{url}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn the_plan_file_lies_beside_the_store() {
        let plan_file = |url: &str| url.parse::<StoreUrl>().expect("a store").plan_file();
        assert_eq!(plan_file("sqlite://parallax.db"), Some("parallax.plan.json".into()));
        assert_eq!(plan_file("memory://"), None);
    }
}
