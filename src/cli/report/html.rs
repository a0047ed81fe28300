//! The report as one HTML file: its style is in it, it loads nothing and runs nothing, and it can be
//! printed or sent on.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::gather::{Change, Report, Reported};
use super::text::{says, since};
use crate::cli::output::{Tone, grouped, plain, tallied};
use crate::cli::status::{consistency, latency, readiness};
use crate::cli::view::demanded;

const STYLE: &str = include_str!("style.css");

/// What the file may do in a browser: show itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The report as a file.
pub(super) fn page(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "Migration report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Migration report" }
                p.soft { (report.at) ", from " (plain(&report.server)) }
                p.summary { (plain(&report.summary())) }
                (overview(report))
                @for (number, reported) in report.operations.iter().enumerate() {
                    (operation(number, reported))
                }
            }
        }
    };
    page.into_string()
}

fn overview(report: &Report) -> Markup {
    html! {
        table {
            thead {
                tr {
                    @for head in ["Operation", "Stage", "Checks", "Consistency", "Target", "Readiness", "Faults"] {
                        th scope="col" { (head) }
                    }
                }
            }
            tbody {
                @for (number, Reported { operation, faults, .. }) in report.operations.iter().enumerate() {
                    @let (tone, state) = readiness(operation);
                    tr {
                        th scope="row" { a href=(format!("#operation-{number}")) { (plain(&operation.id)) } }
                        td { (plain(&crate::cli::view::stage_text(&operation.stage, operation.share.as_deref()))) }
                        td.number { (grouped(operation.counts.checks())) }
                        td.number { (consistency(operation)) }
                        td.number { (plain(&operation.target)) }
                        td class=(class(tone)) { (plain(&state)) }
                        td.number { (faults.len()) }
                    }
                }
            }
        }
    }
}

fn operation(number: usize, reported: &Reported) -> Markup {
    let operation = &reported.operation;
    let counts = &operation.counts;
    let missing = operation.readiness.conditions.iter().filter(|condition| !condition.met);
    html! {
        section id=(format!("operation-{number}")) {
            h2 { (plain(&operation.id)) " " code { (plain(&operation.matcher)) } }
            dl {
                (fact("stage", &since(reported)))
                (fact("requests", &grouped(counts.requests)))
                (fact("matched", &grouped(counts.matched)))
                (fact("unmatched", &grouped(counts.unmatched)))
                (fact("failed", &or_none(tallied(&counts.failed))))
                (fact("skipped", &or_none(tallied(&counts.skipped))))
                (fact("legacy p50/p99", &latency(operation.latency.legacy.as_ref())))
                (fact("candidate p50/p99", &latency(operation.latency.candidate.as_ref())))
                @for condition in missing {
                    (fact("missing", &format!("{} is {}, needs {}", condition.name, condition.value,
                        demanded(&condition.name, &condition.limit))))
                }
            }
            @if reported.faults.is_empty() {
                p.soft { "No fault was found." }
            } @else {
                h3 { "Faults" }
                ul { @for fault in &reported.faults { li { (plain(&says(fault))) } } }
            }
            @if !reported.history.is_empty() {
                h3 { "History" }
                table { tbody { @for change in &reported.history { (row(change)) } } }
            }
        }
    }
}

fn row(change: &Change) -> Markup {
    html! {
        tr {
            td { (plain(&change.at)) }
            td { (plain(&change.step())) }
            td { (plain(&change.by())) }
            td { (plain(&change.reason)) }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { dt { (name) } dd { (plain(value)) } }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warning => "warning",
        Tone::Plain | Tone::Faint => "",
    }
}
