//! The store in memory: for the demo, for tests, and so that the trait is real. It keeps the same
//! promises as the others except the one: it is gone with the process.

mod checks;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::{Evidence, Evidences};
use parallax_core::explanations::Explanations;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

use self::checks::Checks;
use super::StoreError;
use super::backend::{
    Backend, MAX_SAMPLES, MAX_SIGNATURES, Minute, Purged, SeenSignature, StoredStage, Write, other_signature,
};
use super::checks::{Acceptance, Backlog, Claim, Completion, KeptCheck, Lease, NewCheck, Room};

/// A store that is gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    totals: BTreeMap<OperationId, Tally>,
    evidences: BTreeMap<OperationId, Evidences>,
    minutes: BTreeMap<(OperationId, Minute), Tally>,
    signatures: BTreeMap<SignatureId, Fault>,
    samples: BTreeMap<CheckId, Report>,
    stages: BTreeMap<OperationId, StoredStage>,
    audit: BTreeMap<(OperationId, u64), Transition>,
    checks: Checks,
}

#[derive(Debug)]
struct Fault {
    seen: SeenSignature,
    explanations: Explanations,
    samples: BTreeSet<(Timestamp, CheckId)>,
}

impl Backend for Memory {
    fn write(&mut self, batch: &[Write]) -> Result<Vec<Acceptance>, StoreError> {
        self.refuse(batch)?;
        Ok(batch.iter().filter_map(|write| self.apply(write)).collect())
    }

    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError> {
        Ok(self.totals.iter().map(|(id, tally)| (id.clone(), tally.clone())).collect())
    }

    fn evidences(&mut self) -> Result<Vec<(OperationId, Evidences)>, StoreError> {
        Ok(self.evidences.iter().map(|(id, evidences)| (id.clone(), evidences.clone())).collect())
    }

    fn minutes(
        &mut self,
        operation_id: &OperationId,
        since: Minute,
    ) -> Result<Vec<(Minute, Tally)>, StoreError> {
        let range = (operation_id.clone(), since)..=(operation_id.clone(), Minute(i64::MAX));
        Ok(self.minutes.range(range).map(|((_, minute), tally)| (*minute, tally.clone())).collect())
    }

    fn signatures(&mut self, operation_id: &OperationId) -> Result<Vec<SeenSignature>, StoreError> {
        let of_operation = |fault: &&Fault| fault.seen.signature.operation_id == *operation_id;
        let mut seen: Vec<_> =
            self.signatures.values().filter(of_operation).map(|fault| fault.seen.clone()).collect();
        seen.sort_by(|a, b| (b.count, b.last_at, a.signature.id).cmp(&(a.count, a.last_at, b.signature.id)));
        Ok(seen)
    }

    fn signature(&mut self, id: SignatureId) -> Result<Option<SeenSignature>, StoreError> {
        Ok(self.signatures.get(&id).map(|fault| fault.seen.clone()))
    }

    fn samples(&mut self, id: SignatureId, limit: usize) -> Result<Vec<Report>, StoreError> {
        let newest = self.signatures.get(&id).into_iter().flat_map(|fault| fault.samples.iter().rev());
        Ok(newest.filter_map(|(_, check)| self.samples.get(check).cloned()).take(limit).collect())
    }

    fn sample(&mut self, id: CheckId) -> Result<Option<Report>, StoreError> {
        Ok(self.samples.get(&id).cloned())
    }

    fn stages(&mut self) -> Result<Vec<StoredStage>, StoreError> {
        Ok(self.stages.values().cloned().collect())
    }

    fn audit(
        &mut self,
        operation_id: Option<&OperationId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        let wanted = |row: &&Transition| operation_id.is_none_or(|id| row.operation_id == *id);
        let mut rows: Vec<_> = self.audit.values().filter(wanted).cloned().collect();
        rows.sort_by(|a, b| (b.at, b.revision, &b.operation_id).cmp(&(a.at, a.revision, &a.operation_id)));
        rows.truncate(limit);
        Ok(rows)
    }

    fn purge(&mut self, before: Timestamp, limit: usize) -> Result<Purged, StoreError> {
        let mut old: Vec<_> = self
            .samples
            .values()
            .filter(|report| report.at < before)
            .map(|report| (report.at, report.id))
            .collect();
        old.sort_unstable();
        old.truncate(limit);
        for &(_, id) in &old {
            self.forget_sample(id);
        }
        let is_old = |key: &&(OperationId, Minute)| key.1 < Minute::of(before);
        let minutes: Vec<_> = self.minutes.keys().filter(is_old).take(limit).cloned().collect();
        for key in &minutes {
            self.minutes.remove(key);
        }
        Ok(Purged { samples: old.len(), minutes: minutes.len() })
    }

    fn claim(&mut self, now: Timestamp, lease: Lease, room: Room) -> Result<Claim, StoreError> {
        let (claim, dead) = self.checks.claim(now, lease, room);
        dead.iter().for_each(|completion| self.complete(completion));
        Ok(claim)
    }

    fn renew(&mut self, lease: Lease, checks: &[CheckId]) -> Result<(), StoreError> {
        self.checks.renew(lease, checks);
        Ok(())
    }

    fn release(&mut self, holder: u64, checks: &[CheckId]) -> Result<(), StoreError> {
        self.checks.release(holder, checks);
        Ok(())
    }

    fn outlive(&mut self, holder: u64) -> Result<(), StoreError> {
        self.checks.outlive(holder);
        Ok(())
    }

    fn kept(&mut self, id: CheckId) -> Result<Option<KeptCheck>, StoreError> {
        Ok(self.checks.kept(id))
    }

    fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        Ok(self.checks.backlog())
    }

    fn forget_done(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(self.checks.forget_done(before, limit))
    }

    fn use_key(&mut self, key_id: &[u8]) -> Result<bool, StoreError> {
        Ok(self.checks.use_key(key_id))
    }
}

impl Memory {
    /// Finds what would make the batch fail before anything is changed: there is no undo here.
    fn refuse(&self, batch: &[Write]) -> Result<(), StoreError> {
        let mut batch_audit = BTreeMap::new();
        for write in batch {
            write.validate()?;
            let Write::Transition(transition) = write else { continue };
            let key = (transition.operation_id.clone(), transition.revision);
            let earlier = self.audit.get(&key).unwrap_or(transition);
            if *batch_audit.entry(key).or_insert(earlier) != &**transition {
                return Err(StoreError::Conflict {
                    operation_id: transition.operation_id.clone(),
                    revision: transition.revision,
                });
            }
        }
        Ok(())
    }

    /// Writes it, and tells what is said to a check.
    fn apply(&mut self, write: &Write) -> Option<Acceptance> {
        match write {
            Write::Tally { operation_id, minute, tally } => self.count(operation_id, *minute, tally),
            Write::Evidence { operation_id, key, evidence } => {
                self.evidences.entry(operation_id.clone()).or_default().add(key, evidence);
            }
            Write::Seen { signature, explanations, count, reversed, at } => {
                self.see(signature, explanations, (*count, *reversed), *at);
            }
            Write::Noise { signature, count, at } => {
                let Fault { seen, .. } = self.admit(signature, *at);
                seen.noise = seen.noise.saturating_add(*count);
                seen.last_at = seen.last_at.max(*at);
            }
            Write::Sample(report) => self.keep_sample(report),
            Write::Transition(transition) => self.move_stage(transition),
            Write::Check(check) => return Some(self.accept(check)),
            Write::Done(completion) => self.complete(completion),
        }
        None
    }

    fn accept(&mut self, check: &NewCheck) -> Acceptance {
        let (said, counted) = self.checks.accept(check);
        self.count(&check.operation_id, Minute::of(check.at), &counted);
        said
    }

    fn complete(&mut self, completion: &Completion) {
        if let Some(operation_id) = self.checks.complete(completion) {
            self.count(&operation_id, Minute::of(completion.at), &completion.end.tally());
            if let Some((key, shown)) = &completion.shown {
                let mut evidence = Evidence::default();
                evidence.note(completion.end, shown);
                self.evidences.entry(operation_id).or_default().add(key, &evidence);
            }
        }
    }

    fn count(&mut self, operation_id: &OperationId, minute: Minute, tally: &Tally) {
        if tally.is_empty() {
            return;
        }
        for kept in [
            self.totals.entry(operation_id.clone()).or_default(),
            self.minutes.entry((operation_id.clone(), minute)).or_default(),
        ] {
            kept.add(&tally.since(&Tally::default()));
        }
    }

    fn see(
        &mut self,
        signature: &Signature,
        explanations: &Explanations,
        (count, reversed): (u64, u64),
        at: Timestamp,
    ) {
        let Fault { seen, explanations: known, .. } = self.admit(signature, at);
        // What is counted as `other` is explained by that.
        if seen.signature.id == signature.id && !explanations.is_empty() {
            known.add_all(explanations);
            seen.signature.explanation = known.most_common().map(str::to_owned);
        }
        seen.count = seen.count.saturating_add(count);
        seen.reversed = seen.reversed.saturating_add(reversed);
        seen.first_at = seen.first_at.min(at);
        seen.last_at = seen.last_at.max(at);
    }

    /// The fault under which a signature is kept: its own while there is room, else `other`.
    fn admit(&mut self, signature: &Signature, at: Timestamp) -> &mut Fault {
        let other = other_signature(&signature.operation_id);
        let is_full = !self.signatures.contains_key(&signature.id) && {
            let of_operation = |fault: &&Fault| {
                fault.seen.signature.operation_id == signature.operation_id
                    && fault.seen.signature.id != other.id
            };
            self.signatures.values().filter(of_operation).count() >= MAX_SIGNATURES
        };
        let signature = if is_full { other } else { signature.clone() };
        self.signatures.entry(signature.id).or_insert_with(|| Fault {
            seen: SeenSignature { signature, count: 0, reversed: 0, noise: 0, first_at: at, last_at: at },
            explanations: Explanations::default(),
            samples: BTreeSet::new(),
        })
    }

    fn keep_sample(&mut self, report: &Report) {
        self.forget_sample(report.id);
        let mut dropped = Vec::new();
        for signature in &report.signatures {
            let samples = &mut self.admit(signature, report.at).samples;
            samples.insert((report.at, report.id));
            if samples.len() > MAX_SAMPLES {
                dropped.extend(samples.pop_first());
            }
        }
        if !report.signatures.is_empty() {
            self.samples.insert(report.id, report.clone());
        }
        for (at, id) in dropped {
            if !self.signatures.values().any(|fault| fault.samples.contains(&(at, id))) {
                self.samples.remove(&id);
            }
        }
    }

    fn forget_sample(&mut self, id: CheckId) {
        if let Some(report) = self.samples.remove(&id) {
            for fault in self.signatures.values_mut() {
                fault.samples.remove(&(report.at, id));
            }
        }
    }

    fn move_stage(&mut self, transition: &Transition) {
        let operation_id = transition.operation_id.clone();
        let revision = transition.revision;
        self.audit.entry((operation_id.clone(), revision)).or_insert_with(|| transition.clone());
        let (stage, retired) = (transition.to, transition.retires());
        let stage = StoredStage { operation_id: operation_id.clone(), stage, revision, retired };
        match self.stages.entry(operation_id) {
            Entry::Vacant(place) => _ = place.insert(stage),
            Entry::Occupied(mut place) if place.get().revision < revision => _ = place.insert(stage),
            Entry::Occupied(_) => {}
        }
    }
}
