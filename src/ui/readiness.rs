//! Whether an operation may move up, and what is missing, in words.

use maud::{Markup, html};
use parallax_core::readiness::Readiness;

use super::{numbers, words};
use crate::api::ReadinessView;

/// The summary with what is missing.
pub(super) fn summary(readiness: &ReadinessView) -> Markup {
    html! {
        (badge(readiness.state))
        @if readiness.state != Readiness::Ready {
            ul.lacks {
                @for condition in readiness.conditions.iter().filter(|condition| !condition.met) {
                    li { (words::missing(condition)) }
                }
            }
        }
    }
}

/// Every condition with its number and its limit.
pub(super) fn conditions(readiness: &ReadinessView) -> Markup {
    html! {
        div.scroll {
            table.plain {
                thead {
                    tr {
                        th scope="col" { "Condition" }
                        th scope="col" { "Now" }
                        th scope="col" { "Needed" }
                        th scope="col" { "Met" }
                    }
                }
                tbody {
                    @for condition in &readiness.conditions {
                        tr {
                            th scope="row" title=(condition.name) { (words::condition(&condition.name)) }
                            td.number { (words::grouped(&condition.value)) }
                            td.number { (limit_sign(&condition.name)) (words::grouped(&condition.limit)) }
                            td { (met(condition.met)) }
                        }
                    }
                }
            }
        }
        p.hint { (outlook(readiness)) }
    }
}

/// The word, as a badge.
pub(super) fn badge(state: Readiness) -> Markup {
    let (class, text, title) = match state {
        Readiness::Gathering => ("badge gathering", "Gathering", "There are too few checks to tell"),
        Readiness::Below => {
            ("badge below", "Not ready", "There are enough checks, and some condition is not met")
        }
        Readiness::Ready => ("badge ready", "Ready", "Every condition is met: the operation may move up"),
    };
    html! { span class=(class) title=(title) { (text) } }
}

fn met(is_met: bool) -> Markup {
    html! {
        @if is_met { span.yes { "✓ yes" } } @else { span.no { "✗ not yet" } }
    }
}

fn limit_sign(name: &str) -> &'static str {
    if name == "max_failed" { "≤ " } else { "≥ " }
}

fn outlook(readiness: &ReadinessView) -> String {
    match (readiness.state, readiness.more_matching_checks) {
        (Readiness::Ready, _) => "Every condition is met. The operation may move up.".to_owned(),
        (_, Some(0)) => {
            "Consistency and the number of checks suffice; the other conditions do not yet.".to_owned()
        }
        (_, Some(1)) => "One more matching check would meet consistency and the number of checks.".to_owned(),
        (_, Some(more)) => format!(
            "{} more checks, all of them matching, would meet consistency and the number of checks.",
            numbers::count(more)
        ),
        (_, None) => "With a target of 100% and a mismatch on record, no number of matching checks would do."
            .to_owned(),
    }
}
