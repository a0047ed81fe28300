//! What the words of the contract mean, in a sentence for somebody who sees them for the first
//! time.

use parallax_core::readiness::Condition;
use parallax_core::recheck::Finding;
use parallax_core::stage::StageName;
use parallax_core::verdict::{Cause, Kind, Skip};

use super::numbers;

/// What a stage means for clients.
pub(super) fn stage(stage: StageName) -> &'static str {
    match stage {
        StageName::Legacy => "legacy answers, nothing is checked",
        StageName::Shadow => "legacy answers, the candidate is checked in the background",
        StageName::Canary => "the candidate answers a share of the clients, both sides are checked",
        StageName::Switched => "the candidate answers, legacy is checked in the background",
        StageName::Complete => "the candidate answers, nothing is checked",
    }
}

/// What a difference of this kind is.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => "Legacy has something here that the candidate lacks",
        Kind::Extra => "The candidate has something here that legacy lacks",
        Kind::Type => "The sides have values of different types here",
        Kind::Value => "The sides have different values here",
        Kind::Order => "The sides have the same elements here in another order",
        Kind::Length => "What the sides have here differs in length",
        Kind::DuplicateKey => "One side repeats a name here",
        Kind::Syntax => "One side cannot be read as what it claims to be",
    }
}

/// Why a check is no evidence.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Both5xx => "both sides answered the same server error, which proves nothing",
        Cause::Refused => "the other side refused the connection",
        Cause::Timeout => "the other side took too long",
        Cause::Reset => "the other side broke the connection off",
        Cause::Dns => "the other side's name could not be resolved",
        Cause::Tls => "the other side's TLS handshake failed",
        Cause::Protocol => "the other side did not speak HTTP",
        Cause::TooLarge => "an answer was too large to compare in detail",
        Cause::Undecodable => "a body could not be decoded",
        Cause::Budget => "comparing would have taken too much work",
        Cause::Stale => "the data changed between the two answers",
        Cause::Flaky => "the answering side differs from itself",
        Cause::DeadLetter => "given up after too many attempts",
    }
}

/// What a mismatch was when both sides were asked again.
pub(super) fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::Confirmed => "the answering side is unchanged and the other still differs",
        Finding::Stale => "the data changed between the two answers: no evidence",
        Finding::Flaky => "the answering side differs from itself: no evidence",
        Finding::Unstable => {
            "the answering side is unchanged and the other agrees now: unmatched all the same"
        }
        Finding::Unconfirmed => "it was not asked again, or nothing came of it: unmatched",
    }
}

/// Why a request was not checked.
pub(super) fn skip(skip: Skip) -> &'static str {
    match skip {
        Skip::Stage => "the stage checks nobody",
        Skip::SampledOut => "left out by the operation's sample",
        Skip::NotIdempotent => "may not run on both sides, because it could have effects twice",
        Skip::QueueFull => "too many checks were waiting",
        Skip::Overload => "dropped to protect the other side or this node",
        Skip::BodyTooLarge => "the request's body is over the limit",
        Skip::Upgrade => "the connection left HTTP (for example a WebSocket)",
        Skip::ClientAborted => "the client went away before the answer was complete",
        Skip::NoAnswer => "the answering side gave no complete answer",
        Skip::Loop => "the request had passed here before",
    }
}

/// What a condition of readiness is about.
pub(super) fn condition(name: &str) -> &str {
    match name {
        "min_checks" => "Enough checks",
        "target" => "Consistency",
        "min_distinct" => "Enough distinct requests",
        "confidence" => "Proven consistency",
        "drift" => "Consistency of the last 1,000 checks",
        "new_signatures" => "Checks with the most frequent new fault",
        "latency_limit" => "The candidate's 99th percentile",
        "max_failed" => "Few failed checks",
        "min_checked" => "Few requests left unchecked",
        other => other,
    }
}

/// What a condition lacks.
pub(super) fn missing(condition: &Condition) -> String {
    let Condition { name, value, limit, .. } = condition;
    match name.as_str() {
        "min_checks" => format!("{} of {} checks", grouped(value), grouped(limit)),
        "target" if value == "none" => format!("no check to tell the consistency, {limit} is the target"),
        "target" => format!("consistency is {value}, {limit} is the target"),
        "min_distinct" => format!("{} of {} distinct requests", grouped(value), grouped(limit)),
        "confidence" => format!("{value} is proven, {limit} is the target"),
        "drift" => format!("{value} of the last 1,000 checks matched, {limit} is needed"),
        "new_signatures" => format!("a new fault is in {value} checks, {limit} would be tolerated"),
        "latency_limit" => format!("the candidate's 99th percentile is {value}, {limit} is the limit"),
        "max_failed" => format!("{value} of the checks failed, at most {limit} may"),
        "min_checked" => format!("{value} of the requests were checked, {limit} is needed"),
        other => format!("{other} is {value}, {limit} is needed"),
    }
}

/// A number from a condition's text, its thousands apart.
pub(super) fn grouped(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), numbers::count)
}

/// What a condition lacks, from its JSON form.
pub(super) fn missing_member(condition: &serde_json::Value) -> String {
    serde_json::from_value(condition.clone()).map(|condition| missing(&condition)).unwrap_or_default()
}
