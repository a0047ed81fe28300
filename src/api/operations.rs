//! Operations: what they are at, and changes of their stage.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;
use parallax_core::stage::{Share, Stage, StageName};
use parallax_core::transition::Transition;
use serde::Serialize;
use serde_json::json;

use super::fields::Fields;
use super::view::attainable;
use super::{Caller, CoverageView, DetailedView, OperationView, Problem, Shared};
use crate::rollout::{Change, Changed, Refusal};
use crate::telemetry::UnderLoad;

/// Longest reason for a change, in characters: it is read by people.
const MAX_REASON: usize = 1000;

/// `GET /api/v1/operations`.
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Vec<OperationView>> {
    Json(shared.operations().await)
}

/// `GET /api/v1/operations/{id}`.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<DetailedView>, Problem> {
    Ok(Json(shared.operation(&known(&shared, &id)?).await?))
}

/// `GET /api/v1/operations/{id}/load`.
pub(super) async fn load(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<UnderLoad>>, Problem> {
    Ok(Json(shared.operation(&known(&shared, &id)?).await?.load))
}

/// `GET /api/v1/operations/{id}/coverage`.
pub(super) async fn coverage(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<CoverageView>, Problem> {
    Ok(Json(shared.operation(&known(&shared, &id)?).await?.coverage))
}

/// `POST /api/v1/operations/{id}/stage`.
pub(super) async fn stage(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let id = known(&shared, &id)?;
    let mut fields = Fields::read(request).await?;
    let change = Change {
        stage: word(&mut fields, "stage")?,
        share: share(&mut fields)?,
        reason: fields.text("reason")?.unwrap_or_default(),
        force: fields.flag("force")?.unwrap_or(false),
        if_revision: fields.number("if_revision")?,
    };
    fields.finish()?;
    let is_planned = change.share.is_none();
    let changed = shared.change(&id, change, &caller).await?;
    let share = changed.to.share().filter(|_| is_planned);
    Ok(Json(Done { share, ..Done::from(changed) }))
}

/// `POST /api/v1/operations/{id}/rollback`.
pub(super) async fn rollback(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let id = known(&shared, &id)?;
    let reason = reason(request).await?;
    let mut changed = shared.rollback(Some(&id), reason, &caller).await?;
    changed.pop().map(|changed| Json(Done::from(changed))).ok_or_else(|| no_operation(id.as_str()))
}

/// `POST /api/v1/rollback`: every operation that is in canary or switched.
pub(super) async fn rollback_all(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let reason = reason(request).await?;
    let changed = shared.rollback(None, reason, &caller).await?;
    let is_persisted = changed.iter().all(|changed| changed.persisted);
    let moved = changed.iter().filter(|changed| changed.from != changed.to);
    let row = |changed: &Changed| {
        json!({"operation_id": changed.operation_id, "from": changed.from.name(), "to": changed.to.name(),
            "revision": changed.revision, "persisted": changed.persisted})
    };
    let rows: Vec<_> = moved.map(row).collect();
    Ok(Json(json!({"persisted": is_persisted, "operations": rows})).into_response())
}

/// A change that is in force.
#[derive(Serialize)]
pub(super) struct Done {
    revision: u64,
    persisted: bool,
    /// Where the operation's plan has chosen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl From<Changed> for Done {
    fn from(changed: Changed) -> Self {
        let Changed { revision, persisted, warning, .. } = changed;
        Self { revision, persisted, share: None, warning }
    }
}

impl Shared {
    /// Every operation as it is now, in the order of the configuration. The counts in it are
    /// written before it is shown, so that they are there after a crash.
    pub async fn operations(&self) -> Vec<OperationView> {
        self.context.flush.flush().await;
        self.context.routing.load().entries().iter().map(OperationView::of).collect()
    }

    /// One operation as it is now, with its rules.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn operation(&self, id: &OperationId) -> Result<DetailedView, Problem> {
        self.context.flush.flush().await;
        let routing = self.context.routing.load();
        routing.entry(id).map(DetailedView::of).ok_or_else(|| no_operation(id.as_str()))
    }

    /// Changes an operation's stage.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn change(
        &self,
        id: &OperationId,
        change: Change,
        caller: &Caller,
    ) -> Result<Changed, Problem> {
        bounded(&change.reason)?;
        let result = self.context.rollout.change(id, change, &caller.name).await;
        match result {
            Ok(changed) => Ok(changed),
            Err(refusal) => Err(self.explain(refusal).await),
        }
    }

    /// Takes one operation, or all of them, back to shadow.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn rollback(
        &self,
        id: Option<&OperationId>,
        reason: String,
        caller: &Caller,
    ) -> Result<Vec<Changed>, Problem> {
        bounded(&reason)?;
        let result = self.context.rollout.rollback(id, reason, &caller.name).await;
        match result {
            Ok(changed) => Ok(changed),
            Err(refusal) => Err(self.explain(refusal).await),
        }
    }

    pub(super) async fn explain(&self, refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        match refusal {
            Refusal::UnknownOperation(id) => no_operation(id.as_str()),
            Refusal::HandedOver => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(1),
            Refusal::NotReady { assessment, .. } => {
                let missing: Vec<_> = assessment.missing().map(|condition| json!(condition)).collect();
                Problem::new(StatusCode::CONFLICT, format!("{detail}; `force` with a reason passes"))
                    .with("missing", missing)
                    .with("more_matching_checks", attainable(assessment.more_matching_checks))
            }
            Refusal::NotRetirable(retirement) => {
                let missing: Vec<_> = retirement.missing().map(|condition| json!(condition)).collect();
                Problem::new(StatusCode::CONFLICT, detail).with("missing", missing)
            }
            Refusal::NobodyKnows { .. } => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(5)
            }
            Refusal::Conflict { id, current, revision, last } => {
                let first = match last {
                    Some(last) => Some(*last),
                    None => self.last_transition(id).await,
                };
                conflict(detail, current, revision, first.as_ref())
            }
            Refusal::Invalid(detail) => Problem::field("share", detail),
            Refusal::NoReason => Problem::field("reason", detail),
        }
    }

    /// The change that was first, when an earlier process made it.
    async fn last_transition(&self, id: OperationId) -> Option<Transition> {
        let rows = self.read(move |backend| backend.audit(Some(&id), 1)).await;
        rows.ok()?.pop()
    }
}

fn conflict(detail: String, current: Stage, revision: u64, first: Option<&Transition>) -> Problem {
    let detail = match first {
        Some(first) => format!("{detail} ({} was first: {})", first.who, first.reason),
        None => detail,
    };
    let current = json!({"stage": current.name(), "share": current.share(), "revision": revision});
    Problem::new(StatusCode::CONFLICT, detail).with("current", current).with("first", json!(first))
}

/// The operation that a path names.
pub(super) fn known(shared: &Shared, text: &str) -> Result<OperationId, Problem> {
    let id: OperationId = text.parse().map_err(|_| no_operation(text))?;
    if shared.context.routing.load().entry(&id).is_none() {
        return Err(no_operation(text));
    }
    Ok(id)
}

fn no_operation(id: &str) -> Problem {
    Problem::not_found(format!("there is no operation `{id}`"))
}

pub(super) fn bounded(reason: &str) -> Result<(), Problem> {
    if reason.chars().count() > MAX_REASON {
        return Err(Problem::field("reason", format!("the reason is longer than {MAX_REASON} characters")));
    }
    Ok(())
}

pub(super) async fn reason(request: Request) -> Result<String, Problem> {
    let mut fields = Fields::read(request).await?;
    let reason = fields.text("reason")?.unwrap_or_default();
    fields.finish()?;
    Ok(reason)
}

fn word(fields: &mut Fields, name: &'static str) -> Result<StageName, Problem> {
    let text = fields.text(name)?.ok_or_else(|| Problem::field(name, format!("`{name}` is missing")))?;
    text.parse().map_err(|error| Problem::field(name, format!("`{name}`: {error}")))
}

fn share(fields: &mut Fields) -> Result<Option<Ratio>, Problem> {
    let text = fields.text("share")?;
    let share = text.map(|text| text.parse()).transpose();
    share.map_err(|error| Problem::field("share", format!("`share`: {error}")))
}
