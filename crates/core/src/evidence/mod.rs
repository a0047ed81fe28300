//! What checks of one version of the candidate have shown under one set of rules: the ground on which
//! readiness stands. It only ever grows; another version, or other rules, begin another evidence.
//!
//! Two evidences of the same thing can be added, the earlier and the later one, whatever the cuts in
//! between. So what has come since the last write is an evidence too, and what is added to the store
//! again and again is all of it.

mod distinct;
mod faults;
mod parts;
mod recent;
mod version;
mod versions;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::exchange::Request;
use crate::signature::SignatureId;
use crate::tally::End;
use crate::verdict::Outcome;

pub use distinct::Distinct;
pub use faults::{Fault, Faults};
pub use recent::{RECENT, Recent};
pub use version::{RulesId, Version, VersionError, VersionSource};
pub use versions::{Evidences, Key, Known, MAX_VERSIONS};

/// What checks have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "parts::Parts", into = "parts::Parts")]
pub struct Evidence {
    /// Checks whose sides agree.
    pub matched: u64,
    /// Checks whose sides differ.
    pub unmatched: u64,
    /// Checks that are no evidence either way.
    pub failed: u64,
    /// The last outcomes.
    pub recent: Recent,
    /// The requests that were checked, told apart by method, target and body.
    pub distinct: Distinct,
    /// What was wrong, since when and how often.
    pub faults: Faults,
}

/// What a check shows besides its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Of the request: method, target and body.
    pub request: Option<RequestHash>,
    /// The candidate's version, where it has answered and told it.
    pub version: Option<Version>,
    /// The faults of a mismatch.
    pub faults: Vec<SignatureId>,
}

/// Tells two requests apart, and nothing else about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHash(u64);

impl RequestHash {
    /// Of method, target and body; the headers are not part of what was asked for.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let method = xxh3_64(request.method.as_str().as_bytes());
        let target = xxh3_64_with_seed(request.target.as_str().as_bytes(), method);
        Self(xxh3_64_with_seed(&request.body, target))
    }
}

impl Evidence {
    /// The counts of a time when nothing else was kept.
    #[must_use]
    pub fn of_counts(matched: u64, unmatched: u64, failed: u64) -> Self {
        Self { matched, unmatched, failed, ..Self::default() }
    }

    /// Checks that are evidence: matched + unmatched.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.matched.saturating_add(self.unmatched)
    }

    /// Distinct requests among the checks, about. Where there was a check, there was a request.
    #[must_use]
    pub fn distinct_requests(&self) -> u64 {
        self.distinct.estimate().clamp(self.checks().min(1), self.checks())
    }

    /// One more check has ended. What was not checked shows nothing.
    pub fn note(&mut self, end: End, shown: &Shown) {
        let outcome = match end {
            End::Judged { outcome, cause: _ } => outcome,
            End::Skipped(_) => return,
        };
        match outcome {
            Outcome::Failed => {
                self.failed = self.failed.saturating_add(1);
                return;
            }
            Outcome::Matched => self.matched = self.matched.saturating_add(1),
            Outcome::Unmatched => {
                self.unmatched = self.unmatched.saturating_add(1);
                let number = self.checks();
                shown.faults.iter().for_each(|&fault| self.faults.see(fault, number));
            }
        }
        self.recent.push(outcome == Outcome::Unmatched);
        if let Some(RequestHash(hash)) = shown.request {
            self.distinct.insert(hash);
        }
    }

    /// Adds what came later.
    ///
    /// ```
    /// use parallax_core::evidence::Evidence;
    /// let mut evidence = Evidence::of_counts(10, 1, 0);
    /// evidence.add(&Evidence::of_counts(5, 0, 2));
    /// assert_eq!(evidence, Evidence::of_counts(15, 1, 2));
    /// ```
    pub fn add(&mut self, later: &Self) {
        self.faults.add(&later.faults, self.checks());
        self.matched = self.matched.saturating_add(later.matched);
        self.unmatched = self.unmatched.saturating_add(later.unmatched);
        self.failed = self.failed.saturating_add(later.failed);
        self.recent.add(&later.recent);
        self.distinct.add(&later.distinct);
    }

    /// Whether it shows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks() == 0 && self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Cause, Skip};

    fn check(number: u64) -> (End, Shown) {
        let outcome = if number.is_multiple_of(50) { Outcome::Unmatched } else { Outcome::Matched };
        let faults = if number.is_multiple_of(50) { vec![SignatureId(number % 3)] } else { Vec::new() };
        let request = Some(RequestHash(xxh3_64(&(number % 300).to_le_bytes())));
        (End::Judged { outcome, cause: None }, Shown { request, version: None, faults })
    }

    fn of(numbers: std::ops::Range<u64>) -> Evidence {
        let mut evidence = Evidence::default();
        for (end, shown) in numbers.map(check) {
            evidence.note(end, &shown);
        }
        evidence
    }

    #[test]
    fn it_adds_up_whatever_the_cuts() {
        let whole = of(1..2_001);
        assert_eq!((whole.matched, whole.unmatched), (1_960, 40));
        assert!(whole.distinct_requests().abs_diff(300) < 12, "{}", whole.distinct_requests());
        for cut in [1, 50, 51, 1_000, 1_500] {
            let mut first = of(1..cut);
            first.add(&of(cut..2_001));
            assert_eq!(first.recent.to_bytes(), whole.recent.to_bytes());
            assert_eq!((first.faults, first.distinct), (whole.faults.clone(), whole.distinct.clone()));
            assert_eq!((first.matched, first.unmatched), (whole.matched, whole.unmatched));
        }
    }

    #[test]
    fn what_proves_nothing_is_counted_apart_and_what_was_not_checked_not_at_all() {
        let mut evidence = Evidence::default();
        let failed = End::Judged { outcome: Outcome::Failed, cause: Some(Cause::Timeout) };
        evidence.note(failed, &Shown::default());
        evidence.note(End::Skipped(Skip::Stage), &Shown::default());
        assert_eq!(evidence, Evidence::of_counts(0, 0, 1));
        assert_eq!(evidence.distinct_requests(), 0);
        assert_eq!(Evidence::of_counts(7, 0, 0).distinct_requests(), 1);
    }

    #[test]
    fn a_request_is_its_method_target_and_body() {
        let request = |method: http::Method, target: &'static str, body: &'static [u8]| Request {
            method,
            target: http::uri::PathAndQuery::from_static(target),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(body),
        };
        let all = [
            request(http::Method::GET, "/a", b""),
            request(http::Method::HEAD, "/a", b""),
            request(http::Method::GET, "/a?", b""),
            request(http::Method::GET, "/a", b"x"),
        ];
        let hashes: std::collections::BTreeSet<u64> = all.iter().map(|one| RequestHash::of(one).0).collect();
        assert_eq!(hashes.len(), all.len());
        assert_eq!(RequestHash::of(&all[0]), RequestHash::of(&all[0].clone()));
    }
}
