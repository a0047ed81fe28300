//! `/signatures/{id}`: one fault with its samples. It does not update itself: whoever reads a
//! sample wants it to stay.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};
use parallax_core::signature::SignatureId;
use parallax_core::suggest::{Suggestion, as_yaml};

use super::layout::Page;
use super::text::{data, operation_path};
use super::{numbers, sample, words};
use crate::api::{Caller, Problem, Shared};
use crate::store::{MAX_SAMPLES, SeenSignature};

/// `GET /signatures/{id}`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let id: SignatureId = id.parse().map_err(|error| Problem::not_found(format!("{error}")))?;
    shared.context.flush.flush().await;
    let found = shared.signature(id).await?;
    let triaged = found.ok_or_else(|| Problem::not_found(format!("there is no signature `{id}`")))?;
    let operation = &triaged.seen.signature.operation_id;
    let now = Timestamp::now();
    let content = html! {
        nav.trail aria-label="You are here" {
            a href="/" { "Operations" } " / "
            a href=(operation_path(operation.as_str())) { (data(operation.as_str())) } " / "
        }
        h1.path { (data(&triaged.seen.signature.path)) }
        (facts(&triaged.seen, now))
        @if !triaged.suggestions.is_empty() {
            section aria-labelledby="rules-title" {
                h2 #rules-title { "A rule for it" }
                (suggestions(&triaged.suggestions, triaged.seen.count))
            }
        }
        section aria-labelledby="samples-title" {
            h2 #samples-title { "Samples" }
            @if triaged.samples.is_empty() {
                p.hint { "No sample is kept: the operation keeps none, or they are older than the retention." }
            } @else {
                p.hint {
                    "The newest " (triaged.samples.len()) ", of at most " (MAX_SAMPLES)
                    ". Values are redacted as the configuration says."
                }
            }
            @for (index, report) in triaged.samples.iter().enumerate() {
                (sample::show(report, id, index == 0, now))
            }
        }
    };
    let title = format!("{} in {operation}", triaged.seen.signature.path);
    Ok(Page { title: &title, caller: Some(&caller), revision: None, content }.respond(StatusCode::OK))
}

/// What rules would mask, for somebody who has decided that the fault is none.
fn suggestions(suggestions: &[Suggestion], checks: u64) -> Markup {
    html! {
        p.hint {
            "If this is no fault of the candidate, one of these under " code { "compare:" }
            " masks it, the narrowest first. Seen in " (numbers::count(checks)) " checks in all."
        }
        @for suggestion in suggestions {
            div.suggestion {
                pre { code { (data(&suggestion.yaml)) } }
                p {
                    "Masks " (suggestion.masks) " of " (suggestion.of) " stored samples"
                    @if suggestion.with_other_differences > 0 {
                        "; " (suggestion.with_other_differences) " of them have other differences too"
                    }
                    ". It hides " (data(&suggestion.hides)) "."
                }
                @for replaced in &suggestion.replaces {
                    p.hint { "In place of " code { (data(&as_yaml(replaced))) } }
                }
            }
        }
    }
}

fn facts(seen: &SeenSignature, now: Timestamp) -> Markup {
    let signature = &seen.signature;
    html! {
        p.lead {
            (words::kind(signature.kind)) "."
            @if let Some(explanation) = &signature.explanation { " The relation: " strong { (data(explanation)) } "." }
        }
        dl.totals {
            div { dt { "Kind" } dd { span class={ "kind " (signature.kind) } { (signature.kind) } } }
            div { dt { "Part" } dd { (signature.part) } }
            @if signature.legacy_type.is_some() || signature.candidate_type.is_some() {
                div { dt { "Types" } dd { (name(signature.legacy_type)) " | " (name(signature.candidate_type)) } }
            }
            div { dt { "Checks" } dd { (numbers::count(seen.count)) } }
            @if seen.reversed > 0 {
                div { dt { "Reverse shadow" } dd { "The candidate had answered, and legacy was asked: " (numbers::count(seen.reversed)) " of these." } }
            }
            @if seen.noise > 0 {
                div { dt { "Noise" } dd { "The answering side differed from itself here " (numbers::count(seen.noise)) " times." } }
            }
            div { dt { "First seen" } dd { (numbers::ago(seen.first_at, now)) } }
            div { dt { "Last seen" } dd { (numbers::ago(seen.last_at, now)) } }
        }
    }
}

fn name(kind: Option<parallax_core::verdict::ValueType>) -> &'static str {
    kind.map_or("nothing", parallax_core::verdict::ValueType::as_str)
}
