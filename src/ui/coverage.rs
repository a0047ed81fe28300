//! What an operation's document says of it, and what of that checks have met. Whoever switches an operation wants to
//! know that its errors and its second page were compared too, and not only what everybody asks for.

use maud::{Markup, html};
use parallax_core::coverage::Aspect;

use super::text::data;
use crate::api::CoverageView;

/// Each name with whether it was met.
pub(super) fn documented(coverage: &CoverageView) -> Markup {
    html! {
        p.hint {
            "Names in the OpenAPI document that a check has met since parallax was started: "
            (coverage.exercised) " of " (coverage.documented) "."
        }
        table.plain {
            tbody {
                @for aspect in Aspect::ALL {
                    @let items: Vec<_> = coverage.items.iter().filter(|item| item.aspect == *aspect).collect();
                    @if !items.is_empty() {
                        tr {
                            th scope="row" { (words(*aspect)) }
                            td {
                                @for (index, item) in items.iter().enumerate() {
                                    @if index > 0 { ", " }
                                    code { (data(&item.name)) }
                                    @if !item.exercised { span.hint { " not yet" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn words(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Status => "Statuses",
        Aspect::ContentType => "Types of answers",
        Aspect::Parameter => "Parameters of the query",
        Aspect::RequestType => "Types of requests",
    }
}
