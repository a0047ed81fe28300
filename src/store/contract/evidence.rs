//! What every backend promises of what checks have shown.

use parallax_core::evidence::{
    Evidence, Evidences, Key, MAX_VERSIONS, RequestHash, RulesId, Shown, Version, VersionSource,
};
use parallax_core::tally::End;

use super::*;
use crate::store::{Acceptance, Completion, NewCheck, NewState};

const RULES: RulesId = RulesId(u64::MAX);

fn key(version: &str) -> Key {
    Key { rules: RULES, version: version.parse().unwrap_or_else(|_| Version::unnamed()) }
}

fn judged(number: u64) -> (End, Shown) {
    let outcome = if number % 7 == 3 { Outcome::Unmatched } else { Outcome::Matched };
    let request = parallax_core::exchange::Request {
        method: http::Method::GET,
        target: format!("/{number}").parse().expect("a target"),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    let faults = if outcome == Outcome::Unmatched { vec![SignatureId(number % 2)] } else { Vec::new() };
    (
        End::Judged { outcome, cause: None },
        Shown { request: Some(RequestHash::of(&request)), version: None, faults },
    )
}

fn shown(numbers: std::ops::Range<u64>) -> Evidence {
    let mut evidence = Evidence::default();
    for (end, shown) in numbers.map(judged) {
        evidence.note(end, &shown);
    }
    evidence
}

fn came(key: &Key, evidence: Evidence) -> Write {
    Write::Evidence { operation_id: operation("a"), key: key.clone(), evidence: Box::new(evidence) }
}

fn of_a(backend: &mut dyn Backend) -> Evidences {
    let all = backend.evidences().expect("evidences");
    all.into_iter().find(|(id, _)| *id == operation("a")).map(|(_, evidences)| evidences).unwrap_or_default()
}

/// As bytes: where the ring stands matters to nobody.
fn told(evidence: &Evidence) -> String {
    serde_json::to_string(evidence).expect("a text")
}

fn what_has_come_is_added_to_what_was_there(backend: &mut dyn Backend) {
    assert_eq!(backend.evidences(), Ok(vec![]));
    write(backend, &[came(&key("1"), shown(0..700))]);
    write(backend, &[came(&key("1"), shown(700..900)), came(&key("1"), shown(900..2_500))]);
    let kept = of_a(backend);
    let kept = kept.get(&key("1")).expect("an evidence");
    assert_eq!(told(kept), told(&shown(0..2_500)));
    assert!(kept.distinct_requests() > 2_300);
}

/// The evidences in memory and those in the store are the same, whatever the order of versions and rules.
fn versions_and_rules_are_kept_apart_as_in_the_core(backend: &mut dyn Backend) {
    let mut expected = Evidences::default();
    let other_rules = Key { rules: RulesId(7), ..key("1") };
    let order = [key("1"), key("2"), key(""), other_rules, key("1"), key("2"), key("2")];
    for (number, key) in (0..).zip(order) {
        let evidence = shown(number * 100..number * 100 + 40 * (number + 1));
        expected.add(&key, &evidence);
        write(backend, &[came(&key, evidence)]);
    }
    let failed = Evidence::of_counts(0, 0, 3);
    expected.add(&key("1"), &failed);
    write(backend, &[came(&key("1"), failed)]);
    let kept = of_a(backend);
    let rows = |evidences: &Evidences| -> Vec<_> {
        evidences.iter().map(|one| (one.key.clone(), one.number, one.unseen, told(&one.evidence))).collect()
    };
    assert_eq!(rows(&kept), rows(&expected));
    let source = VersionSource::Header(http::HeaderName::from_static("x-version"));
    assert_eq!(kept.assessed(RULES, &source), expected.assessed(RULES, &source));
}

fn no_more_versions_are_kept_than_there_is_room_for(backend: &mut dyn Backend) {
    let mut expected = Evidences::default();
    for number in 0..30_u64 {
        for key in [key(&number.to_string()), key("stays")] {
            expected.add(&key, &shown(number..number + 1));
            write(backend, &[came(&key, shown(number..number + 1))]);
        }
    }
    let names = |evidences: &Evidences| -> Vec<String> {
        evidences.iter().map(|one| one.key.version.to_string()).collect()
    };
    let kept = of_a(backend);
    assert_eq!((names(&kept).len(), names(&kept)), (MAX_VERSIONS, names(&expected)));
    assert_eq!(kept.get(&key("stays")).expect("it stays").checks(), 30);
}

fn counts_of_unknown_rules_go_to_the_first_that_show_something(backend: &mut dyn Backend) {
    let unknown = Key { rules: RulesId::UNKNOWN, version: Version::unnamed() };
    write(backend, &[came(&unknown, Evidence::of_counts(5, 1, 2))]);
    write(backend, &[came(&key(""), shown(0..1))]);
    let kept = of_a(backend);
    assert_eq!(kept.get(&unknown), None);
    let kept = kept.get(&key("")).expect("an evidence");
    assert_eq!((kept.matched, kept.unmatched, kept.failed), (6, 1, 2));
}

fn a_check_shows_something_when_it_is_done_and_once(backend: &mut dyn Backend) {
    let ids = 1..=20_u64;
    let accepted = |number: u64| {
        let state = NewState::Waiting(b"sealed".to_vec());
        let id = CheckId(number.into());
        let operation_id = operation("a");
        Write::Check(Box::new(NewCheck { id, operation_id, fingerprint: Some([7; 16]), at: at(0), state }))
    };
    let done = |number: u64| {
        let (end, shown) = judged(number);
        let shown = Some((key("1"), Box::new(shown)));
        let id = CheckId(number.into());
        Write::Done(Box::new(Completion { id, at: at(1), end, shown, differences: Vec::new() }))
    };
    let said = backend.write(&ids.clone().map(accepted).collect::<Vec<_>>()).expect("a write");
    assert_eq!(said, [Acceptance::New; 20]);
    write(backend, &ids.clone().map(done).collect::<Vec<_>>());
    write(backend, &[done(3), done(99)]);
    let kept = of_a(backend);
    assert_eq!(told(kept.get(&key("1")).expect("an evidence")), told(&shown(1..21)));
    let totals = backend.totals().expect("totals");
    assert_eq!((totals[0].1.matched, totals[0].1.unmatched), (shown(1..21).matched, shown(1..21).unmatched));
}

contract! {
    what_has_come_is_added_to_what_was_there,
    versions_and_rules_are_kept_apart_as_in_the_core,
    no_more_versions_are_kept_than_there_is_room_for,
    counts_of_unknown_rules_go_to_the_first_that_show_something,
    a_check_shows_something_when_it_is_done_and_once,
}
