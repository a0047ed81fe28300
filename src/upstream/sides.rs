//! Both sides, as one thread reaches them.

use std::sync::Arc;

use parallax_core::exchange::Side;

use super::{Pool, PoolLimits, Upstream};

/// A side with this thread's connections to it.
#[derive(Clone)]
pub struct Access {
    /// The side as configured.
    pub upstream: Arc<Upstream>,
    /// The connections.
    pub pool: Arc<Pool>,
}

/// Both sides, as one thread reaches them.
pub struct Sides {
    /// The legacy side.
    pub legacy: Access,
    /// The candidate.
    pub candidate: Access,
}

impl Sides {
    /// Both sides, with no connection yet.
    #[must_use]
    pub fn new(legacy: &Arc<Upstream>, candidate: &Arc<Upstream>, limits: PoolLimits) -> Self {
        let access = |upstream: &Arc<Upstream>| Access {
            upstream: Arc::clone(upstream),
            pool: Pool::new(upstream, limits),
        };
        Self { legacy: access(legacy), candidate: access(candidate) }
    }

    /// Both sides after a change of the configuration: a side that is still the same keeps its
    /// connections, another begins with none. Requests on the old connections finish there.
    #[must_use]
    pub fn changed(&self, legacy: &Arc<Upstream>, candidate: &Arc<Upstream>, limits: PoolLimits) -> Self {
        let fresh = Self::new(legacy, candidate, limits);
        let kept = |before: &Access, fresh: Access| {
            if Arc::ptr_eq(&before.upstream, &fresh.upstream) { before.clone() } else { fresh }
        };
        Self { legacy: kept(&self.legacy, fresh.legacy), candidate: kept(&self.candidate, fresh.candidate) }
    }

    /// One of them.
    #[must_use]
    pub fn of(&self, side: Side) -> &Access {
        match side {
            Side::Legacy => &self.legacy,
            Side::Candidate => &self.candidate,
        }
    }
}
