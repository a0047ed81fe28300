//! The conditions, one by one, in the order in which they are shown.

use std::time::Duration;

use super::{Condition, Percentiles, Proof, Standing};
use crate::evidence::{Evidence, Fault, RECENT};
use crate::operation::Target;
use crate::ratio::Ratio;

/// The bound that is demanded where the target is 100 %, which nothing can prove.
const BELOW_CERTAIN: Ratio = Ratio::from_ppm(999_000);

/// What one new fault may eat of the tolerated mismatches: a tenth.
const SHARE_OF_ONE: u64 = 10;

/// What the target says of checks, as far as their numbers go. Both the conditions and the outlook are
/// made of it.
pub(super) struct Demand {
    target: Ratio,
    proof: Option<Proof>,
}

impl Demand {
    pub(super) fn of(target: &Target) -> Self {
        let proven = if target.consistency == Ratio::ONE { BELOW_CERTAIN } else { target.consistency };
        let proof = target.confidence.map(|confidence| Proof::of(proven, confidence));
        Self { target: target.consistency, proof }
    }

    /// The consistency that is proven, where that is demanded.
    pub(super) fn bound(&self, evidence: &Evidence) -> Option<Ratio> {
        self.proof.as_ref().map(|proof| proof.bound(evidence.matched, evidence.unmatched))
    }

    /// Whether the consistency is there, in exact arithmetic.
    pub(super) fn is_consistent(&self, matched: u64, unmatched: u64) -> bool {
        self.target.is_met_by(matched, matched.saturating_add(unmatched))
    }

    /// Whether it is proven, where that is demanded.
    pub(super) fn is_proven(&self, matched: u64, unmatched: u64) -> bool {
        let is_possible = self.target != Ratio::ONE || unmatched == 0;
        self.proof.as_ref().is_none_or(|proof| is_possible && proof.is_given(matched, unmatched))
    }

    /// Mismatches that are tolerated among the last checks: as many as the target allows in so many,
    /// rounded up, because a part of a mismatch cannot be seen. Of 1,000 checks at 99.95 % that is one.
    pub(super) fn tolerated_recently(&self, recent: usize) -> usize {
        let allowed = u128::from(Ratio::ONE.ppm() - self.target.ppm()) * recent as u128;
        usize::try_from(allowed.div_ceil(Ratio::ONE.ppm().into())).unwrap_or(usize::MAX)
    }

    /// Whether the last checks are as the target has it, where a proof is demanded. Of none there is
    /// nothing to be said.
    pub(super) fn is_steady(&self, unmatched: usize, recent: usize) -> bool {
        self.proof.is_none() || unmatched <= self.tolerated_recently(recent)
    }

    /// Whether a fault in so many of the checks eats no more than its share of what is tolerated.
    pub(super) fn is_within_its_share(&self, fault_checks: u64, checks: u64) -> bool {
        let tolerated = u128::from(Ratio::ONE.ppm() - self.target.ppm()) * u128::from(checks);
        u128::from(fault_checks) * u128::from(SHARE_OF_ONE) * u128::from(Ratio::ONE.ppm()) <= tolerated
    }

    pub(super) fn minds_new_faults(&self) -> bool {
        self.proof.is_some()
    }
}

/// Whether a fault was seen first within the last checks, so many there are.
pub(super) fn is_new(fault: &Fault, checks: u64) -> bool {
    fault.first.saturating_add(RECENT as u64) > checks
}

/// Conditions that are met by more checks alone, as long as these match.
pub(super) fn is_of_number(name: &str) -> bool {
    matches!(name, "min_checks" | "confidence" | "min_distinct")
}

/// Conditions whose number may not be above the limit.
pub(super) fn is_at_most(name: &str) -> bool {
    name.starts_with("max_") || matches!(name, "latency_limit" | "new_signatures")
}

/// Every condition.
pub(super) fn all(standing: &Standing<'_>, target: &Target) -> Vec<Condition> {
    let Standing { evidence, tally, .. } = *standing;
    let demand = Demand::of(target);
    let checks = evidence.checks();
    let distinct = evidence.distinct_requests();
    let (checked, eligible) = (tally.checks() + tally.failed_total(), tally.eligible());
    let ran = checks.saturating_add(evidence.failed);
    let few_failed = Ratio::from_ppm(Ratio::ONE.ppm() - target.max_failed.ppm());
    let mut all = vec![
        condition(
            "min_checks",
            checks >= target.min_checks,
            checks.to_string(),
            target.min_checks.to_string(),
        ),
        condition(
            "target",
            demand.is_consistent(evidence.matched, evidence.unmatched),
            percent(evidence.matched, checks),
            target.consistency.to_string(),
        ),
        condition(
            "min_distinct",
            distinct >= target.min_distinct,
            distinct.to_string(),
            target.min_distinct.to_string(),
        ),
        condition(
            "max_failed",
            ran == 0 || few_failed.is_met_by(checks, ran),
            percent(evidence.failed, ran),
            target.max_failed.to_string(),
        ),
        condition(
            "min_checked",
            eligible == 0 || target.min_checked.is_met_by(checked, eligible),
            percent(checked, eligible),
            target.min_checked.to_string(),
        ),
    ];
    all.extend(proof(evidence, target, &demand));
    all.extend(latency(standing, target));
    all
}

/// What belongs to a proof, and is not asked of the plain percentage.
fn proof(evidence: &Evidence, target: &Target, demand: &Demand) -> Vec<Condition> {
    let Some(proof) = &demand.proof else { return Vec::new() };
    let (matched, unmatched, checks) = (evidence.matched, evidence.unmatched, evidence.checks());
    let limit = if target.consistency == Ratio::ONE {
        format!("{BELOW_CERTAIN}, without a mismatch")
    } else {
        target.consistency.to_string()
    };
    let confidence = condition(
        "confidence",
        demand.is_proven(matched, unmatched),
        proof.bound(matched, unmatched).to_string(),
        limit,
    );
    let (recent, bad) = (evidence.recent.length(), evidence.recent.unmatched());
    let of_recent = |good: usize| percent(good as u64, recent as u64);
    let least = match recent {
        0 => target.consistency.to_string(),
        _ => of_recent(recent.saturating_sub(demand.tolerated_recently(recent))),
    };
    let drift = condition("drift", demand.is_steady(bad, recent), of_recent(recent - bad), least);
    let new = evidence
        .faults
        .iter()
        .filter(|fault| is_new(fault, checks))
        .map(|fault| fault.checks)
        .max()
        .unwrap_or(0);
    let tolerated = u128::from(Ratio::ONE.ppm() - target.consistency.ppm()) * u128::from(checks);
    let hundredths = tolerated * 100 / u128::from(SHARE_OF_ONE) / u128::from(Ratio::ONE.ppm());
    let share = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let faults = condition("new_signatures", demand.is_within_its_share(new, checks), new.to_string(), share);
    vec![confidence, drift, faults]
}

fn latency(standing: &Standing<'_>, target: &Target) -> Option<Condition> {
    let limit = target.latency?;
    let Percentiles { legacy, candidate } = standing.latency;
    let most = legacy.map(|legacy| limit.of(legacy));
    // What cannot be told is not held against it: posted checks have no latency of legacy.
    let is_within = candidate.zip(most).is_none_or(|(candidate, most)| candidate <= most);
    let value = candidate.map_or_else(|| "too few answers".to_owned(), milliseconds);
    let most = most.map_or_else(|| limit.to_string(), milliseconds);
    Some(condition("latency_limit", is_within, value, most))
}

fn condition(name: &str, met: bool, value: String, limit: String) -> Condition {
    Condition { name: name.to_owned(), met, value, limit }
}

fn milliseconds(latency: Duration) -> String {
    let micros = latency.as_micros();
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
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
