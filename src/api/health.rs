//! What machines watch: whether we are alive and ready, and the metrics. None of it waits for the
//! store or for a side.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::{Problem, Shared};
use crate::routing::Entry;
use crate::telemetry::Format;

/// `GET /healthz`.
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// `GET /readyz`.
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if *shared.context.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::from_accept(headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()));
    let snapshots: Vec<_> = shared.context.routing.load().entries().iter().map(Entry::snapshot).collect();
    let is_healthy = shared.context.store.is_healthy();
    shared.context.telemetry.store_healthy.set(is_healthy.into());
    let page = shared.context.telemetry.expose(&snapshots, format);
    let page = page.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], page).into_response())
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
