//! What was found: faults, their samples, and who changed what.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use parallax_core::check::CheckId;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::rule::Rules;
use parallax_core::signature::SignatureId;
use parallax_core::suggest::{Suggestion, suggest};
use parallax_core::transition::Transition;
use serde::Serialize;

use super::operations::known;
use super::{Problem, Shared};
use crate::store::{Backend, MAX_SAMPLES, SeenSignature, StoreError};

/// How long the store may take for an answer.
const STORE_TIME: Duration = Duration::from_secs(3);

/// Faults of a list for which rules are suggested: judging samples again takes its time.
const MAX_SUGGESTED: usize = 20;
/// Rows of the audit that are given when nobody says how many.
const AUDIT_ROWS: usize = 100;
/// Rows of the audit that are given at most.
const MAX_AUDIT_ROWS: usize = 1000;

/// A fault with its newest samples.
#[derive(Serialize)]
pub struct Triaged {
    /// The fault.
    #[serde(flatten)]
    pub seen: SeenSignature,
    /// Its samples, the newest first.
    pub samples: Vec<Report>,
    /// Rules that would mask it, judged by the samples.
    pub suggestions: Vec<Suggestion>,
}

/// A fault with rules that would mask it.
#[derive(Serialize)]
pub struct Suggested {
    /// The fault.
    #[serde(flatten)]
    pub seen: SeenSignature,
    /// The rules, the narrowest first; none also where the fault is too rare to be looked at.
    pub suggestions: Vec<Suggestion>,
}

/// `GET /api/v1/operations/{id}/signatures`.
pub(super) async fn signatures(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let id = known(&shared, &id)?;
    let suggest = asks_for_suggestions(query.as_deref().unwrap_or_default())?;
    shared.context.flush.flush().await;
    Ok(if suggest {
        Json(shared.suggested(id).await?).into_response()
    } else {
        Json(shared.read(move |backend| backend.signatures(&id)).await?).into_response()
    })
}

/// `GET /api/v1/signatures/{id}`.
pub(super) async fn signature(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Triaged>, Problem> {
    let id: SignatureId = id.parse().map_err(|error| Problem::not_found(format!("{error}")))?;
    shared.context.flush.flush().await;
    let found = shared.signature(id).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no signature `{id}`")))
}

/// `GET /api/v1/checks/{id}`.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Report>, Problem> {
    let id: CheckId = id.parse().map_err(|error| Problem::not_found(format!("{error}")))?;
    shared.context.flush.flush().await;
    let found = shared.read(move |backend| backend.sample(id)).await?;
    let missing = || {
        Problem::not_found(format!(
            "no sample of the check `{id}` is kept; only some unmatched checks have one, until `retention`"
        ))
    };
    found.map(Json).ok_or_else(missing)
}

/// `GET /api/v1/audit`.
pub(super) async fn audit(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Transition>>, Problem> {
    let filter = Filter::read(query.as_deref().unwrap_or_default())?;
    let read = move |backend: &mut dyn Backend| backend.audit(filter.operation_id.as_ref(), filter.limit);
    Ok(Json(shared.read(read).await?))
}

impl Shared {
    /// Reads from the store, but does not wait for long: a disk that hangs must not make the pages
    /// hang, least of all the one with the rollback.
    ///
    /// # Errors
    /// When the store cannot be read, or not in time.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(STORE_TIME, self.context.store.read(read)).await {
            Ok(result) => result.map_err(Problem::from),
            Err(_) => {
                let detail = "the store did not answer in time; it may be busy, or its disk may hang";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after_s(5))
            }
        }
    }

    /// A fault with its newest samples.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn signature(&self, id: SignatureId) -> Result<Option<Triaged>, Problem> {
        let read = move |backend: &mut dyn Backend| {
            let Some(seen) = backend.signature(id)? else { return Ok(None) };
            let samples = backend.samples(id, MAX_SAMPLES)?;
            Ok(Some(Triaged { seen, samples, suggestions: Vec::new() }))
        };
        let Some(mut triaged) = self.read(read).await? else { return Ok(None) };
        let rules = self.rules_of(&triaged.seen.signature.operation_id);
        let judge = move || {
            triaged.suggestions = suggest(&triaged.seen.signature, &triaged.samples, rules.specs());
            triaged
        };
        tokio::task::spawn_blocking(judge).await.map(Some).map_err(|_| gave_up())
    }

    /// The faults of an operation, the most frequent first and these with rules that would mask them.
    async fn suggested(&self, id: OperationId) -> Result<Vec<Suggested>, Problem> {
        let rules = self.rules_of(&id);
        let read = move |backend: &mut dyn Backend| {
            let signatures = backend.signatures(&id)?;
            let with_samples = |(at, seen): (usize, SeenSignature)| {
                let limit = if at < MAX_SUGGESTED { MAX_SAMPLES } else { 0 };
                let samples = backend.samples(seen.signature.id, limit)?;
                Ok((seen, samples))
            };
            signatures.into_iter().enumerate().map(with_samples).collect::<Result<Vec<_>, StoreError>>()
        };
        let found = self.read(read).await?;
        let judge = move || {
            let suggested = |(seen, samples): (SeenSignature, Vec<Report>)| {
                let suggestions = suggest(&seen.signature, &samples, rules.specs());
                Suggested { seen, suggestions }
            };
            found.into_iter().map(suggested).collect()
        };
        tokio::task::spawn_blocking(judge).await.map_err(|_| gave_up())
    }

    /// The rules in force for an operation; of one that is not configured any more, none.
    fn rules_of(&self, id: &OperationId) -> Rules {
        let routing = self.context.routing.load();
        routing.entry(id).map(|entry| entry.operation.rules.clone()).unwrap_or_default()
    }
}

fn gave_up() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the samples could not be judged again")
}

/// Whether a list of faults is wanted with suggestions.
fn asks_for_suggestions(query: &str) -> Result<bool, Problem> {
    let mut asked = false;
    for (name, value) in pairs(query)? {
        if name != "suggest" {
            let detail = format!("unknown parameter `{name}`; known is suggest");
            return Err(Problem::field(&name, detail));
        }
        let error = |_| Problem::field("suggest", "`suggest` is true or false");
        asked = value.parse().map_err(error)?;
    }
    Ok(asked)
}

/// Which rows of the audit are wanted.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    operation_id: Option<OperationId>,
    limit: usize,
}

impl Filter {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut filter = Self { operation_id: None, limit: AUDIT_ROWS };
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "operation_id" => {
                    let id =
                        value.parse().map_err(|error| Problem::field("operation_id", format!("{error}")))?;
                    filter.operation_id = Some(id);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_AUDIT_ROWS).contains(limit));
                    let error =
                        || Problem::field("limit", format!("`limit` is a number from 1 to {MAX_AUDIT_ROWS}"));
                    filter.limit = limit.ok_or_else(error)?;
                }
                other => {
                    let detail = format!("unknown parameter `{other}`; known are operation_id, limit");
                    return Err(Problem::field(other, detail));
                }
            }
        }
        Ok(filter)
    }
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let uri = http::Uri::builder().path_and_query(format!("/?{query}")).build();
    let uri = uri.map_err(|error| Problem::field("query", error.to_string()))?;
    let pairs = axum::extract::Query::try_from_uri(&uri);
    pairs.map(|pairs| pairs.0).map_err(|error| Problem::field("query", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_come_when_asked_for() {
        for (query, expected) in
            [("", Some(false)), ("suggest=true", Some(true)), ("suggest=1", None), ("sugest=true", None)]
        {
            assert_eq!(asks_for_suggestions(query).ok(), expected, "{query}");
        }
    }

    #[test]
    fn the_audit_is_filtered_as_asked_or_not_at_all() {
        assert_eq!(Filter::read("").expect("a filter"), Filter { operation_id: None, limit: 100 });
        let filter = Filter::read("operation_id=a%2Fb&limit=7").expect("a filter");
        assert_eq!(filter, Filter { operation_id: "a/b".parse().ok(), limit: 7 });
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=x", "operation_id=%20", "operation=a"] {
            assert!(Filter::read(bad).is_err(), "{bad}");
        }
    }
}
