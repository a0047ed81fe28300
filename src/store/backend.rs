//! What every backend does. Synchronous, because each runs on its own thread, and small: whatever
//! can be decided without the store (what to count, when to keep a sample) is decided before.
//!
//! The contract suite in `contract.rs` is the precise meaning of each method; a new backend is
//! one file, an arm in `open`, and a line there.

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::{Evidence, Evidences, Key};
use parallax_core::explanations::Explanations;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::stage::Stage;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use parallax_core::verdict::{Kind, Part};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;
use super::checks::{Acceptance, Backlog, Claim, Completion, KeptCheck, Lease, NewCheck, NewState, Room};

/// Samples kept per signature, the newest. A fault is understood from a handful; twenty leave
/// room for the rarer shapes of it without keeping a copy of the traffic.
pub const MAX_SAMPLES: usize = 20;

/// Signatures kept per operation; the rest is counted under one more, see [`other_signature`].
pub const MAX_SIGNATURES: usize = 1_000;

/// A place to keep what must outlive the process.
pub trait Backend: Send {
    /// Writes all of the batch or none of it; it is durable when this returns. Tells what the store
    /// says to the checks in it, in their order.
    ///
    /// # Errors
    /// A refusal (see [`StoreError::is_refusal`]) when one of the writes can never be right, and
    /// otherwise what is wrong with the store. Never tried again from here: the caller decides.
    fn write(&mut self, batch: &[Write]) -> Result<Vec<Acceptance>, StoreError>;

    /// Lasting totals of every operation that ever counted anything.
    ///
    /// # Errors
    /// When the store cannot be read; so for every method below.
    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError>;

    /// What the checks of every operation have shown, version by version.
    fn evidences(&mut self) -> Result<Vec<(OperationId, Evidences)>, StoreError>;

    /// What an operation counted per minute, oldest first, from `since` on. Minutes in which it
    /// counted nothing are absent.
    fn minutes(
        &mut self,
        operation_id: &OperationId,
        since: Minute,
    ) -> Result<Vec<(Minute, Tally)>, StoreError>;

    /// The faults of an operation, the most frequent first.
    fn signatures(&mut self, operation_id: &OperationId) -> Result<Vec<SeenSignature>, StoreError>;

    /// One fault.
    fn signature(&mut self, id: SignatureId) -> Result<Option<SeenSignature>, StoreError>;

    /// Samples of one fault, newest first.
    fn samples(&mut self, id: SignatureId, limit: usize) -> Result<Vec<Report>, StoreError>;

    /// The sample of one check, while it is kept.
    fn sample(&mut self, id: CheckId) -> Result<Option<Report>, StoreError>;

    /// The stage of every operation that ever made a transition, and whether the last one retired it.
    fn stages(&mut self) -> Result<Vec<StoredStage>, StoreError>;

    /// Transitions of one operation or of all, newest first.
    fn audit(
        &mut self,
        operation_id: Option<&OperationId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError>;

    /// Forgets samples and minutes from before `before`, at most `limit` of each, the oldest
    /// samples first. Lasting totals, signatures, stages and audit stay.
    fn purge(&mut self, before: Timestamp, limit: usize) -> Result<Purged, StoreError>;

    /// Takes the leases of checks that nobody has a lease of at `now`, as many as there is room for,
    /// those that were accepted first. One of which too many leases have run out is given up instead.
    fn claim(&mut self, now: Timestamp, lease: Lease, room: Room) -> Result<Claim, StoreError>;

    /// Renews the leases of these checks, as far as the holder has them.
    fn renew(&mut self, lease: Lease, checks: &[CheckId]) -> Result<(), StoreError>;

    /// Gives back the leases of these checks, as far as the holder has them: they may be claimed at
    /// once, and no attempt is counted.
    fn release(&mut self, holder: u64, checks: &[CheckId]) -> Result<(), StoreError>;

    /// Lets all leases run out that are not of this holder. For whoever knows that no other lives.
    fn outlive(&mut self, holder: u64) -> Result<(), StoreError>;

    /// A check that was accepted, until it is forgotten.
    fn kept(&mut self, id: CheckId) -> Result<Option<KeptCheck>, StoreError>;

    /// What waits or runs.
    fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError>;

    /// Forgets checks that were done before `before`, at most `limit`, and tells how many.
    fn forget_done(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Notes which key seals from now on. Says no, and changes nothing, while checks wait that
    /// another key has sealed.
    fn use_key(&mut self, key_id: &[u8]) -> Result<bool, StoreError>;
}

/// Something to be kept.
#[derive(Clone, Debug)]
pub enum Write {
    /// Counts that have come, added to the minute's and to the lasting ones.
    Tally {
        /// The operation that counted.
        operation_id: OperationId,
        /// The minute in which.
        minute: Minute,
        /// What has come since the last such write.
        tally: Tally,
    },
    /// What checks have shown that have come, added to what is kept of the same; see
    /// [`Evidences::add`].
    Evidence {
        /// The operation.
        operation_id: OperationId,
        /// What it is about.
        key: Key,
        /// What has come since the last such write.
        evidence: Box<Evidence>,
    },
    /// A fault was seen again, so many times, last at.
    Seen {
        /// The fault.
        signature: Box<Signature>,
        /// How it was explained each time; the most common of all is kept as the fault's own.
        explanations: Explanations,
        /// How often since the last such write.
        count: u64,
        /// How often of these the candidate had answered and legacy was asked.
        reversed: u64,
        /// When last.
        at: Timestamp,
    },
    /// The answering side differed from itself in the place of a fault, so many times, last at: the
    /// fault may be none.
    Noise {
        /// The fault.
        signature: Box<Signature>,
        /// How often since the last such write.
        count: u64,
        /// When last.
        at: Timestamp,
    },
    /// A sample of every fault in the report. A report without a signature belongs to no fault
    /// and is not kept.
    Sample(Box<Report>),
    /// A change of stage: the operation's stage, unless a later one is stored, and its audit row.
    /// The same transition may be written again and counts once.
    Transition(Box<Transition>),
    /// Accepts a check and counts its request.
    Check(Box<NewCheck>),
    /// Ends a check, counts how, adds what it shows, and erases what was sealed. One that is done already, or was never
    /// accepted, stays as it is and counts nothing.
    Done(Box<Completion>),
}

/// A minute since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute that holds an instant.
    ///
    /// ```
    /// use parallax::store::Minute;
    /// assert_eq!(Minute::of("1970-01-01T00:02:59Z".parse().unwrap()), Minute(2));
    /// ```
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(60))
    }
}

/// A fault, how often and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenSignature {
    /// The fault.
    #[serde(flatten)]
    pub signature: Signature,
    /// How often.
    pub count: u64,
    /// How often of these the candidate had answered and legacy was asked: where that is each time, the
    /// fault is one of the reverse shadow.
    pub reversed: u64,
    /// How often the answering side differed from itself in this place.
    pub noise: u64,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
}

impl SeenSignature {
    /// Whether it was seen only where the candidate had answered.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.count > 0 && self.reversed == self.count
    }
}

/// Where an operation was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStage {
    /// The operation.
    pub operation_id: OperationId,
    /// Its stage.
    pub stage: Stage,
    /// Counts its transitions.
    pub revision: u64,
    /// Whether the last of them retired it: it may be gone from the configuration.
    pub retired: bool,
}

/// What a purge forgot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Samples.
    pub samples: usize,
    /// Rows of minutes.
    pub minutes: usize,
}

/// The signature under which faults beyond [`MAX_SIGNATURES`] of an operation are counted.
#[must_use]
pub fn other_signature(operation_id: &OperationId) -> Signature {
    Signature {
        id: SignatureId(xxh3_64(format!("other\0{operation_id}").as_bytes())),
        operation_id: operation_id.clone(),
        part: Part::Body,
        path: "other".to_owned(),
        kind: Kind::Value,
        legacy_type: None,
        candidate_type: None,
        explanation: Some(format!("any fault beyond the first {MAX_SIGNATURES} of this operation")),
    }
}

impl Write {
    /// A fault was seen so many times, explained as it is.
    #[must_use]
    pub fn seen(signature: Signature, count: u64, at: Timestamp) -> Self {
        let explanations = Explanations::of(signature.explanation.as_deref(), count);
        Self::Seen { signature: Box::new(signature), explanations, count, reversed: 0, at }
    }

    /// Bytes of a check that is to wait.
    pub(super) fn waiting_bytes(&self) -> Option<u64> {
        let Self::Check(check) = self else { return None };
        match &check.state {
            NewState::Waiting(sealed) => Some(sealed.len() as u64),
            NewState::Skipped(_) => None,
        }
    }

    /// A single write counts less than this; more is a subtraction gone wrong.
    const MAX_COUNT: u64 = 1 << 53;

    /// Refuses what no backend could keep exactly, so that all refuse the same.
    pub(super) fn validate(&self) -> Result<(), StoreError> {
        match self {
            Self::Tally { tally, .. } => {
                validate_counts(super::terms::rows(tally).into_iter().map(|row| row.2))
            }
            Self::Evidence { evidence, .. } => {
                validate_counts([evidence.matched, evidence.unmatched, evidence.failed])
            }
            Self::Seen { count, reversed, at, .. } => {
                validate_counts([*count, *reversed]).and_then(|()| validate_instant(*at))
            }
            Self::Noise { count, at, .. } => validate_counts([*count]).and_then(|()| validate_instant(*at)),
            Self::Sample(report) => validate_instant(report.at),
            Self::Transition(transition) => {
                validate_counts([transition.revision]).and_then(|()| validate_instant(transition.at))
            }
            Self::Check(check) => validate_instant(check.at),
            Self::Done(completion) => validate_instant(completion.at),
        }
    }
}

fn validate_counts(counts: impl IntoIterator<Item = u64>) -> Result<(), StoreError> {
    match counts.into_iter().find(|&count| count >= Write::MAX_COUNT) {
        Some(count) => Err(StoreError::Invalid { problem: format!("a count of {count}") }),
        None => Ok(()),
    }
}

/// Instants are kept as nanoseconds in 64 bits: 1677 to 2262.
fn validate_instant(at: Timestamp) -> Result<(), StoreError> {
    match i64::try_from(at.as_nanosecond()) {
        Ok(_) => Ok(()),
        Err(_) => Err(StoreError::Invalid { problem: format!("the instant {at}") }),
    }
}
