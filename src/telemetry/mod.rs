//! What is counted and measured, and how Prometheus reads it.
//!
//! Every term of the conservation law `requests = matched + unmatched + failed + skipped +
//! in_flight` is counted where it happens, through the one [`Ticket`] that a request carries. All
//! handles are resolved when an operation is registered, so the hot path adds to atomics and
//! looks nothing up. Labels come from the configuration only, never from traffic.

mod alarms;
mod clients;
mod exposition;
mod latency;
mod ledger;
mod load;
mod meter;
mod method;
mod repairs;
mod saturation;
mod shapes;
mod ticket;
mod watched;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use parallax_core::evidence::Evidences;
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::rule::RuleSpec;
use parallax_core::tally::{End, Tally};
use parallax_core::wire::{Refusal, Repair};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

pub use alarms::Alarms;
pub use clients::ClientMetrics;
pub use exposition::{Format, Snapshot};
pub use latency::Latency;
pub use ledger::{Assessed, Ground};
pub use load::{AtLoad, UnderLoad};
pub use meter::{AnsweredBy, Meter};
pub use method::known_method;
pub use repairs::CountRepair;
pub use saturation::CopyGauges;
pub use shapes::OtherShapes;
pub use ticket::{Fate, Keeper, Settled, Ticket};
pub use watched::{Did, Watching};

use saturation::Saturation;

/// Upper bounds of the latency histogram, in seconds: fine enough below 10 ms to see a
/// millisecond, wide enough above to see a timeout.
const LATENCY_BUCKETS_S: [f64; 20] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.007_5, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
];

/// All metrics of this process.
pub struct Telemetry {
    registry: Registry,
    vectors: Vectors,
    /// What is counted of clients.
    pub clients: ClientMetrics,
    saturation: Saturation,
    /// Checks that wait for the other side's answer.
    pub queue_depth: IntGauge,
    /// Checks that wait in the store.
    pub stored_checks: IntGauge,
    /// 1 while the store does what it is asked to.
    pub store_healthy: IntGauge,
    /// 1 while the last reload of the configuration was accepted.
    pub config_reload_success: IntGauge,
    /// Lines of the access log that were not written.
    pub access_log_dropped: IntCounter,
    /// Spans that no collector got.
    pub spans_dropped: IntCounter,
    /// What requests of no operation looked like.
    pub other_shapes: OtherShapes,
    /// Operations whose candidate fails clients.
    pub alarms: Arc<Alarms>,
    meters: Mutex<Meters>,
    other: Other,
}

/// What outlives a process: counts, and what the checks among them have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// The counts.
    pub tally: Tally,
    /// What the checks have shown.
    pub evidence: Evidences,
}

impl From<Tally> for Lasting {
    fn from(tally: Tally) -> Self {
        Self { tally, evidence: Evidences::default() }
    }
}

impl Lasting {
    fn add(&mut self, later: &Self) {
        self.tally.add(&later.tally);
        ledger::add_all(&mut self.evidence, &later.evidence);
    }
}

/// The meters of all operations that were configured since the process started. One that is no
/// longer configured keeps its meter, and with it the place of what it still counts; it is shown
/// again, and goes on, when it comes back.
#[derive(Default)]
struct Meters {
    by_id: BTreeMap<OperationId, Arc<Meter>>,
    /// Late counts of the process before, of operations that this one never had.
    unknown: BTreeMap<OperationId, Lasting>,
    /// What the store has counted of operations that have no meter yet.
    ended: BTreeMap<OperationId, Tally>,
}

/// Requests that match no operation.
struct Other {
    legacy: IntCounter,
    candidate: IntCounter,
    parallax: IntCounter,
}

/// The metric families with labels.
struct Vectors {
    requests: IntCounterVec,
    checks: IntCounterVec,
    skipped: IntCounterVec,
    failed: IntCounterVec,
    rechecks: IntCounterVec,
    in_flight: IntGaugeVec,
    differences: IntCounterVec,
    rule_masked: IntCounterVec,
    graphql: IntCounterVec,
    repaired: IntCounterVec,
    upstream: HistogramVec,
    consistency: GaugeVec,
    bound: GaugeVec,
    target: GaugeVec,
    ready: IntGaugeVec,
    stage: IntGaugeVec,
    canary_share: GaugeVec,
}

impl Telemetry {
    /// Registers all families.
    ///
    /// # Errors
    /// When a family's name or labels are not valid, which only a change of this file can cause.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let vectors = Vectors::register(&registry)?;
        let clients = ClientMetrics::register(&registry, &Refusal::WORDS)?;
        let queue_depth =
            gauge(&registry, "parallax_queue_depth", "Checks waiting for the other side's answer.")?;
        let stored_checks = gauge(
            &registry,
            "parallax_stored_checks",
            "Checks that wait in the store for the other side's answer, those that run among them.",
        )?;
        let store_healthy = gauge(
            &registry,
            "parallax_store_healthy",
            "1 while the store does what it is asked to, else 0.",
        )?;
        store_healthy.set(1);
        let saturation = Saturation::register(&registry)?;
        let config_reload_success = gauge(
            &registry,
            "parallax_config_reload_success",
            "1 while the last reload of the configuration was accepted, else 0.",
        )?;
        config_reload_success.set(1);
        let access_log_dropped = counter(
            &registry,
            "parallax_access_log_dropped_total",
            "Lines of the access log that were not written: too many at once, or no place to write to.",
        )?;
        let spans_dropped = counter(
            &registry,
            "parallax_spans_dropped_total",
            "Spans that no collector got: too many at once, or none that took them.",
        )?;
        register_build_info(&registry)?;
        let other = |by: AnsweredBy| {
            vectors.requests.get_metric_with_label_values(&[OperationId::OTHER, by.as_str()])
        };
        let other = Other {
            legacy: other(AnsweredBy::Legacy)?,
            candidate: other(AnsweredBy::Candidate)?,
            parallax: other(AnsweredBy::Parallax)?,
        };
        Ok(Self {
            registry,
            vectors,
            clients,
            saturation,
            queue_depth,
            stored_checks,
            store_healthy,
            config_reload_success,
            access_log_dropped,
            spans_dropped,
            other_shapes: OtherShapes::default(),
            alarms: Arc::default(),
            meters: Mutex::default(),
            other,
        })
    }

    /// The meter of an operation with these rules, on this ground. `lasting` is what it had before this
    /// process started; that matters the first time only, because from then on the meter goes on.
    ///
    /// # Errors
    /// When the metrics library refuses the label values, which only a change of this file can
    /// cause.
    pub fn meter(
        &self,
        id: &OperationId,
        lasting: impl Into<Lasting>,
        rules: &[RuleSpec],
        ground: Ground,
    ) -> Result<Arc<Meter>, prometheus::Error> {
        let rules = (rules, ground);
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = match meters.by_id.get(id) {
            Some(meter) => match meter.under(id, rules, &self.vectors)? {
                Some(changed) => changed,
                None => return Ok(Arc::clone(meter)),
            },
            None => {
                let mut lasting = lasting.into();
                lasting.tally.add(&meters.ended.remove(id).unwrap_or_default());
                let inherited = meters.unknown.remove(id).unwrap_or_default();
                Meter::new(id, (lasting, inherited), rules, &self.vectors, &self.alarms)?
            }
        };
        let meter = Arc::new(meter);
        meters.by_id.insert(id.clone(), Arc::clone(&meter));
        Ok(meter)
    }

    /// Counts what is repaired in the answers of a side.
    ///
    /// # Errors
    /// When the metrics library refuses the label values, which only a change of this file can
    /// cause.
    pub fn repairs(&self, side: Side) -> Result<CountRepair, prometheus::Error> {
        let counter = |repair: &Repair| {
            self.vectors.repaired.get_metric_with_label_values(&[side.as_str(), repair.as_str()])
        };
        let counters: Vec<IntCounter> = Repair::ALL.iter().map(counter).collect::<Result<_, _>>()?;
        Ok(CountRepair::new(move |repair| counters[repair as usize].inc()))
    }

    /// What is this process's to write, of every operation: counts since it started, and what was shown
    /// since the last time that was [`written`](Self::written).
    #[must_use]
    pub fn to_write(&self) -> Vec<(OperationId, Lasting)> {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let known = meters.by_id.iter().map(|(id, meter)| (id.clone(), meter.to_write()));
        known.chain(meters.unknown.iter().map(|(id, late)| (id.clone(), late.clone()))).collect()
    }

    /// What was shown of these operations, when it was last to be written, is written.
    pub fn written<'o>(&self, ids: impl Iterator<Item = &'o OperationId>) {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            if let Some(meter) = meters.by_id.get(id) {
                meter.written();
            } else if let Some(late) = meters.unknown.get_mut(id) {
                late.evidence = Evidences::default();
            }
        }
    }

    /// Counts how a check ended that the store had accepted, and has completed and counted, and that was
    /// not run; also one of an operation that is not configured, and may be again.
    pub fn ended(&self, id: &OperationId, end: End) {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        match meters.by_id.get(id) {
            Some(meter) => meter.ended_unrun(end),
            None => meters.ended.entry(id.clone()).or_default().add(&end.tally()),
        }
    }

    /// Takes over what the process before this one has counted after it handed over. It is lasting
    /// from now on; the counters that Prometheus reads are each process's own.
    pub fn inherit(&self, id: &OperationId, late: &Lasting) {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        match meters.by_id.get(id) {
            Some(meter) => meter.inherit(late),
            None => meters.unknown.entry(id.clone()).or_default().add(late),
        }
    }

    /// What the copies to a side show.
    #[must_use]
    pub fn copies(&self, side: Side) -> CopyGauges {
        self.saturation.copies(side)
    }

    /// Shows the queue's bounds, and with each page how many bytes are held of them.
    pub fn watch_queue(&self, checks: usize, bytes: usize, held: impl Fn() -> usize + Send + Sync + 'static) {
        self.saturation.watch_queue(checks, bytes, Box::new(held));
    }

    /// Counts a request that matches no operation; one side is asked for it, and nobody in its place.
    pub fn count_other(&self, by: AnsweredBy) {
        match by {
            AnsweredBy::Parallax => self.other.parallax.inc(),
            AnsweredBy::Candidate => self.other.candidate.inc(),
            AnsweredBy::Legacy | AnsweredBy::Posted => self.other.legacy.inc(),
        }
    }

    /// Requests that matched no operation, since the process started.
    #[must_use]
    pub fn other_requests(&self) -> u64 {
        self.other.legacy.get() + self.other.candidate.get() + self.other.parallax.get()
    }
}

impl Vectors {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: counters(
                registry,
                "parallax_requests_total",
                "Requests and accepted posted checks, by who answered.",
                &["operation_id", "answered_by"],
            )?,
            checks: counters(
                registry,
                "parallax_checks_total",
                "Checks by outcome.",
                &["operation_id", "outcome"],
            )?,
            skipped: counters(
                registry,
                "parallax_checks_skipped_total",
                "Requests that were not checked, by reason.",
                &["operation_id", "reason"],
            )?,
            failed: counters(
                registry,
                "parallax_checks_failed_total",
                "Checks that are no evidence, by reason.",
                &["operation_id", "reason"],
            )?,
            rechecks: counters(
                registry,
                "parallax_rechecks_total",
                "Mismatches that were to be looked at again, by what that said.",
                &["operation_id", "result"],
            )?,
            in_flight: gauges(
                registry,
                "parallax_checks_in_flight",
                "Requests being answered, and checks queued, running or waiting for a recheck.",
                &["operation_id"],
            )?,
            differences: counters(
                registry,
                "parallax_differences_total",
                "Places where the sides disagreed, by part of the answer.",
                &["operation_id", "part"],
            )?,
            graphql: counters(
                registry,
                "parallax_graphql_checks_total",
                "Checks by the configured name of the GraphQL operation, and by outcome.",
                &["operation_id", "name", "outcome"],
            )?,
            rule_masked: counters(
                registry,
                "parallax_rule_masked_total",
                "Places where the sides had something different and a rule made it count for nothing.",
                &["operation_id", "rule"],
            )?,
            repaired: counters(
                registry,
                "parallax_answers_repaired_total",
                "Answers whose head was repaired before it was passed on, by side and kind of repair.",
                &["side", "repair"],
            )?,
            upstream: histograms(registry)?,
            consistency: ratios(
                registry,
                "parallax_consistency_ratio",
                "matched / (matched + unmatched), lasting.",
                &["operation_id"],
            )?,
            bound: ratios(
                registry,
                "parallax_consistency_bound_ratio",
                "Consistency that is proven with the confidence that is asked for, of the candidate's present version.",
                &["operation_id"],
            )?,
            target: ratios(
                registry,
                "parallax_target_ratio",
                "Consistency at which the operation may be switched.",
                &["operation_id"],
            )?,
            ready: gauges(
                registry,
                "parallax_ready",
                "1 when every condition for moving up is met, else 0.",
                &["operation_id"],
            )?,
            stage: gauges(
                registry,
                "parallax_stage",
                "1 for the operation's present stage, else 0.",
                &["operation_id", "stage"],
            )?,
            canary_share: ratios(
                registry,
                "parallax_canary_share_ratio",
                "Share of clients that the candidate answers.",
                &["operation_id"],
            )?,
        })
    }
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn ratios(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    let family = GaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn histograms(registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(
        "parallax_upstream_duration_seconds",
        "From the request fully sent to the head of the answer, by side.",
    )
    .buckets(LATENCY_BUCKETS_S.to_vec());
    let family = HistogramVec::new(options, &["operation_id", "side"])?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn register_build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let options = Opts::new("parallax_build_info", "1, with the version of this build.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let info = IntGauge::with_opts(options)?;
    info.set(1);
    registry.register(Box::new(info))
}

#[cfg(test)]
mod tests;
