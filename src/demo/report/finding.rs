//! From signatures to faults, and each in the words of a bug report.

use std::collections::BTreeSet;

use super::rows::{DifferenceRow, OperationRow, SampleRow, SignatureRow};

/// Where a fault shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the answers.
    Difference {
        /// `status`, `header`, `body` or `trailer`.
        part: String,
        /// The generalised place.
        path: String,
        /// How the sides differ there.
        kind: String,
    },
    /// In the time they take.
    Latency,
}

impl Place {
    /// A place in the answers.
    #[must_use]
    pub fn difference(part: &str, path: &str, kind: &str) -> Self {
        Self::Difference { part: part.to_owned(), path: path.to_owned(), kind: kind.to_owned() }
    }
}

/// One fault of the candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The operation in which it shows.
    pub operation_id: String,
    /// Where it shows.
    pub place: Place,
    /// What a bug report would say, without its subject, the candidate.
    pub says: String,
    /// In how many checks it was seen, where it is seen in single checks.
    pub checks: Option<u64>,
    /// Signatures that come with it and only with it: what else differs in an error answer.
    pub comes_with: usize,
    /// A check that shows it.
    pub example: Option<String>,
}

/// The faults of one operation, the most frequent first.
///
/// An answer with another status differs in its headers and body too. A signature whose every
/// sample has a difference of status, and which is no more frequent than that, is told with the
/// status; any other is told by itself, so none is lost.
#[must_use]
pub fn findings(operation: &OperationRow, signatures: &[SignatureRow]) -> Vec<Finding> {
    let status = signatures.iter().find(|signature| signature.part == "status");
    let (with_status, alone): (Vec<_>, Vec<_>) =
        signatures.iter().partition(|signature| status.is_some_and(|status| comes_with(signature, status)));
    let mut findings: Vec<_> = alone
        .into_iter()
        .map(|signature| {
            let comes_with = if signature.part == "status" { with_status.len() } else { 0 };
            finding(operation, signature, comes_with)
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.checks));
    findings.extend(slow_tail(operation));
    findings
}

fn comes_with(signature: &SignatureRow, status: &SignatureRow) -> bool {
    let has_status =
        |sample: &SampleRow| sample.differences.iter().any(|difference| difference.part == "status");
    signature.part != "status"
        && signature.count <= status.count
        && !signature.samples.is_empty()
        && signature.samples.iter().all(has_status)
}

fn finding(operation: &OperationRow, signature: &SignatureRow, comes_with: usize) -> Finding {
    Finding {
        operation_id: operation.id.clone(),
        place: Place::difference(&signature.part, &signature.path, &signature.kind),
        says: says(signature),
        checks: Some(signature.count),
        comes_with,
        example: signature.samples.first().map(|sample| sample.id.clone()),
    }
}

/// Slow is what takes more than three times as long as legacy and half a second more: closer
/// figures say as much about the machine that the demo runs on as about the candidate.
fn slow_tail(operation: &OperationRow) -> Option<Finding> {
    let (legacy, candidate) = (operation.latency.legacy.p99_ms?, operation.latency.candidate.p99_ms?);
    (candidate > 3.0 * legacy && candidate > legacy + 500.0).then(|| Finding {
        operation_id: operation.id.clone(),
        place: Place::Latency,
        says: format!("is slow at times: p99 {candidate:.0} ms where legacy takes {legacy:.0} ms"),
        checks: None,
        comes_with: 0,
        example: None,
    })
}

fn says(signature: &SignatureRow) -> String {
    let place = match signature.part.as_str() {
        "status" => return says_status(signature),
        "header" => format!("the header {}", field(&signature.path)),
        "trailer" => format!("the trailer {}", field(&signature.path)),
        _ => signature.path.clone(),
    };
    // Why and values are of one and the same check; the fault's own explanation is of another.
    let example = example(signature);
    let explanation = example.map_or(signature.explanation.as_ref(), |example| example.explanation.as_ref());
    let why = explanation.map(|why| format!(" ({why})")).unwrap_or_default();
    let both = example
        .and_then(|example| Some((example.legacy.as_deref()?, example.candidate.as_deref()?)))
        .map(|(legacy, candidate)| format!(": {candidate} where legacy has {legacy}"))
        .unwrap_or_default();
    match signature.kind.as_str() {
        "missing" => format!("leaves out {place}"),
        "extra" => format!("adds {place}"),
        "order" => format!("sends {place} in another order"),
        "type" => format!("sends another type at {place}{why}{both}"),
        "length" => format!("sends {place} in another length{why}"),
        "duplicate-key" => format!("repeats {place}"),
        "syntax" => format!("sends {place} in another format{why}"),
        _ => format!("sends another value for {place}{why}{both}"),
    }
}

fn says_status(signature: &SignatureRow) -> String {
    let pairs: BTreeSet<_> = signature
        .samples
        .iter()
        .flat_map(|sample| &sample.differences)
        .filter(|difference| difference.part == "status")
        .filter_map(|difference| Some((difference.candidate.as_deref()?, difference.legacy.as_deref()?)))
        .map(|(candidate, legacy)| format!("{candidate} where legacy answers {legacy}"))
        .collect();
    if pairs.is_empty() {
        return "answers with another status".to_owned();
    }
    format!("answers {}", pairs.into_iter().collect::<Vec<_>>().join(", "))
}

/// The newest sample's difference here.
fn example(signature: &SignatureRow) -> Option<&DifferenceRow> {
    let here = |difference: &&DifferenceRow| {
        difference.part == signature.part
            && difference.kind == signature.kind
            && generalised(&difference.path) == signature.path
    };
    signature.samples.iter().flat_map(|sample| &sample.differences).find(here)
}

/// The path with `[*]` for its indices, as signatures have it.
fn generalised(path: &str) -> String {
    let mut parts = path.split('[');
    let mut general = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (index, rest) = part.split_once(']').unwrap_or((part, ""));
        let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        general.push('[');
        general.push_str(if is_index { "*" } else { index });
        general.push(']');
        general.push_str(rest);
    }
    general
}

/// The name of a field from its path: `$.headers['x-a']` and `$.headers.location`.
fn field(path: &str) -> &str {
    let name = path.trim_start_matches("$.headers").trim_start_matches("$.trailers");
    name.trim_start_matches(['.', '[', '\'']).trim_end_matches(['\'', ']'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation(candidate_p99_ms: f64) -> OperationRow {
        serde_json::from_value(json!({
            "id": "getReturn", "match": "GET /returns/{return_id}", "stage": "shadow", "share": null,
            "counts": {"requests": 12, "matched": 2, "unmatched": 10, "failed": {}, "skipped": {}, "in_flight": 0},
            "consistency": 0.2, "target": 0.99,
            "readiness": {"state": "below", "more_matching_checks": null, "conditions": []},
            "latency": {
                "legacy": {"p50_ms": 4.0, "p99_ms": 9.0},
                "candidate": {"p50_ms": 2.0, "p99_ms": candidate_p99_ms},
            },
        }))
        .unwrap()
    }

    fn signature(
        part: &str,
        path: &str,
        kind: &str,
        count: u64,
        samples: &[serde_json::Value],
    ) -> SignatureRow {
        let samples: Vec<_> =
            samples.iter().map(|differences| json!({"id": "c1", "differences": differences})).collect();
        let row = json!({"part": part, "path": path, "kind": kind, "count": count, "samples": samples});
        serde_json::from_value(row).unwrap()
    }

    fn status() -> serde_json::Value {
        json!({"part": "status", "path": "$.status", "kind": "value", "legacy": "200", "candidate": "503"})
    }

    fn missing(path: &str) -> serde_json::Value {
        json!({"part": "body", "path": path, "kind": "missing", "legacy": "1", "candidate": null})
    }

    #[test]
    fn what_comes_with_a_status_is_told_with_it_and_nothing_else_is() {
        let broken = json!([status(), missing("$.body.id"), missing("$.body.b")]);
        let alone = json!([missing("$.body.b")]);
        let signatures = [
            signature("status", "$.status", "value", 4, std::slice::from_ref(&broken)),
            signature("body", "$.body.id", "missing", 4, std::slice::from_ref(&broken)),
            // Seen in error answers and in others: a fault of its own.
            signature("body", "$.body.b", "missing", 9, &[broken.clone(), alone]),
            // More often than the status, whatever the samples that were kept say.
            signature("body", "$.body.c", "missing", 5, &[broken]),
            // Nothing is known of it.
            signature("body", "$.body.d", "extra", 1, &[]),
        ];
        let found = findings(&operation(9.0), &signatures);
        let told: Vec<_> =
            found.iter().map(|finding| (finding.checks, finding.says.as_str(), finding.comes_with)).collect();
        assert_eq!(
            told,
            [
                (Some(9), "leaves out $.body.b", 0),
                (Some(5), "leaves out $.body.c", 0),
                (Some(4), "answers 503 where legacy answers 200", 1),
                (Some(1), "adds $.body.d", 0),
            ]
        );
    }

    #[test]
    fn a_slow_candidate_is_a_finding_and_a_busy_machine_is_none() {
        let found = findings(&operation(1240.0), &[]);
        assert_eq!(found[0].place, Place::Latency);
        assert_eq!(found[0].says, "is slow at times: p99 1240 ms where legacy takes 9 ms");
        assert_eq!(findings(&operation(505.0), &[]), []);
    }

    #[test]
    fn values_come_from_a_sample_of_the_same_place() {
        let other =
            json!({"part": "body", "path": "$.body.a", "kind": "value", "legacy": "x", "candidate": "y"});
        let here = json!({"part": "body", "path": "$.body.items[12].a", "kind": "value", "legacy": "1", "candidate": "2", "explanation": "doubled"});
        let mut row = signature("body", "$.body.items[*].a", "value", 1, &[json!([other, here])]);
        row.explanation = Some("rounded".to_owned());
        assert_eq!(
            findings(&operation(9.0), &[row])[0].says,
            "sends another value for $.body.items[*].a (doubled): 2 where legacy has 1"
        );
        let header = signature("header", "$.headers['x-frame-options']", "missing", 1, &[]);
        assert_eq!(findings(&operation(9.0), &[header])[0].says, "leaves out the header x-frame-options");
    }
}
