//! `/`: every operation at a glance, in the order of the configuration.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use parallax_core::ratio::Ratio;

use super::layout::Page;
use super::text::{data, operation_path, path};
use super::{bar, controls, events, numbers, readiness, words};
use crate::api::{Caller, Latencies, OperationView, Problem, Shared};

/// `GET /`.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let notice = controls::notice(query.as_deref());
    render(&shared, &caller, StatusCode::OK, notice, None).await
}

/// The page, with what came of an action on it.
pub(super) async fn render(
    shared: &Shared,
    caller: &Caller,
    status: StatusCode,
    notice: Option<Markup>,
    refused: Option<(&Problem, &str)>,
) -> Response {
    let operations = shared.operations().await;
    let content = html! {
        h1 { "Operations" }
        @if let Some(notice) = notice { (notice) }
        p.lead {
            "Every request is answered by one side, the source of truth. The other side is asked the same, "
            "and the two answers are compared. When an operation is ready, it may move to the candidate."
        }
        div #totals data-live { (store_fault(shared)) (totals(&operations)) (other(shared.context.telemetry.other_requests())) }
        div #operations data-live { (table(&operations)) }
        (legend())
        (controls::rollback_all(caller, refused))
    };
    let revision = Some(events::revision(shared));
    Page { title: "Operations", caller: Some(caller), revision, content }.respond(status)
}

/// What is wrong with the store, when something is.
pub(super) fn store_fault(shared: &Shared) -> Markup {
    html! {
        @if let Some(fault) = shared.context.store.fault() {
            div.notice.bad role="alert" {
                strong { "The store does not work at the moment. " }
                "Clients are served and stages can be changed; what is counted is written later. "
                (data(&fault.to_string()))
            }
        }
    }
}

fn totals(operations: &[OperationView]) -> Markup {
    let sum = |term: fn(&OperationView) -> u64| operations.iter().map(term).sum::<u64>();
    let terms = [
        ("Requests", sum(|one| one.counts.requests)),
        ("Matched", sum(|one| one.counts.matched)),
        ("Unmatched", sum(|one| one.counts.unmatched)),
        ("Failed", sum(|one| one.counts.failed_total())),
        ("Skipped", sum(|one| one.counts.skipped_total())),
        ("In flight", sum(|one| one.counts.in_flight)),
    ];
    html! {
        dl.totals {
            @for (name, number) in terms {
                div { dt { (name) } dd { (numbers::count(number)) } }
            }
        }
    }
}

/// Traffic that the configuration does not know of, which nothing else on the page shows.
fn other(requests: u64) -> Markup {
    html! {
        @if requests > 0 {
            p.hint.other {
                "Requests that belong to no operation, since the process started: " (numbers::count(requests))
                ". Legacy answers them, unchecked."
            }
        }
    }
}

fn table(operations: &[OperationView]) -> Markup {
    html! {
        table.operations {
            caption.unseen-caption { "Every operation with its stage, consistency, counts, latency and readiness" }
            thead {
                tr {
                    th scope="col" { "Operation" }
                    th scope="col" title="Who answers, and who is checked" { "Stage" }
                    th scope="col" title="matched / (matched + unmatched)" { "Consistency" }
                    th scope="col" title="What became of the requests, since the beginning" { "Requests" }
                    th scope="col" title="Median and 99th percentile since the process started" { "Latency" }
                    th scope="col" title="Whether the operation may move up" { "Readiness" }
                }
            }
            tbody { @for operation in operations { (row(operation)) } }
        }
    }
}

fn row(operation: &OperationView) -> Markup {
    let counts = &operation.counts;
    html! {
        tr {
            th scope="row" {
                a href=(operation_path(operation.id.as_str())) { (data(operation.id.as_str())) }
                code.match { (path(&operation.matcher)) }
            }
            td data-label="Stage" { (stage(operation)) }
            td data-label="Consistency" { (consistency(operation)) }
            td data-label="Requests" {
                dl.counts {
                    div.good { dt { "matched" } dd { (numbers::count(counts.matched)) } }
                    div.bad[counts.unmatched > 0] { dt { "unmatched" } dd { (numbers::count(counts.unmatched)) } }
                    div { dt { "failed" } dd { (numbers::count(counts.failed_total())) } }
                    div { dt { "skipped" } dd { (numbers::count(counts.skipped_total())) } }
                    @if counts.in_flight > 0 {
                        div { dt { "in flight" } dd { (numbers::count(counts.in_flight)) } }
                    }
                }
            }
            td data-label="Latency" { (latency(&operation.latency)) }
            td data-label="Readiness" { (readiness::summary(&operation.readiness)) }
        }
    }
}

/// The stage, as a badge.
pub(super) fn stage(operation: &OperationView) -> Markup {
    html! {
        span class={ "badge stage " (operation.stage) } title=(words::stage(operation.stage)) {
            (operation.stage)
            @if let Some(share) = operation.share { " " (share) }
        }
    }
}

/// Consistency against its target, in number and picture.
pub(super) fn consistency(operation: &OperationView) -> Markup {
    let counts = &operation.counts;
    let ratio: Option<Ratio> = numbers::ratio(counts.matched, counts.matched + counts.unmatched);
    html! {
        div.consistency {
            span.value {
                @match ratio {
                    Some(ratio) => (ratio),
                    None => span.none { "no checks yet" },
                }
            }
            span.of { "target " (operation.target) }
            (bar::bar(ratio, operation.target))
        }
    }
}

/// Both sides' latency.
pub(super) fn latency(latency: &Latencies) -> Markup {
    html! {
        table.latency {
            thead {
                tr { td {} th scope="col" title="half of the answers come faster" { "p50" }
                    th scope="col" title="99 of 100 answers come faster" { "p99" } }
            }
            tbody {
                @for (side, times) in [("legacy", latency.legacy), ("candidate", latency.candidate)] {
                    tr {
                        th scope="row" { (side) }
                        td { (numbers::milliseconds(times.p50_ms)) }
                        td { (numbers::milliseconds(times.p99_ms)) }
                    }
                }
            }
        }
    }
}

fn legend() -> Markup {
    let terms = [
        ("matched", "both sides gave the same answer, under the operation's rules"),
        ("unmatched", "the answers differ in status, headers or body"),
        (
            "failed",
            "no evidence either way: the other side gave no complete answer, or both gave the same server error",
        ),
        ("skipped", "the request was answered but not checked; the operation's page says why"),
        ("in flight", "being answered, or waiting for the other side"),
        ("consistency", "matched / (matched + unmatched), held against the operation's own target"),
        (
            "latency",
            "time from the request fully sent to the first byte of the answer; p99: 99 of 100 are faster",
        ),
    ];
    html! {
        details #legend .legend {
            summary { "What the words mean" }
            dl {
                @for (term, meaning) in terms { div { dt { (term) } dd { (meaning) } } }
                @for stage in parallax_core::stage::StageName::ALL {
                    div { dt { span class={ "badge stage " (stage) } { (stage) } } dd { (words::stage(*stage)) } }
                }
            }
        }
    }
}
