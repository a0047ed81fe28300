//! The evidences of one operation, and which of them readiness is told by.
//!
//! It is told by the newest version: the one that was seen first after all others. In a rolling deploy,
//! where the answers of two versions alternate, that is the new one from its first answer to the end,
//! so that nothing flaps and an old version proves nothing for a new one. A version that was not seen in
//! the last thousand checks is gone: after a deploy was taken back, the one before it counts again, with
//! everything that it has shown.
//!
//! An answer that tells no version, as an error page of something in front of the candidate, is taken for
//! one of the version that is assessed: a fault must not get lost by not being signed.

use super::{Evidence, RECENT, RulesId, Shown, Version, VersionSource};
use crate::tally::End;

/// Evidences of an operation that are kept; the one that was not seen for longest goes first.
pub const MAX_VERSIONS: usize = 20;

/// What an evidence is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The rules under which the answers were compared.
    pub rules: RulesId,
    /// The candidate's version.
    pub version: Version,
}

/// An evidence with its place among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is about.
    pub key: Key,
    /// Counts the evidences of the operation: the newest has the highest.
    pub number: u64,
    /// Checks of other evidences since it was seen last.
    pub unseen: u64,
    /// What it shows.
    pub evidence: Evidence,
}

/// The evidences of one operation, [`MAX_VERSIONS`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidences(Vec<Known>);

impl Evidences {
    /// As they were left.
    #[must_use]
    pub fn new(mut known: Vec<Known>) -> Self {
        known.sort_by_key(|known| (known.unseen, std::cmp::Reverse(known.number)));
        known.truncate(MAX_VERSIONS);
        known.sort_by_key(|known| known.number);
        Self(known)
    }

    /// Each of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The evidence of these rules and this version.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Evidence> {
        self.0.iter().find(|known| known.key == *key).map(|known| &known.evidence)
    }

    /// The version that readiness is told by, under these rules.
    #[must_use]
    pub fn assessed(&self, rules: RulesId, source: &VersionSource) -> Version {
        match source {
            VersionSource::Off => Version::unnamed(),
            VersionSource::Named(version) => version.clone(),
            VersionSource::Header(_) => {
                let of_rules = || self.0.iter().filter(|known| known.key.rules == rules);
                let newest =
                    of_rules().filter(|known| known.unseen < RECENT as u64).max_by_key(|known| known.number);
                let last = newest.or_else(|| of_rules().min_by_key(|known| known.unseen));
                last.map_or_else(Version::unnamed, |known| known.key.version.clone())
            }
        }
    }

    /// What the check of a candidate's answer, or of none, is evidence for. Where no version was told, it is
    /// the one that is assessed.
    #[must_use]
    pub fn key_of(&self, shown: &Shown, rules: RulesId, source: &VersionSource) -> Key {
        let version = shown.version.clone().unwrap_or_else(|| self.assessed(rules, source));
        Key { rules, version }
    }

    /// One more check has ended.
    pub fn note(&mut self, key: &Key, end: End, shown: &Shown) {
        if matches!(end, End::Skipped(_)) {
            return;
        }
        let before = self.entry(key).checks();
        let evidence = self.entry(key);
        evidence.note(end, shown);
        let checks = evidence.checks() - before;
        self.seen(key, checks);
    }

    /// Adds what came later for one of them.
    pub fn add(&mut self, key: &Key, later: &Evidence) {
        if later.is_empty() {
            return;
        }
        self.entry(key).add(later);
        self.seen(key, later.checks());
    }

    /// Gives what was known of no rules to these, unless they have shown something of their own.
    pub fn adopt(&mut self, rules: RulesId) {
        let is_theirs = |known: &Known| known.key.rules == rules;
        if self.0.iter().any(is_theirs) {
            return;
        }
        for known in self.0.iter_mut().filter(|known| known.key.rules == RulesId::UNKNOWN) {
            known.key.rules = rules;
        }
    }

    fn seen(&mut self, key: &Key, checks: u64) {
        if checks == 0 {
            return;
        }
        for known in &mut self.0 {
            known.unseen = if known.key == *key { 0 } else { known.unseen.saturating_add(checks) };
        }
    }

    fn entry(&mut self, key: &Key) -> &mut Evidence {
        if self.get(key).is_none() {
            self.adopt(key.rules);
        }
        let place = match self.0.iter().position(|known| known.key == *key) {
            Some(place) => place,
            None => {
                if self.0.len() >= MAX_VERSIONS {
                    let age = |known: &Known| (known.unseen, std::cmp::Reverse(known.number));
                    let longest = self.0.iter().enumerate().max_by_key(|(_, known)| age(known));
                    if let Some((longest, _)) = longest {
                        self.0.remove(longest);
                    }
                }
                let number = self.0.iter().map(|known| known.number).max().map_or(0, |number| number + 1);
                let evidence = Evidence::default();
                self.0.push(Known { key: key.clone(), number, unseen: 0, evidence });
                self.0.len() - 1
            }
        };
        &mut self.0[place].evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Outcome;

    const RULES: RulesId = RulesId(1);
    const MATCHED: End = End::Judged { outcome: Outcome::Matched, cause: None };
    const FAILED: End = End::Judged { outcome: Outcome::Failed, cause: None };

    fn header() -> VersionSource {
        VersionSource::Header(http::HeaderName::from_static("x-version"))
    }

    fn see(evidences: &mut Evidences, version: &str, times: usize) {
        let shown = Shown { version: version.parse().ok(), ..Shown::default() };
        let key = evidences.key_of(&shown, RULES, &header());
        (0..times).for_each(|_| evidences.note(&key, MATCHED, &shown));
    }

    fn assessed(evidences: &Evidences) -> String {
        evidences.assessed(RULES, &header()).to_string()
    }

    fn matched(evidences: &Evidences, version: &str) -> u64 {
        let key = Key { rules: RULES, version: version.parse().expect("a version") };
        evidences.get(&key).map_or(0, |evidence| evidence.matched)
    }

    #[test]
    fn a_rolling_deploy_does_not_flap() {
        let mut evidences = Evidences::default();
        see(&mut evidences, "1", 5_000);
        for _ in 0..500 {
            see(&mut evidences, "2", 1);
            assert_eq!(assessed(&evidences), "2");
            see(&mut evidences, "1", 7);
            assert_eq!(assessed(&evidences), "2");
        }
        assert_eq!((matched(&evidences, "1"), matched(&evidences, "2")), (8_500, 500));
    }

    #[test]
    fn after_a_deploy_was_taken_back_the_one_before_counts_again() {
        let mut evidences = Evidences::default();
        see(&mut evidences, "1", 10);
        see(&mut evidences, "2", 10);
        see(&mut evidences, "1", 999);
        assert_eq!(assessed(&evidences), "2");
        see(&mut evidences, "1", 1);
        assert_eq!(assessed(&evidences), "1");
        assert_eq!(matched(&evidences, "1"), 1_010);
    }

    #[test]
    fn what_was_not_answered_or_not_signed_is_held_against_the_one_that_is_assessed() {
        let mut evidences = Evidences::default();
        see(&mut evidences, "1", 5);
        let shown = Shown::default();
        let key = evidences.key_of(&shown, RULES, &header());
        evidences.note(&key, FAILED, &shown);
        assert_eq!(evidences.get(&key).expect("an evidence").failed, 1);
        assert_eq!(key.version.as_str(), "1");
        let unmatched = End::Judged { outcome: Outcome::Unmatched, cause: None };
        evidences.note(&key, unmatched, &shown);
        see(&mut evidences, "", 1);
        let evidence = evidences.get(&key).expect("an evidence");
        assert_eq!((evidence.matched, evidence.unmatched), (6, 1));
        assert_eq!(evidences.iter().count(), 1);
    }

    #[test]
    fn the_one_that_was_not_seen_for_longest_goes() {
        let mut evidences = Evidences::default();
        for number in 0..30 {
            see(&mut evidences, &number.to_string(), 1);
            see(&mut evidences, "stays", 1);
        }
        assert_eq!(evidences.iter().count(), MAX_VERSIONS);
        assert_eq!(matched(&evidences, "stays"), 30);
        assert_eq!((matched(&evidences, "10"), matched(&evidences, "11")), (0, 1));
    }

    #[test]
    fn other_rules_begin_anew_and_the_same_again_go_on() {
        let mut evidences = Evidences::default();
        see(&mut evidences, "1", 5);
        let other = RulesId(2);
        assert_eq!(evidences.assessed(other, &header()), Version::unnamed());
        let key = Key { rules: other, version: "1".parse().unwrap() };
        assert_eq!(evidences.get(&key), None);
        evidences.note(&key, MATCHED, &Shown::default());
        assert_eq!(assessed(&evidences), "1");
        assert_eq!(matched(&evidences, "1"), 5);
    }

    #[test]
    fn counts_of_an_older_store_go_to_the_rules_of_the_first_that_asks() {
        let unknown = Key { rules: RulesId::UNKNOWN, version: Version::unnamed() };
        let mut evidences = Evidences::default();
        evidences.add(&unknown, &Evidence::of_counts(5, 1, 0));
        let mut taken = evidences.clone();
        taken.adopt(RULES);
        let key = Key { rules: RULES, version: Version::unnamed() };
        assert_eq!(taken.get(&key), Some(&Evidence::of_counts(5, 1, 0)));
        taken.adopt(RulesId(9));
        assert!(taken.get(&key).is_some());
        see(&mut evidences, "1", 1);
        assert_eq!(evidences.get(&unknown), None);
        assert_eq!(evidences.get(&key), Some(&Evidence::of_counts(5, 1, 0)), "also where it has not asked");
        assert_eq!(assessed(&evidences), "1");
    }
}
