//! Retiring an operation that is complete, so that it may go from the configuration.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::{Extension, Json};
use parallax_core::operation::OperationId;

use super::operations::{Done, bounded, known, reason};
use super::{Caller, Problem, Shared};
use crate::rollout::{Changed, Retirement};

/// `GET /api/v1/operations/{id}/retire`: whether it could be.
pub(super) async fn could(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Retirement>, Problem> {
    let id = known(&shared, &id)?;
    match shared.context.rollout.retirement(&id).await {
        Ok(retirement) => Ok(Json(retirement)),
        Err(refusal) => Err(shared.explain(refusal).await),
    }
}

/// `POST /api/v1/operations/{id}/retire`.
pub(super) async fn retire(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let id = known(&shared, &id)?;
    let reason = reason(request).await?;
    Ok(Json(Done::from(shared.retire(&id, reason, &caller).await?)))
}

impl Shared {
    /// Retires an operation.
    ///
    /// # Errors
    /// Why it was refused.
    async fn retire(&self, id: &OperationId, reason: String, caller: &Caller) -> Result<Changed, Problem> {
        bounded(&reason)?;
        // What is counted is written first, so that the minutes are those of the requests.
        self.context.flush.flush().await;
        match self.context.rollout.retire(id, reason, &caller.name).await {
            Ok(changed) => Ok(changed),
            Err(refusal) => Err(self.explain(refusal).await),
        }
    }
}
