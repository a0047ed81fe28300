//! What the forms do. Afterwards the browser is sent to the page that shows the result, so that
//! loading that page again does not repeat the action; a refusal is shown where it was asked.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use parallax_core::operation::OperationId;

use super::controls::Draft;
use super::text::operation_path;
use super::{operation, overview};
use crate::api::{Caller, Form, Problem, Shared};
use crate::rollout::{Change, Changed};

/// `POST /operations/{id}/stage`.
pub(super) async fn stage(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let (id, form) = (operation_id(&id)?, filled(form)?);
    let changed = match change(&form) {
        Ok(change) => shared.change(&id, change, &caller).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(changed) => Ok(to_operation(&id, "stage", &changed)),
        Err(problem) => {
            let text = |name| form.get(name).to_owned();
            let draft = Draft { stage: text("stage"), share: text("share"), reason: text("reason") };
            operation::render(&shared, &caller, &id, Some(&problem), None, &draft).await
        }
    }
}

/// `POST /operations/{id}/rollback`.
pub(super) async fn rollback(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let (id, form) = (operation_id(&id)?, filled(form)?);
    match shared.rollback(Some(&id), form.get("reason").to_owned(), &caller).await {
        Ok(changed) => {
            let changed = changed.first().ok_or_else(|| Problem::not_found("nothing was rolled back"))?;
            Ok(to_operation(&id, "rollback", changed))
        }
        Err(problem) => {
            operation::render(&shared, &caller, &id, Some(&problem), None, &Draft::default()).await
        }
    }
}

/// `POST /rollback`.
pub(super) async fn rollback_all(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    form: Option<Extension<Form>>,
) -> Result<Response, Problem> {
    let form = filled(form)?;
    let reason = form.get("reason");
    match shared.rollback(None, reason.to_owned(), &caller).await {
        Ok(changed) => {
            let persisted = yes_no(changed.iter().all(|changed| changed.persisted));
            Ok(Redirect::to(&format!("/?done=rollback-all&persisted={persisted}")).into_response())
        }
        Err(problem) => {
            let status = problem.status;
            Ok(overview::render(&shared, &caller, status, None, Some((&problem, reason))).await)
        }
    }
}

fn to_operation(id: &OperationId, done: &str, changed: &Changed) -> Response {
    let path = operation_path(id.as_str());
    let persisted = yes_no(changed.persisted);
    let legacy = if changed.warning.is_some() { "&legacy=silent" } else { "" };
    Redirect::to(&format!("{path}?done={done}&persisted={persisted}{legacy}")).into_response()
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn change(form: &Form) -> Result<Change, Problem> {
    let stage = form.get("stage").parse();
    let stage = stage.map_err(|error| Problem::field("stage", format!("stage: {error}")))?;
    let share = match form.get("share").trim() {
        "" => None,
        text => Some(text.parse().map_err(|error| Problem::field("share", format!("share: {error}")))?),
    };
    let if_revision = match form.get("if_revision") {
        "" => None,
        text => Some(text.parse().map_err(|_| Problem::field("if_revision", "the revision is no number"))?),
    };
    let force = form.get("force") == "true";
    Ok(Change { stage, share, reason: form.get("reason").to_owned(), force, if_revision })
}

fn filled(form: Option<Extension<Form>>) -> Result<Form, Problem> {
    let missing = || Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this is a form; programs use /api/v1");
    form.map(|form| form.0).ok_or_else(missing)
}

fn operation_id(text: &str) -> Result<OperationId, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no operation `{text}`")))
}
