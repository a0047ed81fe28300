//! What came of recorded checks, as one JSON object. Values are redacted as in a stored sample.

use parallax_core::verdict::Outcome;
use serde_json::{Value, json};

use crate::recordings::{Counts, Fault, FileCounts, OperationCounts};

pub(super) fn of(counts: &Counts) -> anyhow::Result<String> {
    let result = match () {
        () if counts.is_unreached() => "unreached",
        () if counts.is_met() => "met",
        () => "below",
    };
    let operation = |one: &OperationCounts| operation(one, counts);
    let object = json!({
        "result": result,
        "matched": counts.total(Outcome::Matched),
        "unmatched": counts.total(Outcome::Unmatched),
        "failed": counts.total(Outcome::Failed),
        "other": counts.other,
        "elsewhere": counts.elsewhere,
        "files": counts.files.iter().map(file).collect::<Vec<_>>(),
        "operations": counts.operations.iter().map(operation).collect::<Vec<_>>(),
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
}

fn file(file: &FileCounts) -> Value {
    let broken = |error: &parallax_core::posted::Malformed| {
        json!({
            "line": error.line,
            "column": error.column,
            "field": error.field,
            "problem": error.problem,
            "remedy": error.remedy,
        })
    };
    json!({
        "file": file.name,
        "format": file.format,
        "checks": file.checks,
        "unusable": file.unusable,
        "broken_total": file.broken_total,
        "broken": file.broken.iter().map(broken).collect::<Vec<_>>(),
    })
}

fn operation(one: &OperationCounts, counts: &Counts) -> Value {
    let consistency = (one.tally.checks() > 0).then(|| one.tally.consistency()).flatten();
    let fault = |fault: &&Fault| {
        json!({
            "signature": fault.signature,
            "count": fault.count,
            "file": counts.files.get(fault.first.file).map(|file| &file.name),
            "line": fault.first.line,
            "first": &*fault.report,
        })
    };
    json!({
        "id": one.operation.id,
        "match": one.operation.matcher.to_string(),
        "target": one.operation.target.consistency,
        "consistency": consistency,
        "met": one.is_met(),
        "counts": {
            "requests": one.tally.requests,
            "matched": one.tally.matched,
            "unmatched": one.tally.unmatched,
            "failed": one.tally.failed,
            "skipped": one.tally.skipped,
        },
        "differences": one.by_count().iter().map(fault).collect::<Vec<_>>(),
    })
}
