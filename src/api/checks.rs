//! Checks that are posted: the article's `POST /consistency-checks`, and what became of each.
//!
//! The answer is 202 once the check is on disk and not before. Several come as a JSON array or as
//! lines of JSON, and each has a result of its own.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use parallax_core::posted::Batch;
use parallax_core::tally::End;
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::{BODY_TIME, essence, is_json};
use super::{Problem, Shared};
use crate::intake::{Receipt, Refusal};
use crate::queue::Reservation;
use crate::store::{KeptCheck, StoreError};

/// Longest body of a request, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// Bytes of all bodies that are being read, together.
pub(super) const READ_AT_ONCE: usize = 128 << 20;
/// Bodies from here on are read on a thread of their own, so that nobody else waits for them.
const LARGE: usize = 256 << 10;
/// When to post again what found no room.
const AGAIN_AFTER_S: u64 = 5;

/// `POST /consistency-checks`.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let lines = essence(&headers).and_then(|essence| Batch::of(&essence));
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "the body has to come as it is; leave `Content-Encoding` out";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    if lines.is_none() && !is_json(&headers) {
        let detail = "checks come as `application/json`, several also as `application/x-ndjson`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let (payload, held) = read(&shared, request.into_body()).await?;
    let batch = lines.or_else(|| Batch::begins(&payload).then_some(Batch::Array));
    // A body in base64 may be compressed, and a thousand times larger than it looks.
    let is_slow = payload.len() > LARGE || memchr::memmem::find(&payload, b"body_encoding").is_some();
    let (read, held) = if is_slow {
        let shared = Arc::clone(&shared);
        // What is held goes along: whoever has posted may be gone before it is read.
        let read = tokio::task::spawn_blocking(move || (shared.context.intake.read(&payload, batch), held));
        read.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it could not be read"))?
    } else {
        (shared.context.intake.read(&payload, batch), held)
    };
    let mut results = shared.context.intake.accept(read?).await?;
    drop(held);
    match batch {
        None => {
            let closed = || Err(Refusal::Store(StoreError::Closed));
            Ok(accepted(&results.pop().unwrap_or_else(closed)?))
        }
        Some(_) => {
            let list: Vec<Value> = results.into_iter().map(one_of_several).collect();
            Ok((StatusCode::MULTI_STATUS, Json(list)).into_response())
        }
    }
}

/// `GET /consistency-checks/{id}`.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<CheckView>, Problem> {
    match shared.context.intake.find(&id).await? {
        Some(kept) => Ok(Json(CheckView::of(id, &kept))),
        None => Err(Problem::not_found("no check has this id; what is done is kept for 24 hours")),
    }
}

/// A check as whoever has posted it sees it.
#[derive(Debug, Serialize)]
pub(super) struct CheckView {
    id: String,
    state: &'static str,
    operation_id: String,
    outcome: Option<&'static str>,
    reason: Option<&'static str>,
    differences: Vec<Value>,
}

impl CheckView {
    fn of(id: String, kept: &KeptCheck) -> Self {
        let (outcome, reason) = match kept.end {
            None => (None, None),
            Some(End::Judged { outcome, cause }) => {
                (Some(outcome.as_str()), cause.map(parallax_core::verdict::Cause::as_str))
            }
            Some(End::Skipped(skip)) => (None, Some(skip.as_str())),
        };
        let difference = |difference: &parallax_core::report::ReportedDifference| {
            json!({
                "part": difference.part,
                "path": difference.path,
                "kind": difference.kind,
                "legacy": difference.legacy,
                "candidate": difference.candidate,
                "explanation": difference.explanation,
                "signature": difference.signature,
            })
        };
        Self {
            id,
            state: if kept.end.is_some() { "done" } else { "pending" },
            operation_id: kept.operation_id.to_string(),
            outcome,
            reason,
            differences: kept.differences.iter().map(difference).collect(),
        }
    }
}

fn accepted(receipt: &Receipt) -> Response {
    let location = location(&receipt.id);
    let body = json!({ "id": receipt.id, "location": location });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn one_of_several(result: Result<Receipt, Refusal>) -> Value {
    match result {
        Ok(Receipt { id }) => json!({ "status": 202, "location": location(&id), "id": id }),
        Err(refusal) => serde_json::to_value(Problem::from(refusal)).unwrap_or_default(),
    }
}

/// Where a check of this name is found. What a name may have and a path may not is written as `%XX`.
fn location(id: &str) -> String {
    let mut location = String::from("/consistency-checks/");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            location.push(char::from(byte));
        } else {
            location.push_str(&format!("%{byte:02X}"));
        }
    }
    location
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Malformed(malformed) => Self::new(StatusCode::BAD_REQUEST, detail)
                .with("field", malformed.field)
                .with("line", malformed.line)
                .with("column", malformed.column),
            Refusal::NoOperation => Self::field("$.request.url.path", detail),
            Refusal::UnknownOperation | Refusal::OtherOperation { .. } => {
                Self::field("$.operation_id", detail)
            }
            Refusal::Conflict { id } => {
                Self::new(StatusCode::CONFLICT, detail).with("field", "$.id").with("id", id)
            }
            Refusal::Full(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(AGAIN_AFTER_S)
            }
            Refusal::Store(error) => error.into(),
            Refusal::Seal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

/// The body, within the limits of its size, of time, and of what all bodies may hold together.
async fn read(shared: &Shared, body: Body) -> Result<(Bytes, Reservation), Problem> {
    let reading = tokio::time::timeout(BODY_TIME, collect(shared, body));
    reading
        .await
        .unwrap_or_else(|_| Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")))
}

async fn collect(shared: &Shared, mut body: Body) -> Result<(Bytes, Reservation), Problem> {
    let mut held = shared.posted.reservation();
    let (mut first, mut whole) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let broken = |error| Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"));
        let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
        if first.len() + whole.len() + piece.len() > MAX_BYTES {
            let detail = format!("the body is larger than {MAX_BYTES} bytes; post it in several parts");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        if !held.grow(piece.len()) {
            let detail = "too much is being posted at the moment; post again in a moment";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(AGAIN_AFTER_S));
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
        } else {
            if whole.is_empty() {
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&piece);
        }
    }
    Ok((if whole.is_empty() { first } else { whole.into() }, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_a_path_whatever_is_in_it() {
        assert_eq!(location("0a-_.~"), "/consistency-checks/0a-_.~");
        assert_eq!(location("a/b?c#d%"), "/consistency-checks/a%2Fb%3Fc%23d%25");
    }
}
