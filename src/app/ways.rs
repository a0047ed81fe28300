//! How many threads there are, and how the connections to the sides are kept.

use std::sync::Arc;
use std::time::Duration;

use parallax_core::exchange::Side;

use super::{StartError, threads};
use crate::config::{self, Settings};
use crate::telemetry::Telemetry;
use crate::upstream::{Kept, PoolLimits, Reach, Threads, Upstream};

/// How long a connection to a side is kept; below the 5 s after which common servers close theirs.
const IDLE_FOR: Duration = Duration::from_secs(4);
/// How long a connection to a side with a name is used before the name is looked up again.
const KEEP_FOR: Duration = Duration::from_secs(30);
/// How long making a connection to a side may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections to a side that a data thread keeps.
const KEPT: usize = 1024;

/// The ways to the sides of a first configuration.
pub(super) fn reach(settings: &Settings, telemetry: &Telemetry) -> Result<Reach, StartError> {
    let legacy = upstream(Side::Legacy, &settings.legacy, telemetry)?;
    let candidate = upstream(Side::Candidate, &settings.candidate, telemetry)?;
    let reach =
        Reach::new(legacy, candidate, settings.candidate.max_in_flight, threads(settings), pool_limits);
    let secondary = settings.secondary.as_ref();
    let secondary = secondary.map(|wanted| upstream(Side::Legacy, wanted, telemetry)).transpose()?;
    Ok(reach.with_secondary(secondary, None, pool_limits))
}

/// The ways after a change from `before` to `settings`.
pub(super) fn changed(
    reach: &Reach,
    before: &Settings,
    settings: &Settings,
    telemetry: &Telemetry,
) -> Result<Reach, StartError> {
    let side = |side, before: &config::Upstream, wanted: &config::Upstream| {
        let stays = before == wanted;
        if stays { Ok(Arc::clone(reach.upstream(side))) } else { upstream(side, wanted, telemetry) }
    };
    let legacy = side(Side::Legacy, &before.legacy, &settings.legacy)?;
    let candidate = side(Side::Candidate, &before.candidate, &settings.candidate)?;
    let secondary = match (&settings.secondary, reach.secondary()) {
        (None, _) => None,
        (Some(_), Some(kept)) if before.secondary == settings.secondary => Some(Arc::clone(kept)),
        (Some(wanted), _) => Some(upstream(Side::Legacy, wanted, telemetry)?),
    };
    let changed = reach.changed(legacy, candidate, settings.candidate.max_in_flight, pool_limits);
    Ok(changed.with_secondary(secondary, Some(reach), pool_limits))
}

fn upstream(
    side: Side,
    configured: &config::Upstream,
    telemetry: &Telemetry,
) -> Result<Arc<Upstream>, StartError> {
    let upstream = Upstream::new(side, configured, telemetry.repairs(side)?);
    upstream.map(Arc::new).map_err(|error| StartError::SideTls { side, error })
}

/// The threads that a process with these settings starts.
fn threads(settings: &Settings) -> Threads {
    let data = threads::per_core();
    Threads { data, runners: data.min(settings.candidate.max_in_flight.max(1)) }
}

pub(super) fn pool_limits(kept: Kept) -> PoolLimits {
    let idle = match kept {
        Kept::ForClients => KEPT,
        Kept::ForCopies(in_flight) => in_flight,
    };
    PoolLimits { idle, idle_for: IDLE_FOR, keep_for: KEEP_FOR, connect: CONNECT }
}
