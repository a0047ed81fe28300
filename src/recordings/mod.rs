//! Checks from files: recorded requests, asked of a candidate again and judged as those of the proxy
//! are. It stands beside the server and not in it: it needs no store and no listener, enters no count,
//! and holds one piece of a file at a time, so that a recording may be as large as it likes.
//!
//! A request is sent at most once, and only where the operation says that it may run on both sides.
//! Where it was recorded does not matter: the candidate's address comes from whoever starts this.

mod again;
mod counted;
mod operations;
mod read;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use parallax_core::isolation::Isolation;
use parallax_core::posted::Malformed;
use parallax_core::recorded::Format;

pub use again::{Replay, Replayed, again};
pub use counted::{Counts, Fault, FileCounts, OperationCounts, Place};
pub use operations::Operations;
pub use read::{Progress, ReadError};
pub use run::{Event, run};

use crate::config::Upstream;

/// What is to be run.
pub struct Plan {
    /// The files, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// How they are written; none: each tells by itself.
    pub format: Option<Format>,
    /// The operations that requests belong to.
    pub operations: Operations,
    /// Who is asked.
    pub candidate: Upstream,
    /// Requests in flight at a time.
    pub concurrency: usize,
    /// Whether requests are sent that may have effects.
    pub all_methods: bool,
    /// Only what was recorded at this host; none: all of it.
    pub host: Option<String>,
    /// Whether the first broken record ends it.
    pub strict: bool,
    /// Decodes foreign formats.
    pub isolation: Arc<dyn Isolation>,
}

/// Why it could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The candidate's certificates are of no use.
    #[error("the candidate: {0}")]
    Tls(#[from] crate::tls::TlsError),
    /// The system gives no thread or no random numbers.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// A record is broken, and `strict` was asked for.
    #[error("{}", placed(.file, .error))]
    Broken {
        /// The file.
        file: String,
        /// What is wrong in it.
        error: Malformed,
    },
}

/// What is wrong in a file, as compilers print it, so that editors can jump there.
#[must_use]
pub fn placed(file: &str, error: &Malformed) -> String {
    let Malformed { field, line, column, problem, remedy } = error;
    format!("{file}:{line}:{column}: {field}: {problem}; {remedy}")
}
