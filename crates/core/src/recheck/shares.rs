//! What the mismatches of an operation were, all together, and what to do when too many of them are
//! none of the candidate's.

use std::collections::BTreeMap;

use super::Finding;

/// Fewer mismatches than this say nothing about a share.
const ENOUGH: u64 = 20;
/// A share from here on is a finding of its own.
const MANY_PERCENT: u64 = 10;

/// The share that a finding has: of the mismatches that were looked at again, and for `unconfirmed` of
/// all. None before the first.
///
/// ```
/// use std::collections::BTreeMap;
/// use parallax_core::recheck::{Finding, share};
/// let counts = BTreeMap::from([(Finding::Confirmed, 3), (Finding::Stale, 1), (Finding::Unconfirmed, 4)]);
/// assert_eq!(share(&counts, Finding::Stale), Some(0.25));
/// assert_eq!(share(&counts, Finding::Unconfirmed), Some(0.5));
/// ```
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for display")]
pub fn share(counts: &BTreeMap<Finding, u64>, finding: Finding) -> Option<f64> {
    let (part, whole) = parts(counts, finding);
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What to do, in a sentence for each finding that has a large share.
///
/// ```
/// use std::collections::BTreeMap;
/// use parallax_core::recheck::{Finding, advice};
/// let counts = BTreeMap::from([(Finding::Confirmed, 88), (Finding::Stale, 12)]);
/// assert!(advice(&counts)[0].starts_with("12 % of the mismatches are stale: the data moves"));
/// assert!(advice(&BTreeMap::from([(Finding::Stale, 12)])).is_empty(), "too few");
/// ```
#[must_use]
pub fn advice(counts: &BTreeMap<Finding, u64>) -> Vec<String> {
    Finding::ALL.iter().filter_map(|&finding| advice_on(counts, finding)).collect()
}

fn advice_on(counts: &BTreeMap<Finding, u64>, finding: Finding) -> Option<String> {
    let (part, whole) = parts(counts, finding);
    if whole < ENOUGH || part * 100 < whole * MANY_PERCENT {
        return None;
    }
    let remedy = match finding {
        Finding::Confirmed => return None,
        Finding::Stale => {
            "the data moves faster than the check; `when: concurrent` sends the copy together with the request"
        }
        Finding::Flaky => {
            "the answering side differs from itself; see where under `noise` in the differences, and mask these places with a rule"
        }
        Finding::Unstable => {
            "the other side is wrong at times and right when it is asked again; that is a fault of its own"
        }
        Finding::Unconfirmed => {
            "no answer came of asking again; raise `recheck.rate` or see whether both sides answer copies"
        }
    };
    Some(format!("{} % of the mismatches are {finding}: {remedy}", part * 100 / whole))
}

fn parts(counts: &BTreeMap<Finding, u64>, finding: Finding) -> (u64, u64) {
    let of = |finding| counts.get(&finding).copied().unwrap_or(0);
    let all: u64 = counts.values().sum();
    let whole = match finding {
        Finding::Unconfirmed => all,
        Finding::Confirmed | Finding::Stale | Finding::Flaky | Finding::Unstable => {
            all - of(Finding::Unconfirmed)
        }
    };
    (of(finding), whole)
}
