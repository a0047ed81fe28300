//! The counts of an operation. Every term is counted where it happens; none is derived.

use std::collections::BTreeMap;

use crate::ratio::Ratio;
use crate::recheck::Finding;
use crate::verdict::{Cause, Outcome, Skip};

/// What became of an operation's requests:
/// `requests = matched + unmatched + failed + skipped + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Proxied requests and accepted posted checks.
    pub requests: u64,
    /// Checks whose sides agree.
    pub matched: u64,
    /// Checks whose sides differ.
    pub unmatched: u64,
    /// Checks that are no evidence, by cause.
    pub failed: BTreeMap<Cause, u64>,
    /// Requests that were not checked, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// What became of the mismatches that are looked at again. No term of the sum: each of them is
    /// counted as unmatched or failed too.
    #[serde(default)]
    pub rechecks: BTreeMap<Finding, u64>,
}

/// How a request ended: the one term, besides itself, in which it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was checked.
    Judged {
        /// The outcome.
        outcome: Outcome,
        /// Why it is no evidence, where it is none.
        cause: Option<Cause>,
    },
    /// It was not checked.
    Skipped(Skip),
}

impl End {
    /// Given up after too many leases that ran out.
    pub const DEAD_LETTER: Self = Self::Judged { outcome: Outcome::Failed, cause: Some(Cause::DeadLetter) };

    /// What it adds to the counts, the request itself not among them.
    ///
    /// ```
    /// use parallax_core::tally::End;
    /// assert_eq!(End::DEAD_LETTER.tally().failed_total(), 1);
    /// assert_eq!(End::DEAD_LETTER.tally().requests, 0);
    /// ```
    #[must_use]
    pub fn tally(self) -> Tally {
        let mut tally = Tally::default();
        match self {
            Self::Judged { outcome: Outcome::Matched, .. } => tally.matched = 1,
            Self::Judged { outcome: Outcome::Unmatched, .. } => tally.unmatched = 1,
            Self::Judged { outcome: Outcome::Failed, cause } => {
                // Whatever made the check fail without a word is of our making.
                tally.failed.insert(cause.unwrap_or(Cause::Protocol), 1);
            }
            Self::Skipped(skip) => _ = tally.skipped.insert(skip, 1),
        }
        tally
    }
}

impl Tally {
    /// Checks that are no evidence.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Requests that were not checked.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Checks that are evidence: matched + unmatched.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.matched + self.unmatched
    }

    /// Requests whose fate is known.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.checks() + self.failed_total() + self.skipped_total()
    }

    /// matched / (matched + unmatched), for display; none before the first check.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display; the gates use exact integers")]
    pub fn consistency(&self) -> Option<f64> {
        (self.checks() > 0).then(|| self.matched as f64 / self.checks() as f64)
    }

    /// Requests that should have been checked: those neither excluded by configuration or stage
    /// nor unfit for a check by what the client or the answering side did.
    #[must_use]
    pub fn eligible(&self) -> u64 {
        let excluded: u64 = Self::EXCLUDED.iter().filter_map(|skip| self.skipped.get(skip)).sum();
        self.settled() - excluded
    }

    const EXCLUDED: [Skip; 7] = [
        Skip::Stage,
        Skip::SampledOut,
        Skip::NotIdempotent,
        Skip::Upgrade,
        Skip::ClientAborted,
        Skip::NoAnswer,
        Skip::Loop,
    ];

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.matched += other.matched;
        self.unmatched += other.unmatched;
        for (&cause, count) in &other.failed {
            *self.failed.entry(cause).or_default() += count;
        }
        for (&skip, count) in &other.skipped {
            *self.skipped.entry(skip).or_default() += count;
        }
        for (&finding, count) in &other.rechecks {
            *self.rechecks.entry(finding).or_default() += count;
        }
    }

    /// What has come since `earlier`, an older reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        fn grown<K: Copy + Ord>(now: &BTreeMap<K, u64>, then: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
            let growth = |(&key, &count): (&K, &u64)| (key, count - then.get(&key).copied().unwrap_or(0));
            now.iter().map(growth).filter(|&(_, count)| count > 0).collect()
        }
        Self {
            requests: self.requests - earlier.requests,
            matched: self.matched - earlier.matched,
            unmatched: self.unmatched - earlier.unmatched,
            failed: grown(&self.failed, &earlier.failed),
            skipped: grown(&self.skipped, &earlier.skipped),
            rechecks: grown(&self.rechecks, &earlier.rechecks),
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests == 0 && self.settled() == 0
    }

    /// Whether at most `limit` of the checks that ran are no evidence.
    #[must_use]
    pub fn failed_at_most(&self, limit: Ratio) -> bool {
        let ran = self.checks() + self.failed_total();
        ran == 0 || Ratio::from_ppm(1_000_000 - limit.ppm()).is_met_by(self.checks(), ran)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally {
            requests: 20,
            matched: 9,
            unmatched: 1,
            failed: BTreeMap::from([(Cause::Timeout, 2)]),
            skipped: BTreeMap::from([(Skip::Stage, 5), (Skip::QueueFull, 3)]),
            rechecks: BTreeMap::from([(Finding::Unstable, 1)]),
        }
    }

    #[test]
    fn failed_and_skipped_are_no_evidence() {
        assert_eq!(tally().consistency(), Some(0.9));
        assert_eq!(tally().settled(), 20);
        assert_eq!(tally().eligible(), 15);
        assert_eq!(Tally::default().consistency(), None);
    }

    #[test]
    fn what_has_come_since_adds_up_again() {
        let mut later = tally();
        later.add(&tally());
        assert_eq!(later.since(&tally()), tally());
        assert!(later.since(&later.clone()).is_empty());
    }

    #[test]
    fn the_limit_of_failures_is_inclusive() {
        let mut tally = Tally { matched: 99, ..Tally::default() };
        tally.failed.insert(Cause::Reset, 1);
        assert!(tally.failed_at_most("1%".parse().expect("a ratio")));
        tally.failed.insert(Cause::Reset, 2);
        assert!(!tally.failed_at_most("1%".parse().expect("a ratio")));
    }
}
