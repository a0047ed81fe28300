//! The article's three counters, decided: what a pair of answers says about the candidate.

use http::header::CONTENT_ENCODING;

use crate::compare::{Compared, Comparison, compare_with};
use crate::exchange::{Answer, Side};
use crate::format::decoded_length;
use crate::isolation::{InProcess, Isolation};
use crate::rule::Rules;
use crate::verdict::{Cause, Outcome, Verdict};

/// What a pair says, and what the rules masked in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What it says about the candidate.
    pub verdict: Verdict,
    /// By rule, in the order of [`Rules::specs`]: places where the sides had something different
    /// and the rule made it count for nothing. Empty where the pair proves nothing.
    pub masked: Vec<u32>,
}

/// Judges a pair.
///
/// - Equal after rules, and no 5xx: matched.
/// - Both 5xx and equal: failed, because a transient fault proves nothing.
/// - Different, also in the 5xx of one side or of both: unmatched. "It means the overall behavior …
///   doesn't match", says the article, "and it requires a deeper investigation".
/// - No complete answer from the other side, or nothing that can be compared: failed.
#[must_use]
pub fn judge(answering: Side, answered: &Answer, other: &Result<Answer, Cause>, rules: &Rules) -> Judged {
    judge_with(answering, answered, other, rules, &InProcess)
}

/// The same, with foreign formats decoded by `isolation`.
#[must_use]
pub fn judge_with(
    answering: Side,
    answered: &Answer,
    other: &Result<Answer, Cause>,
    rules: &Rules,
    isolation: &dyn Isolation,
) -> Judged {
    let other = match other {
        Ok(other) => other,
        Err(cause) => return Judged { verdict: Verdict::Failed(*cause), masked: Vec::new() },
    };
    let (legacy, candidate) = match answering {
        Side::Legacy => (answered, other),
        Side::Candidate => (other, answered),
    };
    let faults = (is_fault(legacy), is_fault(candidate));
    let Compared { comparison, masked } = compare_with(legacy, candidate, rules, isolation);
    let verdict = match comparison {
        Comparison::Different(differences) => Verdict::Unmatched(differences),
        // Only a rule that ignores the status leads here; a fault on one side is none less, also
        // where the bodies cannot be compared.
        Comparison::Incomparable(_) | Comparison::Equal(_) if faults.0 != faults.1 => {
            Verdict::Unmatched(crate::compare::status_alone(legacy, candidate))
        }
        Comparison::Incomparable(cause) => Verdict::Failed(cause),
        Comparison::Equal(_) if faults.0 => Verdict::Failed(Cause::Both5xx),
        Comparison::Equal(equality) => Verdict::Matched(equality),
    };
    let proves_nothing = verdict.outcome() == Outcome::Failed;
    Judged { verdict, masked: if proves_nothing { Vec::new() } else { masked } }
}

/// Judges a pair of which the other side's answer was read up to a limit only: `cut` has the digest of
/// what was read. A longer body is another one; of any other nothing is known but its head.
#[must_use]
pub fn judge_cut_off(
    answering: Side,
    answered: &Answer,
    cut: &Answer,
    rules: &Rules,
    isolation: &dyn Isolation,
) -> Judged {
    // What was not read must not seem to be missing.
    let mut other = Answer { trailers: answered.trailers.clone(), ..cut.clone() };
    if decoded_length(cut) > decoded_length(answered) {
        return judge_with(answering, answered, &Ok(other), rules, isolation);
    }
    other.body = answered.body.clone();
    other.headers.remove(CONTENT_ENCODING);
    for coding in answered.headers.get_all(CONTENT_ENCODING) {
        other.headers.append(CONTENT_ENCODING, coding.clone());
    }
    let judged = judge_with(answering, answered, &Ok(other), rules, isolation);
    let is_body_ignored = rules.ignored(&rules.at_part("body")).is_some();
    match judged.verdict {
        Verdict::Unmatched(_) => judged,
        Verdict::Matched(_) | Verdict::Failed(_) if is_body_ignored => judged,
        Verdict::Matched(_) | Verdict::Failed(_) => {
            Judged { verdict: Verdict::Failed(Cause::TooLarge), masked: Vec::new() }
        }
    }
}

fn is_fault(answer: &Answer) -> bool {
    answer.status.is_server_error()
}
