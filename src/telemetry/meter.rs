//! The counters of one operation, and the ticket that makes sure each request is counted once in
//! every term it belongs to.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parallax_core::exchange::Side;
use parallax_core::judge::Judged;
use parallax_core::operation::OperationId;
use parallax_core::recheck::Finding;
use parallax_core::rule::RuleSpec;
use parallax_core::tally::Tally;
use parallax_core::verdict::{Cause, Outcome, Part, Skip, Verdict};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Vectors;

/// Who gave the client its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The legacy side.
    Legacy,
    /// The candidate.
    Candidate,
    /// This proxy, because the answering side gave none.
    Parallax,
    /// Nobody here: the check was posted.
    Posted,
}

impl AnsweredBy {
    const ALL: [Self; 4] = [Self::Legacy, Self::Candidate, Self::Parallax, Self::Posted];

    /// The value of the metric label `answered_by`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Candidate => "candidate",
            Self::Parallax => "parallax",
            Self::Posted => "posted",
        }
    }
}

impl From<Side> for AnsweredBy {
    fn from(side: Side) -> Self {
        match side {
            Side::Legacy => Self::Legacy,
            Side::Candidate => Self::Candidate,
        }
    }
}

/// The counters of one operation under the rules of one configuration.
pub struct Meter {
    /// The same for all configurations of this operation.
    counters: Arc<Counters>,
    /// One a rule, in the order of the rules.
    masked: Vec<IntCounter>,
    labels: Vec<String>,
}

/// What is counted of an operation whatever its rules are, for as long as the process lives.
struct Counters {
    lasting: Tally,
    /// What the process before this one counted after it had handed over.
    inherited: Mutex<Tally>,
    requests: Vec<IntCounter>,
    outcomes: Vec<IntCounter>,
    failed: Vec<IntCounter>,
    skipped: Vec<IntCounter>,
    rechecks: Vec<IntCounter>,
    in_flight: IntGauge,
    differences: Vec<IntCounter>,
    upstream: Vec<Histogram>,
}

/// Quantiles of one side's latency since the process started, estimated from the histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Latency {
    /// Median in milliseconds, none before the first answer.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds, none before the first answer.
    pub p99_ms: Option<f64>,
}

impl Counters {
    fn new(id: &str, lasting: Tally, inherited: Tally, vectors: &Vectors) -> Result<Self, prometheus::Error> {
        let resolve = |family: &IntCounterVec, words: &mut dyn Iterator<Item = &'static str>| {
            words.map(|word| family.get_metric_with_label_values(&[id, word])).collect::<Result<Vec<_>, _>>()
        };
        let histogram = |side: &Side| vectors.upstream.get_metric_with_label_values(&[id, side.as_str()]);
        Ok(Self {
            lasting,
            inherited: Mutex::new(inherited),
            requests: resolve(&vectors.requests, &mut AnsweredBy::ALL.iter().map(|by| by.as_str()))?,
            outcomes: resolve(&vectors.checks, &mut Outcome::ALL.iter().map(|outcome| outcome.as_str()))?,
            failed: resolve(&vectors.failed, &mut Cause::ALL.iter().map(|cause| cause.as_str()))?,
            skipped: resolve(&vectors.skipped, &mut Skip::ALL.iter().map(|skip| skip.as_str()))?,
            rechecks: resolve(&vectors.rechecks, &mut Finding::ALL.iter().map(|found| found.as_str()))?,
            in_flight: vectors.in_flight.get_metric_with_label_values(&[id])?,
            differences: resolve(&vectors.differences, &mut Part::ALL.iter().map(|part| part.as_str()))?,
            upstream: Side::ALL.iter().map(histogram).collect::<Result<_, _>>()?,
        })
    }

    fn inherited(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    pub(super) fn new(
        id: &OperationId,
        lasting: Tally,
        inherited: Tally,
        rules: &[RuleSpec],
        vectors: &Vectors,
    ) -> Result<Self, prometheus::Error> {
        let counters = Arc::new(Counters::new(id.as_str(), lasting, inherited, vectors)?);
        Self::of(counters, id, rules, vectors)
    }

    fn of(
        counters: Arc<Counters>,
        id: &OperationId,
        rules: &[RuleSpec],
        vectors: &Vectors,
    ) -> Result<Self, prometheus::Error> {
        let labels = labels(rules);
        let by_label =
            |label: &String| vectors.rule_masked.get_metric_with_label_values(&[id.as_str(), label.as_str()]);
        Ok(Self { counters, masked: labels.iter().map(by_label).collect::<Result<_, _>>()?, labels })
    }

    /// The meter under other rules, when these are others: all that is not counted by rule goes on,
    /// and what is counted by a rule that is gone is no longer shown.
    pub(super) fn under(
        &self,
        id: &OperationId,
        rules: &[RuleSpec],
        vectors: &Vectors,
    ) -> Result<Option<Self>, prometheus::Error> {
        if labels(rules) == self.labels {
            return Ok(None);
        }
        let meter = Self::of(Arc::clone(&self.counters), id, rules, vectors)?;
        for gone in self.labels.iter().filter(|label| !meter.labels.contains(label)) {
            // Whoever is not there any more has been removed before.
            vectors.rule_masked.remove_label_values(&[id.as_str(), gone]).ok();
        }
        Ok(Some(meter))
    }

    /// Adds what the process before this one has counted late.
    pub(super) fn inherit(&self, late: &Tally) {
        self.counters.inherited().add(late);
    }

    /// Counts a request whose answer begins, and gives the ticket on which its fate is written.
    pub fn begin(self: &Arc<Self>, by: AnsweredBy) -> Ticket {
        self.counters.in_flight.inc();
        self.counters.requests[by as usize].inc();
        Ticket { meter: Some(Arc::clone(self)), fate: None }
    }

    /// Records how long a side took from the request fully sent to the head of its answer.
    pub fn observe(&self, side: Side, latency: Duration) {
        self.counters.upstream[side as usize].observe(latency.as_secs_f64());
    }

    /// What was counted since this process started.
    #[must_use]
    pub fn since_start(&self) -> Tally {
        let counters = &*self.counters;
        Tally {
            requests: counters.requests.iter().map(IntCounter::get).sum(),
            matched: counters.outcomes[Outcome::Matched as usize].get(),
            unmatched: counters.outcomes[Outcome::Unmatched as usize].get(),
            failed: counted(Cause::ALL, &counters.failed),
            skipped: counted(Skip::ALL, &counters.skipped),
            rechecks: counted(Finding::ALL, &counters.rechecks),
        }
    }

    /// What is this process's to write: what it has counted, and what it has inherited.
    pub(super) fn to_write(&self) -> Tally {
        let mut tally = self.counters.inherited().clone();
        tally.add(&self.since_start());
        tally
    }

    /// The lasting counts: those of earlier processes and this one's.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = self.counters.lasting.clone();
        tally.add(&self.to_write());
        tally
    }

    /// Requests being answered, and checks queued, running or waiting for a recheck.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.counters.in_flight.get()).unwrap_or(0)
    }

    /// What each rule has masked since this process started, in the order of the rules.
    pub fn masked(&self) -> impl Iterator<Item = u64> + '_ {
        self.masked.iter().map(IntCounter::get)
    }

    /// What is in flight and the lasting counts, read in this order: a ticket is counted before it
    /// leaves the flight, so whoever sees nothing in flight sees every count that led there.
    #[must_use]
    pub fn standing(&self) -> (u64, Tally) {
        let in_flight = self.in_flight();
        (in_flight, self.tally())
    }

    /// A side's latency.
    #[must_use]
    pub fn latency(&self, side: Side) -> Latency {
        let histogram = &self.counters.upstream[side as usize];
        Latency { p50_ms: quantile_ms(histogram, 0.5), p99_ms: quantile_ms(histogram, 0.99) }
    }
}

/// The values of the metric label `rule`.
fn labels(rules: &[RuleSpec]) -> Vec<String> {
    rules.iter().map(|rule| format!("{} {}", rule.action.as_str(), rule.at)).collect()
}

fn counted<K: Copy + Ord>(labels: &[K], counters: &[IntCounter]) -> std::collections::BTreeMap<K, u64> {
    let pairs = labels.iter().copied().zip(counters.iter().map(IntCounter::get));
    pairs.filter(|&(_, count)| count > 0).collect()
}

/// The quantile by linear interpolation within its bucket, as Prometheus's `histogram_quantile`
/// estimates it, so that page and dashboard agree.
#[expect(clippy::cast_precision_loss, reason = "an estimate of a latency")]
fn quantile_ms(histogram: &Histogram, quantile: f64) -> Option<f64> {
    use prometheus::core::Metric;

    let metric = histogram.metric();
    let data = metric.get_histogram();
    let total = data.get_sample_count();
    if total == 0 {
        return None;
    }
    let rank = quantile * total as f64;
    let (mut lower_s, mut below) = (0.0, 0.0);
    for bucket in data.get_bucket() {
        let (upper_s, within) = (bucket.upper_bound(), bucket.cumulative_count() as f64);
        if within >= rank {
            if upper_s.is_infinite() {
                return Some(lower_s * 1000.0);
            }
            let share = if within > below { (rank - below) / (within - below) } else { 1.0 };
            return Some((lower_s + (upper_s - lower_s) * share) * 1000.0);
        }
        (lower_s, below) = (upper_s, within);
    }
    Some(lower_s * 1000.0)
}

/// One request's place in the counts: in flight until its fate is known, then in exactly one
/// other term. A ticket that is dropped without a fate counts as skipped `overload`: whatever
/// held it was given up by this node.
#[must_use]
pub struct Ticket {
    meter: Option<Arc<Meter>>,
    fate: Option<Arc<Fate>>,
}

/// Where a ticket says why its request was not checked, for whoever wants to know of this one
/// request: the access log, a trace.
#[derive(Debug, Default)]
pub struct Fate(AtomicU8);

impl Fate {
    /// Why the request was skipped; none while it may still be checked, and once it was.
    #[must_use]
    pub fn skipped(&self) -> Option<Skip> {
        let place = self.0.load(Ordering::Relaxed);
        Skip::ALL.get(usize::from(place).checked_sub(1)?).copied()
    }

    fn skip(&self, reason: Skip) {
        self.0.store(reason as u8 + 1, Ordering::Relaxed);
    }
}

impl Ticket {
    /// Has the ticket's fate told here too.
    pub fn tell(&mut self, fate: &Arc<Fate>) {
        self.fate = Some(Arc::clone(fate));
    }

    /// The request is not checked.
    pub fn skip(mut self, reason: Skip) {
        self.skipped(reason);
    }

    fn skipped(&mut self, reason: Skip) {
        if let Some(fate) = self.fate.take() {
            fate.skip(reason);
        }
        self.settle(|meter| meter.counters.skipped[reason as usize].inc());
    }

    /// The check was judged.
    pub fn judged(self, judged: &Judged) {
        self.decided(judged, None);
    }

    /// The check is a mismatch that was to be looked at again, and this came of it.
    pub fn rechecked(self, judged: &Judged, finding: Finding) {
        self.decided(judged, Some(finding));
    }

    fn decided(mut self, judged: &Judged, finding: Option<Finding>) {
        let Judged { verdict, masked } = judged;
        self.settle(|meter| {
            if let Some(finding) = finding {
                meter.counters.rechecks[finding as usize].inc();
            }
            for (counter, &places) in meter.masked.iter().zip(masked) {
                counter.inc_by(places.into());
            }
            match verdict {
                Verdict::Matched(_) => {}
                Verdict::Unmatched(differences) => {
                    for difference in &differences.kept {
                        meter.counters.differences[difference.part as usize].inc();
                    }
                }
                Verdict::Failed(cause) => meter.counters.failed[*cause as usize].inc(),
            }
            meter.counters.outcomes[verdict.outcome() as usize].inc();
        });
    }

    /// Records a side's latency for the request.
    pub fn observe(&self, side: Side, latency: Duration) {
        if let Some(meter) = &self.meter {
            meter.observe(side, latency);
        }
    }

    fn settle(&mut self, count: impl FnOnce(&Meter)) {
        if let Some(meter) = self.meter.take() {
            count(&meter);
            meter.counters.in_flight.dec();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.meter.is_some() {
            self.skipped(Skip::Overload);
        }
    }
}
