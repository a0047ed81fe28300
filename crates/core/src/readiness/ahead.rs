//! How far it is to readiness, if nothing more goes wrong.

use super::conditions::{Demand, is_new};
use crate::evidence::{Evidence, RECENT};
use crate::operation::Target;

/// More checks than anybody will ever make.
const NEVER: u64 = 1 << 52;

/// The least number of more matching checks that meets every condition that they can meet; none is
/// said as `u64::MAX`: with a target of 100 % and a mismatch on record, or a confidence for which the time
/// of the world is too short. Each of them, once met, stays met by more matching checks, so the least number for all
/// is the largest of the least numbers, and each of those is found by bisection.
pub(super) fn more_matching_checks(evidence: &Evidence, target: &Target) -> u64 {
    let demand = Demand::of(target);
    let (matched, unmatched, checks) = (evidence.matched, evidence.unmatched, evidence.checks());
    let is_enough = |more: u64| checks.saturating_add(more) >= target.min_checks;
    let is_consistent = |more: u64| checks + more == 0 || demand.is_consistent(matched + more, unmatched);
    let is_proven = |more: u64| demand.is_proven(matched + more, unmatched);
    let is_steady = |more: u64| {
        let more = usize::try_from(more).unwrap_or(usize::MAX).min(RECENT);
        let recent = evidence.recent.length().saturating_add(more).min(RECENT);
        demand.is_steady(evidence.recent.unmatched_of_last(RECENT - more), recent)
    };
    let is_known = |more: u64| {
        let checks = checks + more;
        let mut new = evidence.faults.iter().filter(|fault| is_new(fault, checks));
        !demand.minds_new_faults() || new.all(|fault| demand.is_within_its_share(fault.checks, checks))
    };
    [least(is_enough), least(is_consistent), least(is_proven), least(is_steady), least(is_known)]
        .into_iter()
        .max()
        .unwrap_or(0)
}

/// The least number of which this holds, given that it holds of all above.
fn least(holds: impl Fn(u64) -> bool) -> u64 {
    if holds(0) {
        return 0;
    }
    let mut high = 1;
    while !holds(high) {
        high *= 2;
        if high >= NEVER {
            return u64::MAX;
        }
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}
