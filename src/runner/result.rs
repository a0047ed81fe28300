//! One check from its start to its place in the counts.

use std::sync::Arc;
use std::time::Instant;

use http::header;
use parallax_core::check::{Check, CheckId};
use parallax_core::exchange::{Answer, Side};
use parallax_core::isolation;
use parallax_core::judge::judge_with;
use parallax_core::report::Report;
use parallax_core::signature::Signature;
use parallax_core::verdict::{Skip, Verdict};

use super::Shared;
use super::copy::{self, Missed};
use super::gate::Pass;
use crate::queue::Job;
use crate::recorder::Notice;

/// Bodies from here on, both sides together, are compared on a thread of their own: a millisecond
/// of comparing would otherwise be a millisecond for which no other answer is read.
const LARGE: usize = 256 * 1024;
/// What a byte of a content-coded body counts for.
const CODED: usize = 16;

/// Runs a check and counts it.
pub(super) async fn run(shared: &Arc<Shared>, job: Job, mut pass: Pass) {
    let Job { waiting, mut ticket, mut reservation, place, since: _ } = job;
    drop(place);
    let asked = waiting.asked();
    let sides = Arc::clone(waiting.reach.for_copies(shared.number));
    let id = ticket.stored_id();
    let (check, extensions) = waiting.into_check(id.unwrap_or_else(new_id));
    pass.sent(Instant::now());
    let other = match copy::ask(sides.of(asked), &shared.carried, &check, extensions, &mut reservation).await
    {
        Ok(exchange) => {
            pass.answered(&check.operation.id, shared.lag.of_an_exchange());
            ticket.observe(asked, exchange.latency);
            Ok(exchange.answer)
        }
        Err(Missed::NoRoom) => return ticket.skip(Skip::Overload),
        Err(Missed::Fault(fault)) => {
            pass.lost();
            tracing::debug!(operation_id = %check.operation.id, side = %asked, cause = %fault.cause, detail = %fault.detail, "no answer to compare");
            Err(fault.cause)
        }
    };
    let is_large = is_large(&check.answered.answer, other.as_ref().ok());
    let work = {
        let shared = Arc::clone(shared);
        move || {
            let (side, answered) = (check.answered.side, &check.answered.answer);
            let isolation = &*shared.isolation;
            let judged = judge_with(side, answered, &other, &check.operation.rules, isolation);
            let report = record(&shared, &check, other.as_ref().ok(), &judged.verdict, id.is_some());
            (judged, report)
        }
    };
    // Where comparing failed in a way that it must not, the ticket counts the check as given up.
    let judged = if is_large { tokio::task::spawn_blocking(work).await.ok() } else { Some(work()) };
    if let Some((judged, report)) = judged {
        if let Some(report) = report {
            ticket.note(report.differences);
        }
        ticket.judged(&judged);
    }
}

fn new_id() -> CheckId {
    CheckId(fastrand::u128(..))
}

/// Whether comparing these may take so long that it is done on a thread of its own. A coded body
/// may be a thousand times larger than it looks, and a foreign format waits for a child process.
pub(super) fn is_large(answered: &Answer, other: Option<&Answer>) -> bool {
    let weight = |answer: &Answer| {
        let held = answer.body.held_bytes();
        if answer.headers.contains_key(header::CONTENT_ENCODING) { held.saturating_mul(CODED) } else { held }
    };
    let waits = isolation::may_be_needed(answered) || other.is_some_and(isolation::may_be_needed);
    waits || weight(answered) + other.map_or(0, weight) > LARGE
}

/// Counts and keeps what an unmatched check found. Gives its report where somebody may ask for this
/// one check, whether a sample is due or not.
fn record(
    shared: &Shared,
    check: &Check,
    other: Option<&Answer>,
    verdict: &Verdict,
    is_asked_for: bool,
) -> Option<Report> {
    let Verdict::Unmatched(differences) = verdict else { return None };
    let operation = &check.operation;
    let signatures = Signature::all_of(&operation.id, &differences.kept);
    let notice = shared.recorder.count(&operation.id, signatures, Instant::now());
    if notice == Notice::Count && !is_asked_for {
        return None;
    }
    let (legacy, candidate) = match check.answered.side {
        Side::Legacy => (Some(&check.answered.answer), other),
        Side::Candidate => (other, Some(&check.answered.answer)),
    };
    let report = Report::new(check, legacy, candidate, verdict, jiff::Timestamp::now());
    if let Notice::Sample { suppressed } = notice {
        log_unmatched(&report, suppressed);
        shared.recorder.keep(report.clone());
    }
    is_asked_for.then_some(report)
}

/// A line for an unmatched check: where it differs, and no value.
fn log_unmatched(report: &Report, suppressed: u64) {
    let first = report.signatures.first();
    tracing::warn!(
        operation_id = %report.operation_id,
        check = %report.id,
        signature = first.map(|signature| signature.id.to_string()),
        part = first.map(|signature| signature.part.as_str()),
        path = first.map(|signature| signature.path.as_str()),
        kind = first.map(|signature| signature.kind.as_str()),
        signatures = report.signatures.len(),
        suppressed,
        "unmatched"
    );
}
