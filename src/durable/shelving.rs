//! The way of the proxy's own checks into the store, for operations that ask for it. It is taken in
//! the background: the client has its answer. A check that the store does not take stays in memory,
//! as it would have without.

use std::sync::Arc;

use fastrand::u128;
use jiff::Timestamp;
use parallax_core::check::CheckId;
use tokio::sync::mpsc;

use super::Durable;
use super::accepting::{Counted, Offer, Refusal};
use crate::queue::{Job, Queue, Waiting};
use crate::store::{NewCheck, NewState};

/// Checks in one commit, at most.
const TOGETHER: usize = 256;

/// Takes checks from the proxy to the store.
pub struct Shelving {
    jobs: mpsc::Receiver<Box<Job>>,
    durable: Arc<Durable>,
    /// For what the store does not take.
    queue: Queue,
}

impl Shelving {
    /// Into `durable`; what that does not take goes to `queue`.
    #[must_use]
    pub fn new(jobs: mpsc::Receiver<Box<Job>>, durable: Arc<Durable>, queue: Queue) -> Self {
        Self { jobs, durable, queue }
    }

    /// Runs until nobody makes checks any more.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(TOGETHER);
        while self.jobs.recv_many(&mut batch, TOGETHER).await > 0 {
            let offers = batch.drain(..).filter_map(|job| self.offer(job)).collect();
            if let Err(Refusal { reason, back }) = self.durable.accept(offers).await {
                tracing::debug!(%reason, "checks stay in memory, because the store does not take them");
                back.into_iter().for_each(|counted| self.keep_in_memory(counted));
            }
        }
    }

    fn keep_in_memory(&self, counted: Counted) {
        if let Counted::Proxied(job) = counted {
            self.queue.hand_over(job);
        }
    }

    fn offer(&self, job: Box<Job>) -> Option<Offer> {
        let id = CheckId(u128(..));
        let Job { waiting, ticket, reservation, place, since } = *job;
        let reach = Arc::clone(&waiting.reach);
        let (check, extensions) = waiting.into_check(id);
        let sealed = self.durable.sealed(id, &check.operation.id, &check.request, &check.answered);
        let operation_id = check.operation.id.clone();
        let mut waiting = Waiting::of(check.operation, reach, check.request, check.answered);
        waiting.request.extensions = extensions;
        let job = Box::new(Job { waiting, ticket, reservation, place, since });
        match sealed {
            Ok(sealed) => {
                let (at, state) = (Timestamp::now(), NewState::Waiting(sealed));
                // Nobody is told its name.
                let check = NewCheck { id, operation_id, fingerprint: None, at, state };
                Some(Offer { check, counted: Counted::Proxied(job) })
            }
            Err(error) => {
                tracing::error!(%error, "a check cannot be sealed and stays in memory");
                self.queue.hand_over(job);
                None
            }
        }
    }
}
