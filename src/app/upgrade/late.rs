//! After the hand-over: the old process follows the stages of the new one, and the new one writes what the
//! old one still counts.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::message::{Counted, FromNew, FromOld, Placed};
use super::old::Successor;
use super::wire::{Incoming, Outgoing, Wire};
use super::{HandOverError, in_time};
use crate::app::drain::join_in_turn;
use crate::app::running::{Parts, Running};
use crate::recorder::{Batch, Recorder};
use crate::rollout::Rollout;
use crate::store::Write;
use crate::tasks;

/// How often late counts are sent.
const EVERY: Duration = Duration::from_millis(250);

/// Counts, or signatures, in one message, at most. Samples and evidence, which may be large, come one by one.
const TOGETHER: usize = 200;

/// Words that wait to be heard, at most; whoever says more waits.
const UNHEARD: usize = 16;

impl Running {
    /// Drains after a hand-over: serves what it has, as the new process decides, and gives away what it
    /// counts. Once `impatience` is done, whatever is left ends at once.
    pub(in crate::app) async fn follow_until(
        mut self,
        successor: Successor,
        impatience: impl Future<Output = ()>,
    ) {
        let deadline = self.drain_times().deadline;
        self.ends.ready.send_replace(false);
        self.ends.draining.send_replace(true);
        self.ends.finished.send_replace(true);
        let threads = [
            std::mem::take(&mut self.clients),
            std::mem::take(&mut self.runners),
            std::mem::take(&mut self.feeder),
            self.control_thread.take().into_iter().collect(),
        ];
        drop(self.listeners);
        let mut following = Following::start(successor, &self.parts);
        let cut = &self.ends.cut;
        let impatience = async {
            tokio::select! {
                () = impatience => {}
                () = tokio::time::sleep(deadline) => tracing::warn!(?deadline, "the deadline has passed: whatever is left ends now"),
            }
            cut.send_replace(true);
            std::future::pending::<()>().await;
        };
        let mut left = pin!(async {
            tokio::select! {
                () = join_in_turn(threads.into()) => {}
                () = impatience => {}
            }
        });
        loop {
            tokio::select! {
                () = left.as_mut() => break,
                () = tokio::time::sleep(EVERY) => following.send(&self.parts).await,
            }
        }
        // What the process before this one still counts goes the same way.
        if let Some(inheriting) = self.inheriting.take() {
            tokio::time::timeout(deadline, inheriting).await.ok();
        }
        following.send(&self.parts).await;
        following.done().await;
        self.parts.store.close().await;
    }
}

/// The old process's end of the socket.
struct Following {
    outgoing: Option<Outgoing>,
    taken: mpsc::Receiver<()>,
}

impl Following {
    fn start(successor: Successor, parts: &Parts) -> Self {
        let Wire { incoming, outgoing } = successor.wire;
        let (sender, taken) = mpsc::channel(1);
        let rollout = Arc::clone(&parts.rollout);
        let pause = successor.pause;
        tasks::spawn(async move {
            let mut words = heard::<FromNew>(incoming);
            while let Some(word) = words.recv().await {
                match word {
                    FromNew::Stages { stages } => {
                        let stages: Vec<_> = stages.into_iter().filter_map(Placed::stored).collect();
                        rollout.follow(&stages);
                    }
                    FromNew::Taken => sender.send(()).await.unwrap_or(()),
                    FromNew::Hello { .. }
                    | FromNew::Claim
                    | FromNew::Prepared
                    | FromNew::Serving
                    | FromNew::Refused { .. } => {}
                }
            }
            drop(pause);
        });
        Self { outgoing: Some(outgoing), taken }
    }

    /// Sends what has come.
    async fn send(&mut self, parts: &Parts) {
        let batch = parts.flush.batch().await;
        if batch.is_empty() {
            return;
        }
        let mut messages = messages(batch.writes()).into_iter();
        for message in messages.by_ref() {
            if let Err(error) = self.deliver(&message).await {
                self.outgoing = None;
                let rest = std::iter::once(message).chain(messages);
                log_lost(&error, rest);
                break;
            }
        }
        Batch::written(batch);
    }

    async fn deliver(&mut self, message: &FromOld) -> Result<(), HandOverError> {
        let gone = || HandOverError::Wire(std::io::ErrorKind::BrokenPipe.into());
        let outgoing = self.outgoing.as_mut().ok_or_else(gone)?;
        in_time(async {
            match outgoing.send(message).await {
                // One that is too long to be sent is a sample, and an example.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok(()),
                sent => sent?,
            }
            self.taken.recv().await.ok_or_else(gone)
        })
        .await
    }

    async fn done(mut self) {
        if let Some(outgoing) = &mut self.outgoing
            && let Err(error) = in_time(async { Ok(outgoing.send(&FromOld::Done).await?) }).await
        {
            tracing::warn!(%error, "the new process could not be told that this one is done");
        }
    }
}

/// Late counts in messages of a bounded length.
fn messages(writes: Vec<Write>) -> Vec<FromOld> {
    let (mut all, mut together) = (Vec::new(), Vec::new());
    for counted in writes.into_iter().filter_map(Counted::of) {
        if matches!(counted, Counted::Sample { .. } | Counted::Evidence { .. }) {
            all.push(FromOld::Late { counted: vec![counted] });
            continue;
        }
        together.push(counted);
        if together.len() == TOGETHER {
            all.push(FromOld::Late { counted: std::mem::take(&mut together) });
        }
    }
    if !together.is_empty() {
        all.push(FromOld::Late { counted: together });
    }
    all
}

/// They were counted, and nobody will write them: that is said with numbers.
fn log_lost(error: &HandOverError, messages: impl Iterator<Item = FromOld>) {
    let (mut requests, mut others) = (0, 0);
    for message in messages {
        let FromOld::Late { counted } = message else { continue };
        for one in counted {
            match one {
                Counted::Tally { tally, .. } => requests += tally.requests,
                Counted::Evidence { .. } => {}
                Counted::Seen { .. } | Counted::Noise { .. } | Counted::Sample { .. } => others += 1,
            }
        }
    }
    tracing::error!(%error, requests, faults_and_samples = others,
        "counts of this process are lost: the process that has taken over cannot be reached");
}

/// The new process's end of the socket.
pub(super) struct Inheriting {
    wire: Wire,
    rollout: Arc<Rollout>,
    recorder: Arc<Recorder>,
}

impl Inheriting {
    pub(super) fn new(wire: Wire, parts: &Parts) -> Self {
        Self { wire, rollout: Arc::clone(&parts.rollout), recorder: Arc::clone(&parts.recorder) }
    }

    /// Runs until the other process is done, or gone.
    pub(super) async fn run(self) {
        let Self { wire: Wire { incoming, mut outgoing }, rollout, recorder } = self;
        let mut changes = rollout.changes();
        changes.mark_changed();
        let mut words = heard::<FromOld>(incoming);
        loop {
            let said = tokio::select! {
                word = words.recv() => match word {
                    Some(FromOld::Late { counted }) => {
                        recorder.inherit(counted.into_iter().map(Counted::write).collect());
                        outgoing.send(&FromNew::Taken).await
                    }
                    Some(FromOld::Done) => return tracing::info!("the process before this one is done"),
                    Some(
                        FromOld::Listeners { .. } | FromOld::Free { .. } | FromOld::Go | FromOld::Closed { .. }
                    ) => Ok(()),
                    None => return tracing::error!("the process before this one has ended before it was done"),
                },
                changed = changes.changed() => match changed {
                    Ok(()) => {
                        let stages = rollout.stages().iter().map(Placed::of).collect();
                        // One that has gone because it was done has said so, and is heard.
                        outgoing.send(&FromNew::Stages { stages }).await.ok();
                        Ok(())
                    }
                    Err(_) => return,
                },
            };
            if let Err(error) = said {
                return tracing::error!(%error, "the process before this one cannot be reached");
            }
        }
    }
}

/// Everything that comes, in a queue that can be waited at beside others: reading a message must not be
/// broken off in the middle.
fn heard<T: DeserializeOwned + Send + 'static>(mut incoming: Incoming) -> mpsc::Receiver<T> {
    let (sender, words) = mpsc::channel(UNHEARD);
    tasks::spawn(async move {
        while let Ok(word) = incoming.receive::<T>().await {
            if sender.send(word).await.is_err() {
                return;
            }
        }
    });
    words
}
