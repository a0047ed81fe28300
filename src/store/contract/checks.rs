//! What every backend promises of checks that were accepted for good.

use std::time::Duration;

use jiff::SignedDuration;
use parallax_core::report::ReportedDifference;
use parallax_core::tally::End;

use super::*;
use crate::store::{
    Acceptance, Backlog, Claim, ClaimedCheck, Completion, KEPT_FOR, KEPT_UNASKED_FOR, KeptCheck, Lease,
    MAX_ATTEMPTS, NewCheck, NewState, Room,
};

const ALL: Room = Room { checks: 1_000, bytes: u64::MAX };

fn waiting(number: u128, name: &str, sealed: &[u8]) -> NewCheck {
    NewCheck {
        id: CheckId(number),
        operation_id: operation(name),
        fingerprint: Some([7; 16]),
        at: at(0),
        state: NewState::Waiting(sealed.to_vec()),
    }
}

fn accept(backend: &mut dyn Backend, checks: &[NewCheck]) -> Vec<Acceptance> {
    let batch: Vec<_> = checks.iter().map(|check| Write::Check(Box::new(check.clone()))).collect();
    backend.write(&batch).expect("a good write")
}

fn done(number: u128, end: End) -> Write {
    Write::Done(Box::new(Completion {
        id: CheckId(number),
        at: at(60),
        end,
        shown: None,
        differences: Vec::new(),
    }))
}

const MATCHED: End = End::Judged { outcome: Outcome::Matched, cause: None };

fn lease(holder: u64, until: i64) -> Lease {
    Lease { holder, until: at(until) }
}

fn claim(backend: &mut dyn Backend, now: i64, holder: u64, room: Room) -> Vec<(u128, u32)> {
    let claim = backend.claim(at(now), lease(holder, now + 30), room).expect("a claim");
    claim.checks.iter().map(|check| (check.id.0, check.attempts)).collect()
}

fn total(backend: &mut dyn Backend) -> Tally {
    let mut sum = Tally::default();
    backend.totals().expect("totals").iter().for_each(|(_, tally)| sum.add(tally));
    sum
}

fn one(end: End) -> Tally {
    Tally { requests: 1, ..end.tally() }
}

fn a_check_is_counted_when_it_is_accepted_and_when_it_is_done(backend: &mut dyn Backend) {
    assert_eq!(accept(backend, &[waiting(1, "a", b"sealed")]), [Acceptance::New]);
    let pending = KeptCheck { operation_id: operation("a"), at: at(0), end: None, differences: Vec::new() };
    assert_eq!(backend.kept(CheckId(1)), Ok(Some(pending.clone())));
    assert_eq!(total(backend), Tally { requests: 1, ..Tally::default() });
    assert_eq!(backend.backlog(), Ok(vec![Backlog { operation_id: operation("a"), checks: 1, bytes: 6 }]));

    write(backend, &[done(1, MATCHED)]);
    assert_eq!(backend.kept(CheckId(1)), Ok(Some(KeptCheck { end: Some(MATCHED), ..pending })));
    assert_eq!(total(backend), one(MATCHED));
    assert_eq!(backend.backlog(), Ok(vec![]));
    assert_eq!(claim(backend, 0, 1, ALL), []);
    let minutes = backend.minutes(&operation("a"), Minute(0)).expect("minutes");
    let in_minutes: Vec<_> = minutes.iter().map(|(_, tally)| (tally.requests, tally.matched)).collect();
    assert_eq!(in_minutes, [(1, 0), (0, 1)], "each in its own minute");
}

fn a_check_that_is_done_twice_counts_once(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b"sealed")]);
    let other = End::Judged { outcome: Outcome::Failed, cause: Some(Cause::Timeout) };
    write(backend, &[done(1, MATCHED), done(1, MATCHED), done(2, MATCHED)]);
    write(backend, &[done(1, other)]);
    assert_eq!(total(backend), one(MATCHED));
    assert_eq!(backend.kept(CheckId(1)).expect("a check").expect("it is kept").end, Some(MATCHED));
    assert_eq!(backend.kept(CheckId(2)), Ok(None), "one that was never accepted");
}

fn the_same_check_again_counts_once_and_another_content_is_refused(backend: &mut dyn Backend) {
    let check = waiting(1, "a", b"one");
    let other = NewCheck { fingerprint: Some([8; 16]), ..waiting(1, "a", b"two") };
    // Sealing the same twice gives other bytes; it is the fingerprint that counts.
    let again = waiting(1, "a", b"sealed once more");
    let said = accept(backend, &[check.clone(), again.clone(), other.clone(), waiting(2, "a", b"")]);
    use Acceptance::{Conflict, Known, New};
    assert_eq!(said, [New, Known, Conflict, New]);
    assert_eq!(accept(backend, &[other, again]), [Conflict, Known]);
    assert_eq!(total(backend).requests, 2);
    let claimed = backend.claim(at(0), lease(1, 30), ALL).expect("a claim");
    assert_eq!(claimed.checks[0].sealed, b"one");
    write(backend, &[done(1, MATCHED)]);
    assert_eq!(accept(backend, &[check]), [Known], "also when it is done");
    assert_eq!(total(backend).matched, 1);
}

fn a_check_that_is_not_checked_is_done_at_once(backend: &mut dyn Backend) {
    let check = NewCheck { state: NewState::Skipped(Skip::Stage), ..waiting(1, "a", b"") };
    assert_eq!(accept(backend, &[check]), [Acceptance::New]);
    let end = End::Skipped(Skip::Stage);
    assert_eq!(backend.kept(CheckId(1)).expect("a check").expect("it is kept").end, Some(end));
    assert_eq!(total(backend), one(end));
    assert_eq!(claim(backend, 0, 1, ALL), []);
}

fn every_end_survives(backend: &mut dyn Backend) {
    let failed = |&cause: &Cause| End::Judged { outcome: Outcome::Failed, cause: Some(cause) };
    let unmatched = End::Judged { outcome: Outcome::Unmatched, cause: None };
    let ends: Vec<End> = [MATCHED, unmatched]
        .into_iter()
        .chain(Cause::ALL.iter().map(failed))
        .chain(Skip::ALL.iter().map(|&skip| End::Skipped(skip)))
        .collect();
    let mut expected = Tally::default();
    for (number, &end) in (1..).zip(&ends) {
        accept(backend, &[waiting(number, "a", b"x")]);
        write(backend, &[done(number, end)]);
        expected.add(&one(end));
        assert_eq!(backend.kept(CheckId(number)).expect("a check").expect("it is kept").end, Some(end));
    }
    assert_eq!(total(backend), expected);
}

fn differences_are_kept_with_the_check(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b"x")]);
    let differences = vec![ReportedDifference {
        signature: SignatureId(3),
        part: Part::Body,
        path: "$.body.a".to_owned(),
        kind: Kind::Value,
        legacy: Some("(3 digits)".to_owned()),
        candidate: None,
        explanation: Some("opposite sign".to_owned()),
        relation: Default::default(),
    }];
    let end = End::Judged { outcome: Outcome::Unmatched, cause: None };
    let completion =
        Completion { id: CheckId(1), at: at(1), end, shown: None, differences: differences.clone() };
    write(backend, &[Write::Done(Box::new(completion))]);
    assert_eq!(backend.kept(CheckId(1)).expect("a check").expect("it is kept").differences, differences);
}

fn checks_are_claimed_in_their_order_and_each_by_one(backend: &mut dyn Backend) {
    let checks: Vec<_> = [5, 3, 9].map(|number| waiting(number, "a", &[0; 10])).into();
    accept(backend, &checks);
    assert_eq!(claim(backend, 0, 1, Room { checks: 2, ..ALL }), [(5, 0), (3, 0)]);
    assert_eq!(claim(backend, 1, 2, ALL), [(9, 0)]);
    assert_eq!(claim(backend, 29, 2, ALL), []);
    assert_eq!(backend.backlog().expect("a backlog")[0].checks, 3, "claimed is not done");
    let expected = ClaimedCheck {
        id: CheckId(5),
        operation_id: operation("a"),
        attempts: 1,
        may_be_asked_for: true,
        sealed: vec![0; 10],
    };
    let room = Room { checks: 1, ..ALL };
    let claimed = backend.claim(at(30), lease(3, 60), room);
    assert_eq!(claimed, Ok(Claim { checks: vec![expected], dead: vec![] }), "after its lease");
}

fn no_more_bytes_are_claimed_than_there_is_room_for(backend: &mut dyn Backend) {
    let checks: Vec<_> = (1..=4).map(|number| waiting(number, "a", &[0; 100])).collect();
    accept(backend, &checks);
    assert_eq!(claim(backend, 0, 1, Room { checks: 9, bytes: 250 }), [(1, 0), (2, 0)]);
    assert_eq!(claim(backend, 0, 1, Room { checks: 9, bytes: 1 }), [(3, 0)], "one in any case");
}

fn a_lease_that_is_renewed_does_not_run_out(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b""), waiting(2, "a", b"")]);
    assert_eq!(claim(backend, 0, 1, ALL).len(), 2);
    backend.renew(lease(1, 100), &[CheckId(1), CheckId(7)]).expect("renewed");
    backend.renew(lease(5, 100), &[CheckId(2)]).expect("nothing, because another has it");
    assert_eq!(claim(backend, 50, 2, ALL), [(2, 1)]);
    assert_eq!(claim(backend, 100, 2, ALL), [(1, 1), (2, 2)]);
}

fn what_is_given_back_may_be_claimed_at_once_and_is_no_attempt(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b""), waiting(2, "a", b"")]);
    assert_eq!(claim(backend, 0, 1, ALL).len(), 2);
    backend.release(1, &[CheckId(1), CheckId(7)]).expect("given back");
    backend.release(5, &[CheckId(2)]).expect("nothing, because another has it");
    assert_eq!(claim(backend, 1, 2, ALL), [(1, 0)]);
}

fn who_outlives_others_has_their_checks_at_once(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b""), waiting(2, "a", b"")]);
    let room = Room { checks: 1, ..ALL };
    assert_eq!(claim(backend, 0, 1, room), [(1, 0)]);
    assert_eq!(claim(backend, 0, 2, room), [(2, 0)]);
    backend.outlive(2).expect("the leases of 1 run out");
    assert_eq!(claim(backend, 1, 2, ALL), [(1, 1)]);
}

fn a_check_whose_leases_keep_running_out_is_given_up(backend: &mut dyn Backend) {
    accept(backend, &[waiting(1, "a", b"sealed")]);
    for attempt in 0..MAX_ATTEMPTS {
        assert_eq!(claim(backend, 100 * i64::from(attempt), 1, ALL), [(1, attempt)]);
    }
    let last = backend.claim(at(1_000), lease(1, 1_030), ALL).expect("a claim");
    assert_eq!(last, Claim { checks: vec![], dead: vec![(operation("a"), 6)] });
    assert_eq!(backend.kept(CheckId(1)).expect("a check").expect("it is kept").end, Some(End::DEAD_LETTER));
    assert_eq!(total(backend), one(End::DEAD_LETTER));
    assert_eq!(backend.backlog(), Ok(vec![]));
}

fn what_is_done_is_forgotten_after_its_time_and_what_waits_is_not(backend: &mut dyn Backend) {
    let checks: Vec<_> = (1..=4).map(|number| waiting(number, "a", b"")).collect();
    accept(backend, &checks);
    write(backend, &[done(1, MATCHED), done(2, MATCHED), done(3, MATCHED)]);
    assert_eq!(backend.forget_done(at(60), 9), Ok(0));
    assert_eq!(backend.forget_done(at(61), 2), Ok(2));
    assert_eq!(backend.forget_done(at(61), 2), Ok(1));
    assert_eq!(backend.kept(CheckId(1)), Ok(None));
    assert!(backend.kept(CheckId(4)).expect("a check").is_some());
    assert_eq!(total(backend).matched, 3, "counts are lasting");
}

fn what_nobody_can_ask_for_is_forgotten_earlier(backend: &mut dyn Backend) {
    let unnamed = |number| NewCheck { fingerprint: None, ..waiting(number, "a", b"") };
    assert_eq!(accept(backend, &[unnamed(1), waiting(2, "a", b""), unnamed(3)]), [Acceptance::New; 3]);
    let claimed = backend.claim(at(0), lease(1, 30), ALL).expect("a claim").checks;
    assert_eq!(claimed.iter().map(|check| check.may_be_asked_for).collect::<Vec<_>>(), [false, true, false]);
    write(backend, &[done(1, MATCHED), done(2, MATCHED)]);
    let after = |kept: Duration| at(60) + SignedDuration::try_from(kept).expect("a short time");
    // What is forgotten at an instant is what would have been kept for the whole time until then.
    let forget_at = |backend: &mut dyn Backend, now: Timestamp| {
        backend.forget_done(now - SignedDuration::try_from(KEPT_FOR).expect("a short time"), 9)
    };
    assert_eq!(forget_at(backend, after(KEPT_UNASKED_FOR)), Ok(0));
    assert_eq!(forget_at(backend, after(KEPT_UNASKED_FOR + Duration::from_secs(1))), Ok(1));
    assert_eq!(backend.kept(CheckId(1)), Ok(None));
    assert!(backend.kept(CheckId(2)).expect("a check").is_some());
    assert!(backend.kept(CheckId(3)).expect("a check").is_some(), "it is not done");
    assert_eq!(forget_at(backend, after(KEPT_FOR)), Ok(0));
    assert_eq!(total(backend).matched, 2, "counts are lasting");
}

fn a_key_stays_until_nothing_waits_that_it_has_sealed(backend: &mut dyn Backend) {
    assert_eq!(backend.use_key(b"one"), Ok(true));
    assert_eq!(backend.use_key(b"two"), Ok(true), "nothing waits");
    accept(backend, &[waiting(1, "a", b"")]);
    assert_eq!(backend.use_key(b"one"), Ok(false));
    assert_eq!(backend.use_key(b"two"), Ok(true));
    write(backend, &[done(1, MATCHED)]);
    assert_eq!(backend.use_key(b"one"), Ok(true));
}

contract! {
    a_check_is_counted_when_it_is_accepted_and_when_it_is_done,
    a_check_that_is_done_twice_counts_once,
    the_same_check_again_counts_once_and_another_content_is_refused,
    a_check_that_is_not_checked_is_done_at_once,
    every_end_survives,
    differences_are_kept_with_the_check,
    checks_are_claimed_in_their_order_and_each_by_one,
    no_more_bytes_are_claimed_than_there_is_room_for,
    a_lease_that_is_renewed_does_not_run_out,
    what_is_given_back_may_be_claimed_at_once_and_is_no_attempt,
    who_outlives_others_has_their_checks_at_once,
    a_check_whose_leases_keep_running_out_is_given_up,
    what_is_done_is_forgotten_after_its_time_and_what_waits_is_not,
    what_nobody_can_ask_for_is_forgotten_earlier,
    a_key_stays_until_nothing_waits_that_it_has_sealed,
}
