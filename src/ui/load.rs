//! How both sides answer under load, a line for each range of requests a second.

use maud::{Markup, html};

use super::numbers;
use crate::telemetry::{AtLoad, UnderLoad};

/// The table.
pub(super) fn table(load: &[UnderLoad]) -> Markup {
    html! {
        p.hint {
            "Seconds with about as many requests are taken together, since parallax was started. From this come "
            "goals for the candidate that it has met under load."
        }
        div.scroll {
            table.plain {
                thead {
                    tr {
                        th scope="col" { "Requests/s" }
                        th scope="col" { "Seconds" }
                        th scope="col" { "In flight, at most" }
                        th scope="col" { "Legacy answers/s" }
                        th scope="col" { "Legacy p50 / p99" }
                        th scope="col" { "Candidate answers/s" }
                        th scope="col" { "Candidate p50 / p99" }
                    }
                }
                tbody {
                    @for line in load {
                        tr {
                            th scope="row" { (range(line)) }
                            td.number { (format!("{:.0}", line.seconds)) }
                            td.number { (numbers::count(line.in_flight)) }
                            (side(&line.legacy))
                            (side(&line.candidate))
                        }
                    }
                }
            }
        }
    }
}

fn range(line: &UnderLoad) -> String {
    match line.below_per_second {
        None => format!("from {}", numbers::count(line.from_per_second)),
        Some(below) => format!("{} to {}", numbers::count(line.from_per_second), numbers::count(below)),
    }
}

fn side(at: &AtLoad) -> Markup {
    html! {
        td.number { (format!("{:.1}", at.per_second)) }
        td.number { (milliseconds(at.p50_ms)) " / " (milliseconds(at.p99_ms)) }
    }
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.1} ms"))
}
