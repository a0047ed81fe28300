//! What came of the checks, operation by operation and file by file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parallax_core::operation::Operation;
use parallax_core::posted::Malformed;
use parallax_core::ratio::Ratio;
use parallax_core::recorded::{Format, Unusable};
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::tally::Tally;
use parallax_core::verdict::{Outcome, Skip, Verdict};

/// Kinds of fault that are kept for an operation; others count for the operation only.
const MAX_FAULTS: usize = 1000;
/// Broken records that are kept of a file; others are only counted.
const MAX_BROKEN: usize = 20;

/// What came of all checks.
#[derive(Default)]
pub struct Counts {
    /// By file, in order.
    pub files: Vec<FileCounts>,
    /// By operation.
    pub operations: Vec<OperationCounts>,
    /// Requests of no operation, which are not sent.
    pub other: u64,
    /// Requests that were recorded at another host than was asked for.
    pub elsewhere: u64,
    /// Requests that were sent.
    pub asked: u64,
    /// Requests that got a whole answer.
    pub answered: u64,
    /// Why the first one that got none did not.
    pub first_fault: Option<String>,
}

/// What was found in a file.
#[derive(Clone, Debug)]
pub struct FileCounts {
    /// Its name as it was given.
    pub name: String,
    /// How it is written.
    pub format: Format,
    /// Checks in it.
    pub checks: u64,
    /// Records that cannot be checked, by reason.
    pub unusable: BTreeMap<Unusable, u64>,
    /// The first broken records.
    pub broken: Vec<Malformed>,
    /// All broken records.
    pub broken_total: u64,
}

/// What came of an operation's checks.
pub struct OperationCounts {
    /// The operation.
    pub operation: Arc<Operation>,
    /// Its counts.
    pub tally: Tally,
    /// Its faults.
    pub faults: HashMap<SignatureId, Fault>,
}

/// A kind of difference.
pub struct Fault {
    /// What it is.
    pub signature: Signature,
    /// Checks that show it.
    pub count: u64,
    /// The first of them.
    pub first: Place,
    /// That one, redacted.
    pub report: Arc<Report>,
}

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which file.
    pub file: usize,
    /// Which line, from 1.
    pub line: usize,
}

impl FileCounts {
    pub(super) fn new(name: String, format: Format) -> Self {
        let (unusable, broken) = (BTreeMap::new(), Vec::new());
        Self { name, format, checks: 0, unusable, broken, broken_total: 0 }
    }

    pub(super) fn add_broken(&mut self, error: Malformed) {
        self.broken_total += 1;
        if self.broken.len() < MAX_BROKEN {
            self.broken.push(error);
        }
    }
}

impl OperationCounts {
    pub(super) fn new(operation: Arc<Operation>) -> Self {
        Self { operation, tally: Tally::default(), faults: HashMap::new() }
    }

    pub(super) fn skip(&mut self, why: Skip) {
        *self.tally.skipped.entry(why).or_default() += 1;
    }

    /// A check was judged; `report` makes its redacted form.
    pub(super) fn judged(&mut self, verdict: &Verdict, place: Place, report: impl FnOnce() -> Report) {
        match verdict {
            Verdict::Matched(_) => self.tally.matched += 1,
            Verdict::Failed(cause) => *self.tally.failed.entry(*cause).or_default() += 1,
            Verdict::Unmatched(differences) => {
                self.tally.unmatched += 1;
                let signatures = Signature::all_of(&self.operation.id, &differences.kept);
                self.add_faults(signatures, place, report);
            }
        }
    }

    fn add_faults(&mut self, signatures: Vec<Signature>, place: Place, report: impl FnOnce() -> Report) {
        let is_news =
            |signature: &Signature| self.faults.get(&signature.id).is_none_or(|fault| place < fault.first);
        // Redacting takes longer than counting, and most faults are seen again and again.
        let report = signatures.iter().any(is_news).then(|| Arc::new(report()));
        for signature in signatures {
            if let Some(fault) = self.faults.get_mut(&signature.id) {
                fault.count += 1;
                if let Some(report) = report.as_ref().filter(|_| place < fault.first) {
                    fault.first = place;
                    fault.report = Arc::clone(report);
                }
            } else if let Some(report) = report.as_ref().filter(|_| self.faults.len() < MAX_FAULTS) {
                let report = Arc::clone(report);
                self.faults.insert(signature.id, Fault { signature, count: 1, first: place, report });
            }
        }
    }

    /// The faults, the most frequent first.
    #[must_use]
    pub fn by_count(&self) -> Vec<&Fault> {
        let mut faults: Vec<&Fault> = self.faults.values().collect();
        faults.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.signature.path.cmp(&other.signature.path))
        });
        faults
    }

    /// matched / (matched + unmatched), cut and not rounded; none without a check.
    #[must_use]
    pub fn consistency(&self) -> Option<Ratio> {
        let checks = u128::from(self.tally.checks());
        let ppm = (u128::from(self.tally.matched) * u128::from(Ratio::ONE.ppm())).checked_div(checks)?;
        Some(Ratio::from_ppm(u32::try_from(ppm).unwrap_or(0)))
    }

    /// Whether the target is met; none where no request was sent, which says nothing. Where more than
    /// `max_failed` of them failed, nothing is proven, and the target is not met.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let Tally { matched, .. } = self.tally;
        match (self.tally.checks(), self.tally.failed_total()) {
            (0, 0) => None,
            (0, _) => Some(false),
            (checks, _) => {
                let target = &self.operation.target;
                let is_whole = self.tally.failed_at_most(target.max_failed);
                Some(is_whole && target.consistency.is_met_by(matched, checks))
            }
        }
    }
}

impl Counts {
    /// Whether every operation that was checked meets its target, and one was.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let mut met = self.operations.iter().filter_map(OperationCounts::is_met).peekable();
        met.peek().is_some() && met.all(|met| met)
    }

    /// Whether requests were sent and not one of them was answered.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        self.asked > 0 && self.answered == 0
    }

    /// How many checks came to this.
    #[must_use]
    pub fn total(&self, outcome: Outcome) -> u64 {
        let of = |counts: &OperationCounts| match outcome {
            Outcome::Matched => counts.tally.matched,
            Outcome::Unmatched => counts.tally.unmatched,
            Outcome::Failed => counts.tally.failed_total(),
        };
        self.operations.iter().map(of).sum()
    }
}
