//! Runs recorded checks: a bounded number at a time, in the order of the files.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header;
use parallax_core::check::{Check, CheckId};
use parallax_core::exchange::{Body, Exchange, Side};
use parallax_core::format::DigestStream;
use parallax_core::isolation::Isolation;
use parallax_core::operation::Operation;
use parallax_core::posted::{Malformed, Posted};
use parallax_core::recorded::{Format, Found, Recorded};
use parallax_core::verdict::{Cause, Skip};
use tokio::task::JoinSet;

use super::read::{self, Piece};
use super::{Counts, FileCounts, OperationCounts, Place, Plan, Progress, Stopped};
use crate::config;
use crate::marker::Markers;
use crate::queue::Budget;
use crate::runner::{Apart, Carried, Ran};
use crate::telemetry::CountRepair;
use crate::upstream::{Access, Pool, PoolLimits, Upstream};

/// Bytes of answers that may be held at a time.
const BUDGET: usize = 256 * 1024 * 1024;
/// Requests that have ended without a single answer after which nobody is there.
const NOBODY: u64 = 100;

/// What happens on the way.
pub enum Event<'e> {
    /// A file begins.
    File(&'e str, Format),
    /// A record is broken.
    Broken(&'e FileCounts, &'e Malformed),
    /// A check came to an outcome.
    Checked(&'e Counts),
}

/// Runs the checks of all files. It ends early when the candidate is not there.
///
/// # Errors
/// When a file cannot be read, or is broken and must not be.
pub async fn run(
    plan: Plan,
    progress: &Progress,
    mut tell: impl FnMut(Event<'_>),
) -> Result<Counts, Stopped> {
    let apart = Arc::new(apart_of(&plan.candidate, plan.concurrency, &plan.isolation)?);
    let mut reads = read::start(&plan.files, plan.format, progress)?;
    let concurrency = plan.concurrency.max(1);
    let mut running: JoinSet<(usize, Place, Option<Ran>)> = JoinSet::new();
    let mut work = Work { plan, counts: Counts::default() };
    let mut waiting: std::vec::IntoIter<Found> = Vec::new().into_iter();
    let mut is_over = false;
    let mut ended_checks = 0;
    loop {
        while running.len() < concurrency {
            let Some(found) = waiting.next() else { break };
            if let Some((at, place, check)) = work.take(found, &mut tell)? {
                work.counts.asked += 1;
                let apart = Arc::clone(&apart);
                running.spawn(async move {
                    // One that panics has failed, and the others go on.
                    let ran = AssertUnwindSafe(apart.run(check)).catch_unwind().await;
                    (at, place, ran.ok().flatten())
                });
            }
        }
        let is_full = running.len() >= concurrency;
        tokio::select! {
            read = reads.recv(), if !is_over && !is_full => match read {
                Some(Piece::File(name, format)) => {
                    tell(Event::File(&name, format));
                    work.counts.files.push(FileCounts::new(name, format));
                }
                Some(Piece::Found(found)) => waiting = found.into_iter(),
                Some(Piece::Failed(error)) => return Err(error.into()),
                None => is_over = true,
            },
            Some(ended) = running.join_next() => {
                let Ok((at, place, ran)) = ended else { continue };
                work.settle(at, place, ran);
                ended_checks += 1;
                tell(Event::Checked(&work.counts));
                if work.counts.is_unreached() && ended_checks >= NOBODY {
                    // What was sent is waited for, so that all of it is counted.
                    is_over = true;
                    waiting = Vec::new().into_iter();
                }
            }
            else => break,
        }
    }
    Ok(work.counts)
}

/// What is being done, and what has come of it.
struct Work {
    plan: Plan,
    counts: Counts,
}

impl Work {
    /// The check that a record makes, if it is to be sent.
    fn take(
        &mut self,
        found: Found,
        tell: &mut impl FnMut(Event<'_>),
    ) -> Result<Option<(usize, Place, Check)>, Stopped> {
        let file = self.counts.files.len().saturating_sub(1);
        let Some(counts) = self.counts.files.last_mut() else { return Ok(None) };
        match found {
            Found::Check(recorded) => {
                counts.checks += 1;
                let place = Place { file, line: recorded.line };
                Ok(self.check(*recorded).map(|(at, check)| (at, place, check)))
            }
            Found::Unusable { why, .. } => {
                *counts.unusable.entry(why).or_default() += 1;
                Ok(None)
            }
            Found::Broken(error) => {
                if self.plan.strict {
                    return Err(Stopped::Broken { file: counts.name.clone(), error });
                }
                tell(Event::Broken(counts, &error));
                counts.add_broken(error);
                Ok(None)
            }
        }
    }

    fn check(&mut self, recorded: Recorded) -> Option<(usize, Check)> {
        let Recorded { host, posted, .. } = recorded;
        if let Some(wanted) = &self.plan.host
            && host.as_ref().is_some_and(|host| !is_host(host, wanted))
        {
            self.counts.elsewhere += 1;
            return None;
        }
        let Some(at) = self.plan.operations.of(&posted) else {
            self.counts.other += 1;
            return None;
        };
        for operation in &self.plan.operations.list()[self.counts.operations.len()..] {
            self.counts.operations.push(OperationCounts::new(Arc::clone(operation)));
        }
        let counts = &mut self.counts.operations[at];
        counts.tally.requests += 1;
        let operation = Arc::clone(&counts.operation);
        if !self.plan.all_methods && !operation.may_copy(&posted.request) {
            counts.skip(Skip::NotIdempotent);
            return None;
        }
        if posted.request.body.len() > operation.body_limit {
            counts.skip(Skip::BodyTooLarge);
            return None;
        }
        Some((at, check_of(operation, posted)))
    }

    fn settle(&mut self, at: usize, place: Place, ran: Option<Ran>) {
        let counts = &mut self.counts.operations[at];
        let Some(ran) = ran else {
            *counts.tally.failed.entry(Cause::Budget).or_default() += 1;
            return;
        };
        if ran.other.is_some() {
            self.counts.answered += 1;
        }
        if let Some(fault) = &ran.fault
            && self.counts.first_fault.is_none()
        {
            self.counts.first_fault = Some(fault.to_string());
        }
        counts.judged(&ran.judged.verdict, place, || ran.report(jiff::Timestamp::now()));
    }
}

/// The candidate, as its checks reach it.
pub(super) fn apart_of(
    candidate: &config::Upstream,
    concurrency: usize,
    isolation: &Arc<dyn Isolation>,
) -> Result<Apart, Stopped> {
    let upstream = Arc::new(Upstream::new(Side::Candidate, candidate, CountRepair::new(|_| ()))?);
    let limits = PoolLimits {
        idle: concurrency.max(1),
        // Below the 5 s after which common servers close theirs.
        idle_for: Duration::from_secs(4),
        keep_for: Duration::from_secs(30),
        connect: Duration::from_secs(5),
    };
    let access = Access { pool: Pool::new(&upstream, limits), upstream };
    let carried = Carried { markers: Arc::new(Markers::new(None)?), tracer: None };
    Ok(Apart::new(access, carried, Arc::new(Budget::new(BUDGET)), Arc::clone(isolation)))
}

fn check_of(operation: Arc<Operation>, posted: Posted) -> Check {
    let Posted { request, mut answer, .. } = posted;
    if let Body::Whole(bytes) = &answer.body
        && bytes.len() > operation.body_limit
    {
        // As the proxy keeps it: the other side's answer will be read no further than this, too.
        let mut digest = DigestStream::new(answer.headers.get_all(header::CONTENT_ENCODING));
        digest.update(bytes);
        answer.body = Body::Digest(digest.finish());
    }
    let answered = Exchange { side: Side::Legacy, answer, latency: Duration::ZERO };
    Check { id: CheckId(fastrand::u128(..)), operation, request, answered }
}

/// Whether a recorded host is the wanted one, which may leave out the port.
fn is_host(recorded: &str, wanted: &str) -> bool {
    let name = recorded.rsplit_once(':').map_or(recorded, |(name, _)| name);
    recorded.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(wanted)
}
