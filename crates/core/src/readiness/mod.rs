//! Whether an operation may move up, with the number behind every condition. The article asks one
//! question of an endpoint: has it reached its own percentage? A percentage of few checks proves little,
//! and one that is looked at again and again proves less; so what is asked for here is a proof
//! ([`Proof`]), and the other conditions keep it honest: enough checks of enough distinct requests, few
//! failures, few requests left unchecked, no decline, no slower answers, no new fault.
//!
//! It is told by the evidence of one candidate version under one set of rules ([`crate::evidence`]).
//! Losing it blocks the way up and moves nothing.

mod ahead;
mod conditions;
mod latency;
mod proof;

#[cfg(test)]
mod tests;

use crate::evidence::Evidence;
use crate::label::labels;
use crate::operation::Target;
use crate::ratio::Ratio;
use crate::tally::Tally;

pub use latency::{Factor, FactorError, LatencyLimit, MIN_SAMPLES, Percentiles};
pub use proof::{Confidence, ConfidenceError, Proof};

labels! {
    /// Where an operation stands against its target.
    pub enum Readiness {
        /// Nothing speaks against it, and there are too few checks to tell.
        Gathering => "gathering",
        /// Some condition is not met that more checks alone do not meet.
        Below => "below",
        /// Every condition is met.
        Ready => "ready",
    }
}

/// One condition with its number and its limit, as texts for a reader.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    /// Its name: that of its key in the configuration, or `drift`, or `new_signatures`.
    pub name: String,
    /// Whether it holds.
    pub met: bool,
    /// The number now.
    pub value: String,
    /// What is demanded.
    pub limit: String,
}

impl Condition {
    /// Whether the number of a condition of this name may not be above its limit; of any other, it may not
    /// be below.
    ///
    /// ```
    /// use parallax_core::readiness::Condition;
    /// assert!(Condition::is_at_most("max_failed"));
    /// assert!(!Condition::is_at_most("target"));
    /// ```
    #[must_use]
    pub fn is_at_most(name: &str) -> bool {
        conditions::is_at_most(name)
    }
}

/// An operation's readiness with everything behind it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Assessment {
    /// The summary.
    pub state: Readiness,
    /// How many more checks, all of them matching, would meet every condition that matching checks can
    /// meet: `min_checks`, `target`, `confidence`, `drift`, `new_signatures`.
    pub more_matching_checks: u64,
    /// The consistency that is proven with the confidence that is asked for, where one is.
    pub bound: Option<Ratio>,
    /// Every condition.
    pub conditions: Vec<Condition>,
}

impl Assessment {
    /// The conditions that are not met.
    pub fn missing(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| !condition.met)
    }
}

/// What readiness is told by.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// What the checks of the candidate's version have shown.
    pub evidence: &'a Evidence,
    /// All that was counted of the operation: how much was left unchecked is no matter of a version.
    pub tally: &'a Tally,
    /// How fast the sides answer.
    pub latency: Percentiles,
}

/// Holds what was seen of an operation against its target.
///
/// ```
/// use parallax_core::evidence::Evidence;
/// use parallax_core::operation::Target;
/// use parallax_core::readiness::{Readiness, Standing, assess};
/// use parallax_core::tally::Tally;
/// let target = Target {
///     consistency: "99%".parse().unwrap(),
///     confidence: None,
///     min_checks: 100,
///     min_distinct: 1,
///     max_failed: "1%".parse().unwrap(),
///     min_checked: "90%".parse().unwrap(),
///     latency: None,
/// };
/// let evidence = Evidence::of_counts(98, 1, 0);
/// let tally = Tally { matched: 98, unmatched: 1, ..Tally::default() };
/// let standing = Standing { evidence: &evidence, tally: &tally, latency: Default::default() };
/// let assessment = assess(&standing, &target);
/// assert_eq!(assessment.state, Readiness::Gathering);
/// assert_eq!(assessment.more_matching_checks, 1);
/// ```
#[must_use]
pub fn assess(standing: &Standing<'_>, target: &Target) -> Assessment {
    let conditions = conditions::all(standing, target);
    let unmet = || conditions.iter().filter(|condition| !condition.met);
    // A proof that is not there yet says nothing against the candidate.
    let is_only_early = || unmet().all(|condition| conditions::is_of_number(&condition.name));
    let state = if standing.evidence.checks() < target.min_checks.max(1) {
        Readiness::Gathering
    } else if unmet().next().is_none() {
        Readiness::Ready
    } else if is_only_early() {
        Readiness::Gathering
    } else {
        Readiness::Below
    };
    let bound = conditions::Demand::of(target).bound(standing.evidence);
    Assessment {
        bound,
        state,
        more_matching_checks: ahead::more_matching_checks(standing.evidence, target),
        conditions,
    }
}
