//! The faults of an evidence, since when and how often: what a new one eats of the tolerance is told
//! apart from those that have been there for long.

use crate::signature::SignatureId;

/// Faults that are told apart. One that has no place takes that of the rarest, which eats least of the
/// tolerance, and is new again if it comes back.
const KEPT: usize = 32;

/// A fault, since when and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub id: SignatureId,
    /// The number of the check in which it was seen first, from 1.
    pub first: u64,
    /// Checks in which it was seen.
    pub checks: u64,
}

/// The faults of an evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// The check of this number shows a fault.
    pub(super) fn see(&mut self, id: SignatureId, number: u64) {
        self.put(Fault { id, first: number, checks: 1 });
    }

    /// Those that came after `checks` checks.
    pub(super) fn add(&mut self, later: &Self, checks: u64) {
        for fault in &later.0 {
            self.put(Fault { first: fault.first.saturating_add(checks), ..*fault });
        }
    }

    fn put(&mut self, fault: Fault) {
        if let Some(known) = self.0.iter_mut().find(|known| known.id == fault.id) {
            known.checks = known.checks.saturating_add(fault.checks);
            return;
        }
        if self.0.len() >= KEPT {
            let rarest = self.0.iter().enumerate().min_by_key(|(_, known)| (known.checks, known.first));
            if let Some((rarest, _)) = rarest {
                self.0.swap_remove(rarest);
            }
        }
        self.0.push(fault);
    }

    /// As bytes, 768 at most.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.0.iter().flat_map(|fault| [fault.id.0, fault.first, fault.checks]);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// From bytes, unless they are none of [`Faults::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, odd) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let (faults, rest) = words.as_chunks::<3>();
        if !odd.is_empty() || !rest.is_empty() || faults.len() > KEPT {
            return None;
        }
        let fault = |&[id, first, checks]: &[u64; 3]| Fault { id: SignatureId(id), first, checks };
        Some(Self(faults.iter().map(fault).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_gives_way_and_comes_back_as_new() {
        let mut faults = Faults::default();
        for id in 0..32 {
            faults.see(SignatureId(id), id + 1);
            faults.see(SignatureId(id), id + 100);
        }
        faults.see(SignatureId(50), 200);
        faults.see(SignatureId(51), 201);
        let known = |faults: &Faults, id| faults.iter().find(|fault| fault.id == SignatureId(id)).copied();
        assert_eq!(known(&faults, 0), None, "the first of the rarest");
        assert_eq!(known(&faults, 50), None, "the rarest then");
        assert_eq!(known(&faults, 51), Some(Fault { id: SignatureId(51), first: 201, checks: 1 }));
        assert_eq!(faults.iter().count(), 32);
        assert_eq!(Faults::from_bytes(&faults.to_bytes()), Some(faults));
        assert_eq!(Faults::from_bytes(&[0; 23]), None);
        assert_eq!(Faults::from_bytes(&[0; 33 * 24]), None);
    }

    #[test]
    fn what_came_later_is_later_by_the_checks_before_it() {
        let (mut first, mut later) = (Faults::default(), Faults::default());
        first.see(SignatureId(1), 5);
        later.see(SignatureId(1), 1);
        later.see(SignatureId(2), 3);
        first.add(&later, 10);
        let known: Vec<_> = first.iter().map(|fault| (fault.id.0, fault.first, fault.checks)).collect();
        assert_eq!(known, [(1, 5, 2), (2, 13, 1)]);
    }
}
