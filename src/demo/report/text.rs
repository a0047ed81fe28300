//! The report as text: a table of the operations, and a numbered list of faults.

use std::fmt::Write as _;

use super::finding::Finding;
use super::rows::{Latency, OperationRow};

/// The table, a line for each operation.
#[must_use]
pub fn table(operations: &[OperationRow]) -> String {
    let heads = [
        "operation",
        "requests",
        "matched",
        "unmatched",
        "failed",
        "skipped",
        "consistency",
        "readiness",
        "legacy p50/p99",
        "candidate p50/p99",
    ];
    let rows = operations.iter().map(|operation| {
        [
            operation.id.clone(),
            grouped(operation.counts.requests),
            grouped(operation.counts.matched),
            grouped(operation.counts.unmatched),
            grouped(operation.counts.failed.values().sum()),
            grouped(operation.counts.skipped.values().sum()),
            operation.consistency.map_or_else(|| "-".to_owned(), percent),
            operation.readiness.state.clone(),
            milliseconds(operation.latency.legacy),
            milliseconds(operation.latency.candidate),
        ]
    });
    aligned(&std::iter::once(heads.map(str::to_owned)).chain(rows).collect::<Vec<_>>())
}

/// The faults, a numbered line each under its operation.
#[must_use]
pub fn bug_reports(operations: &[OperationRow], findings: &[Finding]) -> String {
    let mut text = String::new();
    for operation in operations {
        let own: Vec<_> = findings.iter().filter(|finding| finding.operation_id == operation.id).collect();
        let _ = writeln!(text, "{}  {}", operation.id, operation.matches);
        if own.is_empty() {
            text.push_str("  no fault found\n");
        }
        let compared = operation.counts.matched + operation.counts.unmatched;
        for (number, finding) in own.iter().enumerate() {
            let _ = writeln!(text, "  {}. the candidate {}", number + 1, finding.says);
            let details = details(finding, compared);
            if !details.is_empty() {
                let _ = writeln!(text, "     {details}");
            }
        }
        for (reason, count) in &operation.counts.failed {
            let _ = writeln!(text, "  {} proved nothing: {}", checks(*count), in_words(reason));
        }
    }
    text
}

fn details(finding: &Finding, compared: u64) -> String {
    let mut details = Vec::new();
    if let Some(count) = finding.checks {
        details.push(format!("in {} of {}", grouped(count), checks(compared)));
    }
    if finding.comes_with > 0 {
        details.push(format!("these answers differ in {} more places", finding.comes_with));
    }
    if let Some(example) = &finding.example {
        details.push(format!("for example check {example}"));
    }
    details.join(", ")
}

fn in_words(reason: &str) -> &str {
    match reason {
        "both_5xx" => "both sides answered the same 5xx",
        "refused" => "the candidate refused the connection",
        "timeout" => "the candidate gave no complete answer in time",
        "reset" => "the candidate broke the connection off",
        other => other,
    }
}

fn checks(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "check" } else { "checks" })
}

/// A number with commas between its thousands.
pub(in crate::demo) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A ratio in percent, cut and never rounded up: 99.999 % must not read as 100 %.
fn percent(ratio: f64) -> String {
    format!("{:.2}%", (ratio * 10_000.0).floor() / 100.0)
}

fn milliseconds(latency: Latency) -> String {
    match (latency.p50_ms, latency.p99_ms) {
        (Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1} ms"),
        _ => "-".to_owned(),
    }
}

/// Columns as wide as their widest cell, the first to the left and the others to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let _ = write!(text, "{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Place;
    use super::*;

    fn operation() -> OperationRow {
        serde_json::from_value(json!({
            "id": "getReturnLabel", "match": "GET /returns/{return_id}/label",
            "counts": {"requests": 1234567, "matched": 1200000, "unmatched": 34560, "failed": {"both_5xx": 1},
                       "skipped": {"queue_full": 6}, "in_flight": 0},
            "consistency": 0.999_999,
            "readiness": {"state": "ready"},
            "latency": {"legacy": {"p50_ms": 4.31, "p99_ms": 9.0}, "candidate": {"p50_ms": null, "p99_ms": null}},
        }))
        .unwrap()
    }

    #[test]
    fn the_table_lines_up_and_rounds_nothing_to_a_hundred_percent() {
        assert_eq!(
            table(&[operation()]),
            "\
operation        requests    matched  unmatched  failed  skipped  consistency  readiness  legacy p50/p99  candidate p50/p99
getReturnLabel  1,234,567  1,200,000     34,560       1        6       99.99%      ready    4.3 / 9.0 ms                  -
"
        );
    }

    #[test]
    fn a_fault_reads_like_a_bug_report() {
        let finding = Finding {
            operation_id: "getReturnLabel".to_owned(),
            place: Place::Latency,
            says: "leaves out $.body.carrier".to_owned(),
            checks: Some(312),
            comes_with: 2,
            example: Some("0a".to_owned()),
        };
        assert_eq!(
            bug_reports(&[operation()], &[finding]),
            "\
getReturnLabel  GET /returns/{return_id}/label
  1. the candidate leaves out $.body.carrier
     in 312 of 1,234,560 checks, these answers differ in 2 more places, for example check 0a
  1 check proved nothing: both sides answered the same 5xx
"
        );
        assert!(bug_reports(&[operation()], &[]).contains("  no fault found\n"));
    }
}
