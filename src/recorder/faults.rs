//! The faults that were seen, in memory: how often since the last write, and when a sample of
//! each was kept.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parallax_core::exchange::Side;
use parallax_core::explanations::Explanations;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::{Signature, SignatureId};

use super::Notice;
use crate::store::{MAX_SIGNATURES, SeenSignature, Write, other_signature};

/// A signature's samples and log lines come at most this often, after the first.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Samples that wait to be written, at most. They are examples: one that has no place is left.
const WAITING_SAMPLES: usize = 256;

/// The faults that were seen.
#[derive(Default)]
pub(super) struct Faults {
    known: HashMap<OperationId, HashSet<SignatureId>>,
    sampled: HashMap<SignatureId, Sampled>,
    unwritten: HashMap<SignatureId, Unwritten>,
    samples: Vec<Report>,
}

struct Sampled {
    last: Instant,
    suppressed: u64,
}

struct Unwritten {
    signature: Signature,
    explanations: Explanations,
    count: u64,
    reversed: u64,
    noise: u64,
    at: Timestamp,
}

impl Faults {
    pub(super) fn new(known: Vec<SeenSignature>) -> Self {
        let mut faults = Self::default();
        for SeenSignature { signature, .. } in known {
            faults.known.entry(signature.operation_id.clone()).or_default().insert(signature.id);
        }
        faults
    }

    pub(super) fn count(
        &mut self,
        operation_id: &OperationId,
        (answering, signatures): (Side, Vec<Signature>),
        at: Timestamp,
        now: Instant,
    ) -> Notice {
        self.each(operation_id, signatures, at, now, |unwritten, explanation| {
            unwritten.explanations.add(explanation, 1);
            unwritten.count += 1;
            unwritten.reversed += u64::from(answering == Side::Candidate);
        })
    }

    /// Counts places where the answering side differed from itself.
    pub(super) fn noise(
        &mut self,
        operation_id: &OperationId,
        signatures: Vec<Signature>,
        at: Timestamp,
        now: Instant,
    ) -> Notice {
        self.each(operation_id, signatures, at, now, |unwritten, _| unwritten.noise += 1)
    }

    fn each(
        &mut self,
        operation_id: &OperationId,
        signatures: Vec<Signature>,
        at: Timestamp,
        now: Instant,
        count: impl Fn(&mut Unwritten, Option<&str>),
    ) -> Notice {
        let mut notice = None;
        for signature in signatures {
            let signature = self.admit(operation_id, signature);
            if let Some(suppressed) = self.is_due(signature.id, now) {
                notice = notice.max(Some(suppressed));
            }
            let explanation = signature.explanation.clone();
            let unwritten = self.unwritten(signature, at);
            count(unwritten, explanation.as_deref());
            unwritten.at = at;
        }
        notice.map_or(Notice::Count, |suppressed| Notice::Sample { suppressed })
    }

    fn unwritten(&mut self, signature: Signature, at: Timestamp) -> &mut Unwritten {
        self.unwritten.entry(signature.id).or_insert_with(|| Unwritten {
            signature,
            explanations: Explanations::default(),
            count: 0,
            reversed: 0,
            noise: 0,
            at,
        })
    }

    /// The signature itself, or `other` where the operation has as many as are kept.
    fn admit(&mut self, operation_id: &OperationId, signature: Signature) -> Signature {
        if !self.known.contains_key(operation_id) {
            self.known.insert(operation_id.clone(), HashSet::new());
        }
        match self.known.get_mut(operation_id) {
            Some(known) if known.contains(&signature.id) => signature,
            Some(known) if known.len() < MAX_SIGNATURES => {
                known.insert(signature.id);
                signature
            }
            Some(_) | None => other_signature(operation_id),
        }
    }

    /// Whether a sample is due, and how many were passed over since the last.
    fn is_due(&mut self, id: SignatureId, now: Instant) -> Option<u64> {
        match self.sampled.get_mut(&id) {
            None => {
                self.sampled.insert(id, Sampled { last: now, suppressed: 0 });
                Some(0)
            }
            Some(sampled) if now.duration_since(sampled.last) >= SAMPLE_EVERY => {
                sampled.last = now;
                Some(std::mem::take(&mut sampled.suppressed))
            }
            Some(sampled) => {
                sampled.suppressed += 1;
                None
            }
        }
    }

    pub(super) fn keep(&mut self, report: Report) {
        if self.samples.len() < WAITING_SAMPLES {
            self.samples.push(report);
        }
    }

    /// Everything that is not yet written, taken off.
    pub(super) fn take(&mut self) -> Vec<Write> {
        let seen = self.unwritten.drain().flat_map(|(_, unwritten)| unwritten.into_writes());
        let samples = self.samples.drain(..).map(|report| Write::Sample(Box::new(report)));
        seen.chain(samples).collect()
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Noise { signature, count, at } => self.unwritten(*signature, at).noise += count,
                Write::Seen { signature, explanations, count, reversed, at } => {
                    let unwritten = self.unwritten(*signature, at);
                    unwritten.count += count;
                    unwritten.reversed += reversed;
                    unwritten.explanations.add_all(&explanations);
                }
                Write::Sample(report) => self.keep(*report),
                Write::Tally { .. }
                | Write::Evidence { .. }
                | Write::Transition(_)
                | Write::Check(_)
                | Write::Done(_) => {}
            }
        }
    }
}

impl Unwritten {
    fn into_writes(self) -> impl Iterator<Item = Write> {
        let Self { signature, explanations, count, reversed, noise, at } = self;
        let signature = Box::new(signature);
        let heard = (noise > 0).then(|| Write::Noise { signature: signature.clone(), count: noise, at });
        let seen = (count > 0).then_some(Write::Seen { signature, explanations, count, reversed, at });
        seen.into_iter().chain(heard)
    }
}

#[cfg(test)]
mod tests {
    use parallax_core::verdict::{Kind, Part};

    use super::*;

    fn signature(number: u64) -> Signature {
        Signature {
            id: SignatureId(number),
            operation_id: operation(),
            part: Part::Body,
            path: format!("$.body.f{number}"),
            kind: Kind::Value,
            legacy_type: None,
            candidate_type: None,
            explanation: None,
        }
    }

    fn operation() -> OperationId {
        "getReturn".parse().unwrap()
    }

    fn count(faults: &mut Faults, number: u64, now: Instant) -> Notice {
        faults.count(&operation(), (Side::Legacy, vec![signature(number)]), Timestamp::UNIX_EPOCH, now)
    }

    #[test]
    fn the_first_then_one_a_second_with_the_number_passed_over() {
        let mut faults = Faults::default();
        let start = Instant::now();
        assert_eq!(count(&mut faults, 1, start), Notice::Sample { suppressed: 0 });
        assert_eq!(count(&mut faults, 1, start), Notice::Count);
        assert_eq!(count(&mut faults, 1, start + SAMPLE_EVERY / 2), Notice::Count);
        assert_eq!(count(&mut faults, 2, start), Notice::Sample { suppressed: 0 });
        assert_eq!(count(&mut faults, 1, start + SAMPLE_EVERY), Notice::Sample { suppressed: 2 });
    }

    #[test]
    fn what_could_not_be_written_is_written_later_and_once() {
        let mut faults = Faults::default();
        let now = Instant::now();
        let _ = count(&mut faults, 1, now);
        let taken = faults.take();
        let _ = count(&mut faults, 1, now);
        faults.put_back(taken);
        let writes = faults.take();
        assert!(matches!(writes.as_slice(), [Write::Seen { count: 2, .. }]), "{writes:?}");
        assert!(faults.take().is_empty());
    }

    #[test]
    fn noise_is_no_fault_and_is_written_beside_one() {
        let mut faults = Faults::default();
        let now = Instant::now();
        let noise = |faults: &mut Faults, number| {
            faults.noise(&operation(), vec![signature(number)], Timestamp::UNIX_EPOCH, now)
        };
        assert_eq!(noise(&mut faults, 1), Notice::Sample { suppressed: 0 });
        assert_eq!(noise(&mut faults, 1), Notice::Count);
        let writes = faults.take();
        assert!(matches!(writes.as_slice(), [Write::Noise { count: 2, .. }]), "{writes:?}");
        let _ = count(&mut faults, 1, now);
        faults.put_back(writes);
        let writes = faults.take();
        let is_both =
            matches!(writes.as_slice(), [Write::Seen { count: 1, .. }, Write::Noise { count: 2, .. }]);
        assert!(is_both, "{writes:?}");
    }

    #[test]
    fn beyond_the_limit_everything_is_other() {
        let mut faults = Faults::default();
        let now = Instant::now();
        for number in 0..MAX_SIGNATURES as u64 + 5 {
            let _ = count(&mut faults, number, now);
        }
        let other = other_signature(&operation());
        let counted = faults.take().into_iter().find_map(|write| match write {
            Write::Seen { signature, count, .. } if signature.id == other.id => Some(count),
            _ => None,
        });
        assert_eq!(counted, Some(5));
    }
}
