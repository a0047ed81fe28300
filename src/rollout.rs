//! Changes of stage: decided by core, in force at once, then written down.
//!
//! A change takes effect by one swap of a pointer, before anything is written, so that a rollback
//! needs neither the store nor a disk to work. What could not be written is kept and written
//! later, in order; the answer says so (`persisted: false`).
//!
//! Everything else that replaces the routing goes through here too, one at a time with the changes
//! of stage: a reloaded configuration, and, while another process takes over, what that one decides.

mod automatic;
mod handing_over;
mod retiring;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;
use parallax_core::readiness::{Assessment, Condition, Readiness};
use parallax_core::rollback::Excess;
use parallax_core::stage::{RollbackScope, Share, Stage, StageName};
use parallax_core::transition::Transition;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub use handing_over::Pause;
pub use retiring::Retirement;

use crate::routing::{Entry, Routing, SharedRouting};
use crate::store::{PlanFile, Store, StoreError, StoredStage, Write};

/// How long a change waits to be written before it says that it is not yet.
const WRITE_PATIENCE: Duration = Duration::from_millis(80);
/// How often writing is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// How long legacy may take to accept a connection before a rollback from complete warns.
const LEGACY_PATIENCE: Duration = Duration::from_millis(500);
/// Changes that wait to be written, at most; the stages themselves are never lost while running.
const UNWRITTEN: usize = 10_000;

/// A wish to change an operation's stage.
#[derive(Clone, Debug)]
pub struct Change {
    /// The stage to go to.
    pub stage: StageName,
    /// The share, for canary.
    pub share: Option<Ratio>,
    /// Why.
    pub reason: String,
    /// Whether to go although the operation is not ready.
    pub force: bool,
    /// Refuse when the operation's revision is another by now.
    pub if_revision: Option<u64>,
}

/// A change that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The operation.
    pub operation_id: OperationId,
    /// The stage it left.
    pub from: Stage,
    /// The stage it is in.
    pub to: Stage,
    /// Its revision now.
    pub revision: u64,
    /// Whether the change is in the store.
    pub persisted: bool,
    /// What the user should know, where there is something.
    pub warning: Option<String>,
}

/// Why a change was refused. Nothing has changed then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No such operation.
    #[error("there is no operation `{0}`")]
    UnknownOperation(OperationId),
    /// The operation is not ready for it.
    #[error("{id} is not ready for {wanted}: {}", missing(assessment))]
    NotReady {
        /// The operation.
        id: OperationId,
        /// The stage that was asked for.
        wanted: Stage,
        /// What is met and what is not.
        assessment: Box<Assessment>,
    },
    /// Somebody else was first.
    #[error("{id} is at revision {revision} ({current}) by now; read it again and decide anew")]
    Conflict {
        /// The operation.
        id: OperationId,
        /// Where it is.
        current: Stage,
        /// Its revision.
        revision: u64,
        /// The change that was first, when it was made by this process.
        last: Option<Box<Transition>>,
    },
    /// The wish makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The operation cannot be retired yet.
    #[error("{} cannot be retired: {}", .0.id, told(.0.missing()))]
    NotRetirable(Box<Retirement>),
    /// Nobody knows whether the operation is still asked for.
    #[error("{id} cannot be retired while the store cannot say whether it is still asked for: {error}")]
    NobodyKnows {
        /// The operation.
        id: OperationId,
        /// What is wrong with the store.
        error: StoreError,
    },
    /// A change without a reason.
    #[error("a change of stage needs a reason; it is kept in the audit")]
    NoReason,
    /// Another process has taken over.
    #[error("another process has taken over and decides now; ask again")]
    HandedOver,
}

fn missing(assessment: &Assessment) -> String {
    told(assessment.missing())
}

fn told<'c>(missing: impl Iterator<Item = &'c Condition>) -> String {
    let parts: Vec<String> = missing
        .map(|condition| format!("{} is {}, {} needed", condition.name, condition.value, condition.limit))
        .collect();
    parts.join("; ")
}

/// Changes stages, one at a time.
pub struct Rollout {
    routing: SharedRouting,
    store: Store,
    plan_file: Option<Arc<Mutex<PlanFile>>>,
    deciding: Mutex<Decided>,
    writing: Arc<tokio::sync::Mutex<()>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Decided {
    unwritten: Vec<Transition>,
    /// The last change of each operation that this process has seen, configured or not.
    last: HashMap<OperationId, Transition>,
    is_handed_over: bool,
}

impl Rollout {
    /// A rollout over the routing in force.
    #[must_use]
    pub fn new(routing: SharedRouting, store: Store, plan_file: Option<PlanFile>) -> Self {
        let plan_file = plan_file.map(|file| Arc::new(Mutex::new(file)));
        Self {
            routing,
            store,
            plan_file,
            deciding: Mutex::default(),
            writing: Arc::default(),
            changes: watch::channel(0).0,
        }
    }

    /// Changes an operation's stage.
    ///
    /// # Errors
    /// With the reason for the refusal; nothing has changed then.
    pub async fn change(&self, id: &OperationId, change: Change, who: &str) -> Result<Changed, Refusal> {
        let decided = self.decide(id, who, |entry, last| plan_change(entry, &change, last))?;
        self.write_down(std::slice::from_ref(&decided)).await;
        Ok(self.told(decided))
    }

    /// Takes one operation, or all of them, back to shadow.
    ///
    /// # Errors
    /// When there is no such operation, or no reason was given.
    pub async fn rollback(
        &self,
        id: Option<&OperationId>,
        reason: String,
        who: &str,
    ) -> Result<Vec<Changed>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let (ids, scope) = match id {
            Some(id) => (vec![id.clone()], RollbackScope::Named),
            None => (self.all_ids(), RollbackScope::All),
        };
        // All of them are in force before the first is written down.
        let mut decided = Vec::new();
        for id in &ids {
            decided.push(self.decide(id, who, |entry, _| {
                Ok(Wish::by_hand(entry.stage.rolled_back(scope), reason.clone()))
            })?);
        }
        self.write_down(&decided).await;
        let mut changed = Vec::new();
        for decision in decided {
            let left_complete = decision.transition.is_some() && decision.from == Stage::Complete;
            let warning = if left_complete { self.legacy_warning().await } else { None };
            changed.push(Changed { warning, ..self.told(decision) });
        }
        Ok(changed)
    }

    /// Puts another routing in force, made of the present one and the last change of each operation,
    /// which may not be configured at present. No stage changes meanwhile.
    ///
    /// # Errors
    /// Those of `make`; nothing has changed then.
    pub fn replace<E>(
        &self,
        make: impl FnOnce(&Routing, &HashMap<OperationId, Transition>) -> Result<Routing, E>,
    ) -> Result<(), E> {
        let decided = self.deciding();
        let routing = make(&self.routing.load(), &decided.last)?;
        self.put_in_force(routing);
        Ok(())
    }

    fn deciding(&self) -> MutexGuard<'_, Decided> {
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only while nobody else decides.
    fn put_in_force(&self, routing: Routing) {
        self.routing.store(Arc::new(routing));
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    fn all_ids(&self) -> Vec<OperationId> {
        self.routing.load().entries().iter().map(|entry| entry.operation.id.clone()).collect()
    }

    fn decide(
        &self,
        id: &OperationId,
        who: &str,
        wish: impl FnOnce(&Entry, Option<&Transition>) -> Result<Wish, Refusal>,
    ) -> Result<Decision, Refusal> {
        let mut decided = self.deciding();
        if decided.is_handed_over {
            return Err(Refusal::HandedOver);
        }
        let routing = self.routing.load_full();
        let entry = routing.entry(id).ok_or_else(|| Refusal::UnknownOperation(id.clone()))?;
        let wish = wish(entry, decided.last.get(id))?;
        let decision = Decision {
            id: id.clone(),
            from: entry.stage,
            to: wish.to,
            revision: entry.revision,
            transition: None,
        };
        let retires = wish.retires.is_some() && !entry.retired;
        if wish.to == entry.stage && !retires {
            return Ok(decision);
        }
        let revision = entry.revision + 1;
        if wish.to.is_watched() && !entry.stage.is_watched() {
            entry.meter.forget_candidate();
        }
        self.put_in_force(routing.with_stage(id, wish.to, revision).with_retired(id, retires));
        let transition = Transition {
            at: jiff::Timestamp::now(),
            who: who.to_owned(),
            operation_id: id.clone(),
            from: entry.stage,
            to: wish.to,
            reason: wish.reason,
            forced: wish.forced,
            automatic: wish.automatic,
            revision,
            evidence: evidence(entry, wish.excess, wish.retires),
        };
        tracing::info!(operation_id = %id, who, from = %entry.stage, to = %wish.to, forced = wish.forced,
            "the stage has changed");
        if decided.unwritten.len() < UNWRITTEN {
            decided.unwritten.push(transition.clone());
        }
        decided.last.insert(id.clone(), transition.clone());
        Ok(Decision { revision, transition: Some(transition), ..decision })
    }

    async fn write_down(&self, decisions: &[Decision]) {
        if decisions.iter().any(|decision| decision.transition.is_some()) {
            tokio::time::timeout(WRITE_PATIENCE, self.write_pending()).await.ok();
        }
    }

    fn told(&self, decision: Decision) -> Changed {
        Changed {
            persisted: !self.is_pending(&decision.id),
            operation_id: decision.id,
            from: decision.from,
            to: decision.to,
            revision: decision.revision,
            warning: None,
        }
    }

    fn is_pending(&self, id: &OperationId) -> bool {
        let decided = self.deciding();
        decided.unwritten.iter().any(|transition| transition.operation_id == *id)
    }

    /// Writes everything that is not yet written: first the plan file, which needs no store.
    async fn write_pending(&self) {
        let _turn = self.writing.lock().await;
        let unwritten = self.deciding().unwritten.clone();
        if unwritten.is_empty() {
            return;
        }
        self.write_plan_file().await;
        if !self.write_transitions(&unwritten).await {
            // One that the store can never take must not hold up the others.
            for transition in &unwritten {
                let alone = std::slice::from_ref(transition);
                if !self.write_transitions(alone).await {
                    tracing::error!(
                        ?transition,
                        "this change of stage is in force and can never be in the store"
                    );
                    self.forget(alone);
                }
            }
        }
    }

    /// Whether the store has nothing against these transitions. Those that it could not take for
    /// its own sake are tried again later.
    async fn write_transitions(&self, transitions: &[Transition]) -> bool {
        let write = |transition: &Transition| Write::Transition(Box::new(transition.clone()));
        match self.store.write(transitions.iter().map(write).collect()).await {
            Ok(()) => self.forget(transitions),
            Err(error) => {
                tracing::error!(%error, "a change of stage is in force and not yet in the store");
                return !error.is_refusal();
            }
        }
        true
    }

    fn forget(&self, transitions: &[Transition]) {
        let mut decided = self.deciding();
        decided.unwritten.retain(|transition| !transitions.contains(transition));
    }

    async fn write_plan_file(&self) {
        let Some(plan_file) = self.plan_file.clone() else { return };
        let stages = stored_stages(&self.routing);
        let write = move || plan_file.lock().unwrap_or_else(PoisonError::into_inner).write(&stages);
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "a change of stage is in force and not in the plan file");
        }
    }

    async fn legacy_warning(&self) -> Option<String> {
        let legacy = Arc::clone(self.routing.load().in_force().reach.upstream(Side::Legacy));
        let reach = async {
            let addresses = legacy.addresses.resolve().await?;
            TcpStream::connect(addresses.as_slice()).await
        };
        match tokio::time::timeout(LEGACY_PATIENCE, reach).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                Some(format!("legacy answers again from now on, but cannot be reached: {error}"))
            }
            Err(_) => Some("legacy answers again from now on, but does not accept connections".to_owned()),
        }
    }
}

/// What an operation is to become.
struct Wish {
    to: Stage,
    reason: String,
    forced: bool,
    /// Whether nobody but this program wishes it, and for which excess of errors.
    automatic: bool,
    excess: Option<Excess>,
    /// What is known of it, where it is to be retired and not moved.
    retires: Option<Retirement>,
}

impl Wish {
    fn by_hand(to: Stage, reason: String) -> Self {
        Self { to, reason, forced: false, automatic: false, excess: None, retires: None }
    }
}

/// What was decided and is in force.
struct Decision {
    id: OperationId,
    from: Stage,
    to: Stage,
    revision: u64,
    transition: Option<Transition>,
}

fn plan_change(entry: &Entry, change: &Change, last: Option<&Transition>) -> Result<Wish, Refusal> {
    if change.reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if change.if_revision.is_some_and(|expected| expected != entry.revision) {
        return Err(Refusal::Conflict {
            id: entry.operation.id.clone(),
            current: entry.stage,
            revision: entry.revision,
            last: last.cloned().map(Box::new),
        });
    }
    let invalid = |error: &dyn std::fmt::Display| Refusal::Invalid(error.to_string());
    let share = change.share.map(Share::new).transpose().map_err(|error| invalid(&error))?;
    let to = match (change.stage, share) {
        (StageName::Canary, None) => next_share(entry)?,
        (name, share) => Stage::from_parts(name, share).map_err(|error| invalid(&error))?,
    };
    let assessment = entry.assess();
    let blocked = entry.stage.is_guarded(to) && assessment.state != Readiness::Ready;
    if blocked && !change.force {
        return Err(Refusal::NotReady {
            id: entry.operation.id.clone(),
            wanted: to,
            assessment: Box::new(assessment),
        });
    }
    Ok(Wish { forced: blocked, ..Wish::by_hand(to, change.reason.clone()) })
}

/// Canary without a share is the next step of the operation's plan.
fn next_share(entry: &Entry) -> Result<Stage, Refusal> {
    let next = entry.operation.steps.next(entry.stage).filter(|next| next.share().is_some());
    next.ok_or_else(|| {
        let (id, stage) = (&entry.operation.id, entry.stage);
        let message = format!(
            "the plan of {id} has no step of canary after {stage}; give a share, for example 5%, or switch it"
        );
        Refusal::Invalid(message)
    })
}

/// The numbers of the moment, for the audit.
fn evidence(entry: &Entry, excess: Option<Excess>, retires: Option<Retirement>) -> serde_json::Value {
    let tally = entry.meter.tally();
    let assessed = entry.meter.assessed();
    let mut evidence = serde_json::json!({
        "matched": tally.matched,
        "unmatched": tally.unmatched,
        "failed": tally.failed_total(),
        "skipped": tally.skipped_total(),
        "consistency": tally.consistency(),
        "target": entry.operation.target.consistency,
        "version": assessed.version.name(),
        "readiness": entry.assess_by(&assessed, &tally),
    });
    if let Some(excess) = excess {
        evidence["excess"] = serde_json::json!(excess);
    }
    if let Some(retirement) = retires {
        retirement.add_to(&mut evidence);
    }
    evidence
}

/// The stages in force, as they are written down.
fn stored_stages(routing: &SharedRouting) -> Vec<StoredStage> {
    let routing = routing.load();
    let changed = routing.entries().iter().filter(|entry| entry.revision > 0);
    changed
        .map(|entry| StoredStage {
            operation_id: entry.operation.id.clone(),
            stage: entry.stage,
            revision: entry.revision,
            retired: entry.retired,
        })
        .collect()
}

#[cfg(test)]
mod tests;
