//! What the checks of one operation have shown, version by version, and how much of it is still to be
//! written. Every check is entered together with its place in the counts, under the one lock that is also
//! held while both are read to be written: so what a killed process leaves is the same number of checks in
//! the counts and in the evidence. Only runners enter checks; no client's thread comes here.

use parallax_core::evidence::{Evidence, Evidences, Key, RulesId, Shown, Version, VersionSource};
use parallax_core::tally::End;

/// What an operation's checks are evidence for, by its present configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The rules under which answers are compared.
    pub rules: RulesId,
    /// How the candidate's version is told.
    pub version: VersionSource,
}

impl Ground {
    /// That of an operation.
    #[must_use]
    pub fn of(operation: &parallax_core::operation::Operation) -> Self {
        Self { rules: RulesId(operation.rules.fingerprint()), version: operation.version.clone() }
    }
}

/// The evidence that readiness is told by.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// The candidate's version.
    pub version: Version,
    /// What its checks have shown; nothing, where there was none.
    pub evidence: Evidence,
}

/// The evidences of one operation.
#[derive(Default)]
pub(super) struct Ledger {
    /// All of them, whoever has written what.
    known: Evidences,
    /// What has come since it was last read to be written.
    fresh: Evidences,
    /// What was read to be written and is not written for good.
    pending: Evidences,
}

impl Ledger {
    pub(super) fn new(known: Evidences, inherited: &Evidences) -> Self {
        let mut ledger = Self { known, ..Self::default() };
        ledger.inherit(inherited);
        ledger
    }

    /// Counts of an older store are told by the present rules.
    pub(super) fn adopt(&mut self, ground: &Ground) {
        self.known.adopt(ground.rules);
    }

    /// What a check of an operation on this ground is evidence for.
    pub(super) fn key_of(&self, shown: &Shown, ground: &Ground) -> Key {
        self.known.key_of(shown, ground.rules, &ground.version)
    }

    /// Enters a check, which is to be written.
    pub(super) fn enter(&mut self, end: End, shown: &Shown, ground: &Ground) {
        let key = self.key_of(shown, ground);
        self.known.note(&key, end, shown);
        self.fresh.note(&key, end, shown);
    }

    /// Enters a check that the store has written already.
    pub(super) fn enter_written(&mut self, end: End, key: &Key, shown: &Shown) {
        self.known.note(key, end, shown);
    }

    /// Enters what the process before this one has found late.
    pub(super) fn inherit(&mut self, late: &Evidences) {
        add_all(&mut self.known, late);
        add_all(&mut self.fresh, late);
    }

    /// What is to be written. It comes again, with what comes then, until it is written.
    pub(super) fn offer(&mut self) -> Evidences {
        add_all(&mut self.pending, &std::mem::take(&mut self.fresh));
        self.pending.clone()
    }

    /// What was read to be written last is written.
    pub(super) fn written(&mut self) {
        self.pending = Evidences::default();
    }

    pub(super) fn assessed_version(&self, ground: &Ground) -> Version {
        self.known.assessed(ground.rules, &ground.version)
    }

    pub(super) fn assessed(&self, ground: &Ground) -> Assessed {
        let key = Key { rules: ground.rules, version: self.assessed_version(ground) };
        let evidence = self.known.get(&key).cloned().unwrap_or_default();
        Assessed { version: key.version, evidence }
    }

    pub(super) fn known(&self) -> &Evidences {
        &self.known
    }
}

pub(super) fn add_all(to: &mut Evidences, later: &Evidences) {
    later.iter().for_each(|later| to.add(&later.key, &later.evidence));
}
