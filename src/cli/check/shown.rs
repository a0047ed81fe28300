//! What came of recorded checks, for reading.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::super::output::{Paint, Table, Tone, grouped, in_short, one_line, tallied};
use crate::recordings::{Counts, Fault, FileCounts, OperationCounts};

/// Faults that are listed of an operation; the others are counted.
const LISTED: usize = 10;

pub(super) fn of(counts: &Counts, paint: Paint) -> String {
    let mut text = files(&counts.files).render(paint);
    text.push('\n');
    text.push_str(&operations(counts).render(paint));
    for (count, what) in [
        (counts.other, "belong to no operation and were not sent"),
        (counts.elsewhere, "were recorded at another host and were not sent"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{} {what}", grouped(count));
        }
    }
    for operation in counts.operations.iter().filter(|operation| !operation.faults.is_empty()) {
        text.push_str(&faults(operation, counts, paint));
    }
    text
}

fn files(files: &[FileCounts]) -> Table {
    let mut table = Table::default();
    table.row(["FILE", "FORMAT", "CHECKS", "UNUSABLE", "BROKEN"].map(|name| (Tone::Faint, name.to_owned())));
    for file in files {
        let broken = if file.broken_total > 0 { Tone::Bad } else { Tone::Plain };
        table.row([
            (Tone::Plain, file.name.clone()),
            (Tone::Plain, file.format.to_string()),
            (Tone::Plain, grouped(file.checks)),
            (Tone::Plain, by_reason(&file.unusable)),
            (broken, grouped(file.broken_total)),
        ]);
    }
    table
}

fn operations(counts: &Counts) -> Table {
    const HEAD: [&str; 8] =
        ["OPERATION", "MATCHED", "UNMATCHED", "FAILED", "SKIPPED", "CONSISTENCY", "TARGET", "RESULT"];
    let mut table = Table::default();
    table.row(HEAD.map(|name| (Tone::Faint, name.to_owned())));
    for one in counts.operations.iter().filter(|one| one.tally.requests > 0) {
        let result = match one.is_met() {
            Some(true) => (Tone::Good, "met"),
            Some(false) => (Tone::Bad, "below"),
            None => (Tone::Faint, "not checked"),
        };
        table.row([
            (Tone::Plain, one.operation.id.to_string()),
            (Tone::Plain, grouped(one.tally.matched)),
            (Tone::Plain, grouped(one.tally.unmatched)),
            (Tone::Plain, by_reason(&one.tally.failed)),
            (Tone::Plain, by_reason(&one.tally.skipped)),
            (Tone::Plain, one.consistency().map_or("–".to_owned(), |ratio| ratio.to_string())),
            (Tone::Plain, one.operation.target.consistency.to_string()),
            (result.0, result.1.to_owned()),
        ]);
    }
    table
}

pub(in super::super) fn by_reason<R: Display>(counts: &BTreeMap<R, u64>) -> String {
    let named: BTreeMap<String, u64> =
        counts.iter().map(|(reason, count)| (reason.to_string(), *count)).collect();
    Some(tallied(&named)).filter(|text| !text.is_empty()).unwrap_or("–".to_owned())
}

fn faults(operation: &OperationCounts, counts: &Counts, paint: Paint) -> String {
    let faults = operation.by_count();
    let kinds = if faults.len() == 1 { "kind" } else { "kinds" };
    let mut text = format!("\n{}: {} {kinds} of difference\n", operation.operation.id, faults.len());
    for one in faults.iter().take(LISTED) {
        text.push('\n');
        let file = counts.files.get(one.first.file).map_or("", |file| &file.name);
        text.push_str(&fault(one, &format!("first at {file}:{}", one.first.line), paint));
    }
    if let Some(rest @ 1..) = faults.len().checked_sub(LISTED) {
        let _ = writeln!(text, "\n… and {rest} more; see them with `--json`");
    }
    text
}

/// A fault as `parallax differences` tells it, with the place of the first request that shows it.
pub(in super::super) fn fault(fault: &Fault, place: &str, paint: Paint) -> String {
    let signature = &fault.signature;
    let side = |kind: Option<parallax_core::verdict::ValueType>| kind.map_or("nothing", |kind| kind.as_str());
    let types =
        format!("legacy {}, candidate {}", side(signature.legacy_type), side(signature.candidate_type));
    let explanation = signature.explanation.as_ref().map_or(String::new(), |text| format!("; {text}"));
    let counted = paint.text(Tone::Bad, &format!("{} ×", grouped(fault.count)));
    let what = one_line(&format!("{}  {}: {types}{explanation}", signature.path, signature.kind));
    let mut text = format!("{counted}  {what}\n");
    let own = fault.report.differences.iter().find(|one| one.signature == signature.id);
    let request = fault
        .report
        .sample
        .as_ref()
        .map_or(String::new(), |sample| format!(": {} {}", sample.request.method, sample.request.target));
    let place = one_line(&format!("     {place}{request}"));
    let _ = writeln!(text, "{}", paint.text(Tone::Faint, &place));
    if let Some(own) = own {
        let _ = writeln!(text, "     legacy     {}", in_short(own.legacy.as_deref()));
        let _ = writeln!(text, "     candidate  {}", in_short(own.candidate.as_deref()));
    }
    text
}
