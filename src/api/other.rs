//! Requests of no operation: how many, and which operations they could be.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use parallax_core::other::Suggested;
use serde::Serialize;

use super::Shared;

/// Suggestions in one answer, at most.
const MOST: usize = 200;

/// Requests of no operation.
#[derive(Serialize)]
pub(super) struct OtherView {
    requests: u64,
    suggestions: Vec<SuggestionView>,
    /// Further suggestions that are not shown.
    more: usize,
    /// Requests whose shape was not kept for want of room.
    left_out: u64,
}

/// An operation that could be configured.
#[derive(Serialize)]
struct SuggestionView {
    id: String,
    #[serde(rename = "match")]
    matcher: String,
    requests: u64,
}

/// `GET /api/v1/other`.
pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Json<OtherView> {
    let (mut suggested, left_out) = shared.context.telemetry.other_shapes.suggest();
    // Those that were configured since are none any more.
    let routing = shared.context.routing.load();
    suggested.retain(|one| routing.find(&one.method, &one.template.fill(|_| Some("0"))).is_none());
    let more = suggested.len().saturating_sub(MOST);
    let view = |one: Suggested| SuggestionView {
        id: one.name,
        matcher: format!("{} {}", one.method, one.template),
        requests: one.requests,
    };
    Json(OtherView {
        requests: shared.context.telemetry.other_requests(),
        suggestions: suggested.into_iter().take(MOST).map(view).collect(),
        more,
        left_out,
    })
}
