//! What is wrong with a configuration, where, and what to do about it. All that can be told in
//! one go is collected, so that a file is mended in one go too.

use std::fmt;

/// A place in the file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl From<serde_saphyr::Location> for At {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// Where; none when it concerns the file as a whole.
    pub at: Option<At>,
    /// What, and what to do about it.
    pub message: String,
}

/// Everything that is wrong with a configuration, in the order of the file. It prints one line
/// for each: `parallax.yaml:12:5: what and what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file's name.
    pub name: String,
    /// At least one.
    pub list: Vec<ConfigError>,
}

impl ConfigErrors {
    /// A single error about the file as a whole.
    #[must_use]
    pub fn whole(name: &str, message: String) -> Self {
        Self { name: name.to_owned(), list: vec![ConfigError { at: None, message }] }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.list.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            match error.at {
                Some(at) => write!(f, "{line_end}{}:{at}: {}", self.name, error.message)?,
                None => write!(f, "{line_end}{}: {}", self.name, error.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects what is wrong while a file is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<ConfigError>,
}

impl Problems {
    pub(super) fn add(&mut self, at: At, message: impl Into<String>) {
        self.list.push(ConfigError { at: Some(at), message: message.into() });
    }

    /// The value, or its error collected.
    pub(super) fn take<T, E: fmt::Display>(&mut self, at: At, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(at, error.to_string())).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All that was collected, each once: what is wrong in `defaults` is met by every operation.
    pub(super) fn finish(mut self, name: &str) -> ConfigErrors {
        self.list.sort();
        self.list.dedup();
        ConfigErrors { name: name.to_owned(), list: self.list }
    }
}
