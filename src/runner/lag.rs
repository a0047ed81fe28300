//! How far a runner's thread is behind. On a busy machine an answer waits in the socket until the
//! thread gets to it; taking that wait for the side's would cut the copies to a side that is well,
//! and cutting them would not help.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Turns of the thread that an exchange takes part in: its request is written in one, its answer's
/// head and body are read in others.
const TURNS: u32 = 3;

/// How far a runner's thread was behind lately.
#[derive(Default)]
pub(super) struct Lag {
    micros: AtomicU64,
}

impl Lag {
    /// A timer was so late. A long lag is forgotten bit by bit: what it held up ends after it.
    pub(super) fn note(&self, late: Duration) {
        let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let before = self.micros.load(Ordering::Relaxed);
        self.micros.store(late.max(before - before / 8), Ordering::Relaxed);
    }

    /// What of an exchange's time may have been ours.
    pub(super) fn of_an_exchange(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).saturating_mul(TURNS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_seen_at_once_and_fades() {
        let lag = Lag::default();
        assert_eq!(lag.of_an_exchange(), Duration::ZERO);
        lag.note(Duration::from_millis(80));
        assert_eq!(lag.of_an_exchange(), Duration::from_millis(240));
        lag.note(Duration::ZERO);
        assert_eq!(lag.of_an_exchange(), Duration::from_millis(210));
        (0..100).for_each(|_| lag.note(Duration::ZERO));
        assert!(lag.of_an_exchange() < Duration::from_millis(1));
    }
}
