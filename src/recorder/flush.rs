//! The counts' way into the store: a few times a second, and at once for somebody who wants to
//! show them, so that what was shown is there after a crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parallax_core::evidence::Known;
use parallax_core::operation::OperationId;
use parallax_core::tally::Tally;
use tokio::sync::{Mutex, MutexGuard, watch};

use super::Recorder;
use crate::store::{Minute, StoreError, Write};
use crate::tasks;
use crate::telemetry::Lasting;

/// How often counts are written.
const EVERY: Duration = Duration::from_millis(250);

/// How long somebody who reads waits for the counts to be written, at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Writes counts into the store.
#[derive(Clone)]
pub struct Flush {
    recorder: Arc<Recorder>,
    /// For each operation, the counts since the process started that the store has for good.
    written: Arc<Mutex<HashMap<OperationId, Tally>>>,
}

impl Flush {
    /// Nothing of this process is written yet.
    #[must_use]
    pub fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, written: Arc::default() }
    }

    /// Writes what has come, and waits for it, but not for long: a store that is down must not
    /// make the page hang.
    pub async fn flush(&self) {
        // In a task of its own: giving up here must not cancel between the store's answer and the
        // note of it, or counts would be written twice.
        let this = self.clone();
        let written = tasks::spawn(async move { this.write().await });
        tokio::time::timeout(PATIENCE, written).await.ok();
    }

    /// Runs until `done` turns true, then writes the rest.
    pub async fn run(self, mut done: watch::Receiver<bool>) {
        loop {
            let ended = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                _ = done.wait_for(|done| *done) => true,
            };
            if let Err(error) = self.write().await {
                tracing::debug!(%error, "counts are kept in memory until the store takes them");
            }
            if ended {
                return;
            }
        }
    }

    /// Writes what has come. Not to be cancelled.
    ///
    /// # Errors
    /// When the store did not take it; nothing is lost then.
    pub async fn write(&self) -> Result<(), StoreError> {
        let batch = self.batch().await;
        if batch.is_empty() {
            return Ok(());
        }
        let store = &self.recorder.store;
        match store.write(batch.writes()).await {
            Ok(()) => {}
            // A sample that the store can never take must not hold up the counts.
            Err(error) if error.is_refusal() => {
                tracing::error!(%error, given_up = batch.faults.len(), "the store refuses faults or samples");
                store.write(batch.tallies.clone()).await?;
            }
            Err(error) => {
                batch.put_back();
                return Err(error);
            }
        }
        batch.written();
        Ok(())
    }

    /// What has come and is not written, taken out to be written by the caller, for whom everybody
    /// else waits. Dropped without a word, its counts and evidence come again, its faults and samples do not.
    pub async fn batch(&self) -> Batch<'_> {
        let written = self.written.lock().await;
        let minute = Minute::of(jiff::Timestamp::now());
        let (mut counted, mut tallies) = (Vec::new(), Vec::new());
        for (id, Lasting { tally: total, evidence }) in self.recorder.telemetry.to_write() {
            let total = settled(total);
            let tally = written.get(&id).map_or_else(|| total.clone(), |before| total.since(before));
            let is_new = !tally.is_empty() || !evidence.is_empty();
            if !tally.is_empty() {
                tallies.push(Write::Tally { operation_id: id.clone(), minute, tally });
            }
            tallies.extend(evidence.iter().map(|Known { key, evidence, .. }| Write::Evidence {
                operation_id: id.clone(),
                key: key.clone(),
                evidence: Box::new(evidence.clone()),
            }));
            if is_new {
                counted.push((id, total));
            }
        }
        let faults = self.recorder.faults().take();
        Batch { recorder: &self.recorder, written, counted, tallies, faults }
    }
}

/// Counts, faults and samples on their way to be written.
pub struct Batch<'f> {
    recorder: &'f Recorder,
    written: MutexGuard<'f, HashMap<OperationId, Tally>>,
    counted: Vec<(OperationId, Tally)>,
    tallies: Vec<Write>,
    faults: Vec<Write>,
}

impl Batch<'_> {
    /// Whether there is nothing to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty() && self.faults.is_empty()
    }

    /// All of it, counts first.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.tallies.iter().chain(&self.faults).cloned().collect()
    }

    /// It is written for good.
    pub fn written(mut self) {
        self.recorder.telemetry.written(self.counted.iter().map(|(id, _)| id));
        self.written.extend(std::mem::take(&mut self.counted));
    }

    /// It is not written, and comes again with the next.
    pub fn put_back(self) {
        self.recorder.faults().put_back(self.faults);
    }
}

/// A request is written together with its fate, so that requests in flight when the process is
/// killed leave every term of the conservation law.
fn settled(mut tally: Tally) -> Tally {
    tally.requests = tally.settled();
    tally
}
