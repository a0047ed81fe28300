//! What the rollout does by itself: takes back a candidate that fails clients, goes on with a canary that
//! was held for long enough, and writes down what could not be written before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parallax_core::operation::OperationId;
use parallax_core::readiness::Readiness;
use parallax_core::rollback::Excess;
use parallax_core::stage::RollbackScope;

use super::{Refusal, Rollout, WRITE_AGAIN, Wish};
use crate::routing::Entry;
use crate::telemetry::Alarms;

/// Who decides where nobody does, for the audit.
const WHO: &str = "parallax";

impl Rollout {
    /// Does all that it does by itself, for as long as the process lives.
    pub async fn run(self: Arc<Self>, alarms: Arc<Alarms>) {
        // Apart from each other: taking back waits for no store.
        tokio::join!(self.take_back(&alarms), self.go_on());
    }

    async fn take_back(&self, alarms: &Alarms) {
        loop {
            self.take_back_all(alarms.raised().await).await;
        }
    }

    /// Takes back those whose candidate fails clients, all of them before the first is written down.
    async fn take_back_all(&self, failing: BTreeMap<OperationId, Excess>) {
        let wish = |entry: &Entry, excess: Excess| {
            // It may be back since, or complete.
            let is_watched = entry.stage.is_watched() && entry.operation.rollback_when.is_some();
            let back = entry.stage.rolled_back(RollbackScope::Named);
            let to = if is_watched { back } else { entry.stage };
            Wish { automatic: true, excess: Some(excess), ..Wish::by_hand(to, excess.to_string()) }
        };
        let mut decided = Vec::new();
        for (id, excess) in failing {
            match self.decide(&id, WHO, |entry, _| Ok(wish(entry, excess))) {
                Ok(decision) => {
                    if decision.transition.is_some() {
                        tracing::error!(operation_id = %id, "rolled back: {excess}");
                    }
                    decided.push(decision);
                }
                // Whoever has taken over sees the same, and no operation of this name needs nothing.
                Err(refusal) => tracing::debug!(operation_id = %id, %refusal, "nothing is taken back"),
            }
        }
        self.write_down(&decided).await;
    }

    async fn go_on(&self) {
        let began = Timestamp::now();
        self.remember_last().await;
        loop {
            tokio::time::sleep(WRITE_AGAIN).await;
            self.tell_what_is_slow();
            self.take_steps(began, Timestamp::now()).await;
            self.write_pending().await;
        }
    }

    /// What legacy takes says which answers of the candidate are slow.
    fn tell_what_is_slow(&self) {
        for entry in self.routing.load().entries() {
            let limit = entry.operation.rollback_when.and_then(|when| when.latency);
            let slow = limit.and_then(|limit| Some(limit.of(entry.meter.percentile_of_legacy()?)));
            entry.meter.slow_from(slow);
        }
    }

    /// Reads since when the canaries are where they are.
    async fn remember_last(&self) {
        let routing = self.routing.load_full();
        let canaries = routing.entries().iter().filter(|entry| entry.stage.share().is_some());
        for id in canaries.map(|entry| entry.operation.id.clone()) {
            let read = {
                let id = id.clone();
                self.store.read(move |backend| backend.audit(Some(&id), 1)).await
            };
            // Without it, the time since the start counts.
            let Some(last) = read.ok().and_then(|audit| audit.into_iter().next()) else { continue };
            self.deciding().last.entry(id).or_insert(last);
        }
    }

    /// Takes the steps that are due.
    async fn take_steps(&self, began: Timestamp, now: Timestamp) {
        let routing = self.routing.load_full();
        let on_the_way = routing.entries().iter().filter(|entry| entry.operation.steps.auto);
        let mut decided = Vec::new();
        for entry in on_the_way.filter(|entry| entry.stage.share().is_some()) {
            let id = &entry.operation.id;
            let step = |entry: &Entry, since: Timestamp| {
                let held = Duration::try_from(now.duration_since(since)).unwrap_or_default();
                let due = entry.operation.steps.due(entry.stage, held);
                let due = due.filter(|_| entry.assess().state == Readiness::Ready);
                due.map(|to| (to, told(entry)))
            };
            let result = self.decide(id, WHO, |entry, last| {
                let since = last.filter(|last| last.revision == entry.revision).map_or(began, |last| last.at);
                let (to, reason) = step(entry, since).unwrap_or((entry.stage, String::new()));
                Ok(Wish { automatic: true, ..Wish::by_hand(to, reason) })
            });
            match result {
                Ok(decision) => decided.push(decision),
                Err(Refusal::HandedOver) => return,
                Err(refusal) => tracing::debug!(operation_id = %id, %refusal, "no step is taken"),
            }
        }
        self.write_down(&decided).await;
    }
}

/// Why a step is taken.
fn told(entry: &Entry) -> String {
    let (stage, hold) = (entry.stage, entry.operation.steps.hold);
    let position = entry.operation.steps.position(stage);
    let step = position.map_or(String::new(), |(step, of)| format!(", step {step} of {of},"));
    format!("{stage}{step} was held for {}s, and the operation is ready", hold.as_secs())
}
