//! An operation as the API shows it, and as the pages do: names and order are the contract's.

use std::collections::BTreeMap;

use parallax_core::coverage::Aspect;
use parallax_core::evidence::{Evidence, Known};
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;
use parallax_core::readiness::{Condition, Readiness};
use parallax_core::recheck::{Finding, advice, share};
use parallax_core::rule::RuleSpec;
use parallax_core::stage::{Share, StageName};
use parallax_core::suggest;
use parallax_core::tally::Tally;
use parallax_core::verdict::{Cause, Skip};
use serde::Serialize;

use crate::routing::Entry;
use crate::telemetry::{Latency, UnderLoad};

/// An operation with its counts, its stage and its readiness.
#[derive(Clone, Debug, Serialize)]
pub struct OperationView {
    /// Its name.
    pub id: OperationId,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub matcher: String,
    /// Where it is.
    pub stage: StageName,
    /// The share of clients that the candidate answers, in canary only.
    pub share: Option<Share>,
    /// Counts its changes of stage.
    pub revision: u64,
    /// Whether it is retired, and may go from the configuration; absent where it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// What became of its requests, over all restarts.
    pub counts: Counts,
    /// matched / (matched + unmatched), none before the first check.
    pub consistency: Option<f64>,
    /// The consistency that is demanded.
    pub target: Ratio,
    /// Whether it may move up.
    pub readiness: ReadinessView,
    /// How fast the sides answer.
    pub latency: Latencies,
    /// What its mismatches were when both sides were asked again.
    pub recheck: RecheckView,
    /// The candidate's version that readiness is told by; none where it has no name.
    pub version: Option<String>,
}

/// One operation with its rules.
#[derive(Clone, Debug, Serialize)]
pub struct DetailedView {
    /// The operation.
    #[serde(flatten)]
    pub operation: OperationView,
    /// What each version of the candidate has shown under the present rules, the newest first; absent
    /// where none has a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionView>,
    /// Its rules, in order; absent where it has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleView>,
    /// What is described of it; it has a path of its own in the API.
    #[serde(skip)]
    pub coverage: CoverageView,
    /// How the sides answer under load; this too.
    #[serde(skip)]
    pub load: Vec<UnderLoad>,
}

/// What the description of an operation promises, and what of it checks have met since the process started.
#[derive(Clone, Debug, Serialize)]
pub struct CoverageView {
    /// The operation.
    pub operation_id: String,
    /// Names in the description.
    pub documented: usize,
    /// Those among them that checks have met.
    pub exercised: usize,
    /// Each of them.
    pub items: Vec<CoveredView>,
}

/// A name in the description of an operation.
#[derive(Clone, Debug, Serialize)]
pub struct CoveredView {
    /// What it is a name of.
    pub aspect: Aspect,
    /// The name.
    pub name: String,
    /// Whether a check has met it.
    pub exercised: bool,
}

impl CoverageView {
    fn of(entry: &Entry) -> Self {
        let items = entry.operation.documented.items().map(|item| CoveredView {
            aspect: item.0,
            name: item.1.to_string(),
            exercised: entry.meter.has_met(item),
        });
        let items: Vec<CoveredView> = items.collect();
        Self {
            operation_id: entry.operation.id.to_string(),
            documented: items.len(),
            exercised: items.iter().filter(|item| item.exercised).count(),
            items,
        }
    }
}

/// What the checks of one version of the candidate have shown.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// Its name; none where it has none.
    pub version: Option<String>,
    /// Whether readiness is told by it.
    pub assessed: bool,
    /// Checks whose sides agree.
    pub matched: u64,
    /// Checks whose sides differ.
    pub unmatched: u64,
    /// Checks that are no evidence.
    pub failed: u64,
    /// Distinct requests (method, target, body) among the checks, within about 2 %.
    pub distinct_requests: u64,
}

impl VersionView {
    fn of(name: Option<&str>, evidence: &Evidence, assessed: bool) -> Self {
        Self {
            version: name.map(str::to_owned),
            assessed,
            matched: evidence.matched,
            unmatched: evidence.unmatched,
            failed: evidence.failed,
            distinct_requests: evidence.distinct_requests(),
        }
    }

    /// Of all versions under the present rules.
    fn all(entry: &Entry) -> Vec<Self> {
        let (evidences, assessed) = (entry.meter.evidences(), entry.meter.assessed().version);
        let rules = entry.meter.ground().rules;
        let of_rules = evidences.iter().filter(|known| known.key.rules == rules);
        let view = |known: &Known| {
            Self::of(known.key.version.name(), &known.evidence, known.key.version == assessed)
        };
        let mut all: Vec<Self> = of_rules.map(view).collect();
        if all.iter().all(|view| view.version.is_none()) {
            return Vec::new();
        }
        all.reverse();
        all
    }
}

/// A rule and what it did.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    /// The place.
    pub at: String,
    /// The word that says what it does there.
    pub rule: &'static str,
    /// Places where the sides had something different and the rule made it count for nothing, since
    /// the process started.
    pub masked: u64,
    /// Its argument as it is written.
    #[serde(skip)]
    pub argument: String,
}

impl DetailedView {
    /// An operation as it is now.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let rule = |(spec, masked): (&RuleSpec, u64)| RuleView {
            at: spec.at.clone(),
            rule: spec.action.as_str(),
            masked,
            argument: suggest::argument(&spec.action.argument()),
        };
        let rules = entry.operation.rules.specs().iter().zip(entry.meter.masked()).map(rule).collect();
        Self {
            operation: OperationView::of(entry),
            versions: VersionView::all(entry),
            rules,
            coverage: CoverageView::of(entry),
            load: entry.meter.under_load(),
        }
    }
}

/// `requests = matched + unmatched + failed + skipped + in_flight`.
#[derive(Clone, Debug, Serialize)]
pub struct Counts {
    /// Proxied requests and accepted posted checks.
    pub requests: u64,
    /// Checks whose sides agree.
    pub matched: u64,
    /// Checks whose sides differ.
    pub unmatched: u64,
    /// Checks that are no evidence, by reason.
    pub failed: BTreeMap<Cause, u64>,
    /// Requests that were not checked, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Being answered, queued, running or waiting for a recheck.
    pub in_flight: u64,
}

/// What mismatches were when both sides were asked again, over all restarts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecheckView {
    /// How many were what.
    pub counts: BTreeMap<Finding, u64>,
    /// The share of each: of those that were looked at again, and for `unconfirmed` of all.
    pub shares: BTreeMap<Finding, f64>,
    /// What a large share means, and what to do.
    pub advice: Vec<String>,
}

impl RecheckView {
    fn of(counts: &BTreeMap<Finding, u64>) -> Self {
        let shares = counts.keys().filter_map(|&finding| Some((finding, share(counts, finding)?)));
        Self { counts: counts.clone(), shares: shares.collect(), advice: advice(counts) }
    }
}

/// Whether an operation may move up, and what is missing.
#[derive(Clone, Debug, Serialize)]
pub struct ReadinessView {
    /// The summary.
    pub state: Readiness,
    /// How many more checks, all of them matching, would do; none when no number would.
    pub more_matching_checks: Option<u64>,
    /// Every condition.
    pub conditions: Vec<Condition>,
}

/// The latency of both sides since the process started.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latencies {
    /// Of legacy.
    pub legacy: Latency,
    /// Of the candidate.
    pub candidate: Latency,
}

impl OperationView {
    /// An operation as it is now.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let (in_flight, tally) = entry.meter.standing();
        let assessed = entry.meter.assessed();
        let assessment = entry.assess_by(&assessed, &tally);
        let readiness = ReadinessView {
            state: assessment.state,
            more_matching_checks: attainable(assessment.more_matching_checks),
            conditions: assessment.conditions,
        };
        Self {
            id: entry.operation.id.clone(),
            matcher: entry.operation.matcher.to_string(),
            stage: entry.stage.name(),
            share: entry.stage.share(),
            revision: entry.revision,
            retired: entry.retired,
            consistency: tally.consistency(),
            recheck: RecheckView::of(&tally.rechecks),
            counts: Counts::new(tally, in_flight),
            target: entry.operation.target.consistency,
            readiness,
            latency: Latencies {
                legacy: entry.meter.latency(Side::Legacy),
                candidate: entry.meter.latency(Side::Candidate),
            },
            version: assessed.version.name().map(str::to_owned),
        }
    }
}

impl Counts {
    fn new(tally: Tally, in_flight: u64) -> Self {
        Self {
            requests: tally.requests,
            matched: tally.matched,
            unmatched: tally.unmatched,
            failed: tally.failed,
            skipped: tally.skipped,
            in_flight,
        }
    }

    /// Checks that are no evidence.
    #[must_use]
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Requests that were not checked.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// Core says "no number of matches would do" as the largest number.
pub(super) fn attainable(more_matching_checks: u64) -> Option<u64> {
    (more_matching_checks != u64::MAX).then_some(more_matching_checks)
}
