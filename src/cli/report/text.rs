//! The report for a terminal.

use super::gather::{Report, Reported};
use crate::cli::output::{Paint, Table, Tone, grouped, one_line, plain, tallied};
use crate::cli::status::{consistency, latency, readiness};
use crate::cli::view::{SignatureView, demanded, stage_text};

/// Faults of an operation that are listed; the others are counted.
const FAULTS: usize = 5;
/// Changes of stage that are listed; the others are counted.
const CHANGES: usize = 10;

/// The report as text.
pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut text = format!(
        "Migration report of {}, from {}\n\n{}\n",
        report.at,
        one_line(&report.server),
        plain(&report.summary())
    );
    for reported in &report.operations {
        text.push('\n');
        text.push_str(&operation(reported, paint));
    }
    text
}

fn operation(reported: &Reported, paint: Paint) -> String {
    let operation = &reported.operation;
    let title = format!("{}  {}", one_line(&operation.id), one_line(&operation.matcher));
    let mut table = Table::default();
    let mut fact = |name: &str, tone: Tone, value: String| {
        table.row([(Tone::Faint, format!("  {name}")), (tone, value)]);
    };
    fact("stage", Tone::Plain, since(reported));
    let checks = grouped(operation.counts.checks());
    fact(
        "consistency",
        Tone::Plain,
        format!("{} of {checks} checks, target {}", consistency(operation), operation.target),
    );
    let (tone, state) = readiness(operation);
    fact("readiness", tone, state);
    for condition in operation.readiness.conditions.iter().filter(|condition| !condition.met) {
        let limit = demanded(&condition.name, &condition.limit);
        fact("missing", Tone::Bad, format!("{} is {}, needs {limit}", condition.name, condition.value));
    }
    for (name, counts) in [("failed", &operation.counts.failed), ("skipped", &operation.counts.skipped)] {
        if !counts.is_empty() {
            fact(name, Tone::Plain, tallied(counts));
        }
    }
    let both = [("legacy", &operation.latency.legacy), ("candidate", &operation.latency.candidate)];
    for (name, percentiles) in both {
        fact(&format!("{name} p50/p99"), Tone::Plain, latency(percentiles.as_ref()));
    }
    for fault in reported.faults.iter().take(FAULTS) {
        fact("fault", Tone::Warning, says(fault));
    }
    if let Some(more @ 1..) = reported.faults.len().checked_sub(FAULTS) {
        fact("", Tone::Faint, format!("and {more} more; see `parallax differences {}`", operation.id));
    }
    for change in reported.history.iter().take(CHANGES) {
        let line = format!("{}  {}  {}: {}", change.at, change.step(), change.by(), change.reason);
        fact("change", Tone::Plain, line);
    }
    if let Some(more @ 1..) = reported.history.len().checked_sub(CHANGES) {
        fact("", Tone::Faint, format!("and {more} before"));
    }
    format!("{title}\n{}", table.render(paint))
}

/// `canary 5% since …`; one that has never moved is where the configuration says.
pub(super) fn since(reported: &Reported) -> String {
    let stage = stage_text(&reported.operation.stage, reported.operation.share.as_deref());
    let retired = reported.history.first().filter(|last| last.retires());
    let retired = retired.map_or(String::new(), |last| format!(", retired since {}", last.at));
    match reported.history.iter().find(|change| !change.retires()) {
        Some(last) => format!("{stage} since {}{retired}", last.at),
        None => format!("{stage}, as it began"),
    }
}

/// `1,200 × $.body.items[*].price value (…)`, without any value.
pub(super) fn says(fault: &SignatureView) -> String {
    let explanation = fault.explanation.as_ref().map_or(String::new(), |text| format!(" ({text})"));
    let noise = if fault.noise > 0 { format!(", noise {}", grouped(fault.noise)) } else { String::new() };
    format!("{} × {} {}{explanation}{noise}", grouped(fault.count), fault.path, fault.kind)
}
