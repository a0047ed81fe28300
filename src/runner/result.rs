//! One check from its start to its place in the counts, or to its recheck.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Extensions, header};
use parallax_core::check::Check;
use parallax_core::evidence::{RequestHash, Shown};
use parallax_core::exchange::{Answer, Body, Exchange, Side};
use parallax_core::isolation;
use parallax_core::judge::{judge_cut_off, judge_with};
use parallax_core::recheck::{Finding, Recheck};
use parallax_core::report::Report;
use parallax_core::signature::Signature;
use parallax_core::verdict::{Cause, Difference, Differences, Outcome, Skip, Verdict};

use super::copy::{self, Missed, Why};
use super::gate::Pass;
use super::mismatch::{Mismatch, Open};
use super::{Shared, new_id};
use crate::queue::{Job, Reservation};
use crate::recorder::Notice;
use crate::telemetry::{Did, Ticket};
use crate::upstream::{Access, Sides};

/// Bodies from here on, both sides together, are compared on a thread of their own: a millisecond
/// of comparing would otherwise be a millisecond for which no other answer is read.
const LARGE: usize = 256 * 1024;
/// What a byte of a content-coded body counts for.
const CODED: usize = 16;

/// Runs a check and counts it, unless it is a mismatch that is to be looked at again.
pub(super) async fn run(shared: &Arc<Shared>, job: Job, pass: Pass) -> Option<Mismatch> {
    let Job { waiting, ticket, mut reservation, place, since: _ } = job;
    drop(place);
    let asked = waiting.asked();
    let sides = Arc::clone(waiting.reach.for_copies(shared.number));
    let (check, extensions) = waiting.into_check(ticket.stored_id().unwrap_or_else(new_id));
    let what = (&check, Why::Check);
    let for_recheck = for_recheck(&check, &extensions);
    let other = ask(shared, sides.of(asked), what, extensions, (&mut reservation, pass)).await;
    judge(shared, Answered { sides, check, for_recheck, other }, ticket, reservation).await
}

/// A check whose copy was answered, or was not.
pub(super) struct Answered {
    pub(super) sides: Arc<Sides>,
    pub(super) check: Check,
    pub(super) for_recheck: Option<(Recheck, Extensions)>,
    pub(super) other: Result<Exchange, Missed>,
}

/// What it would take to look at a mismatch again.
pub(super) fn for_recheck(check: &Check, extensions: &Extensions) -> Option<(Recheck, Extensions)> {
    let recheck = check.operation.recheck_of(&check.request.method)?;
    Some((recheck, extensions.clone()))
}

/// Sends the copy of a check, which has its way through the gate.
pub(super) async fn ask(
    shared: &Shared,
    access: &Access,
    (check, why): (&Check, Why),
    extensions: Extensions,
    (reservation, mut pass): (&mut Reservation, Pass),
) -> Result<Exchange, Missed> {
    pass.sent(Instant::now());
    let asked = copy::ask(access, &shared.carried, (check, why), extensions, reservation).await;
    match &asked {
        Ok(_) => pass.answered(&check.operation.id, shared.lag.of_an_exchange()),
        Err(Missed::NoRoom | Missed::TooLarge(_)) => {}
        Err(Missed::Fault(fault)) => {
            pass.lost();
            let side = access.upstream.side;
            tracing::debug!(operation_id = %check.operation.id, %side, cause = %fault.cause, detail = %fault.detail, "no answer to compare");
        }
    }
    asked
}

/// Judges and counts a check, unless it is a mismatch that is to be looked at again.
pub(super) async fn judge(
    shared: &Arc<Shared>,
    Answered { sides, check, for_recheck, other }: Answered,
    mut ticket: Ticket,
    reservation: Reservation,
) -> Option<Mismatch> {
    let (mut is_cut_off, mut latency) = (false, None);
    let other = match other {
        Ok(exchange) => {
            latency = Some(exchange.latency);
            ticket.observe(exchange.side, exchange.latency);
            Ok(exchange.answer)
        }
        Err(Missed::TooLarge(cut)) => {
            is_cut_off = true;
            Ok(*cut)
        }
        Err(Missed::NoRoom) => {
            ticket.skip(Skip::Overload);
            return None;
        }
        Err(Missed::Fault(fault)) => Err(fault.cause),
    };
    note_legacy(&check, other.as_ref(), latency, &ticket);
    if let Some(name) =
        check.operation.graphql.as_ref().and_then(|graphql| graphql.counted_as(&check.request))
    {
        ticket.named(name);
    }
    ticket.show(shown(&check, other.as_ref().ok()));
    let is_large = is_large(&check.answered.answer, other.as_ref().ok());
    let work = {
        let shared = Arc::clone(shared);
        move || {
            let (side, answered) = (check.answered.side, &check.answered.answer);
            let isolation = &*shared.isolation;
            if other.is_ok() {
                ticket.met(&check);
            }
            let rules = &check.operation.rules;
            let judged = match &other {
                Ok(cut) if is_cut_off => judge_cut_off(side, answered, cut, rules, isolation),
                other => judge_with(side, answered, other, rules, isolation),
            };
            let is_mismatch = matches!(judged.verdict, Verdict::Unmatched(_));
            let (other, recheck, extensions) = match (other, for_recheck) {
                (Ok(other), Some((recheck, extensions))) if is_mismatch => (other, recheck, extensions),
                (other, _) => {
                    record(&shared, &check, other.as_ref().ok(), &judged.verdict, None, &mut ticket);
                    ticket.judged(&judged);
                    return None;
                }
            };
            // What was too large to keep will be so again, and asking for it would tell nothing.
            let is_whole = |answer: &Answer| matches!(answer.body, Body::Whole(_));
            let is_kept = is_whole(&check.answered.answer) && is_whole(&other);
            let is_within = is_kept && shared.gates.rechecks.may_wait(&check.operation.id, recheck.rate);
            let open = Open { shared, sides, check, extensions, other, judged, ticket, reservation };
            let mismatch = Mismatch::new(open, recheck);
            // Beyond the rate it is dropped, and counts itself.
            is_within.then(|| mismatch.compacted())
        }
    };
    // Where comparing failed in a way that it must not, the ticket counts the check as given up.
    if is_large { tokio::task::spawn_blocking(work).await.ok()? } else { work() }
}

/// How legacy does while the candidate answers clients excuses the candidate where it does the same.
fn note_legacy(check: &Check, other: Result<&Answer, &Cause>, latency: Option<Duration>, ticket: &Ticket) {
    // What has waited in the store says nothing of now.
    let is_fresh = ticket.stored_id().is_none();
    if check.answered.side == Side::Candidate
        && is_fresh
        && let Some(when) = check.operation.rollback_when
    {
        let is_error = Some(other.map_or(true, |answer| answer.status.is_server_error()));
        ticket.legacy_did(Did { is_error, latency }, when);
    }
}

/// What the check shows besides its outcome: what was asked, and which version of the candidate has
/// answered.
fn shown(check: &Check, other: Option<&Answer>) -> Shown {
    let candidate = match check.answered.side {
        Side::Legacy => other,
        Side::Candidate => Some(&check.answered.answer),
    };
    let version = candidate.and_then(|answer| check.operation.version.of(&answer.headers));
    Shown { request: Some(RequestHash::of(&check.request)), version, faults: Vec::new() }
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

/// Counts a mismatch under its faults, and keeps a sample now and then. Where somebody may ask for this
/// one check, its ticket notes what differs, whether a sample is due or not.
pub(super) fn record(
    shared: &Shared,
    check: &Check,
    other: Option<&Answer>,
    verdict: &Verdict,
    recheck: Option<Finding>,
    ticket: &mut Ticket,
) {
    let Verdict::Unmatched(differences) = verdict else { return };
    let operation = &check.operation;
    let signatures = Signature::all_of(&operation.id, &differences.kept);
    ticket.show_faults(&signatures);
    let notice = shared.recorder.count(&operation.id, (check.answered.side, signatures), Instant::now());
    let is_asked_for = ticket.may_be_asked_for();
    if notice == Notice::Count && !is_asked_for {
        return;
    }
    let report = Report { recheck, ..report(check, other, verdict) };
    if is_asked_for {
        ticket.note(report.differences.clone());
    }
    if let Notice::Sample { suppressed } = notice {
        log_unmatched(&report, suppressed);
        shared.recorder.keep(report);
    }
}

/// Counts the places where the answering side differs from itself. The sample of one is the pair that
/// did not match there, so that a rule can be suggested for it; where the check stays unmatched, it has
/// a sample already.
pub(super) fn record_noise(
    shared: &Shared,
    (check, other): (&Check, &Answer),
    noise: Vec<Difference>,
    finding: Finding,
) {
    if noise.is_empty() {
        return;
    }
    let operation = &check.operation;
    let signatures = Signature::all_of(&operation.id, &noise);
    let notice = shared.recorder.noise(&operation.id, signatures, Instant::now());
    let (Notice::Sample { suppressed }, Some(cause)) = (notice, finding.cause()) else { return };
    let verdict = Verdict::Unmatched(Differences { kept: noise, more: 0 });
    let report = Report {
        outcome: Outcome::Failed,
        reason: Some(cause),
        recheck: Some(finding),
        ..report(check, Some(other), &verdict)
    };
    let first = report.signatures.first();
    tracing::info!(
        operation_id = %report.operation_id,
        check = %report.id,
        side = %check.answered.side,
        signature = first.map(|signature| signature.id.to_string()),
        path = first.map(|signature| signature.path.as_str()),
        suppressed,
        "the answering side differs from itself"
    );
    shared.recorder.keep(report);
}

fn report(check: &Check, other: Option<&Answer>, verdict: &Verdict) -> Report {
    let answered = Some(&check.answered.answer);
    let (legacy, candidate) = match check.answered.side {
        Side::Legacy => (answered, other),
        Side::Candidate => (other, answered),
    };
    Report::new(check, legacy, candidate, verdict, jiff::Timestamp::now())
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
        recheck = report.recheck.map(Finding::as_str),
        suppressed,
        "unmatched"
    );
}
