//! What every backend promises, once, run against each of them. A new backend is one line in
//! [`contract`]; a new promise is one function and its name in the list at the end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::exchange::Side;
use parallax_core::explanations::Explanations;
use parallax_core::operation::OperationId;
use parallax_core::recheck::Finding;
use parallax_core::report::{Report, RequestSample, Sample};
use parallax_core::signature::{Signature, SignatureId};
use parallax_core::stage::{Share, Stage};
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use parallax_core::verdict::{Cause, Kind, Outcome, Part, Skip, ValueType};
use serde_json::json;

use super::{
    Backend, MAX_SAMPLES, MAX_SIGNATURES, Memory, Minute, Purged, Sqlite, StoreError, StoredStage, Write,
    other_signature,
};

pub(super) fn operation(name: &str) -> OperationId {
    name.parse().expect("an operation id")
}

/// An instant so many seconds after a fixed one, with a fraction that must survive.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + seconds, 123_456_789).expect("an instant")
}

pub(super) fn tally(requests: u64) -> Tally {
    Tally {
        requests,
        matched: 5,
        unmatched: 1,
        failed: BTreeMap::from([(Cause::Timeout, 2), (Cause::Both5xx, 1)]),
        skipped: BTreeMap::from([(Skip::NotIdempotent, 4)]),
        rechecks: BTreeMap::from([(Finding::Flaky, 2)]),
    }
}

pub(super) fn counted(name: &str, minute: i64, tally: Tally) -> Write {
    Write::Tally { operation_id: operation(name), minute: Minute(minute), tally }
}

fn signature(name: &str, number: u64) -> Signature {
    Signature {
        id: SignatureId(u64::MAX - number),
        operation_id: operation(name),
        part: Part::Body,
        path: format!("$.body['it''s'][*].f{number}"),
        kind: Kind::DuplicateKey,
        legacy_type: Some(ValueType::Number),
        candidate_type: None,
        explanation: Some("rounded to 1 decimal".to_owned()),
    }
}

fn seen(signature: &Signature, count: u64, seconds: i64) -> Write {
    Write::seen(signature.clone(), count, at(seconds))
}

pub(super) fn report(number: u64, seconds: i64, signatures: Vec<Signature>) -> Report {
    let request = RequestSample {
        method: "GET".to_owned(),
        target: "/returns/99".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        redacted: true,
        masked: true,
    };
    Report {
        id: CheckId(u128::MAX - u128::from(number)),
        at: at(seconds),
        operation_id: operation("getReturn"),
        answering: Side::Legacy,
        outcome: Outcome::Unmatched,
        reason: None,
        recheck: None,
        differences: Vec::new(),
        more: 3,
        signatures,
        sample: Some(Sample { request, legacy: None, candidate: None }),
    }
}

fn sampled(report: &Report) -> Write {
    Write::Sample(Box::new(report.clone()))
}

pub(super) fn transition(name: &str, revision: u64, to: Stage) -> Transition {
    Transition {
        at: at(i64::try_from(revision).expect("small")),
        who: "anna".to_owned(),
        operation_id: operation(name),
        from: Stage::Canary(share("1%")),
        to,
        reason: "it's time; 100% \u{1f600}".to_owned(),
        forced: true,
        automatic: false,
        revision,
        evidence: json!({"matched": 3, "consistency": 0.1, "none": null}),
    }
}

fn share(text: &str) -> Share {
    Share::new(text.parse().expect("a ratio")).expect("a share")
}

fn moved(transition: &Transition) -> Write {
    Write::Transition(Box::new(transition.clone()))
}

fn write(backend: &mut dyn Backend, batch: &[Write]) {
    backend.write(batch).expect("a good write");
}

fn stages(backend: &mut dyn Backend) -> Vec<StoredStage> {
    backend.stages().expect("stages")
}

fn audit(backend: &mut dyn Backend) -> Vec<Transition> {
    backend.audit(None, 100).expect("audit")
}

fn an_empty_store_has_nothing(backend: &mut dyn Backend) {
    write(backend, &[]);
    let id = operation("getReturn");
    assert_eq!(backend.totals(), Ok(vec![]));
    assert_eq!(backend.minutes(&id, Minute(0)), Ok(vec![]));
    assert_eq!(backend.signatures(&id), Ok(vec![]));
    assert_eq!(backend.signature(SignatureId(1)), Ok(None));
    assert_eq!(backend.samples(SignatureId(1), 9), Ok(vec![]));
    assert_eq!(backend.sample(CheckId(1)), Ok(None));
    assert_eq!(backend.stages(), Ok(vec![]));
    assert_eq!(backend.audit(None, 9), Ok(vec![]));
    assert_eq!(backend.purge(at(0), 9), Ok(Purged::default()));
}

fn tallies_add_up_per_minute_and_for_good(backend: &mut dyn Backend) {
    write(backend, &[counted("b", 7, tally(10)), counted("a", 7, tally(20)), counted("b", 7, tally(30))]);
    write(backend, &[counted("b", 9, tally(1)), counted("b", -1, tally(2))]);

    let mut minute_7 = tally(10);
    minute_7.add(&tally(30));
    let mut total = minute_7.clone();
    total.add(&tally(1));
    total.add(&tally(2));
    assert_eq!(backend.totals(), Ok(vec![(operation("a"), tally(20)), (operation("b"), total)]));
    let since = |backend: &mut dyn Backend, minute| backend.minutes(&operation("b"), Minute(minute));
    assert_eq!(since(backend, 7), Ok(vec![(Minute(7), minute_7), (Minute(9), tally(1))]));
    assert_eq!(since(backend, 8), Ok(vec![(Minute(9), tally(1))]));
    assert_eq!(since(backend, -1).expect("minutes").len(), 3);
}

fn a_tally_of_nothing_leaves_no_trace(backend: &mut dyn Backend) {
    let nothing = Tally { failed: BTreeMap::from([(Cause::Tls, 0)]), ..Tally::default() };
    write(backend, &[counted("a", 1, nothing.clone())]);
    assert_eq!(backend.totals(), Ok(vec![]));
    write(backend, &[counted("a", 1, Tally { requests: 1, ..nothing })]);
    let one = Tally { requests: 1, ..Tally::default() };
    assert_eq!(backend.totals(), Ok(vec![(operation("a"), one)]));
}

fn a_batch_is_written_whole_or_not_at_all(backend: &mut dyn Backend) {
    let bad = [
        counted("a", 1, Tally { requests: u64::MAX, ..Tally::default() }),
        seen(&signature("a", 1), u64::MAX, 0),
        Write::seen(signature("a", 1), 1, Timestamp::MAX),
    ];
    for bad in bad {
        let batch = [counted("a", 1, tally(1)), moved(&transition("a", 1, Stage::Shadow)), bad];
        let error = backend.write(&batch).expect_err("a write that cannot be right");
        assert!(matches!(error, StoreError::Invalid { .. }) && error.is_refusal(), "{error}");
        an_empty_store_has_nothing(backend);
    }
}

fn signatures_are_counted_and_the_most_frequent_come_first(backend: &mut dyn Backend) {
    let [rare, often, elsewhere] = [signature("a", 1), signature("a", 2), signature("b", 3)];
    write(backend, &[seen(&rare, 2, 50), seen(&often, 3, 10), seen(&often, 4, 5), seen(&elsewhere, 9, 1)]);
    write(backend, &[seen(&rare, 1, 60)]);

    let found = backend.signatures(&operation("a")).expect("signatures");
    let lines: Vec<_> =
        found.iter().map(|seen| (&seen.signature, seen.count, seen.first_at, seen.last_at)).collect();
    assert_eq!(lines, [(&often, 7, at(5), at(10)), (&rare, 3, at(50), at(60))]);
    let one = backend.signature(elsewhere.id).expect("a signature").expect("it was seen");
    assert_eq!((one.signature, one.count), (elsewhere, 9));
}

fn a_fault_has_its_most_common_explanation(backend: &mut dyn Backend) {
    let explained =
        |text: Option<&str>| Signature { explanation: text.map(str::to_owned), ..signature("getReturn", 1) };
    let own = |backend: &mut dyn Backend| {
        let seen = backend.signature(explained(None).id).expect("a signature").expect("it was seen");
        (seen.signature.explanation, seen.count)
    };
    write(backend, &[sampled(&report(1, 1, vec![explained(Some("of the first"))]))]);
    assert_eq!(own(backend), (Some("of the first".to_owned()), 0));
    write(backend, &[seen(&explained(Some("rare")), 2, 1), seen(&explained(Some("common")), 3, 2)]);
    assert_eq!(own(backend), (Some("common".to_owned()), 5));
    write(backend, &[seen(&explained(Some("rare")), 2, 3)]);
    assert_eq!(own(backend), (Some("rare".to_owned()), 7));
    write(backend, &[seen(&explained(None), 9, 4)]);
    assert_eq!(own(backend), (None, 16));
    assert_eq!(
        backend.signatures(&operation("getReturn")).expect("signatures")[0].signature,
        explained(None)
    );
}

fn where_the_candidate_had_answered_is_counted_too(backend: &mut dyn Backend) {
    let seen = |number, count, reversed| Write::Seen {
        signature: Box::new(signature("a", number)),
        explanations: Explanations::default(),
        count,
        reversed,
        at: at(1),
    };
    write(backend, &[seen(1, 2, 2), seen(2, 3, 0), seen(1, 1, 1), seen(2, 1, 1)]);
    let mut found: Vec<_> = backend
        .signatures(&operation("a"))
        .expect("signatures")
        .into_iter()
        .map(|seen| (seen.count, seen.reversed, seen.is_reversed()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(3, 3, true), (4, 1, false)]);
}

fn noise_is_counted_beside_the_checks(backend: &mut dyn Backend) {
    let noise = |number, count, seconds| Write::Noise {
        signature: Box::new(signature("a", number)),
        count,
        at: at(seconds),
    };
    write(backend, &[noise(1, 2, 5), seen(&signature("a", 2), 1, 1), noise(2, 3, 9), noise(1, 1, 4)]);
    let found = backend.signatures(&operation("a")).expect("signatures");
    let told: Vec<_> = found
        .iter()
        .map(|seen| (u64::MAX - seen.signature.id.0, seen.count, seen.noise, seen.first_at, seen.last_at))
        .collect();
    assert_eq!(told, [(2, 1, 3, at(1), at(9)), (1, 0, 3, at(5), at(5))]);
    assert_eq!(backend.signature(found[1].signature.id), Ok(Some(found[1].clone())));
}

fn faults_beyond_the_limit_are_counted_as_other(backend: &mut dyn Backend) {
    let limit = u64::try_from(MAX_SIGNATURES).expect("small");
    let many: Vec<_> = (0..limit + 2).map(|number| signature("a", number)).collect();
    let batch: Vec<_> = many.iter().map(|signature| seen(signature, 1, 0)).collect();
    write(backend, &batch);
    // Known ones still count as themselves, unknown ones as other, and another operation has its own room.
    let beyond = many.last().expect("many");
    write(backend, &[seen(&many[0], 5, 1), seen(beyond, 10, 2), seen(&signature("b", limit + 9), 1, 0)]);
    write(backend, &[sampled(&report(1, 3, vec![beyond.clone(), many[0].clone()]))]);

    let other = other_signature(&operation("a"));
    let found = backend.signatures(&operation("a")).expect("signatures");
    assert_eq!(found.len(), MAX_SIGNATURES + 1);
    assert_eq!((&found[0].signature, found[0].count), (&other, 12));
    assert_eq!((&found[1].signature, found[1].count), (&many[0], 6));
    assert_eq!(backend.signature(beyond.id), Ok(None));
    assert_eq!(backend.signatures(&operation("b")).expect("signatures").len(), 1);
    for id in [other.id, many[0].id] {
        assert_eq!(backend.samples(id, 9).expect("samples").len(), 1, "{id}");
    }
}

fn samples_come_newest_first_under_each_of_their_signatures(backend: &mut dyn Backend) {
    let [one, two] = [signature("getReturn", 1), signature("getReturn", 2)];
    let both = report(1, 10, vec![one.clone(), two.clone()]);
    let newer = report(2, 20, vec![one.clone()]);
    write(backend, &[seen(&one, 2, 20), sampled(&newer), sampled(&both)]);

    assert_eq!(backend.samples(one.id, 9), Ok(vec![newer.clone(), both.clone()]));
    assert_eq!(backend.samples(one.id, 1), Ok(vec![newer.clone()]));
    assert_eq!(backend.samples(two.id, 9), Ok(vec![both.clone()]));
    assert_eq!(backend.sample(both.id), Ok(Some(both)));
    // A signature is known from its first sample on, counted or not.
    assert_eq!(backend.signature(two.id).expect("a signature").expect("it was sampled").count, 0);
}

fn a_sample_that_is_written_again_replaces_the_first(backend: &mut dyn Backend) {
    let [one, two] = [signature("getReturn", 1), signature("getReturn", 2)];
    let first = report(1, 10, vec![one.clone()]);
    let again = Report { more: 99, ..report(1, 11, vec![two.clone()]) };
    write(backend, &[sampled(&first)]);
    write(backend, &[sampled(&again), sampled(&again)]);
    assert_eq!(backend.sample(first.id), Ok(Some(again.clone())));
    assert_eq!(backend.samples(one.id, 9), Ok(vec![]));
    assert_eq!(backend.samples(two.id, 9), Ok(vec![again]));
}

fn a_report_without_a_fault_is_not_kept(backend: &mut dyn Backend) {
    let report = report(1, 10, vec![]);
    write(backend, &[sampled(&report)]);
    assert_eq!(backend.sample(report.id), Ok(None));
}

fn only_the_newest_samples_of_a_signature_are_kept(backend: &mut dyn Backend) {
    let [crowded, quiet] = [signature("getReturn", 1), signature("getReturn", 2)];
    let shared = report(0, 0, vec![crowded.clone(), quiet.clone()]);
    let limit = u64::try_from(MAX_SAMPLES).expect("small");
    let reports: Vec<_> = (1..=limit + 1)
        .map(|number| report(number, i64::try_from(number).expect("small"), vec![crowded.clone()]))
        .collect();
    write(backend, &[sampled(&shared)]);
    for report in &reports {
        write(backend, &[sampled(report)]);
    }
    let too_old = report(500, -5, vec![crowded.clone()]);
    write(backend, &[sampled(&too_old)]);

    let newest: Vec<_> = reports.iter().rev().take(MAX_SAMPLES).cloned().collect();
    assert_eq!(backend.samples(crowded.id, 999), Ok(newest));
    assert_eq!(backend.sample(reports[0].id), Ok(None));
    assert_eq!(backend.sample(too_old.id), Ok(None));
    // The other signature still shows it.
    assert_eq!(backend.samples(quiet.id, 9), Ok(vec![shared.clone()]));
    assert_eq!(backend.sample(shared.id), Ok(Some(shared)));
}

fn purging_forgets_what_is_old_and_keeps_what_is_lasting(backend: &mut dyn Backend) {
    let fault = signature("getReturn", 1);
    let [old, new] = [report(1, 0, vec![fault.clone()]), report(2, 120, vec![fault.clone()])];
    let minute = |seconds| Minute::of(at(seconds)).0;
    let moved_once = transition("getReturn", 1, Stage::Shadow);
    write(backend, &[seen(&fault, 2, 0), sampled(&old), sampled(&new), moved(&moved_once)]);
    write(backend, &[counted("a", minute(0), tally(1)), counted("a", minute(120), tally(2))]);

    let purged = backend.purge(at(120), 1_000).expect("a purge");
    assert_eq!(purged.samples, 1);
    assert!(purged.minutes >= 1, "{purged:?}");
    assert_eq!(backend.samples(fault.id, 9), Ok(vec![new]));
    assert_eq!(backend.sample(old.id), Ok(None));
    assert_eq!(backend.minutes(&operation("a"), Minute(0)), Ok(vec![(Minute(minute(120)), tally(2))]));
    let mut total = tally(1);
    total.add(&tally(2));
    assert_eq!(backend.totals(), Ok(vec![(operation("a"), total)]));
    assert_eq!(backend.signature(fault.id).expect("a signature").map(|seen| seen.count), Some(2));
    assert_eq!(audit(backend), [moved_once]);
    assert_eq!(stages(backend).len(), 1);

    // The fault may still be seen when no sample of it is left.
    backend.purge(at(9_999), 1_000).expect("a purge");
    assert_eq!(backend.samples(fault.id, 9), Ok(vec![]));
    assert_eq!(backend.signatures(&operation("getReturn")).expect("signatures").len(), 1);
}

fn a_purge_goes_in_steps_and_comes_to_an_end(backend: &mut dyn Backend) {
    let fault = signature("getReturn", 1);
    let one = |requests| Tally { requests, ..Tally::default() };
    for number in 0..5 {
        let seconds = i64::try_from(number).expect("small");
        write(
            backend,
            &[sampled(&report(number, seconds, vec![fault.clone()])), counted("a", seconds, one(1))],
        );
        write(backend, &[counted("b", seconds, one(2))]);
    }
    let mut step = || backend.purge(at(1_000), 4).expect("a purge");
    assert_eq!(step(), Purged { samples: 4, minutes: 4 });
    assert_eq!(step(), Purged { samples: 1, minutes: 4 });
    assert_eq!(step(), Purged { samples: 0, minutes: 2 });
    assert_eq!(step(), Purged::default());
}

fn hostile_text_is_only_text(backend: &mut dyn Backend) {
    let nasty = "'; DROP TABLE audit; -- \u{202e}\u{0}\"<script>\u{10ffff}";
    let fault = Signature { path: nasty.to_owned(), ..signature("getReturn", 1) };
    let mut moved_once = transition("getReturn", 1, Stage::Shadow);
    nasty.clone_into(&mut moved_once.reason);
    moved_once.evidence = json!({ nasty: nasty });
    let report = report(1, 1, vec![fault.clone()]);
    write(backend, &[seen(&fault, 1, 1), sampled(&report), moved(&moved_once)]);
    assert_eq!(backend.signature(fault.id).expect("a signature").map(|seen| seen.signature), Some(fault));
    assert_eq!(backend.sample(report.id), Ok(Some(report)));
    assert_eq!(audit(backend), [moved_once]);
}

macro_rules! contract {
    ($($promise:ident),+ $(,)?) => {
        mod memory {
            use super::*;
            $(#[test] fn $promise() { super::$promise(&mut Memory::default()); })+
        }
        mod sqlite {
            use super::*;
            $(#[test] fn $promise() {
                let directory = tempfile::tempdir().expect("a directory");
                let mut backend = Sqlite::open(&directory.path().join("store.db")).expect("a new store");
                super::$promise(&mut backend);
            })+
        }
    };
}

mod checks;
mod evidence;
mod stages;

contract! {
    an_empty_store_has_nothing,
    tallies_add_up_per_minute_and_for_good,
    a_tally_of_nothing_leaves_no_trace,
    a_batch_is_written_whole_or_not_at_all,
    signatures_are_counted_and_the_most_frequent_come_first,
    a_fault_has_its_most_common_explanation,
    faults_beyond_the_limit_are_counted_as_other,
    where_the_candidate_had_answered_is_counted_too,
    noise_is_counted_beside_the_checks,
    samples_come_newest_first_under_each_of_their_signatures,
    a_sample_that_is_written_again_replaces_the_first,
    a_report_without_a_fault_is_not_kept,
    only_the_newest_samples_of_a_signature_are_kept,
    purging_forgets_what_is_old_and_keeps_what_is_lasting,
    a_purge_goes_in_steps_and_comes_to_an_end,
    hostile_text_is_only_text,
}
