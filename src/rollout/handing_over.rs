//! The rollout while the program is replaced by another process: the one that goes stops writing, gives
//! its unwritten changes away, and from then on does what the other one decides; the one that comes
//! takes these changes over as if they were its own.

use std::sync::Arc;

use parallax_core::transition::Transition;
use tokio::sync::{OwnedMutexGuard, watch};

use super::{Rollout, UNWRITTEN, stored_stages};
use crate::routing::Entry;
use crate::store::StoredStage;

/// While this is held, nothing is written down, neither to the plan file nor to the store.
pub struct Pause {
    _turn: OwnedMutexGuard<()>,
}

impl Rollout {
    /// Writes down what can be, and then nothing more. Changes are in force as ever meanwhile.
    pub async fn pause_writing(&self) -> Pause {
        self.write_pending().await;
        Pause { _turn: Arc::clone(&self.writing).lock_owned().await }
    }

    /// Decides nothing any more, and gives away the changes that are in force and not written.
    #[must_use]
    pub fn hand_over(&self) -> Vec<Transition> {
        let mut decided = self.deciding();
        decided.is_handed_over = true;
        decided.unwritten.clone()
    }

    /// Takes over changes that another process has put in force and not written.
    pub fn adopt(&self, transitions: Vec<Transition>) {
        let mut decided = self.deciding();
        for transition in transitions {
            let routing = self.routing.load_full();
            let is_newer = |known: u64| known < transition.revision;
            if routing.entry(&transition.operation_id).is_some_and(|entry| is_newer(entry.revision)) {
                let (id, to) = (&transition.operation_id, transition.to);
                let moved = routing.with_stage(id, to, transition.revision);
                self.put_in_force(moved.with_retired(id, transition.retires()));
            }
            let last = decided.last.get(&transition.operation_id);
            if last.is_none_or(|last| is_newer(last.revision)) {
                decided.last.insert(transition.operation_id.clone(), transition.clone());
            }
            if decided.unwritten.len() < UNWRITTEN {
                decided.unwritten.push(transition);
            }
        }
    }

    /// Puts in force what the process that has taken over says, and writes nothing down.
    pub fn follow(&self, stages: &[StoredStage]) {
        let decided = self.deciding();
        let mut routing = self.routing.load_full();
        for StoredStage { operation_id, stage, revision, retired } in stages {
            let told = (*stage, *revision, *retired);
            let differs = |entry: &Entry| (entry.stage, entry.revision, entry.retired) != told;
            if routing.entry(operation_id).is_some_and(differs) {
                let moved = routing.with_stage(operation_id, *stage, *revision);
                routing = Arc::new(moved.with_retired(operation_id, *retired));
            }
        }
        if !Arc::ptr_eq(&routing, &self.routing.load()) {
            tracing::info!("this process follows the stages of the process that has taken over");
            self.put_in_force((*routing).clone());
        }
        drop(decided);
    }

    /// Where every operation is that ever moved.
    #[must_use]
    pub fn stages(&self) -> Vec<StoredStage> {
        stored_stages(&self.routing)
    }

    /// Tells of every change of the routing.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
