//! What the report reads of the public API's JSON: `/api/v1/operations`, and the signatures with
//! their samples. Whatever else the API says is ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An operation, as the API has it.
#[derive(Clone, Debug, Deserialize)]
pub struct OperationRow {
    /// Its name.
    pub id: String,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub matches: String,
    /// Its counts.
    pub counts: Counts,
    /// matched / (matched + unmatched), once there is any.
    pub consistency: Option<f64>,
    /// Whether it may be switched.
    pub readiness: Readiness,
    /// How long the sides take.
    pub latency: Latencies,
}

/// The counts of an operation.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Counts {
    /// All requests.
    pub requests: u64,
    /// Equal pairs.
    pub matched: u64,
    /// Pairs that differ.
    pub unmatched: u64,
    /// Checks that prove nothing, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Requests that were not checked, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Requests whose fate is open.
    pub in_flight: u64,
}

/// Whether an operation may be switched.
#[derive(Clone, Debug, Deserialize)]
pub struct Readiness {
    /// `gathering`, `below` or `ready`.
    pub state: String,
}

/// How long both sides take.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Latencies {
    /// The service that is being replaced.
    pub legacy: Latency,
    /// The service that replaces it.
    pub candidate: Latency,
}

/// How long one side takes, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Latency {
    /// Half of the answers take no longer.
    pub p50_ms: Option<f64>,
    /// 99 of 100 answers take no longer.
    pub p99_ms: Option<f64>,
}

/// A signature with its samples, as the API has it.
#[derive(Clone, Debug, Deserialize)]
pub struct SignatureRow {
    /// `status`, `header`, `body` or `trailer`.
    pub part: String,
    /// The generalised place.
    pub path: String,
    /// How the sides differ there.
    pub kind: String,
    /// The relation of the two values, where one is known.
    pub explanation: Option<String>,
    /// Checks in which it was seen.
    pub count: u64,
    /// A few of those checks.
    #[serde(default)]
    pub samples: Vec<SampleRow>,
}

/// One check, as far as the report needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct SampleRow {
    /// Its name, under which the UI shows it.
    pub id: String,
    /// All places in which its answers differ.
    pub differences: Vec<DifferenceRow>,
}

/// One place in which two answers differ.
#[derive(Clone, Debug, Deserialize)]
pub struct DifferenceRow {
    /// `status`, `header`, `body` or `trailer`.
    pub part: String,
    /// The place.
    pub path: String,
    /// How the sides differ there.
    pub kind: String,
    /// What legacy has.
    pub legacy: Option<String>,
    /// What the candidate has.
    pub candidate: Option<String>,
    /// The relation between the two, where one is known.
    pub explanation: Option<String>,
}
