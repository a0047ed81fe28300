use parallax_core::evidence::{RulesId, VersionSource};
use parallax_core::rule::Action;
use parallax_core::verdict::Skip;

use super::*;

fn id(name: &str) -> OperationId {
    name.parse().expect("an id")
}

fn rule(at: &str) -> RuleSpec {
    RuleSpec { at: at.to_owned(), action: Action::Ignore }
}

fn ground(rules: u64) -> Ground {
    Ground { rules: RulesId(rules), version: VersionSource::Off }
}

fn tally(requests: u64) -> Tally {
    Tally { requests, matched: requests, ..Tally::default() }
}

#[test]
fn under_other_rules_an_operation_counts_on_and_tickets_of_before_count_too() {
    let telemetry = Telemetry::new().expect("metrics");
    let before = telemetry.meter(&id("a"), tally(5), &[rule("$.body.x")], ground(1)).expect("a meter");
    let ticket = before.begin(AnsweredBy::Legacy);
    let after = telemetry.meter(&id("a"), tally(7), &[rule("$.body.y")], ground(2)).expect("a meter");
    assert!(!Arc::ptr_eq(&before, &after));
    after.begin(AnsweredBy::Legacy).skip(parallax_core::verdict::Skip::Stage);
    assert_eq!(after.in_flight(), 1);
    drop(ticket);
    assert_eq!((after.in_flight(), after.tally().requests), (0, 7), "5 of an earlier process, and 2");
    assert_eq!(telemetry.to_write().len(), 1);
    let same = telemetry.meter(&id("a"), Tally::default(), &[rule("$.body.y")], ground(2)).expect("a meter");
    assert!(Arc::ptr_eq(&after, &same));
}

#[test]
fn what_is_inherited_is_lasting_and_to_be_written_whoever_knows_the_operation() {
    let telemetry = Telemetry::new().expect("metrics");
    let meter = telemetry.meter(&id("a"), tally(5), &[], ground(1)).expect("a meter");
    telemetry.inherit(&id("a"), &tally(2).into());
    telemetry.inherit(&id("b"), &tally(3).into());
    assert_eq!((meter.tally(), meter.since_start()), (tally(7), Tally::default()));
    let to_write = [(id("a"), tally(2).into()), (id("b"), tally(3).into())];
    assert_eq!(telemetry.to_write(), to_write);
    let late = telemetry.meter(&id("b"), tally(10), &[], ground(1)).expect("a meter");
    assert_eq!(late.tally(), tally(13));
    assert_eq!(telemetry.to_write(), to_write, "once");
}

#[test]
fn what_waits_in_the_store_is_in_flight_until_it_ends() {
    let (telemetry, a) = (Telemetry::new().unwrap(), id("a"));
    telemetry.ended(&a, End::Skipped(Skip::Stage));
    let lasting = Tally { requests: 3, ..Tally::default() };
    let meter = telemetry.meter(&a, lasting, &[], ground(1)).unwrap();
    assert_eq!(meter.in_flight(), 2, "one has ended while the operation was not configured");
    telemetry.ended(&a, End::DEAD_LETTER);
    let (in_flight, counts) = meter.standing();
    assert_eq!((in_flight, counts.requests, counts.settled()), (1, 3, 2));
    assert!(meter.to_write().tally.settled() == 0, "the store has counted it");
}

#[test]
fn what_was_shown_comes_again_until_it_is_written_and_then_not() {
    use parallax_core::evidence::Shown;
    use parallax_core::judge::Judged;
    use parallax_core::verdict::{Equality, Verdict};

    let telemetry = Telemetry::new().expect("metrics");
    let meter = telemetry.meter(&id("a"), Tally::default(), &[], ground(1)).expect("a meter");
    let check = || {
        let mut ticket = meter.begin(AnsweredBy::Legacy);
        ticket.show(Shown::default());
        ticket.judged(&Judged { verdict: Verdict::Matched(Equality::Identical), masked: Vec::new() });
    };
    let to_write = || {
        let (_, Lasting { tally, evidence }) = telemetry.to_write().remove(0);
        (tally.matched, evidence.iter().map(|known| known.evidence.matched).sum::<u64>())
    };
    check();
    assert_eq!(to_write(), (1, 1));
    check();
    assert_eq!(to_write(), (2, 2), "the store did not take it");
    check();
    telemetry.written([id("a")].iter());
    assert_eq!(to_write(), (3, 1), "what came after it was read is not written");
    telemetry.written([id("a")].iter());
    meter.begin(AnsweredBy::Legacy).skip(Skip::Stage);
    assert_eq!(to_write(), (3, 0));
    assert_eq!(meter.assessed().evidence.matched, 3);
}
