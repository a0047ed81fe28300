//! Stored mismatches, asked of another candidate: whether a new build has mended them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderName;
use parallax_core::check::Check;
use parallax_core::exchange::{Exchange, Side};
use parallax_core::isolation::Isolation;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::report::{Again, NotAgain, Report};
use parallax_core::verdict::Cause;
use tokio::task::JoinSet;

use super::{OperationCounts, Place, Stopped};
use crate::config::Upstream;
use crate::runner::Ran;

/// Who is asked, and how it is compared.
pub struct Replay {
    /// The operations as they are configured.
    pub operations: Vec<Arc<Operation>>,
    /// The candidate; only its own headers carry credentials.
    pub candidate: Upstream,
    /// Requests in flight at a time.
    pub concurrency: usize,
    /// Decodes foreign formats.
    pub isolation: Arc<dyn Isolation>,
}

/// What came of the stored samples of an operation.
pub struct Replayed {
    /// The operation's name.
    pub id: OperationId,
    /// What came of those that were asked again; none where the operation is not configured. A
    /// fault's place has the sample's number, from 1, in place of the line.
    pub counts: Option<OperationCounts>,
    /// Those that could not be asked again, by reason.
    pub not_again: BTreeMap<NotAgain, u64>,
    /// Samples that got a whole answer.
    pub answered: u64,
    /// Why the first one that got none did not.
    pub first_fault: Option<String>,
}

impl Replayed {
    fn new(id: OperationId) -> Self {
        Self { id, counts: None, not_again: BTreeMap::new(), answered: 0, first_fault: None }
    }

    /// Samples that were not shown to be mended.
    #[must_use]
    pub fn left(&self) -> u64 {
        let asked =
            self.counts.as_ref().map_or(0, |counts| counts.tally.unmatched + counts.tally.failed_total());
        asked + self.not_again.values().sum::<u64>()
    }

    /// Samples that were asked again.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.counts.as_ref().map_or(0, |counts| counts.tally.requests)
    }
}

/// Asks the samples of one operation again.
///
/// # Errors
/// When the candidate's certificates are of no use, or the system gives no random numbers.
pub async fn again(replay: &Replay, id: OperationId, reports: &[Report]) -> Result<Replayed, Stopped> {
    let apart = super::run::apart_of(&replay.candidate, replay.concurrency, &replay.isolation)?;
    let apart = Arc::new(apart);
    let given: Vec<HeaderName> = replay.candidate.headers.iter().map(|(name, _)| name.clone()).collect();
    let operation = replay.operations.iter().find(|operation| operation.id == id);
    let mut replayed = Replayed::new(id);
    replayed.counts = operation.map(|operation| OperationCounts::new(Arc::clone(operation)));
    let mut running: JoinSet<(Place, Option<Ran>)> = JoinSet::new();
    for (at, report) in reports.iter().enumerate() {
        let (check, unknown) = match check(report, operation, &given) {
            Ok(check) => check,
            Err(why) => {
                *replayed.not_again.entry(why).or_default() += 1;
                continue;
            }
        };
        if running.len() >= replay.concurrency.max(1)
            && let Some(ended) = running.join_next().await
        {
            settle(&mut replayed, ended.ok());
        }
        if let Some(counts) = &mut replayed.counts {
            counts.tally.requests += 1;
        }
        let apart = Arc::clone(&apart);
        let place = Place { file: 0, line: at + 1 };
        running.spawn(async move {
            let ran = AssertUnwindSafe(apart.run_without(check, unknown)).catch_unwind().await;
            (place, ran.ok().flatten())
        });
    }
    while let Some(ended) = running.join_next().await {
        settle(&mut replayed, ended.ok());
    }
    Ok(replayed)
}

/// The check that a sample was, with the headers that are not to be compared.
fn check(
    report: &Report,
    operation: Option<&Arc<Operation>>,
    given: &[HeaderName],
) -> Result<(Check, Vec<HeaderName>), NotAgain> {
    let operation = operation.ok_or(NotAgain::NoOperation)?;
    let Again { request, legacy, unknown } = report.again(given)?;
    if !operation.may_copy(&request) {
        return Err(NotAgain::NotIdempotent);
    }
    let answered = Exchange { side: Side::Legacy, answer: legacy, latency: Duration::ZERO };
    Ok((Check { id: report.id, operation: Arc::clone(operation), request, answered }, unknown))
}

fn settle(replayed: &mut Replayed, ended: Option<(Place, Option<Ran>)>) {
    let Some(counts) = &mut replayed.counts else { return };
    let Some((place, Some(ran))) = ended else {
        *counts.tally.failed.entry(Cause::Budget).or_default() += 1;
        return;
    };
    replayed.answered += u64::from(ran.other.is_some());
    if let Some(fault) = &ran.fault {
        replayed.first_fault.get_or_insert_with(|| fault.to_string());
    }
    counts.judged(&ran.judged.verdict, place, || ran.report(jiff::Timestamp::now()));
}
