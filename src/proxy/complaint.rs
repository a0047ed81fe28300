//! What the log says about sides that do not answer: the first of a kind at once, then one line a
//! second with the number of those passed over. The log is written by the threads that serve the
//! clients, so that a side that is down must not fill it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parallax_core::exchange::Side;
use parallax_core::verdict::Cause;

use crate::upstream::Fault;

/// Lines of one kind come at most this often.
const EVERY: Duration = Duration::from_secs(1);

/// Complaints about sides, few enough to be read. Bounded by operations, sides and causes.
#[derive(Default)]
pub struct Complaints(Mutex<HashMap<(String, Side, Cause), Said>>);

struct Said {
    last: Instant,
    suppressed: u64,
}

impl Complaints {
    /// Says that a side gave no answer, and what came of it, unless that was said just now.
    pub(crate) fn say(&self, operation_id: &str, side: Side, fault: &Fault, outcome: &str) {
        let key = (operation_id.to_owned(), side, fault.cause);
        if let Some(suppressed) = self.is_due(key, Instant::now()) {
            let Fault { cause, detail } = fault;
            tracing::warn!(operation_id, %side, %cause, detail, suppressed, outcome, "no answer");
        }
    }

    fn is_due(&self, key: (String, Side, Cause), now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&key) {
            Some(said) if now.duration_since(said.last) < EVERY => {
                said.suppressed += 1;
                None
            }
            Some(said) => {
                said.last = now;
                Some(std::mem::take(&mut said.suppressed))
            }
            None => {
                all.insert(key, Said { last: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

/// A complaint of a single kind, at most once in [`EVERY`].
#[derive(Default)]
pub(crate) struct Rarely(Mutex<Option<Instant>>);

impl Rarely {
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= EVERY);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_at_once_then_one_a_second() {
        let complaints = Complaints::default();
        let key = || ("getReturn".to_owned(), Side::Candidate, Cause::Refused);
        let start = Instant::now();
        assert_eq!(complaints.is_due(key(), start), Some(0));
        assert_eq!(complaints.is_due(key(), start), None);
        assert_eq!(complaints.is_due(("other".to_owned(), Side::Candidate, Cause::Refused), start), Some(0));
        assert_eq!(complaints.is_due(key(), start + EVERY), Some(1));
    }
}
