//! What a mismatch was, once both sides were asked the same again: a fault of the other side, data
//! that moved between the two answers, or an answering side that differs from itself.
//!
//! A place where the answering side differs from itself explains a mismatch in that place, and in
//! no other. So data that moves hides no fault beside it, and a side that is wrong now and then while
//! the answering side stays as it is can never pass for stale.

mod rate;
mod shares;

use std::time::Duration;

use http::StatusCode;

pub use rate::{Allowance, Rate, RateError};
pub use shares::{advice, share};

use crate::compare::{Comparison, compare_with};
use crate::exchange::{Answer, Side};
use crate::isolation::Isolation;
use crate::label::labels;
use crate::rule::{Origins, Rules};
use crate::signature::place;
use crate::verdict::{Cause, Difference, Differences, Kind, Verdict};

/// Whether and how an operation's mismatches are looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    /// From the mismatch to the second requests.
    pub after: Duration,
    /// How many mismatches are looked at again.
    pub rate: Rate,
}

labels! {
    /// What asking both sides again said about a mismatch.
    pub enum Finding {
        /// The answering side is unchanged and the other still differs: unmatched.
        Confirmed => "confirmed",
        /// The data moved between the two answers: no evidence.
        Stale => "stale",
        /// The answering side differs from itself, and from the other: no evidence.
        Flaky => "flaky",
        /// The answering side is unchanged and the other agrees now: unmatched all the same.
        Unstable => "unstable",
        /// It is not known: beyond the rate, or no second answers that can be compared. Unmatched.
        Unconfirmed => "unconfirmed",
    }
}

impl Finding {
    /// Why the check is no evidence, where it is none. All others stay unmatched.
    ///
    /// ```
    /// use parallax_core::recheck::Finding;
    /// use parallax_core::verdict::Cause;
    /// assert_eq!(Finding::Stale.cause(), Some(Cause::Stale));
    /// assert_eq!(Finding::Unstable.cause(), None);
    /// ```
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Stale => Some(Cause::Stale),
            Self::Flaky => Some(Cause::Flaky),
            Self::Confirmed | Self::Unstable | Self::Unconfirmed => None,
        }
    }
}

/// What the two second answers say, compared with the first and with each other.
#[derive(Clone, Debug)]
pub struct Again {
    /// The answering side's second answer against its first, under the operation's rules.
    pub itself: Comparison,
    /// The second pair, judged as the first was.
    pub pair: Verdict,
    /// Whether the answering side's second answer proves nothing: a 5xx, or the refusal of whoever asks
    /// again.
    pub is_fault: bool,
    /// Whether the candidate has answered the client, with a 5xx: its own fault, whatever it says now.
    pub is_own_fault: bool,
}

impl Again {
    /// Compares the second answers.
    #[must_use]
    pub fn new(
        answering: Side,
        first: &Answer,
        second: &Answer,
        other: &Answer,
        rules: &Rules,
        isolation: &dyn Isolation,
    ) -> Self {
        let other = Ok(other.clone());
        Self {
            itself: compare_with(first, second, &of_one_side(answering, rules), isolation).comparison,
            pair: crate::judge::judge_with(answering, second, &other, rules, isolation).verdict,
            is_fault: second.status.is_server_error()
                || (second.status != first.status && refuses_who_asks(second.status)),
            is_own_fault: answering == Side::Candidate && first.status.is_server_error(),
        }
    }

    /// What the mismatch was.
    ///
    /// | the first mismatch lies | and now the sides | it was |
    /// |---|---|---|
    /// | only where the answering side moved | agree | stale |
    /// | only where the answering side moved | differ | flaky |
    /// | elsewhere too | agree, but for places that move | unstable |
    /// | elsewhere too | still differ elsewhere | confirmed |
    #[must_use]
    pub fn finding(&self, first: &Differences) -> Finding {
        let moved = match &self.itself {
            Comparison::Equal(_) => Moved::default(),
            Comparison::Different(differences) => Moved::of(differences),
            Comparison::Incomparable(_) => return Finding::Unconfirmed,
        };
        let now = match &self.pair {
            Verdict::Matched(_) => None,
            Verdict::Unmatched(differences) => Some(differences),
            Verdict::Failed(_) => return Finding::Unconfirmed,
        };
        if self.is_fault {
            return Finding::Unconfirmed;
        }
        let is_explained = moved.explains_all(first);
        if !is_explained && (moved.is_cut_off || first.more > 0) {
            return Finding::Unconfirmed;
        }
        match (is_explained, now) {
            (true, None) if self.is_own_fault => Finding::Unstable,
            (true, Some(_)) if self.is_own_fault => Finding::Confirmed,
            (true, None) => Finding::Stale,
            (true, Some(_)) => Finding::Flaky,
            (false, None) => Finding::Unstable,
            (false, Some(now)) if moved.explains_all(now) => Finding::Unstable,
            (false, Some(_)) => Finding::Confirmed,
        }
    }

    /// Of a pair's differences those in places where the answering side differs from itself and the
    /// sides did not agree afterwards either: noise.
    #[must_use]
    pub fn noise(&self, first: &Differences) -> Vec<Difference> {
        let (Comparison::Different(itself), Verdict::Unmatched(now)) = (&self.itself, &self.pair) else {
            return Vec::new();
        };
        let (moved, now) = (Moved::of(itself), Moved::of(now));
        let is_noise = |difference: &&Difference| {
            let at = place(&difference.path);
            moved.explains(&at) && now.explains(&at)
        };
        first.kept.iter().filter(is_noise).cloned().collect()
    }
}

/// Of a pair's differences those in places where two instances of the answering side differ: noise too.
#[must_use]
pub fn noise_between(
    side: Side,
    (one, twin): (&Answer, &Answer),
    first: &Differences,
    rules: &Rules,
    isolation: &dyn Isolation,
) -> Vec<Difference> {
    let compared = compare_with(one, twin, &of_one_side(side, rules), isolation);
    let Comparison::Different(differences) = compared.comparison else { return Vec::new() };
    let moved = Moved::of(&differences);
    first.kept.iter().filter(|difference| moved.explains(&place(&difference.path))).cloned().collect()
}

/// Whether a status says nothing of what was asked for: a token has run out, a limit was reached.
fn refuses_who_asks(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429)
}

/// The operation's rules for two answers of one side, which knows its own hosts alone.
fn of_one_side(side: Side, rules: &Rules) -> Rules {
    let own = match side {
        Side::Legacy => rules.origins().legacy.clone(),
        Side::Candidate => rules.origins().candidate.clone(),
    };
    rules.clone().with_origins(Origins { legacy: own.clone(), candidate: own })
}

/// The places where the answering side differs from itself, with everything taken off that tells one
/// answer from another: what moves in one element of a list may move in each.
#[derive(Default)]
struct Moved {
    places: Vec<String>,
    /// Whether there are more than are known.
    is_cut_off: bool,
}

impl Moved {
    fn of(differences: &Differences) -> Self {
        let mut places: Vec<String> =
            differences.kept.iter().map(|difference| place(&difference.path)).collect();
        places.sort_unstable();
        places.dedup();
        Self { places, is_cut_off: differences.more > 0 }
    }

    /// Whether a place is one of these, within one of these, or holds one.
    fn explains(&self, at: &str) -> bool {
        self.places.iter().any(|moved| is_within(at, moved) || is_within(moved, at))
    }

    /// Whether all of these lie where the answering side moved. What moves within a list explains that
    /// the list is longer or in another order, and not that it is missing or something else.
    fn explains_all(&self, differences: &Differences) -> bool {
        differences.more == 0 && differences.kept.iter().all(|difference| self.explains_one(difference))
    }

    fn explains_one(&self, difference: &Difference) -> bool {
        let at = place(&difference.path);
        let spans = matches!(difference.kind, Kind::Order | Kind::Length);
        self.places.iter().any(|moved| is_within(&at, moved) || (spans && is_within(moved, &at)))
    }
}

/// Whether a printed place is another one or lies within it.
fn is_within(at: &str, outer: &str) -> bool {
    at.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
