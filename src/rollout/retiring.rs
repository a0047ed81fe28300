//! Retiring an operation that is complete: what has to be known before its configuration may go, and the
//! lasting record that it may.
//!
//! An operation that is not configured any more is no operation: its requests fall to whoever answers
//! those (`other`), by default to legacy, which may be gone. So an operation is retired only when none of its
//! requests has come for a day, or when the candidate goes on answering them as they are.

use std::time::Duration;

use jiff::Timestamp;
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::readiness::Condition;
use parallax_core::router::Router;
use parallax_core::stage::Stage;
use parallax_core::transition::Transition;
use serde::Serialize;

use super::{Changed, Refusal, Rollout, Wish};
use crate::routing::{Entry, Routing};
use crate::store::{Backend, Minute, StoreError};

/// For how long no request may have come.
const QUIET: Duration = Duration::from_secs(24 * 3600);
const QUIET_MINUTES: i64 = 24 * 60;
/// How long the store may take to tell.
const STORE_TIME: Duration = Duration::from_secs(3);
/// Stands for every parameter of a path.
const ANY: &str = "parallax-any";

/// Whether an operation can be retired, with what that is decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retirement {
    /// The operation.
    pub id: OperationId,
    /// Whether it is retired already.
    pub retired: bool,
    /// Its requests and posted checks of the last 24 hours; none when nobody knows.
    pub requests_24h: Option<u64>,
    /// Who gets its requests once it is not configured any more.
    pub afterwards: Afterwards,
    /// What has to hold.
    pub conditions: Vec<Condition>,
}

/// Who gets the requests of an operation that is gone from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Afterwards {
    /// The operation that matches them then; `other` when none does.
    pub operation_id: String,
    /// Who answers; none where that depends on the client.
    pub answered_by: Option<Side>,
    /// Whether they arrive at the candidate as they do now.
    pub as_now: bool,
}

/// What the store knows of an operation's requests.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    last_24h: u64,
    ever: u64,
}

impl Rollout {
    /// Whether an operation can be retired.
    ///
    /// # Errors
    /// When there is none of this name, or nobody knows whether it is still asked for.
    pub async fn retirement(&self, id: &OperationId) -> Result<Retirement, Refusal> {
        let stored = self.requests(id).await;
        let routing = self.routing.load_full();
        let entry = routing.entry(id).ok_or_else(|| Refusal::UnknownOperation(id.clone()))?;
        judge(&routing, entry, stored)
    }

    /// Retires an operation: from then on a reload may take it out of the configuration. Until then its
    /// clients are answered as before.
    ///
    /// # Errors
    /// With what is missing; nothing has changed then.
    pub async fn retire(&self, id: &OperationId, reason: String, who: &str) -> Result<Changed, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let stored = self.requests(id).await;
        let decided = self.decide(id, who, |entry, _| {
            let retirement = judge(&self.routing.load(), entry, stored)?;
            if !retirement.retired && retirement.missing().next().is_some() {
                return Err(Refusal::NotRetirable(Box::new(retirement)));
            }
            Ok(Wish { retires: Some(retirement), ..Wish::by_hand(entry.stage, reason) })
        })?;
        self.write_down(std::slice::from_ref(&decided)).await;
        Ok(self.told(decided))
    }

    async fn requests(&self, id: &OperationId) -> Result<Stored, StoreError> {
        let since = Minute(Minute::of(Timestamp::now()).0 - QUIET_MINUTES);
        let id = id.clone();
        let read = self.store.read(move |backend| stored(backend, &id, since));
        tokio::time::timeout(STORE_TIME, read).await.unwrap_or_else(|_| {
            let detail = "it did not answer in time; it may be busy, or its disk may hang".to_owned();
            Err(StoreError::Unavailable { place: "of this server".to_owned(), detail })
        })
    }
}

fn stored(backend: &mut dyn Backend, id: &OperationId, since: Minute) -> Result<Stored, StoreError> {
    let minutes = backend.minutes(id, since)?;
    let totals = backend.totals()?;
    let ever = totals.into_iter().find(|(known, _)| known == id).map_or(0, |(_, tally)| tally.requests);
    Ok(Stored { last_24h: minutes.iter().map(|(_, tally)| tally.requests).sum(), ever })
}

/// By what is in force at this moment, and what was counted since the store was asked.
fn judge(
    routing: &Routing,
    entry: &Entry,
    stored: Result<Stored, StoreError>,
) -> Result<Retirement, Refusal> {
    let afterwards = afterwards(routing, entry);
    let requests_24h = match stored {
        Ok(stored) => Some(stored.last_24h + entry.meter.tally().requests.saturating_sub(stored.ever)),
        Err(_) if afterwards.as_now || entry.retired => None,
        Err(error) => return Err(Refusal::NobodyKnows { id: entry.operation.id.clone(), error }),
    };
    let mut conditions = vec![condition("stage", entry.stage == Stage::Complete, &entry.stage, "complete")];
    if !afterwards.as_now {
        let requests = requests_24h.unwrap_or_default();
        let retention = routing.in_force().settings.retention;
        conditions.push(condition("max_requests_24h", requests == 0, &requests, "0"));
        let hours = format!("{}h", retention.as_secs() / 3600);
        conditions.push(condition("retention", retention >= QUIET, &hours, "24h"));
    }
    let (id, retired) = (entry.operation.id.clone(), entry.retired);
    Ok(Retirement { id, retired, requests_24h, afterwards, conditions })
}

fn condition(name: &str, met: bool, value: &impl ToString, limit: &str) -> Condition {
    Condition { name: name.to_owned(), met, value: value.to_string(), limit: limit.to_owned() }
}

/// Who gets the operation's requests without it. They may fall to another operation that matches more.
fn afterwards(routing: &Routing, entry: &Entry) -> Afterwards {
    let matcher = &entry.operation.matcher;
    let mut router = Router::default();
    let others = routing.entries().iter().filter(|other| other.operation.id != entry.operation.id);
    let others: Vec<&Entry> = others.collect();
    for (index, other) in others.iter().enumerate() {
        let matcher = &other.operation.matcher;
        // They are in a router together already, so that no two are the same.
        _ = router.insert(matcher.method.clone(), &matcher.template, index);
    }
    let path = matcher.template.fill(|_| Some(ANY));
    let heir = router.find(&matcher.method, &path).and_then(|index| others.get(index));
    let (operation_id, answered_by, path_there) = match heir {
        Some(heir) => {
            let share = heir.stage.share();
            let side = heir.stage.plan(None).answering;
            let path = heir.operation.candidate_path.as_ref();
            (heir.operation.id.as_str(), share.is_none().then_some(side), path)
        }
        None => (OperationId::OTHER, Some(routing.in_force().settings.other), None),
    };
    let is_same_path = |path: Option<&_>| path.is_none_or(|path| *path == matcher.template);
    // A heir that is not complete may be taken back, and would take these requests along.
    let stays = answered_by == Some(Side::Candidate) && heir.is_none_or(|heir| heir.stage == Stage::Complete);
    let as_now = stays && is_same_path(entry.operation.candidate_path.as_ref()) && is_same_path(path_there);
    Afterwards { operation_id: operation_id.to_owned(), answered_by, as_now }
}

impl Retirement {
    /// What does not hold yet.
    pub fn missing(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| !condition.met)
    }

    /// Notes in the evidence that the operation is retired, and on what that was decided.
    pub(super) fn add_to(&self, evidence: &mut serde_json::Value) {
        evidence[Transition::RETIRED] = serde_json::json!(true);
        evidence["requests_24h"] = serde_json::json!(self.requests_24h);
        evidence["afterwards"] = serde_json::json!(self.afterwards);
    }
}
