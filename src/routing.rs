//! What a request meets: the router, for every operation its present stage, the settings in force
//! and the ways to the sides. One pointer is read per request; a change of stage or of the
//! configuration makes a new routing and swaps the pointer, so that the very next request sees it,
//! and a request in the middle keeps the plan it began with. No request meets the operations of one
//! configuration and the sides of another.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Method;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::readiness::{Assessment, Standing, assess};
use parallax_core::router::{Router, SameRequests};
use parallax_core::stage::Stage;
use parallax_core::tally::Tally;

use crate::config::Settings;
use crate::telemetry::{Assessed, Meter, Snapshot};
use crate::upstream::Reach;

/// The routing in force, shared by the proxy (reads) and the rollout (swaps).
pub type SharedRouting = Arc<ArcSwap<Routing>>;

/// An operation where it stands now.
#[derive(Clone)]
pub struct Entry {
    /// The operation as configured.
    pub operation: Arc<Operation>,
    /// Where it is.
    pub stage: Stage,
    /// Counts its changes of stage; the higher one is the newer.
    pub revision: u64,
    /// Whether it may be taken out of the configuration although it has moved.
    pub retired: bool,
    /// Its counters.
    pub meter: Arc<Meter>,
}

impl Entry {
    /// Whether the operation may move up, by what the candidate's present version has shown.
    #[must_use]
    pub fn assess(&self) -> Assessment {
        self.assess_by(&self.meter.assessed(), &self.meter.tally())
    }

    /// The same, by what was read before.
    #[must_use]
    pub fn assess_by(&self, assessed: &Assessed, tally: &Tally) -> Assessment {
        let latency = self.meter.percentiles(&assessed.version);
        assess(&Standing { evidence: &assessed.evidence, tally, latency }, &self.operation.target)
    }

    /// The operation's state for the metrics page.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let tally = self.meter.tally();
        let assessment = self.assess_by(&self.meter.assessed(), &tally);
        Snapshot {
            id: self.operation.id.clone(),
            stage: self.stage,
            consistency: tally.consistency(),
            bound: assessment.bound,
            target: self.operation.target.consistency,
            readiness: assessment.state,
        }
    }
}

/// The settings in force, and the ways to the sides that they name.
pub struct InForce {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The ways to the sides.
    pub reach: Arc<Reach>,
}

/// The router with every operation's present stage, and what else is in force.
#[derive(Clone)]
pub struct Routing {
    router: Arc<Router>,
    entries: Vec<Entry>,
    in_force: Arc<InForce>,
}

impl Routing {
    /// A routing over these operations, in the order of the configuration.
    ///
    /// # Errors
    /// When two operations match the same requests; the configuration has refused that before.
    pub fn new(entries: Vec<Entry>, in_force: InForce) -> Result<Self, SameRequests> {
        let mut router = Router::default();
        for (index, entry) in entries.iter().enumerate() {
            let matcher = &entry.operation.matcher;
            router.insert(matcher.method.clone(), &matcher.template, index)?;
        }
        Ok(Self { router: Arc::new(router), entries, in_force: Arc::new(in_force) })
    }

    /// The operation of a request; `path` is raw and without the query.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<&Entry> {
        self.entries.get(self.router.find(method, path)?)
    }

    /// The settings in force, and the ways to the sides.
    #[must_use]
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Every operation, in the order of the configuration.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An operation by its name.
    #[must_use]
    pub fn entry(&self, id: &OperationId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.operation.id == *id)
    }

    /// The same routing with one operation in another stage, and not retired.
    #[must_use]
    pub fn with_stage(&self, id: &OperationId, stage: Stage, revision: u64) -> Self {
        let mut changed = self.clone();
        if let Some(entry) = changed.entries.iter_mut().find(|entry| entry.operation.id == *id) {
            entry.stage = stage;
            entry.revision = revision;
            entry.retired = false;
        }
        changed
    }

    /// The same routing with one operation retired, or not.
    #[must_use]
    pub fn with_retired(mut self, id: &OperationId, retired: bool) -> Self {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.operation.id == *id) {
            entry.retired = retired;
        }
        self
    }
}
