//! What is wrong with a configuration, where, and what to do about it. All that can be told in
//! one go is collected, so that a file is mended in one go too.

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// Which file a place is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The configuration.
    #[default]
    Config,
    /// The OpenAPI document that it names.
    OpenApi,
}

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The file.
    pub source: Source,
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl At {
    /// The first place of a file.
    pub(super) fn start_of(source: Source) -> Self {
        Self { source, line: 1, column: 1 }
    }
}

thread_local! {
    /// What is being read on this thread, and how many lines of it stand before the text that was given to
    /// the library. Values note their place while they are read, and serde has no other way to tell them
    /// more than the library knows: a piece of another file has the places of that file.
    static READING: Cell<(Source, u64)> = const { Cell::new((Source::Config, 0)) };
}

/// Reads a piece of a file that begins after so many of its lines.
pub(super) fn reading<T>(source: Source, lines_before: u64, read: impl FnOnce() -> T) -> T {
    let outer = READING.replace((source, lines_before));
    let value = read();
    READING.set(outer);
    value
}

impl From<serde_saphyr::Location> for At {
    fn from(location: serde_saphyr::Location) -> Self {
        let (source, lines_before) = READING.get();
        Self { source, line: location.line() + lines_before, column: location.column() }
    }
}

/// A value with its place. Unlike the library's own, it knows which file it was read from.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: At,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, at: referenced.into() })
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
    /// The name of the OpenAPI document, where the configuration names one.
    pub openapi: Option<String>,
    /// At least one.
    pub list: Vec<ConfigError>,
}

impl ConfigErrors {
    /// A single error about the file as a whole.
    #[must_use]
    pub fn whole(name: &str, message: String) -> Self {
        Self { name: name.to_owned(), openapi: None, list: vec![ConfigError { at: None, message }] }
    }

    fn name_of(&self, source: Source) -> &str {
        match (source, &self.openapi) {
            (Source::OpenApi, Some(name)) => name,
            (Source::Config | Source::OpenApi, _) => &self.name,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.list.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            match error.at {
                Some(at) => write!(f, "{line_end}{}:{at}: {}", self.name_of(at.source), error.message)?,
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
    /// The name of the OpenAPI document, where there is one.
    pub(super) openapi: Option<String>,
    /// Whether that could not even be read.
    pub(super) is_unreadable: bool,
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

    /// The value, or its error collected where it belongs.
    pub(super) fn took<T>(&mut self, result: Result<T, (At, String)>) -> Option<T> {
        result.map_err(|(at, message)| self.add(at, message)).ok()
    }

    /// Whether the OpenAPI document cannot be taken, so that what it lacks is no news.
    pub(super) fn has_bad_document(&self) -> bool {
        let is_in_document = |error: &ConfigError| error.at.is_some_and(|at| at.source == Source::OpenApi);
        self.is_unreadable || self.list.iter().any(is_in_document)
    }

    /// A place as a remark in the text of an error that stands in this file.
    pub(super) fn place(&self, at: At, seen_from: Source) -> String {
        match (at.source == seen_from, at.source, &self.openapi) {
            (false, Source::OpenApi, Some(name)) => format!("in line {} of {name}", at.line),
            (false, Source::Config, _) => format!("in line {} of the configuration", at.line),
            (_, _, _) => format!("in line {}", at.line),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All that was collected, each once: what is wrong in `defaults` is met by every operation.
    pub(super) fn finish(mut self, name: &str) -> ConfigErrors {
        self.list.sort();
        self.list.dedup();
        ConfigErrors { name: name.to_owned(), openapi: self.openapi, list: self.list }
    }
}
