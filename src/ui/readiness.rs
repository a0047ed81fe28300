//! Whether an operation may move up, and what is missing, in words.

use maud::{Markup, html};
use parallax_core::readiness::{Condition, Readiness};

use super::text::data;
use super::{numbers, words};
use crate::api::{ReadinessView, VersionView};

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
pub(super) fn conditions(readiness: &ReadinessView, versions: &[VersionView]) -> Markup {
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
        (evidence(versions))
    }
}

/// What the candidate's versions have shown.
fn evidence(versions: &[VersionView]) -> Markup {
    if versions.is_empty() {
        return html! {};
    }
    html! {
        div.scroll {
            table.plain {
                thead {
                    tr {
                        th scope="col" { "Version" }
                        th scope="col" { "Matched" }
                        th scope="col" { "Unmatched" }
                        th scope="col" { "Failed" }
                        th scope="col" title="Told apart by method, target and body; within about 2 %" {
                            "Distinct requests"
                        }
                        th scope="col" { "Readiness" }
                    }
                }
                tbody {
                    @for version in versions {
                        tr {
                            th scope="row" { (data(version.version.as_deref().unwrap_or("(without a name)"))) }
                            td.number { (numbers::count(version.matched)) }
                            td.number { (numbers::count(version.unmatched)) }
                            td.number { (numbers::count(version.failed)) }
                            td.number { (numbers::count(version.distinct_requests)) }
                            td { @if version.assessed { "told by this one" } }
                        }
                    }
                }
            }
        }
    }
}

/// The word, as a badge.
pub(super) fn badge(state: Readiness) -> Markup {
    let (class, text, title) = match state {
        Readiness::Gathering => (
            "badge gathering",
            "Gathering",
            "Nothing speaks against it, and there are too few checks to tell",
        ),
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
    if Condition::is_at_most(name) { "≤ " } else { "≥ " }
}

fn outlook(readiness: &ReadinessView) -> String {
    match (readiness.state, readiness.more_matching_checks) {
        (Readiness::Ready, _) => "Every condition is met. The operation may move up.".to_owned(),
        (_, Some(0)) => {
            "Consistency and the number of checks suffice; the other conditions do not yet.".to_owned()
        }
        (_, Some(1)) => "One more matching check would prove the consistency.".to_owned(),
        (_, Some(more)) => {
            format!(
                "{} more checks, all of them matching, would prove the consistency.",
                numbers::count(more)
            )
        }
        (_, None) => "With a target of 100% and a mismatch on record, no number of matching checks would do."
            .to_owned(),
    }
}
