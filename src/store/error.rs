//! What can go wrong with a store: each error says what, where, and what to do about it.

use parallax_core::operation::OperationId;

/// Why the store did not do what it was asked to. `place` names the store: a path or a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store.
    #[error("the store's URL cannot be used: {problem}")]
    Url {
        /// What is wrong with it, and the remedy.
        problem: &'static str,
    },
    /// Another process has it.
    #[error("the store {place} is in use by {holder}; stop that one, or give this one another `store`")]
    InUse {
        /// The store.
        place: String,
        /// Who has it.
        holder: String,
    },
    /// Written by a newer version.
    #[error(
        "the store {place} was written by a newer version of parallax (its format is {found}, this one knows \
         {known}); use that version, or another `store`"
    )]
    Newer {
        /// The store.
        place: String,
        /// The format that was found.
        found: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// Something else lies there.
    #[error(
        "{place} is not a store of parallax ({detail}); it was left as it is. Give another path as `store`"
    )]
    NotAStore {
        /// The store.
        place: String,
        /// What was found.
        detail: String,
    },
    /// It cannot be written to.
    #[error("the store {place} cannot be written ({detail}); make its file and directory writable")]
    ReadOnly {
        /// The store.
        place: String,
        /// What the system said.
        detail: String,
    },
    /// No room is left.
    #[error("the store {place} has no room left ({detail}); free disk space or shorten `retention`")]
    Full {
        /// The store.
        place: String,
        /// What the system said.
        detail: String,
    },
    /// Its content is damaged.
    #[error(
        "the store {place} is damaged ({detail}); put a backup back, or move it away to begin with empty counts \
         (the plan file beside it keeps the stages)"
    )]
    Corrupt {
        /// The store.
        place: String,
        /// Where the damage shows.
        detail: String,
    },
    /// The plan file cannot be read.
    #[error(
        "the plan file {place} cannot be read ({detail}); mend it, or remove it to resume with the stages in the store"
    )]
    PlanFile {
        /// The plan file.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It cannot be reached, for another reason.
    #[error("the store {place} cannot be used: {detail}")]
    Unavailable {
        /// The store.
        place: String,
        /// What the system said.
        detail: String,
    },
    /// A commit has failed, and whether it landed cannot be told before the store is in order again.
    #[error("the store {place} cannot tell yet whether a write has landed: {detail}")]
    Unsettled {
        /// The store.
        place: String,
        /// What the system said.
        detail: String,
    },
    /// A write that no store would take. Nothing of it was written.
    #[error("the store refuses a write that cannot be right: {problem}")]
    Invalid {
        /// What is wrong with it.
        problem: String,
    },
    /// Another transition was written under the same revision. Nothing of this one was written.
    #[error("operation {operation_id} has already made another transition to revision {revision}")]
    Conflict {
        /// The operation.
        operation_id: OperationId,
        /// The revision that both claim.
        revision: u64,
    },
    /// Another process is taking over, and has the store.
    #[error("the store is in the hands of the process that takes over; ask again in a moment")]
    HandedOver,
    /// The store was closed, or its thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the write is at fault and not the store: the same write would be refused again,
    /// and others are not affected.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Invalid { .. } | Self::Conflict { .. } => true,
            Self::Url { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::NotAStore { .. }
            | Self::ReadOnly { .. }
            | Self::Full { .. }
            | Self::Corrupt { .. }
            | Self::PlanFile { .. }
            | Self::Unavailable { .. }
            | Self::Unsettled { .. }
            | Self::HandedOver
            | Self::Closed => false,
        }
    }

    /// What a failed operation on the file at `place` means.
    pub(super) fn of_io(place: String, action: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let detail = format!("{action}: {error}");
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { place, detail },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { place, detail },
            ErrorKind::NotFound => {
                Self::Unavailable { place, detail: format!("{detail}; create its directory first") }
            }
            _ => Self::Unavailable { place, detail },
        }
    }
}
