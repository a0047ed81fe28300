//! The end, in order: load balancers see it coming, no new connection is taken, requests and then checks
//! finish, counts are written. What is not done by the deadline ends there; a second signal makes the
//! deadline now.

use std::future::Future;
use std::pin::pin;
use std::thread::JoinHandle;

use super::Running;
use crate::config::Drain;

impl Running {
    /// Drains, within the time that the settings in force give.
    pub async fn stop(self) {
        self.stop_until(std::future::pending()).await;
    }

    /// Drains; once `impatience` is done, whatever is left ends at once.
    pub(super) async fn stop_until(self, impatience: impl Future<Output = ()>) {
        let cut = self.ends.cut.clone();
        let mut ending = pin!(self.end());
        tokio::select! {
            () = ending.as_mut() => return,
            () = impatience => {}
        }
        tracing::warn!("told to end once more: whatever is left ends now");
        cut.send_replace(true);
        ending.await;
    }

    async fn end(mut self) {
        let drain = self.drain_times();
        self.ends.ready.send_replace(false);
        let mut cut = self.ends.cut.subscribe();
        tokio::select! {
            () = tokio::time::sleep(drain.delay) => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
        self.ends.draining.send_replace(true);
        let mut left = pin!(join_in_turn(vec![
            std::mem::take(&mut self.clients),
            std::mem::take(&mut self.runners),
            std::mem::take(&mut self.feeder),
        ]));
        // The listener is closed with its last clone, and this may be it.
        drop(self.listeners);
        if tokio::time::timeout(drain.deadline, left.as_mut()).await.is_err() {
            tracing::warn!(deadline = ?drain.deadline, "the deadline has passed: whatever is left ends now");
            self.ends.cut.send_replace(true);
            left.await;
        }
        if let Some(inheriting) = self.inheriting {
            tokio::select! {
                _ = inheriting => {}
                () = tokio::time::sleep(drain.deadline) => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
        }
        self.ends.finished.send_replace(true);
        join(self.control_thread.into_iter().collect()).await;
        if let Some(log) = self.log {
            log.end().await;
        }
        self.parts.store.close().await;
    }

    /// How long the end may take, by the settings in force.
    pub(super) fn drain_times(&self) -> Drain {
        self.parts.routing.load().in_force().settings.drain
    }
}

pub(super) async fn join_in_turn(groups: Vec<Vec<JoinHandle<()>>>) {
    for threads in groups {
        join(threads).await;
    }
}

/// Waits for threads without holding up the runtime that waits.
pub(super) async fn join(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread has panicked");
            }
        }
    });
    joined.await.ok();
}
