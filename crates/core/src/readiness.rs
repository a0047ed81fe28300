//! Whether an operation may move up, with the number behind every condition. The article asks
//! one question of an endpoint: has it reached its own percentage? The other conditions keep
//! that percentage honest: enough checks, few failures, few requests left unchecked.

use crate::label::labels;
use crate::operation::Target;
use crate::ratio::Ratio;
use crate::tally::Tally;

labels! {
    /// Where an operation stands against its target.
    pub enum Readiness {
        /// Too few checks to tell.
        Gathering => "gathering",
        /// Enough checks, and some condition is not met.
        Below => "below",
        /// Every condition is met.
        Ready => "ready",
    }
}

/// One condition with its number and its limit, as texts for a reader.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    /// Its name in the configuration: `target`, `min_checks`, `max_failed`, `min_checked`.
    pub name: String,
    /// Whether it holds.
    pub met: bool,
    /// The number now.
    pub value: String,
    /// What is demanded.
    pub limit: String,
}

/// An operation's readiness with everything behind it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Assessment {
    /// The summary.
    pub state: Readiness,
    /// How many more checks, all of them matching, would meet `target` and `min_checks`.
    pub more_matching_checks: u64,
    /// Every condition.
    pub conditions: Vec<Condition>,
}

impl Assessment {
    /// The conditions that are not met.
    pub fn missing(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| !condition.met)
    }
}

/// Holds an operation's counts against its target.
///
/// ```
/// use parallax_core::{operation::Target, ratio::Ratio, readiness::{Readiness, assess}, tally::Tally};
/// let target = Target {
///     consistency: "99%".parse().unwrap(),
///     min_checks: 100,
///     max_failed: "1%".parse().unwrap(),
///     min_checked: "90%".parse().unwrap(),
/// };
/// let tally = Tally { matched: 98, unmatched: 1, ..Tally::default() };
/// let assessment = assess(&tally, &target);
/// assert_eq!(assessment.state, Readiness::Gathering);
/// assert_eq!(assessment.more_matching_checks, 1);
/// ```
#[must_use]
pub fn assess(tally: &Tally, target: &Target) -> Assessment {
    let checks = tally.checks();
    let checked = checks + tally.failed_total();
    let eligible = tally.eligible();
    let conditions = vec![
        condition(
            "min_checks",
            checks >= target.min_checks,
            checks.to_string(),
            target.min_checks.to_string(),
        ),
        condition(
            "target",
            target.consistency.is_met_by(tally.matched, checks),
            percent(tally.matched, checks),
            target.consistency.to_string(),
        ),
        condition(
            "max_failed",
            tally.failed_at_most(target.max_failed),
            percent(tally.failed_total(), checked),
            target.max_failed.to_string(),
        ),
        condition(
            "min_checked",
            eligible == 0 || target.min_checked.is_met_by(checked, eligible),
            percent(checked, eligible),
            target.min_checked.to_string(),
        ),
    ];
    let state = if checks < target.min_checks.max(1) {
        Readiness::Gathering
    } else if conditions.iter().all(|condition| condition.met) {
        Readiness::Ready
    } else {
        Readiness::Below
    };
    Assessment { state, more_matching_checks: more_matching_checks(tally, target), conditions }
}

fn condition(name: &str, met: bool, value: String, limit: String) -> Condition {
    Condition { name: name.to_owned(), met, value, limit }
}

/// The least n with (matched + n) / (checks + n) ≥ target and checks + n ≥ `min_checks`; for a
/// target of 100 % with a mismatch on record there is none, which is said as `u64::MAX`.
fn more_matching_checks(tally: &Tally, target: &Target) -> u64 {
    let for_count = target.min_checks.saturating_sub(tally.checks());
    let allowed_ppm = u128::from(Ratio::ONE.ppm() - target.consistency.ppm());
    let whole_ppm = u128::from(Ratio::ONE.ppm());
    let for_target = if tally.unmatched == 0 {
        0
    } else if allowed_ppm == 0 {
        return u64::MAX;
    } else {
        let needed = (u128::from(tally.unmatched) * whole_ppm).div_ceil(allowed_ppm);
        u64::try_from(needed.saturating_sub(u128::from(tally.checks()))).unwrap_or(u64::MAX)
    };
    for_count.max(for_target)
}

/// `part / whole` as a percentage, cut (never rounded up) to four decimals, so that a number just
/// below a limit never reads as if it met it.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    let ppm = u128::from(part) * u128::from(Ratio::ONE.ppm()) / u128::from(whole);
    Ratio::from_ppm(u32::try_from(ppm).unwrap_or(u32::MAX)).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verdict::{Cause, Skip};

    fn target() -> Target {
        Target {
            consistency: "99.9%".parse().expect("a ratio"),
            min_checks: 1000,
            max_failed: "1%".parse().expect("a ratio"),
            min_checked: "90%".parse().expect("a ratio"),
        }
    }

    fn missing(tally: &Tally) -> Vec<String> {
        assess(tally, &target()).missing().map(|condition| condition.name.clone()).collect()
    }

    #[test]
    fn ready_at_the_target_and_below_it_not() {
        let at = Tally { matched: 999, unmatched: 1, ..Tally::default() };
        assert_eq!(assess(&at, &target()).state, Readiness::Ready);
        let below = Tally { matched: 1997, unmatched: 3, ..Tally::default() };
        let assessment = assess(&below, &target());
        assert_eq!(assessment.state, Readiness::Below);
        assert_eq!(assessment.more_matching_checks, 1000);
        let mended = Tally { matched: 2997, unmatched: 3, ..Tally::default() };
        assert_eq!(assess(&mended, &target()).state, Readiness::Ready);
    }

    #[test]
    fn an_empty_tally_is_gathering() {
        let assessment = assess(&Tally::default(), &target());
        assert_eq!(assessment.state, Readiness::Gathering);
        assert_eq!(assessment.more_matching_checks, 1000);
    }

    #[test]
    fn a_candidate_that_times_out_is_not_ready_however_consistent() {
        let failed = BTreeMap::from([(Cause::Timeout, 400)]);
        assert_eq!(missing(&Tally { matched: 1000, failed, ..Tally::default() }), ["max_failed"]);
    }

    #[test]
    fn dropped_checks_are_held_against_it_and_chosen_skips_are_not() {
        let dropped = BTreeMap::from([(Skip::QueueFull, 200)]);
        assert_eq!(missing(&Tally { matched: 1000, skipped: dropped, ..Tally::default() }), ["min_checked"]);
        let chosen = BTreeMap::from([(Skip::SampledOut, 9000)]);
        assert!(missing(&Tally { matched: 1000, skipped: chosen, ..Tally::default() }).is_empty());
    }

    #[test]
    fn no_number_of_matches_undoes_a_mismatch_at_100_percent() {
        let target = Target { consistency: Ratio::ONE, ..target() };
        let tally = Tally { matched: 5000, unmatched: 1, ..Tally::default() };
        assert_eq!(assess(&tally, &target).more_matching_checks, u64::MAX);
    }
}
