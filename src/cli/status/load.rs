//! How both sides answer under load, as `GET /api/v1/operations/{id}/load` tells it.

use serde::Deserialize;

use crate::cli::output::{Paint, Table, Tone, grouped};

/// How the sides answered while so many requests a second came.
#[derive(Debug, Deserialize)]
pub(super) struct UnderLoadView {
    from_per_second: u64,
    below_per_second: Option<u64>,
    seconds: f64,
    in_flight: u64,
    legacy: AtLoadView,
    candidate: AtLoadView,
}

#[derive(Debug, Deserialize)]
struct AtLoadView {
    per_second: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// A line for each range of requests a second.
pub(super) fn table(load: &[UnderLoadView], paint: Paint) -> String {
    if load.is_empty() {
        return String::new();
    }
    const HEAD: [&str; 6] =
        ["  REQUESTS/S", "SECONDS", "IN FLIGHT", "LEGACY /s", "p50/p99", "CANDIDATE /s  p50/p99"];
    let mut table = Table::default();
    table.row(HEAD.map(|name| (Tone::Faint, name.to_owned())));
    for line in load {
        let range = match line.below_per_second {
            Some(below) => format!("{}-{}", grouped(line.from_per_second), grouped(below)),
            None => format!("{}-", grouped(line.from_per_second)),
        };
        let candidate = &line.candidate;
        table.row([
            (Tone::Faint, format!("  {range}")),
            (Tone::Plain, format!("{:.0}", line.seconds)),
            (Tone::Plain, grouped(line.in_flight)),
            (Tone::Plain, format!("{:.1}", line.legacy.per_second)),
            (Tone::Plain, latency(&line.legacy)),
            (Tone::Plain, format!("{:.1}  {}", candidate.per_second, latency(candidate))),
        ]);
    }
    format!("\nUnder load, since the start:\n{}", table.render(paint))
}

fn latency(at: &AtLoadView) -> String {
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
    match (at.p50_ms, at.p99_ms) {
        (None, None) => "–".to_owned(),
        (p50, p99) => format!("{}/{} ms", shown(p50), shown(p99)),
    }
}
