//! How many threads there are, and how the connections to the sides are kept.

use std::time::Duration;

use super::threads;
use crate::config::Settings;
use crate::upstream::{Kept, PoolLimits, Reach, Threads};

/// How long a connection to a side is kept; below the 5 s after which common servers close theirs.
const IDLE_FOR: Duration = Duration::from_secs(4);
/// How long a connection to a side with a name is used before the name is looked up again.
const KEEP_FOR: Duration = Duration::from_secs(30);
/// How long making a connection to a side may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections to a side that a data thread keeps.
const KEPT: usize = 1024;

/// The ways to the sides of a first configuration.
pub(super) fn reach(settings: &Settings) -> Reach {
    Reach::new(settings, threads(settings), pool_limits)
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
