//! How many checks may wait in the store, and how many bytes of them.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntGauge;

/// What waits in the store, and how much of it there may be.
#[derive(Debug)]
pub(super) struct Room {
    checks: AtomicU64,
    bytes: AtomicU64,
    most_checks: u64,
    most_bytes: u64,
    shown: IntGauge,
}

/// A number of checks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) checks: u64,
    pub(super) bytes: u64,
}

impl Amount {
    pub(super) fn one(bytes: usize) -> Self {
        Self { checks: 1, bytes: bytes as u64 }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { checks: self.checks + other.checks, bytes: self.bytes + other.bytes }
    }
}

impl Room {
    pub(super) fn new(most: Amount, shown: IntGauge) -> Self {
        let (checks, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { checks, bytes, most_checks: most.checks, most_bytes: most.bytes, shown }
    }

    /// Takes room; `false`, and nothing taken, where there is none.
    #[must_use]
    pub(super) fn take(&self, amount: Amount) -> bool {
        let checks = self.checks.fetch_add(amount.checks, Ordering::Relaxed) + amount.checks;
        let bytes = self.bytes.fetch_add(amount.bytes, Ordering::Relaxed) + amount.bytes;
        let is_within = checks <= self.most_checks && bytes <= self.most_bytes;
        if is_within || amount.checks == 0 {
            self.show(amount.checks, 1);
        } else {
            self.checks.fetch_sub(amount.checks, Ordering::Relaxed);
            self.bytes.fetch_sub(amount.bytes, Ordering::Relaxed);
        }
        is_within || amount.checks == 0
    }

    /// Takes room for what is there already, whether there is any or not.
    pub(super) fn hold(&self, amount: Amount) {
        self.checks.fetch_add(amount.checks, Ordering::Relaxed);
        self.bytes.fetch_add(amount.bytes, Ordering::Relaxed);
        self.show(amount.checks, 1);
    }

    /// Gives room back.
    pub(super) fn release(&self, amount: Amount) {
        self.checks.fetch_sub(amount.checks, Ordering::Relaxed);
        self.bytes.fetch_sub(amount.bytes, Ordering::Relaxed);
        self.show(amount.checks, -1);
    }

    fn show(&self, checks: u64, sign: i64) {
        self.shown.add(sign * i64::try_from(checks).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_there_is_room_for_and_all_of_it_comes_back() {
        let shown = IntGauge::new("waiting", "waiting").expect("a gauge");
        let room = Room::new(Amount { checks: 2, bytes: 100 }, shown.clone());
        assert!(room.take(Amount::one(60)));
        assert!(!room.take(Amount::one(60)), "too many bytes");
        assert!(room.take(Amount::one(1)));
        assert!(!room.take(Amount::one(1)), "too many checks");
        assert!(room.take(Amount::default()), "what does not wait needs no room");
        assert_eq!(shown.get(), 2);
        room.release(Amount::one(60).and(Amount::one(1)));
        assert_eq!(shown.get(), 0);
        assert!(room.take(Amount::one(100)));
    }
}
