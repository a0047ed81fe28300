//! The mismatches of a runner that wait to be looked at again: first for their time, then for room at
//! both gates. Their number is bounded, and whatever is given up is dropped, which counts it as
//! unmatched and unconfirmed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parallax_core::operation::OperationId;
use parallax_core::recheck::{Allowance, Rate};

use super::gate::OPERATIONS;
use super::mismatch::Mismatch;

/// Mismatches that wait at a time. The rate bounds them too, but not those of many operations, nor of
/// one that waits for an hour.
const WAITING: usize = 512;

/// How soon it is seen whether the rate allows one more, which it did when the mismatch was found. What
/// waited for room would else come all at once.
const SOON: Duration = Duration::from_millis(20);

/// Those among them that the store has lent, at most. Few are out at a time, and what waits here for long
/// would keep all others in the store.
const STORED: usize = 16;

/// The mismatches of a runner that wait to be looked at again.
#[derive(Default)]
pub(super) struct Rechecks {
    /// By when they are looked for; the number tells apart those of one moment. With each, when its
    /// time came first.
    waiting: BTreeMap<(Instant, u64), (Instant, Mismatch)>,
    number: u64,
    /// Their time has come, so long ago.
    due: VecDeque<(Instant, Mismatch)>,
    is_closed: bool,
}

impl Rechecks {
    /// One more waits, if there is a place.
    pub(super) fn push(&mut self, mismatch: Mismatch, now: Instant) {
        if self.is_closed || self.waiting.len() + self.due.len() >= WAITING {
            return;
        }
        if mismatch.is_stored() && self.stored() >= STORED {
            return;
        }
        let at = now + mismatch.after;
        self.wait(at, (at, mismatch));
    }

    fn stored(&self) -> usize {
        let all = self.waiting.values().chain(&self.due);
        all.filter(|(_, mismatch)| mismatch.is_stored()).count()
    }

    fn wait(&mut self, until: Instant, one: (Instant, Mismatch)) {
        self.number += 1;
        self.waiting.insert((until, self.number), one);
    }

    /// Ends when the next one's time has come.
    pub(super) async fn ripen(&self) {
        match self.waiting.first_key_value() {
            Some((&(at, _), _)) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// The one whose time came first.
    pub(super) fn next(&mut self, now: Instant, patience: Duration) -> Option<(Instant, Mismatch)> {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            self.due.push_back(first.remove());
        }
        // One that has waited for so long would hold a moment's answer against a much later one.
        while self.due.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > patience) {
            self.due.pop_front();
        }
        self.due.pop_front()
    }

    /// There was no room for it; it stays the first.
    pub(super) fn put_back(&mut self, one: (Instant, Mismatch)) {
        self.due.push_front(one);
    }

    /// The rate does not allow it at this moment.
    pub(super) fn delay(&mut self, one: (Instant, Mismatch), now: Instant) {
        self.wait(now + SOON, one);
    }

    /// Nobody waits any more, from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.waiting.clear();
        self.due.clear();
    }
}

/// What the operations may still look at again. All runners share it: the rate is the operation's.
pub(super) struct Allowances {
    began: Instant,
    by_id: Mutex<HashMap<OperationId, Allowed>>,
}

/// The rate is asked twice. First for the mismatch, so that only those wait that can be looked at, and
/// again when both sides are asked, because it is the sides that it is for.
#[derive(Default)]
struct Allowed {
    to_wait: Allowance,
    to_ask: Allowance,
}

impl Allowances {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), by_id: Mutex::default() }
    }

    /// Whether one more mismatch may wait.
    pub(super) fn may_wait(&self, id: &OperationId, rate: Rate) -> bool {
        self.take(id, |allowed, now| allowed.to_wait.take(now, rate))
    }

    /// Whether both sides may be asked once more.
    pub(super) fn may_ask(&self, id: &OperationId, rate: Rate) -> bool {
        self.take(id, |allowed, now| allowed.to_ask.take(now, rate))
    }

    fn take(&self, id: &OperationId, take: impl FnOnce(&mut Allowed, Duration) -> bool) -> bool {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting lets a little more through, once in ten thousand operations' names.
        if by_id.len() >= OPERATIONS && !by_id.contains_key(id) {
            by_id.clear();
        }
        take(by_id.entry(id.clone()).or_default(), self.began.elapsed())
    }
}
