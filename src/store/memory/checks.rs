//! Checks that were accepted, in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::operation::OperationId;
use parallax_core::report::ReportedDifference;
use parallax_core::tally::{End, Tally};

use crate::store::checks::{
    Acceptance, Backlog, Claim, ClaimedCheck, Completion, Fingerprint, KEPT_FOR, KEPT_UNASKED_FOR, KeptCheck,
    Lease, MAX_ATTEMPTS, NewCheck, NewState, Room,
};

/// Checks that were accepted.
#[derive(Debug, Default)]
pub(super) struct Checks {
    accepted: u64,
    by_id: HashMap<CheckId, Kept>,
    /// In the order in which they were accepted.
    queue: BTreeMap<u64, Queued>,
    /// In the order in which they were done.
    done: VecDeque<CheckId>,
    key_id: Option<Vec<u8>>,
}

/// Checks that are done and kept, at most: memory is not a disk.
const MAX_DONE: usize = 100_000;

#[derive(Debug)]
struct Kept {
    number: u64,
    operation_id: OperationId,
    fingerprint: Option<Fingerprint>,
    at: Timestamp,
    done: Option<(Timestamp, End)>,
    differences: Vec<ReportedDifference>,
}

#[derive(Debug)]
struct Queued {
    id: CheckId,
    sealed: Vec<u8>,
    lease: Option<Lease>,
    attempts: u32,
}

impl Checks {
    /// What is said to a check, and what it adds to the counts.
    pub(super) fn accept(&mut self, check: &NewCheck) -> (Acceptance, Tally) {
        if let Some(known) = self.by_id.get(&check.id) {
            let is_same = known.fingerprint == check.fingerprint;
            return (if is_same { Acceptance::Known } else { Acceptance::Conflict }, Tally::default());
        }
        self.accepted += 1;
        let number = self.accepted;
        let mut tally = Tally { requests: 1, ..Tally::default() };
        let done = match &check.state {
            NewState::Waiting(sealed) => {
                let queued = Queued { id: check.id, sealed: sealed.clone(), lease: None, attempts: 0 };
                self.queue.insert(number, queued);
                None
            }
            &NewState::Skipped(skip) => {
                tally.add(&End::Skipped(skip).tally());
                Some((check.at, End::Skipped(skip)))
            }
        };
        let kept = Kept {
            number,
            operation_id: check.operation_id.clone(),
            fingerprint: check.fingerprint,
            at: check.at,
            done,
            differences: Vec::new(),
        };
        let is_done = kept.done.is_some();
        self.by_id.insert(check.id, kept);
        if is_done {
            self.note_done(check.id);
        }
        (Acceptance::New, tally)
    }

    /// The operation whose counts change, where they do.
    pub(super) fn complete(&mut self, completion: &Completion) -> Option<OperationId> {
        let kept = self.by_id.get_mut(&completion.id).filter(|kept| kept.done.is_none())?;
        let early = if kept.fingerprint.is_some() { Duration::ZERO } else { KEPT_FOR - KEPT_UNASKED_FOR };
        kept.done = Some((completion.at.checked_sub(early).unwrap_or(Timestamp::MIN), completion.end));
        kept.differences.clone_from(&completion.differences);
        self.queue.remove(&kept.number);
        let operation_id = kept.operation_id.clone();
        self.note_done(completion.id);
        Some(operation_id)
    }

    fn note_done(&mut self, id: CheckId) {
        self.done.push_back(id);
        if self.done.len() > MAX_DONE
            && let Some(oldest) = self.done.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// What is claimed, and the ends of those that are given up.
    pub(super) fn claim(&mut self, now: Timestamp, lease: Lease, room: Room) -> (Claim, Vec<Completion>) {
        let (mut claim, mut dead) = (Claim::default(), Vec::new());
        let mut left = room.bytes;
        let is_free = |queued: &Queued| queued.lease.is_none_or(|lease| lease.until <= now);
        for queued in self.queue.values_mut().filter(|queued| is_free(queued)).take(room.checks) {
            let Some(kept) = self.by_id.get(&queued.id) else { continue };
            let attempts = queued.attempts + u32::from(queued.lease.is_some());
            let bytes = queued.sealed.len() as u64;
            let operation_id = kept.operation_id.clone();
            if attempts >= MAX_ATTEMPTS {
                dead.push(Completion {
                    id: queued.id,
                    at: now,
                    end: End::DEAD_LETTER,
                    shown: None,
                    differences: Vec::new(),
                });
                claim.dead.push((operation_id, bytes));
                continue;
            }
            if bytes > left && !claim.checks.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            (queued.lease, queued.attempts) = (Some(lease), attempts);
            claim.checks.push(ClaimedCheck {
                id: queued.id,
                operation_id,
                attempts,
                may_be_asked_for: kept.fingerprint.is_some(),
                sealed: queued.sealed.clone(),
            });
        }
        (claim, dead)
    }

    pub(super) fn renew(&mut self, lease: Lease, checks: &[CheckId]) {
        self.held(lease.holder, checks).for_each(|queued| queued.lease = Some(lease));
    }

    pub(super) fn release(&mut self, holder: u64, checks: &[CheckId]) {
        self.held(holder, checks).for_each(|queued| queued.lease = None);
    }

    fn held<'c>(&'c mut self, holder: u64, checks: &'c [CheckId]) -> impl Iterator<Item = &'c mut Queued> {
        let is_held = move |queued: &&mut Queued| {
            queued.lease.is_some_and(|lease| lease.holder == holder) && checks.contains(&queued.id)
        };
        self.queue.values_mut().filter(is_held)
    }

    pub(super) fn outlive(&mut self, holder: u64) {
        for lease in self.queue.values_mut().filter_map(|queued| queued.lease.as_mut()) {
            if lease.holder != holder {
                lease.until = Timestamp::MIN;
            }
        }
    }

    pub(super) fn kept(&self, id: CheckId) -> Option<KeptCheck> {
        let kept = self.by_id.get(&id)?;
        Some(KeptCheck {
            operation_id: kept.operation_id.clone(),
            at: kept.at,
            end: kept.done.map(|(_, end)| end),
            differences: kept.differences.clone(),
        })
    }

    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let mut all: BTreeMap<&OperationId, (u64, u64)> = BTreeMap::new();
        for queued in self.queue.values() {
            let Some(kept) = self.by_id.get(&queued.id) else { continue };
            let (checks, bytes) = all.entry(&kept.operation_id).or_default();
            *checks += 1;
            *bytes += queued.sealed.len() as u64;
        }
        let row =
            |(id, (checks, bytes)): (&OperationId, _)| Backlog { operation_id: id.clone(), checks, bytes };
        all.into_iter().map(row).collect()
    }

    pub(super) fn forget_done(&mut self, before: Timestamp, limit: usize) -> usize {
        let is_old = |kept: &Kept| kept.done.is_some_and(|(at, _)| at < before);
        let old: Vec<_> =
            self.by_id.iter().filter(|(_, kept)| is_old(kept)).map(|(&id, _)| id).take(limit).collect();
        old.iter().for_each(|id| _ = self.by_id.remove(id));
        self.done.retain(|id| self.by_id.contains_key(id));
        old.len()
    }

    pub(super) fn use_key(&mut self, key_id: &[u8]) -> bool {
        let is_other = self.key_id.as_ref().is_some_and(|known| known != key_id);
        if is_other && !self.queue.is_empty() {
            return false;
        }
        self.key_id = Some(key_id.to_owned());
        true
    }
}
