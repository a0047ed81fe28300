//! The present plan for other programs: as JSON for `parallax export`, and as routes that Skipper
//! fetches every few seconds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use parallax_core::export::{PlanError, PresentPlan, skipper};

use super::{Problem, Shared};
use crate::export;

/// `GET /api/v1/plan`.
pub(super) async fn plan(State(shared): State<Arc<Shared>>) -> Result<Json<PresentPlan>, Problem> {
    Ok(Json(present(&shared)?))
}

/// `GET /routes.eskip`. It never has an entity tag: Skipper keeps the tag of an answer that was cut off,
/// and would stay with half of the routes. A length lets it notice the cut.
pub(super) async fn routes(State(shared): State<Arc<Shared>>) -> Result<impl IntoResponse, Problem> {
    let text = skipper(&present(&shared)?).text;
    let fields = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((fields, text))
}

fn present(shared: &Shared) -> Result<PresentPlan, Problem> {
    let failed = |error: PlanError| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    export::in_force(&shared.context.routing.load()).map_err(failed)
}
