//! When a candidate that answers clients is taken back by itself: when it fails more of them than
//! legacy would, by more than a stated margin, and that is no chance.
//!
//! A share of errors over a few seconds means little where there are few answers, and waiting for many
//! means as many clients that see an error. So it is not the share that is held against the limit but the
//! evidence: over every stretch of the recent past, how unlikely its errors would be if the candidate
//! were just at the limit (a generalised likelihood ratio over all suffixes; Lorden 1971, "Procedures for
//! reacting to a change in distribution"). Eight errors in a row are enough, one in a hundred healthy
//! answers never is, and a small excess is told as soon as there are answers enough to tell it.
//!
//! What legacy does at the same time excuses the candidate: an outage of something that both need is
//! nobody's fault.

mod recent;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::label::labels;
use crate::ratio::Ratio;
use crate::readiness::LatencyLimit;

pub use recent::Recent;

/// The evidence at which the candidate is taken back: a likelihood ratio of e^35 against a candidate at
/// the limit. Chance alone would never need as much; but when something breaks that both sides need,
/// seven requests in a row may be the candidate's before one is legacy's, and an eighth hardly ever is.
const EVIDENCE: f64 = 35.0;
/// What is taken for legacy's share of errors while nothing is known of it: no candidate is taken back
/// for what legacy may do too.
const UNKNOWN: f64 = 0.05;
/// Answers from which legacy's usual share is known.
const KNOWN: u64 = 100;

/// When an operation is rolled back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackWhen {
    /// How many more of its answers than of legacy's may be errors.
    pub errors: Ratio,
    /// Over how long that is looked at.
    pub over: Duration,
    /// From when on an answer is slow, of which `errors` may be more than of legacy's too; none: slow ones
    /// are as good as others.
    pub latency: Option<LatencyLimit>,
}

/// Answers, and the bad ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Answers {
    /// All of them.
    pub all: u64,
    /// The bad ones.
    pub bad: u64,
}

impl Answers {
    /// The share of bad ones; none of none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share, held against a limit by evidence")]
    pub fn share(self) -> Option<f64> {
        (self.all > 0).then(|| self.bad as f64 / self.all as f64)
    }

    fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, bad: self.bad + other.bad }
    }

    /// How strongly these speak against a side that has this share of bad answers: the logarithm of the
    /// likelihood ratio of the share that they have, where it is higher; nothing where it is not.
    #[expect(clippy::cast_precision_loss, reason = "evidence is no amount")]
    fn evidence_against(self, share: f64) -> f64 {
        let Some(seen) = self.share().filter(|&seen| seen > share) else { return 0.0 };
        let part = |of: f64, expected: f64| if of > 0.0 { of * (of / expected).ln() } else { 0.0 };
        self.all as f64 * (part(seen, share) + part(1.0 - seen, 1.0 - share))
    }
}

/// What both sides answered of late.
#[derive(Debug)]
pub struct Watch {
    of: Bad,
    candidate: Recent,
    legacy: Recent,
}

labels! {
    /// What is wrong with a bad answer.
    pub enum Bad {
        /// It is a 5xx, broke off, or there is none.
        Error => "error",
        /// It is slower than legacy's are by more than the limit.
        Slow => "slow",
    }
}

/// A candidate that fails clients.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Excess {
    /// Of what.
    pub of: Bad,
    /// What it answered in the stretch that tells it.
    pub candidate: Answers,
    /// Legacy's share of bad answers that it is held against.
    pub legacy_share: f64,
    /// How much more is allowed.
    pub allowed: Ratio,
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { of, candidate: Answers { all, bad }, legacy_share, allowed } = self;
        let percent = legacy_share * 100.0;
        let (failed, fails) = match of {
            Bad::Error => ("failed", "fails"),
            Bad::Slow => ("was slow in", "is slow in"),
        };
        write!(
            f,
            "the candidate {failed} {bad} of its last {all} answers, where legacy {fails} {percent:.2}% and {allowed} more is allowed"
        )
    }
}

impl Watch {
    /// Watches over stretches up to a multiple of `over`.
    #[must_use]
    pub fn new(of: Bad, over: Duration) -> Self {
        Self { of, candidate: Recent::new(over), legacy: Recent::new(over) }
    }

    /// Looks at stretches of another length from now on, and at none of before.
    pub fn look_over(&self, over: Duration) {
        self.candidate.look_over(over);
        self.legacy.look_over(over);
    }

    /// Notes an answer of legacy. `now` is the time since any fixed moment.
    pub fn legacy(&self, is_bad: bool, now: Duration) {
        self.legacy.note(is_bad, now);
    }

    /// Notes an answer of legacy while no client is answered by the candidate: what is usual.
    pub fn legacy_alone(&self, is_bad: bool) {
        self.legacy.note_usual(is_bad);
    }

    /// Notes an answer of the candidate, and tells when it is one too many.
    pub fn candidate(&self, is_bad: bool, now: Duration, allowed: Ratio) -> Option<Excess> {
        self.candidate.note(is_bad, now);
        // A good answer never is.
        is_bad.then(|| self.excess(now, allowed))?
    }

    /// What is known of the candidate is of no use any more, since another one may be there.
    pub fn forget_candidate(&self) {
        self.candidate.forget();
    }

    fn excess(&self, now: Duration, allowed: Ratio) -> Option<Excess> {
        let margin = f64::from(allowed.ppm()) / 1e6;
        let usual = self.legacy.usual(KNOWN).unwrap_or(UNKNOWN);
        let just_now = self.legacy.worst_just_now(now);
        let tell = |candidate: Answers, legacy: Answers| {
            let legacy_share = legacy.share().unwrap_or(0.0).max(usual).max(just_now);
            let limit = legacy_share + margin;
            let is_told = limit < 1.0 && candidate.evidence_against(limit) >= EVIDENCE;
            is_told.then_some(Excess { of: self.of, candidate, legacy_share, allowed })
        };
        let last = self.candidate.last_ones().find_map(|last| tell(last, Answers::default()));
        last.or_else(|| {
            let stretches = self.candidate.stretches(now).zip(self.legacy.stretches(now));
            stretches.filter(|(candidate, _)| candidate.bad > 2).find_map(|(ours, theirs)| tell(ours, theirs))
        })
    }
}
