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

impl Access {
    /// A side, with no connection yet.
    fn new(upstream: &Arc<Upstream>, limits: PoolLimits) -> Self {
        Self { upstream: Arc::clone(upstream), pool: Pool::new(upstream, limits) }
    }
}

/// Both sides, as one thread reaches them.
pub struct Sides {
    /// The legacy side.
    pub legacy: Access,
    /// The candidate.
    pub candidate: Access,
    /// A second legacy instance, which is asked to learn where legacy differs from itself.
    pub secondary: Option<Access>,
}

impl Sides {
    /// Both sides, with no connection yet.
    #[must_use]
    pub fn new(legacy: &Arc<Upstream>, candidate: &Arc<Upstream>, limits: PoolLimits) -> Self {
        let access = |upstream| Access::new(upstream, limits);
        Self { legacy: access(legacy), candidate: access(candidate), secondary: None }
    }

    /// Both sides after a change of the configuration: a side that is still the same keeps its
    /// connections, another begins with none. Requests on the old connections finish there.
    #[must_use]
    pub fn changed(&self, legacy: &Arc<Upstream>, candidate: &Arc<Upstream>, limits: PoolLimits) -> Self {
        let fresh = Self::new(legacy, candidate, limits);
        let kept = |before: &Access, fresh: Access| {
            if Arc::ptr_eq(&before.upstream, &fresh.upstream) { before.clone() } else { fresh }
        };
        let legacy = kept(&self.legacy, fresh.legacy);
        Self { legacy, candidate: kept(&self.candidate, fresh.candidate), secondary: None }
    }

    /// Both sides and a second legacy instance. Where `before` had the same one, its connections stay.
    #[must_use]
    pub fn with_secondary(
        &self,
        secondary: &Arc<Upstream>,
        before: Option<&Self>,
        limits: PoolLimits,
    ) -> Self {
        let kept = before.and_then(|before| before.secondary.clone());
        let kept = kept.filter(|kept| Arc::ptr_eq(&kept.upstream, secondary));
        let secondary = kept.unwrap_or_else(|| Access::new(secondary, limits));
        Self { legacy: self.legacy.clone(), candidate: self.candidate.clone(), secondary: Some(secondary) }
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
