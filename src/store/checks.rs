//! Checks that were accepted for good: how they wait in the store, who has taken them, and how they
//! end. The store counts them in the same transaction in which it accepts or completes them, so
//! that no crash comes between a check and its place in the counts.
//!
//! What waits is sealed before it gets here; the store keeps bytes that it cannot read, and erases
//! them with the check's completion.

use std::time::Duration;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::{Key, Shown};
use parallax_core::operation::OperationId;
use parallax_core::report::ReportedDifference;
use parallax_core::tally::End;
use parallax_core::verdict::Skip;

/// How long a check is kept after its end, for whoever has posted it. Also for that long a second one
/// of its name is the same check.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a check is kept after its end that nobody knows the name of: as long as there may be doubt
/// whether its acceptance has landed.
pub const KEPT_UNASKED_FOR: Duration = Duration::from_secs(10 * 60);

/// Leases that may run out before a check is given up as `dead_letter`: whatever it is that ends
/// the process, or keeps it from answering, is not tried for ever.
pub const MAX_ATTEMPTS: u32 = 5;

/// What tells two contents of one check apart, and nothing else about them.
pub type Fingerprint = [u8; 16];

/// A check that is to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCheck {
    /// Its name; a second check of the same name is the same check, or is refused.
    pub id: CheckId,
    /// Its operation.
    pub operation_id: OperationId,
    /// Of its content; none where nobody knows its name, who could post it again or ask for it.
    pub fingerprint: Option<Fingerprint>,
    /// When it came.
    pub at: Timestamp,
    /// What becomes of it first.
    pub state: NewState,
}

/// What becomes of a check when it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewState {
    /// It waits; this is what is needed to run it, sealed.
    Waiting(Vec<u8>),
    /// It is done at once, because it is not checked.
    Skipped(Skip),
}

/// What the store says to a check that is to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is kept and counted.
    New,
    /// It was accepted before, with the same content, and is not counted again.
    Known,
    /// Another content was accepted under this name. Nothing has changed.
    Conflict,
}

/// A check whose lease somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedCheck {
    /// Its name.
    pub id: CheckId,
    /// Its operation.
    pub operation_id: OperationId,
    /// Leases of it that have run out so far.
    pub attempts: u32,
    /// Whether somebody knows its name and may ask what differs.
    pub may_be_asked_for: bool,
    /// What is needed to run it, sealed.
    pub sealed: Vec<u8>,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The check.
    pub id: CheckId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub end: End,
    /// What it shows, and for what; none of one that was not run.
    pub shown: Option<(Key, Box<Shown>)>,
    /// The places where the sides disagree, values redacted.
    pub differences: Vec<ReportedDifference>,
}

/// A check as whoever has posted it may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheck {
    /// Its operation.
    pub operation_id: OperationId,
    /// When it was accepted.
    pub at: Timestamp,
    /// How it ended; none while it waits or runs.
    pub end: Option<End>,
    /// The places where the sides disagree, values redacted.
    pub differences: Vec<ReportedDifference>,
}

/// Who has leases, and until when. Nobody else may take a check before its lease runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who: a number that each process makes up.
    pub holder: u64,
    /// Until when.
    pub until: Timestamp,
}

/// How many checks of an operation wait or run, and the bytes that they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The operation.
    pub operation_id: OperationId,
    /// Its checks that are not done.
    pub checks: u64,
    /// Their sealed bytes.
    pub bytes: u64,
}

/// How much may be claimed at once. The first check is claimed whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Checks.
    pub checks: usize,
    /// Sealed bytes.
    pub bytes: u64,
}

/// What a claim brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Checks to be run.
    pub checks: Vec<ClaimedCheck>,
    /// Checks that were given up instead, as `dead_letter`, with their sealed bytes; they are done
    /// and counted.
    pub dead: Vec<(OperationId, u64)>,
}
