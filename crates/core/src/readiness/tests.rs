use std::collections::BTreeMap;

use super::*;
use crate::evidence::Shown;
use crate::signature::SignatureId;
use crate::tally::End;
use crate::verdict::{Outcome, Skip};

fn ratio(text: &str) -> Ratio {
    text.parse().expect("a ratio")
}

/// The article's plain percentage.
fn plain(consistency: &str) -> Target {
    Target {
        consistency: ratio(consistency),
        confidence: None,
        min_checks: 1000,
        min_distinct: 1,
        max_failed: ratio("1%"),
        min_checked: ratio("90%"),
        latency: None,
    }
}

fn proven(consistency: &str) -> Target {
    let confidence = Confidence::new(ratio("95%")).expect("a confidence");
    Target { confidence: Some(confidence), latency: Some(LatencyLimit::DEFAULT), ..plain(consistency) }
}

fn of(evidence: &Evidence, target: &Target) -> Assessment {
    let tally = Tally { matched: evidence.matched, unmatched: evidence.unmatched, ..Tally::default() };
    assess(&Standing { evidence, tally: &tally, latency: Percentiles::default() }, target)
}

fn missing(assessment: &Assessment) -> Vec<&str> {
    assessment.missing().map(|condition| condition.name.as_str()).collect()
}

fn named<'a>(assessment: &'a Assessment, name: &str) -> &'a Condition {
    assessment.conditions.iter().find(|condition| condition.name == name).expect("the condition")
}

/// Matching checks, with a mismatch of this fault at each of these numbers.
fn evidence(checks: u64, mismatches: &[(u64, u64)]) -> Evidence {
    let mut evidence = Evidence::default();
    add(&mut evidence, checks, mismatches);
    evidence
}

fn add(evidence: &mut Evidence, checks: u64, mismatches: &[(u64, u64)]) {
    for number in 1..=checks {
        let fault = mismatches.iter().find(|(at, _)| *at == number).map(|(_, fault)| SignatureId(*fault));
        let outcome = if fault.is_some() { Outcome::Unmatched } else { Outcome::Matched };
        let shown = Shown { faults: fault.into_iter().collect(), ..Shown::default() };
        evidence.note(End::Judged { outcome, cause: None }, &shown);
    }
}

#[test]
fn plain_ready_at_the_target_and_below_it_not() {
    let target = plain("99.9%");
    assert_eq!(of(&Evidence::of_counts(999, 1, 0), &target).state, Readiness::Ready);
    let assessment = of(&Evidence::of_counts(1997, 3, 0), &target);
    assert_eq!(assessment.state, Readiness::Below);
    assert_eq!(assessment.more_matching_checks, 1000);
    assert_eq!(of(&Evidence::of_counts(2997, 3, 0), &target).state, Readiness::Ready);
}

#[test]
fn an_empty_evidence_is_gathering() {
    let assessment = of(&Evidence::default(), &plain("99.9%"));
    assert_eq!((assessment.state, assessment.more_matching_checks), (Readiness::Gathering, 1000));
    let assessment = of(&Evidence::default(), &proven("99.9%"));
    assert_eq!(assessment.state, Readiness::Gathering);
    assert!((3_100..=4_200).contains(&assessment.more_matching_checks), "{assessment:?}");
    assert_eq!(missing(&assessment), ["min_checks", "target", "min_distinct", "confidence"]);
}

#[test]
fn a_candidate_that_times_out_is_not_ready_however_consistent() {
    assert_eq!(missing(&of(&Evidence::of_counts(1000, 0, 400), &plain("99.9%"))), ["max_failed"]);
    assert_eq!(missing(&of(&Evidence::of_counts(990, 0, 10), &plain("99.9%"))), ["min_checks"], "inclusive");
    assert_eq!(missing(&of(&Evidence::of_counts(1000, 0, 11), &plain("99.9%"))), ["max_failed"]);
}

#[test]
fn dropped_checks_are_held_against_it_and_chosen_skips_are_not() {
    let evidence = Evidence::of_counts(1000, 0, 0);
    let of = |skip, count| {
        let tally = Tally { matched: 1000, skipped: BTreeMap::from([(skip, count)]), ..Tally::default() };
        let standing = Standing { evidence: &evidence, tally: &tally, latency: Percentiles::default() };
        missing(&assess(&standing, &plain("99.9%"))).join(" ")
    };
    assert_eq!(of(Skip::QueueFull, 200), "min_checked");
    assert_eq!(of(Skip::SampledOut, 9000), "");
}

#[test]
fn no_number_of_matches_undoes_a_mismatch_at_100_percent() {
    for target in [plain("100%"), proven("100%")] {
        assert_eq!(of(&Evidence::of_counts(5000, 1, 0), &target).more_matching_checks, u64::MAX);
    }
}

#[test]
fn what_is_beyond_proof_takes_as_many_as_the_default_and_no_mismatch() {
    let assessment = of(&Evidence::default(), &proven("100%"));
    assert_eq!(
        assessment.more_matching_checks,
        of(&Evidence::default(), &proven("99.9%")).more_matching_checks
    );
    let assessment = of(&evidence(5_000, &[]), &proven("100%"));
    assert_eq!(assessment.state, Readiness::Ready);
    assert_eq!(named(&assessment, "confidence").limit, "99.9%, without a mismatch");
    assert_eq!(missing(&of(&evidence(50_000, &[(1, 1)]), &proven("100%"))), ["target", "confidence"]);
}

#[test]
fn a_proof_that_is_not_there_yet_is_gathering_and_a_fault_is_below() {
    let target = proven("99.9%");
    let assessment = of(&evidence(2_000, &[]), &target);
    assert_eq!((assessment.state, missing(&assessment)), (Readiness::Gathering, vec!["confidence"]));
    let bound = &named(&assessment, "confidence").value;
    assert!(bound.starts_with("99.8"), "{bound}");
    let assessment = of(&evidence(3_000, &[(1, 1), (2, 1), (3, 1), (4, 1)]), &target);
    assert_eq!((assessment.state, missing(&assessment)), (Readiness::Below, vec!["target", "confidence"]));
    assert_eq!(of(&evidence(5_000, &[]), &target).state, Readiness::Ready);
}

#[test]
fn so_many_more_and_not_one_fewer() {
    let target = proven("99.9%");
    let faults: Vec<(u64, u64)> = (0..12).map(|n| (6_950 + n, n % 2)).collect();
    for seen in [
        evidence(0, &[]),
        evidence(700, &[]),
        evidence(2_000, &[(10, 1)]),
        evidence(9_000, &[(8_990, 1), (8_991, 2)]),
        evidence(7_000, &faults),
        evidence(30_000, &[(29_500, 1), (29_501, 1), (29_502, 1), (29_503, 1)]),
    ] {
        let more = of(&seen, &target).more_matching_checks;
        assert!(more > 0);
        let ready = |more| {
            let mut later = seen.clone();
            add(&mut later, more, &[]);
            let assessment = of(&later, &target);
            assert_eq!(assessment.more_matching_checks == 0, assessment.state == Readiness::Ready);
            assessment.state == Readiness::Ready
        };
        assert!(ready(more) && !ready(more - 1), "{more}");
    }
}

#[test]
fn a_decline_is_seen_behind_a_long_good_past() {
    let target = proven("99.9%");
    let bad = |count: u64| (0..count).map(|n| (200_000 - 3 * n, 1)).collect::<Vec<_>>();
    let old: Vec<(u64, u64)> = (1..=30).map(|n| (n, 1)).collect();
    let with = |count| of(&evidence(200_000, &[old.clone(), bad(count)].concat()), &target);
    assert_eq!(missing(&with(1)), [""; 0]);
    let assessment = with(2);
    assert_eq!(missing(&assessment), ["drift"]);
    let drift = named(&assessment, "drift");
    assert_eq!((drift.value.as_str(), drift.limit.as_str()), ("99.8%", "99.9%"));
    assert_eq!(assessment.state, Readiness::Below);
    assert_eq!(assessment.more_matching_checks, 997, "until the first of the two is not among the last");
}

#[test]
fn a_target_finer_than_the_last_checks_tolerates_one_of_them() {
    let one = evidence(200_000, &[(1, 1), (199_990, 1)]);
    assert_eq!(missing(&of(&one, &proven("99.95%"))), [""; 0]);
    assert_eq!(
        missing(&of(&evidence(200_000, &[(199_990, 1)]), &proven("100%"))),
        ["target", "confidence", "drift", "new_signatures"]
    );
}

#[test]
fn a_new_fault_alone_may_not_eat_a_tenth_of_what_is_tolerated() {
    let target = proven("99%");
    // Fifty of 5,000 are tolerated, so five of one new kind.
    let new = |count: u64| (0..count).map(|n| (4_200 + 80 * n, 7)).collect::<Vec<_>>();
    assert_eq!(missing(&of(&evidence(5_000, &new(5)), &target)), [""; 0]);
    let assessment = of(&evidence(5_000, &new(6)), &target);
    assert_eq!(missing(&assessment), ["new_signatures"]);
    let condition = named(&assessment, "new_signatures");
    assert_eq!((condition.value.as_str(), condition.limit.as_str()), ("6", "5.00"));
    // Once it has been there for a thousand checks, it counts as all others do.
    assert_eq!(assessment.more_matching_checks, 200);
    let spread: Vec<(u64, u64)> = new(6).iter().map(|&(at, _)| (at, at)).collect();
    assert_eq!(missing(&of(&evidence(5_000, &spread), &target)), [""; 0], "six faults, once each");
}

#[test]
fn one_request_again_and_again_proves_little_where_more_are_asked_for() {
    let target = Target { min_distinct: 50, ..plain("99.9%") };
    let assessment = of(&evidence(5_000, &[]), &target);
    assert_eq!((missing(&assessment), assessment.state), (vec!["min_distinct"], Readiness::Gathering));
    assert_eq!(named(&assessment, "min_distinct").value, "1");
}

#[test]
fn a_slower_candidate_is_held_back_once_there_are_answers_enough() {
    let evidence = evidence(5_000, &[]);
    let of = |legacy_ms: Option<u64>, candidate_ms: Option<u64>| {
        let latency = Percentiles {
            legacy: legacy_ms.map(std::time::Duration::from_millis),
            candidate: candidate_ms.map(std::time::Duration::from_millis),
        };
        let standing = Standing { evidence: &evidence, tally: &Tally::default(), latency };
        let assessment = assess(&standing, &proven("99.9%"));
        let condition = named(&assessment, "latency_limit");
        (condition.met, condition.value.clone(), condition.limit.clone())
    };
    let told = |met, value: &str, limit: &str| (met, value.to_owned(), limit.to_owned());
    assert_eq!(of(Some(100), Some(200)), told(true, "200.0 ms", "200.0 ms"));
    assert_eq!(of(Some(100), Some(201)), told(false, "201.0 ms", "200.0 ms"));
    assert_eq!(of(Some(2), Some(52)), told(true, "52.0 ms", "52.0 ms"));
    assert_eq!(of(Some(2), None), told(true, "too few answers", "52.0 ms"));
    assert_eq!(of(None, Some(9)), told(true, "9.0 ms", "2x or 50 ms more"));
}
