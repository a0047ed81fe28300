//! What the API answers, as far as commands show it. A field that is missing or new is no reason
//! to fail: the server may be another version.

use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use parallax_core::readiness::Condition;
use serde::Deserialize;

use super::output::grouped;

/// An operation as `GET /api/v1/operations` tells it.
#[derive(Debug, Deserialize)]
pub(super) struct OperationView {
    pub(super) id: String,
    #[serde(rename = "match", default)]
    pub(super) matcher: String,
    pub(super) stage: String,
    #[serde(default)]
    pub(super) share: Option<String>,
    #[serde(default)]
    pub(super) counts: Counts,
    #[serde(default)]
    pub(super) target: String,
    pub(super) readiness: ReadinessView,
    #[serde(default)]
    pub(super) recheck: RecheckView,
    #[serde(default)]
    pub(super) latency: LatencyView,
    #[serde(default)]
    pub(super) version: Option<String>,
}

/// Requests of no operation, as `GET /api/v1/other` tells them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OtherView {
    pub(super) requests: u64,
    pub(super) suggestions: Vec<SuggestionView>,
    pub(super) more: u64,
}

/// What of an operation's description checks have met, as `GET /api/v1/operations/{id}/coverage` tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CoverageView {
    pub(super) documented: u64,
    pub(super) exercised: u64,
    pub(super) items: Vec<CoveredView>,
}

/// A name in the description of an operation.
#[derive(Debug, Deserialize)]
pub(super) struct CoveredView {
    pub(super) aspect: String,
    pub(super) name: String,
    pub(super) exercised: bool,
}

/// An operation that could be configured.
#[derive(Debug, Deserialize)]
pub(super) struct SuggestionView {
    pub(super) id: String,
    #[serde(rename = "match")]
    pub(super) matcher: String,
    pub(super) requests: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) matched: u64,
    pub(super) unmatched: u64,
    pub(super) failed: BTreeMap<String, u64>,
    pub(super) skipped: BTreeMap<String, u64>,
    pub(super) in_flight: u64,
}

/// What mismatches were when both sides were asked again.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecheckView {
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) shares: BTreeMap<String, f64>,
    pub(super) advice: Vec<String>,
}

impl Counts {
    pub(super) fn checks(&self) -> u64 {
        self.matched.saturating_add(self.unmatched)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ReadinessView {
    pub(super) state: String,
    /// None when no number would do.
    #[serde(default)]
    pub(super) more_matching_checks: Option<u64>,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LatencyView {
    pub(super) legacy: Option<Percentiles>,
    pub(super) candidate: Option<Percentiles>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Percentiles {
    #[serde(default)]
    pub(super) p50_ms: Option<f64>,
    #[serde(default)]
    pub(super) p99_ms: Option<f64>,
}

/// A signature with its counts, as the API tells it.
#[derive(Debug, Deserialize)]
pub(super) struct SignatureView {
    pub(super) id: String,
    #[serde(default)]
    pub(super) operation_id: String,
    pub(super) path: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) legacy_type: Option<String>,
    #[serde(default)]
    pub(super) candidate_type: Option<String>,
    #[serde(default)]
    pub(super) explanation: Option<String>,
    #[serde(default)]
    pub(super) count: u64,
    #[serde(default)]
    pub(super) reversed: u64,
    #[serde(default)]
    pub(super) noise: u64,
    #[serde(default)]
    pub(super) first_at: String,
    #[serde(default)]
    pub(super) last_at: String,
    #[serde(default)]
    pub(super) samples: Vec<parallax_core::report::Report>,
    #[serde(default)]
    pub(super) suggestions: Vec<parallax_core::suggest::Suggestion>,
}

/// An answer of RFC 9457, as one message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    title: Option<String>,
    detail: Option<String>,
    missing: Vec<Condition>,
    more_matching_checks: Option<u64>,
    current: Option<Current>,
}

/// Where an operation is now.
#[derive(Debug, Deserialize)]
struct Current {
    stage: String,
    #[serde(default)]
    share: Option<String>,
    #[serde(default)]
    revision: Option<u64>,
}

impl Problem {
    /// The problem in an answer, or the bare status.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        if problem.title.is_none() && problem.detail.is_none() {
            problem.title = Some(format!("the server answered {status}"));
        }
        problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The title is no more than the name of the status.
        f.write_str(self.detail.as_ref().or(self.title.as_ref()).map_or("", String::as_str))?;
        if let Some(current) = &self.current {
            write!(f, "\n  now: {}", stage_text(&current.stage, current.share.as_deref()))?;
            if let Some(revision) = current.revision {
                write!(f, " (revision {revision})")?;
            }
        }
        for Condition { name, value, limit, .. } in &self.missing {
            write!(f, "\n  missing: {name} is {value}, needs {}", demanded(name, limit))?;
        }
        match self.more_matching_checks {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n  {} more matching checks would do", grouped(more)),
        }
    }
}

/// A limit with its direction.
pub(super) fn demanded(name: &str, limit: &str) -> String {
    if Condition::is_at_most(name) { format!("at most {limit}") } else { format!("at least {limit}") }
}

/// `canary 5%`, or just the stage.
pub(super) fn stage_text(stage: &str, share: Option<&str>) -> String {
    match share {
        Some(share) if stage == "canary" => format!("{stage} {share}"),
        _ => stage.to_owned(),
    }
}
