//! The counters of one operation.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parallax_core::check::Check;
use parallax_core::coverage::Item;
use parallax_core::evidence::{Evidences, Key, Shown, Version};
use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::readiness::Percentiles;
use parallax_core::recheck::Finding;
use parallax_core::rollback::RollbackWhen;
use parallax_core::rule::RuleSpec;
use parallax_core::tally::{End, Tally};
use parallax_core::verdict::{Cause, Outcome, Part, Skip};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::latency::{Latency, Measured, latency};
use super::ledger::{Assessed, Ground, Ledger};
use super::load::{Load, UnderLoad};
use super::watched::{Did, Watched, Watching};
use super::{Alarms, Lasting, Ticket, Vectors};

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
    pub(super) counters: Arc<Counters>,
    /// One a rule, in the order of the rules.
    pub(super) masked: Vec<IntCounter>,
    labels: Vec<String>,
    /// What checks are evidence for.
    ground: Ground,
}

/// What is counted of an operation whatever its rules are, for as long as the process lives.
pub(super) struct Counters {
    lasting: Tally,
    /// What the process before this one counted after it had handed over.
    inherited: Mutex<Tally>,
    /// What the store has counted in its own transactions since the process started: it is among
    /// the counters below, and not to be written again.
    stored: Mutex<Tally>,
    /// Taken before the others, by whoever takes several.
    ledger: Mutex<Ledger>,
    measured: Mutex<Measured>,
    requests: Vec<IntCounter>,
    pub(super) outcomes: Vec<IntCounter>,
    pub(super) failed: Vec<IntCounter>,
    pub(super) skipped: Vec<IntCounter>,
    pub(super) rechecks: Vec<IntCounter>,
    pub(super) in_flight: IntGauge,
    pub(super) differences: Vec<IntCounter>,
    upstream: Vec<Histogram>,
    /// What of the operation's description checks have met. Locked by runners alone.
    met: Mutex<BTreeSet<Item>>,
    /// By operation, name and outcome; the names are configured.
    graphql: IntCounterVec,
    watched: Watched,
    /// Locked once a second, and by whoever looks.
    load: Mutex<Load>,
}

impl Counters {
    fn new(
        id: &OperationId,
        (lasting, inherited): (Lasting, Lasting),
        vectors: &Vectors,
        alarms: &Arc<Alarms>,
    ) -> Result<Self, prometheus::Error> {
        let watched = Watched::new(id, alarms);
        let id = id.as_str();
        let ledger = Ledger::new(lasting.evidence, &inherited.evidence);
        let (lasting, inherited) = (lasting.tally, inherited.tally);
        let resolve = |family: &IntCounterVec, words: &mut dyn Iterator<Item = &'static str>| {
            words.map(|word| family.get_metric_with_label_values(&[id, word])).collect::<Result<Vec<_>, _>>()
        };
        let histogram = |side: &Side| vectors.upstream.get_metric_with_label_values(&[id, side.as_str()]);
        let in_flight = vectors.in_flight.get_metric_with_label_values(&[id])?;
        // A request is written together with its fate, so what has none waits in the store.
        let waiting = lasting.requests.saturating_sub(lasting.settled());
        in_flight.add(i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(Self {
            lasting,
            inherited: Mutex::new(inherited),
            stored: Mutex::default(),
            ledger: Mutex::new(ledger),
            measured: Mutex::default(),
            requests: resolve(&vectors.requests, &mut AnsweredBy::ALL.iter().map(|by| by.as_str()))?,
            outcomes: resolve(&vectors.checks, &mut Outcome::ALL.iter().map(|outcome| outcome.as_str()))?,
            failed: resolve(&vectors.failed, &mut Cause::ALL.iter().map(|cause| cause.as_str()))?,
            skipped: resolve(&vectors.skipped, &mut Skip::ALL.iter().map(|skip| skip.as_str()))?,
            rechecks: resolve(&vectors.rechecks, &mut Finding::ALL.iter().map(|found| found.as_str()))?,
            in_flight,
            differences: resolve(&vectors.differences, &mut Part::ALL.iter().map(|part| part.as_str()))?,
            upstream: Side::ALL.iter().map(histogram).collect::<Result<_, _>>()?,
            met: Mutex::default(),
            graphql: vectors.graphql.clone(),
            load: Mutex::default(),
            watched,
        })
    }

    fn inherited(&self) -> MutexGuard<'_, Tally> {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts how a request ended.
    fn count(&self, end: End) {
        match end {
            End::Judged { outcome, cause } => {
                if let Some(cause) = cause {
                    self.failed[cause as usize].inc();
                }
                self.outcomes[outcome as usize].inc();
            }
            End::Skipped(skip) => self.skipped[skip as usize].inc(),
        }
    }
}

impl Meter {
    /// Counts a posted check that the store has accepted and counted.
    pub fn accepted(&self) {
        self.stored(|counters, stored| {
            counters.in_flight.inc();
            counters.requests[AnsweredBy::Posted as usize].inc();
            stored.requests += 1;
        });
    }

    /// Notes that the store has counted a request that was begun here.
    pub fn moved(&self) {
        self.stored(|_, stored| stored.requests += 1);
    }

    /// Counts how a check ended, and enters what it shows.
    pub(super) fn settled(&self, end: End, shown: &Shown) {
        let counters = &*self.counters;
        match end {
            End::Judged { .. } => {
                let mut ledger = counters.ledger();
                counters.count(end);
                ledger.enter(end, shown, &self.ground);
            }
            End::Skipped(_) => counters.count(end),
        }
        counters.in_flight.dec();
    }

    /// Counts how a check ended that the store had accepted, and has completed and counted.
    pub fn ended(&self, end: End, key: &Key, shown: &Shown) {
        self.counters.ledger().enter_written(end, key, shown);
        self.ended_unrun(end);
    }

    /// The same of one that was not run.
    pub fn ended_unrun(&self, end: End) {
        self.stored(|counters, stored| {
            counters.count(end);
            stored.add(&end.tally());
            counters.in_flight.dec();
        });
    }

    /// What a check of this operation is evidence for.
    #[must_use]
    pub fn key_of(&self, shown: &Shown) -> Key {
        self.counters.ledger().key_of(shown, &self.ground)
    }

    /// The evidence that readiness is told by.
    #[must_use]
    pub fn assessed(&self) -> Assessed {
        self.counters.ledger().assessed(&self.ground)
    }

    /// What every version has shown under the present rules and others.
    #[must_use]
    pub fn evidences(&self) -> Evidences {
        self.counters.ledger().known().clone()
    }

    /// What the checks are evidence for.
    #[must_use]
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    fn stored(&self, count: impl FnOnce(&Counters, &mut Tally)) {
        let counters = &*self.counters;
        count(counters, &mut counters.stored.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn new(
        id: &OperationId,
        counted: (Lasting, Lasting),
        (rules, ground): (&[RuleSpec], Ground),
        vectors: &Vectors,
        alarms: &Arc<Alarms>,
    ) -> Result<Self, prometheus::Error> {
        let counters = Arc::new(Counters::new(id, counted, vectors, alarms)?);
        Self::of(counters, id, (rules, ground), vectors)
    }

    fn of(
        counters: Arc<Counters>,
        id: &OperationId,
        (rules, ground): (&[RuleSpec], Ground),
        vectors: &Vectors,
    ) -> Result<Self, prometheus::Error> {
        counters.ledger().adopt(&ground);
        let labels = labels(rules);
        let by_label =
            |label: &String| vectors.rule_masked.get_metric_with_label_values(&[id.as_str(), label.as_str()]);
        Ok(Self { counters, masked: labels.iter().map(by_label).collect::<Result<_, _>>()?, labels, ground })
    }

    /// The meter under other rules, when these are others: all that is not counted by rule goes on,
    /// and what is counted by a rule that is gone is no longer shown.
    pub(super) fn under(
        &self,
        id: &OperationId,
        (rules, ground): (&[RuleSpec], Ground),
        vectors: &Vectors,
    ) -> Result<Option<Self>, prometheus::Error> {
        if labels(rules) == self.labels && ground == self.ground {
            return Ok(None);
        }
        let meter = Self::of(Arc::clone(&self.counters), id, (rules, ground), vectors)?;
        for gone in self.labels.iter().filter(|label| !meter.labels.contains(label)) {
            // Whoever is not there any more has been removed before.
            vectors.rule_masked.remove_label_values(&[id.as_str(), gone]).ok();
        }
        Ok(Some(meter))
    }

    /// Adds what the process before this one has counted late.
    pub(super) fn inherit(&self, late: &Lasting) {
        self.counters.ledger().inherit(&late.evidence);
        self.counters.inherited().add(&late.tally);
    }

    /// Counts a request whose answer begins, and gives the ticket on which its fate is written.
    pub fn begin(self: &Arc<Self>, by: AnsweredBy) -> Ticket {
        self.counters.in_flight.inc();
        self.counters.requests[by as usize].inc();
        Ticket::new(Arc::clone(self))
    }

    /// Records how long a side took from the request fully sent to the head of its answer.
    pub fn observe(&self, side: Side, latency: Duration) {
        self.counters.upstream[side as usize].observe(latency.as_secs_f64());
    }

    /// Counts a check under the name of the GraphQL operation that it is of.
    pub(super) fn count_named(&self, name: &str, outcome: Outcome, by: u64) {
        let labels = [self.counters.watched.id(), name, outcome.as_str()];
        // The number of labels is right.
        if let Ok(counter) = self.counters.graphql.get_metric_with_label_values(&labels) {
            counter.inc_by(by);
        }
    }

    /// Shows these names of GraphQL operations from the start.
    pub fn show_names<'n>(&self, names: impl Iterator<Item = &'n str>) {
        for name in names {
            Outcome::ALL.iter().for_each(|&outcome| self.count_named(name, outcome, 0));
        }
    }

    /// Looks at what both sides answer over stretches of this length.
    pub fn look_over(&self, over: Duration) {
        self.counters.watched.look_over(over);
    }

    /// An answer is slow from here on; none where that is not known.
    pub fn slow_from(&self, limit: Option<Duration>) {
        self.counters.watched.slow_from(limit);
    }

    /// What a request is watched by that is sent now.
    #[must_use]
    pub fn watching(&self, when: RollbackWhen) -> Watching {
        self.counters.watched.watching(when)
    }

    /// Notes how legacy did while no client is answered by the candidate.
    pub fn legacy_did(&self, did: Did) {
        self.counters.watched.legacy_alone(did);
    }

    /// Notes how a side did while the candidate answers clients, and raises the alarm where the candidate
    /// fails them.
    pub fn did(&self, side: Side, did: Did, watching: Watching) {
        self.counters.watched.note(side, did, watching);
    }

    /// Another candidate may be there from now on than that of which something is known.
    pub fn forget_candidate(&self) {
        self.counters.watched.forget_candidate();
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

    /// What is this process's to write: what it has counted, and what it has inherited, since it started;
    /// and what was shown since that was last written.
    pub(super) fn to_write(&self) -> Lasting {
        // No check is counted meanwhile, so that both are of the same checks.
        let mut ledger = self.counters.ledger();
        // A new version is noticed here, also while nobody looks.
        let version = ledger.assessed_version(&self.ground);
        self.counters.measured().follow(&version, &self.counters.upstream);
        let mut tally = self.counters.inherited().clone();
        // Held while the counters are read, so that nothing is between the two.
        let stored = self.counters.stored.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(&self.since_start().since(&stored));
        Lasting { tally, evidence: ledger.offer() }
    }

    /// What was shown is written, as far as it was read to be written.
    pub(super) fn written(&self) {
        self.counters.ledger().written();
    }

    /// The lasting counts: those of earlier processes and this one's.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = self.counters.lasting.clone();
        tally.add(&self.counters.inherited());
        tally.add(&self.since_start());
        tally
    }

    /// Notes what of its operation's description a check has met, both sides having answered.
    pub fn met(&self, check: &Check) {
        let documented = &check.operation.documented;
        if documented.is_empty() {
            return;
        }
        let mut met = self.counters.met.lock().unwrap_or_else(PoisonError::into_inner);
        for item in documented.met_by(&check.request, &check.answered.answer) {
            if !met.contains(item) {
                met.insert(item.clone());
            }
        }
    }

    /// Whether this of the operation's description was met by a check since the process started.
    #[must_use]
    pub fn has_met(&self, item: &Item) -> bool {
        self.counters.met.lock().unwrap_or_else(PoisonError::into_inner).contains(item)
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
        latency(&self.counters.upstream[side as usize])
    }

    /// Takes what has come since the last time to what is known of the sides under load.
    pub fn take_load(&self) {
        let mut load = self.counters.load.lock().unwrap_or_else(PoisonError::into_inner);
        load.take(Instant::now(), &self.counters.upstream, self.in_flight());
    }

    /// How both sides answered under which load, since this process started.
    #[must_use]
    pub fn under_load(&self) -> Vec<UnderLoad> {
        self.counters.load.lock().unwrap_or_else(PoisonError::into_inner).table()
    }

    /// Legacy's 99th percentile since the process started, where there are answers enough.
    #[must_use]
    pub fn percentile_of_legacy(&self) -> Option<Duration> {
        Measured::default().percentiles(&self.counters.upstream).legacy
    }

    /// How both sides' latencies compare since the candidate's present version came, where there are
    /// answers enough.
    #[must_use]
    pub fn percentiles(&self, version: &Version) -> Percentiles {
        let mut measured = self.counters.measured();
        measured.follow(version, &self.counters.upstream);
        measured.percentiles(&self.counters.upstream)
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
