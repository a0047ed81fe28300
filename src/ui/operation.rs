//! `/operations/{id}`: one operation, why it is where it is, and the way on.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};
use parallax_core::operation::OperationId;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

use super::controls::Draft;
use super::layout::Page;
use super::text::{data, path};
use super::{chart, controls, coverage, events, load, numbers, overview, readiness, words};
use crate::api::{Caller, DetailedView, OperationView, Problem, RecheckView, RuleView, Shared};
use crate::store::{Backend, Minute, SeenSignature};

/// Faults that are shown; the API gives all of them.
const MAX_FAULTS: usize = 100;
/// Changes of stage that are shown.
const MAX_HISTORY: usize = 30;

/// `GET /operations/{id}`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found(format!("there is no operation `{id}`")))?;
    let notice = controls::notice(query.as_deref());
    render(&shared, &caller, &id, None, notice, &Draft::default()).await
}

/// The page, with what came of an action on it.
pub(super) async fn render(
    shared: &Shared,
    caller: &Caller,
    id: &OperationId,
    refused: Option<&Problem>,
    notice: Option<Markup>,
    draft: &Draft,
) -> Result<Response, Problem> {
    let DetailedView { operation, versions, rules, coverage: described, load } = shared.operation(id).await?;
    let now = Timestamp::now();
    let kept = Kept::read(shared, id, now).await;
    let content = html! {
        nav.trail aria-label="You are here" { a href="/" { "Operations" } " / " }
        h1 { (data(id.as_str())) }
        @if let Some(notice) = notice { (notice) }
        @if let Some(problem) = refused { (controls::refusal(problem)) }
        div #summary data-live { (overview::store_fault(shared)) (summary(&operation)) }
        section aria-labelledby="readiness-title" {
            h2 #readiness-title { "Readiness" }
            div #readiness data-live { (readiness::conditions(&operation.readiness, &versions)) }
        }
        @match &kept {
            Ok(kept) => {
                section aria-labelledby="faults-title" {
                    h2 #faults-title { "Differences" }
                    div #faults data-live { (faults(&kept.faults, now)) }
                }
                section aria-labelledby="hour-title" {
                    h2 #hour-title { "Last hour" }
                    div #hour data-live { (chart::chart(&kept.minutes, Minute::of(now))) }
                }
            }
            Err(problem) => (unreadable(problem)),
        }
        @if !rules.is_empty() {
            section aria-labelledby="rules-title" {
                h2 #rules-title { "Rules" }
                div #rules data-live { (masked(&rules)) }
            }
        }
        @if described.documented > 0 {
            section aria-labelledby="coverage-title" {
                h2 #coverage-title { "Documented" }
                div #coverage data-live { (coverage::documented(&described)) }
            }
        }
        @if !load.is_empty() {
            section aria-labelledby="load-title" {
                h2 #load-title { "Under load" }
                div #load data-live { (load::table(&load)) }
            }
        }
        section aria-labelledby="fate-title" {
            h2 #fate-title { "What became of the requests" }
            div #fate data-live { (fate(&operation)) }
        }
        section aria-labelledby="stage-title" {
            h2 #stage-title { "Stage" }
            (controls::operation(caller, &operation, draft))
        }
        @if let Ok(kept) = &kept {
            section aria-labelledby="history-title" {
                h2 #history-title { "History" }
                div #history data-live { (history(&kept.history, now)) }
            }
        }
    };
    let (title, revision) = (id.as_str(), Some(events::revision(shared)));
    let status = refused.map_or(StatusCode::OK, |problem| problem.status);
    Ok(Page { title, caller: Some(caller), revision, content }.respond(status))
}

/// What the store has of an operation.
struct Kept {
    faults: Vec<SeenSignature>,
    minutes: Vec<(Minute, Tally)>,
    history: Vec<Transition>,
}

impl Kept {
    async fn read(shared: &Shared, id: &OperationId, now: Timestamp) -> Result<Self, Problem> {
        let id = id.clone();
        let since = Minute(Minute::of(now).0 - chart::MINUTES);
        let read = move |backend: &mut dyn Backend| {
            Ok(Self {
                faults: backend.signatures(&id)?,
                minutes: backend.minutes(&id, since)?,
                history: backend.audit(Some(&id), MAX_HISTORY)?,
            })
        };
        shared.read(read).await
    }
}

fn unreadable(problem: &Problem) -> Markup {
    html! {
        div.notice.warn {
            "Differences, the last hour and the history cannot be shown now. " (data(&problem.detail))
        }
    }
}

fn summary(operation: &OperationView) -> Markup {
    html! {
        p.match { code { (path(&operation.matcher)) } }
        div.facts {
            div.fact {
                h2 { "Stage" }
                (overview::stage(operation))
                p.hint { (sentence(words::stage(operation.stage))) }
            }
            div.fact { h2 { "Consistency" } (overview::consistency(operation)) }
            div.fact { h2 { "Readiness" } (readiness::summary(&operation.readiness)) }
            div.fact { h2 { "Latency" } (overview::latency(&operation.latency)) }
        }
    }
}

fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

fn fate(operation: &OperationView) -> Markup {
    let counts = &operation.counts;
    html! {
        dl.totals {
            div { dt { "Requests" } dd { (numbers::count(counts.requests)) } }
            div { dt { "Matched" } dd { (numbers::count(counts.matched)) } }
            div { dt { "Unmatched" } dd { (numbers::count(counts.unmatched)) } }
            div { dt { "Failed" } dd { (numbers::count(counts.failed_total())) } }
            div { dt { "Skipped" } dd { (numbers::count(counts.skipped_total())) } }
            div { dt { "In flight" } dd { (numbers::count(counts.in_flight)) } }
        }
        div.columns {
            (reasons("Failed, by reason", "No check has failed.", &counts.failed, words::cause))
            (reasons("Skipped, by reason", "No request was skipped.", &counts.skipped, words::skip))
        }
        @if !operation.recheck.counts.is_empty() { (recheck(&operation.recheck)) }
    }
}

/// What the mismatches were when both sides were asked again.
fn recheck(recheck: &RecheckView) -> Markup {
    html! {
        (reasons("Mismatches, asked again", "", &recheck.counts, words::finding))
        @for line in &recheck.advice { div.notice.warn { (line) "." } }
    }
}

fn reasons<K: Copy + Display>(
    title: &str,
    none: &str,
    counts: &BTreeMap<K, u64>,
    meaning: fn(K) -> &'static str,
) -> Markup {
    html! {
        div {
            h3 { (title) }
            @if counts.is_empty() {
                p.hint { (none) }
            } @else {
                table.plain.reasons {
                    tbody {
                        @for (reason, number) in counts {
                            tr {
                                th scope="row" { code { (reason) } span.hint { (meaning(*reason)) } }
                                td.number { (numbers::count(*number)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn faults(faults: &[SeenSignature], now: Timestamp) -> Markup {
    html! {
        @if faults.is_empty() {
            p.hint { "No difference was seen." }
        } @else {
            table.faults {
                thead {
                    tr {
                        th scope="col" { "Where" }
                        th scope="col" { "What" }
                        th.number scope="col" { "Checks" }
                        th scope="col" { "First seen" }
                        th scope="col" { "Last seen" }
                    }
                }
                tbody { @for seen in faults.iter().take(MAX_FAULTS) { (fault(seen, now)) } }
            }
            @if faults.len() > MAX_FAULTS {
                p.hint { "And " (faults.len() - MAX_FAULTS) " more, which the API lists." }
            }
        }
    }
}

fn fault(seen: &SeenSignature, now: Timestamp) -> Markup {
    let signature = &seen.signature;
    html! {
        tr {
            th scope="row" {
                a href={ "/signatures/" (signature.id) } { (data(&signature.path)) }
                span.part { (signature.part) }
            }
            td data-label="What" {
                span class={ "kind " (signature.kind) } title=(words::kind(signature.kind)) { (signature.kind) }
                @if let Some(explanation) = &signature.explanation { " " (data(explanation)) }
                @if seen.is_reversed() {
                    " " span.badge title="Seen only where the candidate had answered and legacy was asked" { "reverse shadow" }
                }
                @if seen.noise > 0 {
                    " " span.badge title="The answering side differed from itself here" { "noise " (numbers::count(seen.noise)) }
                }
            }
            td.number data-label="Checks" { (numbers::count(seen.count)) }
            td data-label="First seen" { (numbers::ago(seen.first_at, now)) }
            td data-label="Last seen" { (numbers::ago(seen.last_at, now)) }
        }
    }
}

/// The rules with what each has masked. One that masks nothing is either not needed any more or says
/// something else than was meant.
fn masked(rules: &[RuleView]) -> Markup {
    html! {
        p.hint { "Places where the sides had something different and a rule made it count for nothing, since parallax was started." }
        table.plain {
            thead {
                tr {
                    th scope="col" { "Where" }
                    th scope="col" { "Rule" }
                    th.number scope="col" { "Masked" }
                }
            }
            tbody {
                @for rule in rules {
                    tr {
                        th scope="row" { code { (data(&rule.at)) } }
                        td { code { (rule.rule) ": " (data(&rule.argument)) } }
                        td.number {
                            (numbers::count(rule.masked))
                            @if rule.masked == 0 { span.hint { " nothing so far: is it still needed?" } }
                        }
                    }
                }
            }
        }
    }
}

fn history(history: &[Transition], now: Timestamp) -> Markup {
    html! {
        @if history.is_empty() {
            p.hint { "The stage was never changed." }
        } @else {
            ol.history {
                @for transition in history {
                    li {
                        div {
                            span class={ "badge stage " (transition.from.name()) } { (transition.from) }
                            " → "
                            span class={ "badge stage " (transition.to.name()) } { (transition.to) }
                            @if transition.forced { " " span.badge.forced title="It was not ready" { "forced" } }
                            @if transition.retires() { " " span.badge { "retired" } }
                            @if transition.automatic { " " span.badge { "automatic" } }
                        }
                        p.reason { (data(&transition.reason)) }
                        p.hint { (data(&transition.who)) ", " (numbers::ago(transition.at, now)) }
                    }
                }
            }
        }
    }
}
