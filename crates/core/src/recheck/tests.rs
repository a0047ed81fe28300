use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::*;
use crate::exchange::Body;
use crate::isolation::InProcess;
use crate::judge::judge;
use crate::rule::{Action, Limits, RuleSpec};

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]),
        body: Body::Whole(Bytes::copy_from_slice(body.as_bytes())),
        trailers: None,
    }
}

fn ok(body: &str) -> Answer {
    answer(200, body)
}

/// The finding and the noise of four answers: the answering side's and the other's, twice.
fn run(
    answering: Side,
    [first, other, second, other_second]: [&Answer; 4],
    rules: &Rules,
) -> (Finding, usize) {
    let judged = judge(answering, first, &Ok(other.clone()), rules);
    let Verdict::Unmatched(differences) = judged.verdict else { panic!("the first pair matches") };
    let again = Again::new(answering, first, second, other_second, rules, &InProcess);
    (again.finding(&differences), again.noise(&differences).len())
}

fn finding(answers: [&str; 4]) -> Finding {
    let answers = answers.map(ok);
    let [a, b, c, d] = &answers;
    let found = Side::ALL.iter().map(|&side| run(side, [a, b, c, d], &Rules::default()).0);
    let found: Vec<_> = found.collect();
    assert_eq!(found[0], found[1], "whichever side answers");
    found[0]
}

/// Every combination of: which places the mismatch has, which of them move, which differ now. A place
/// is one member; of the four answers each has its value there.
#[test]
fn the_whole_table_place_by_place() {
    // For a place: first, other, second, other's second.
    const SAME: [u8; 4] = [1, 1, 1, 1];
    const STALE: [u8; 4] = [1, 2, 2, 2];
    const FLAKY: [u8; 4] = [1, 2, 3, 4];
    const MOVED_AFTER: [u8; 4] = [1, 1, 2, 2];
    const UNSTABLE: [u8; 4] = [1, 2, 1, 1];
    const CONFIRMED: [u8; 4] = [1, 2, 1, 2];
    const WRONG_LATER: [u8; 4] = [1, 1, 1, 2];
    use Finding::{Confirmed, Flaky, Stale, Unstable};
    let table = [
        (STALE, SAME, Stale),
        (STALE, MOVED_AFTER, Stale),
        (STALE, WRONG_LATER, Flaky),
        (FLAKY, SAME, Flaky),
        (FLAKY, STALE, Flaky),
        (FLAKY, MOVED_AFTER, Flaky),
        (FLAKY, WRONG_LATER, Flaky),
        (UNSTABLE, SAME, Unstable),
        (UNSTABLE, STALE, Unstable),
        (UNSTABLE, FLAKY, Unstable),
        (UNSTABLE, MOVED_AFTER, Unstable),
        (UNSTABLE, WRONG_LATER, Confirmed),
        (CONFIRMED, SAME, Confirmed),
        (CONFIRMED, STALE, Confirmed),
        (CONFIRMED, FLAKY, Confirmed),
        (CONFIRMED, MOVED_AFTER, Confirmed),
        (CONFIRMED, UNSTABLE, Confirmed),
    ];
    for (x, y, expected) in table {
        let body = |at: usize| format!(r#"{{"x": {}, "y": {}}}"#, x[at], y[at]);
        let bodies = [body(0), body(1), body(2), body(3)];
        let found = finding([&bodies[0], &bodies[1], &bodies[2], &bodies[3]]);
        assert_eq!(found, expected, "{x:?} {y:?}");
    }
}

#[test]
fn a_side_that_is_wrong_now_and_then_is_never_stale_while_the_other_stays() {
    // Everything that the other side can do in its two answers, over everything it can get wrong.
    let right = r#"{"n": 1, "list": [1, 2]}"#;
    let wrong = [r#"{"n": 2, "list": [1, 2]}"#, r#"{"list": [1, 2]}"#, r#"{"n": 1, "list": [2]}"#, "[]", "x"];
    for first in wrong {
        for second in std::iter::once(right).chain(wrong) {
            let found = finding([right, first, right, second]);
            let expected = if second == right { Finding::Unstable } else { Finding::Confirmed };
            assert_eq!(found, expected, "{first} {second}");
        }
    }
}

#[test]
fn a_fault_beside_moving_data_is_not_stale() {
    // `at` has moved and both follow, but the price was wrong where nothing moved.
    let [a, b, c] = [r#"{"at": 1, "price": 5}"#, r#"{"at": 2, "price": 4}"#, r#"{"at": 2, "price": 5}"#]
        .map(str::to_owned);
    assert_eq!(finding([&a, &b, &c, &c]), Finding::Unstable);
}

#[test]
fn lists_move_as_a_whole() {
    assert_eq!(finding(["[1, 2]", "[1, 2, 3]", "[1, 2, 3, 4]", "[1, 2, 3, 4]"]), Finding::Stale);
    assert_eq!(finding([r#"{"a": [1]}"#, r#"{"a": [2, 3]}"#, "{}", "{}"]), Finding::Stale);
}

#[test]
fn what_moves_within_a_list_explains_no_list_that_is_missing() {
    let (first, second) = (r#"{"a": [{"t": 1}]}"#, r#"{"a": [{"t": 2}]}"#);
    for wrong in ["{}", r#"{"a": null}"#, "[]"] {
        assert_eq!(finding([first, wrong, second, wrong]), Finding::Confirmed, "{wrong}");
        assert_eq!(finding([first, wrong, second, second]), Finding::Unstable, "{wrong}");
    }
}

#[test]
fn whoever_is_refused_at_the_recheck_has_learnt_nothing() {
    let (right, wrong) = (ok(r#"{"a": 1}"#), ok(r#"{"a": 2}"#));
    for status in [401, 403, 429] {
        let refused = answer(status, "{}");
        let run = |answers| run(Side::Legacy, answers, &Rules::default()).0;
        assert_eq!(run([&right, &wrong, &refused, &refused]), Finding::Unconfirmed, "{status}");
        assert_eq!(run([&right, &wrong, &refused, &wrong]), Finding::Unconfirmed, "{status}");
    }
}

#[test]
fn a_candidate_that_answers_does_not_excuse_its_own_fault() {
    let (right, fault) = (ok("{}"), answer(500, "{}"));
    let run = |answers| run(Side::Candidate, answers, &Rules::default()).0;
    assert_eq!(run([&fault, &right, &right, &right]), Finding::Unstable);
}

#[test]
fn a_5xx_of_the_answering_side_at_the_recheck_proves_nothing() {
    let (right, wrong, fault) = (ok("{}"), ok("[]"), answer(500, "{}"));
    let run = |answers| run(Side::Legacy, answers, &Rules::default()).0;
    for other in [&right, &wrong, &fault] {
        assert_eq!(run([&right, &wrong, &fault, other]), Finding::Unconfirmed);
        assert_eq!(run([&fault, &right, &fault, other]), Finding::Unconfirmed);
    }
    // The other side's is a difference as any.
    assert_eq!(run([&right, &wrong, &right, &fault]), Finding::Confirmed);
    assert_eq!(run([&right, &fault, &right, &right]), Finding::Unstable);
    assert_eq!(run([&right, &fault, &right, &fault]), Finding::Confirmed);
    // A fault of the answering side that is over, and the other had it right all along.
    assert_eq!(run([&fault, &right, &right, &right]), Finding::Stale);
}

#[test]
fn what_cannot_be_compared_is_unconfirmed() {
    let rules = Rules::default().with_limits(Limits { nodes: 3, ..Limits::default() });
    let (right, wrong, large) = (ok("{}"), ok("[]"), ok("[1, 2, 3, 4, 5, 6, 7]"));
    let run = |answers| run(Side::Legacy, answers, &rules).0;
    assert_eq!(run([&right, &wrong, &large, &wrong]), Finding::Unconfirmed);
    assert_eq!(run([&right, &wrong, &right, &large]), Finding::Unconfirmed);
}

#[test]
fn more_moves_than_are_known_explain_nothing_for_sure() {
    let object = |from: u32, wrong: u32| {
        let members: Vec<String> = (0..20).map(|name| format!(r#""m{name}x": {}"#, from + name)).collect();
        let members = members.join(",");
        let groups: Vec<String> = (0..15).map(|name| format!(r#""g{name}x": {{{members}}}"#)).collect();
        ok(&format!(r#"{{{}, "z": {wrong}}}"#, groups.join(",")))
    };
    let rules = Rules::default();
    let (first, second) = (object(0, 1), object(1000, 1));
    assert_eq!(run(Side::Legacy, [&first, &object(0, 2), &second, &second], &rules).0, Finding::Unconfirmed);
}

#[test]
fn rules_mask_what_moves() {
    let spec = RuleSpec { at: "$.body.at".into(), action: Action::Ignore };
    let rules = Rules::compile(&[spec]).unwrap();
    let [a, b, c] = [r#"{"at": 1, "n": 1}"#, r#"{"at": 2, "n": 2}"#, r#"{"at": 3, "n": 1}"#].map(ok);
    assert_eq!(run(Side::Legacy, [&a, &b, &c, &c], &rules).0, Finding::Unstable);
    assert_eq!(run(Side::Legacy, [&a, &b, &c, &b], &rules).0, Finding::Confirmed);
}

#[test]
fn a_side_is_compared_with_itself_by_its_own_hosts() {
    let spec = RuleSpec { at: "$.body.self".into(), action: Action::Origin };
    let origins = Origins { legacy: vec!["old:1".into()], candidate: vec!["new:2".into()] };
    let rules = Rules::compile(&[spec]).unwrap().with_origins(origins);
    let body = |host: &str, n: u8| ok(&format!(r#"{{"self": "http://{host}/a", "n": {n}}}"#));
    let (old, new) = ([body("old:1", 1), body("old:1", 2)], [body("new:2", 1), body("new:2", 2)]);
    assert_eq!(run(Side::Legacy, [&old[0], &new[1], &old[0], &new[1]], &rules).0, Finding::Confirmed);
    assert_eq!(run(Side::Candidate, [&new[0], &old[1], &new[0], &old[0]], &rules).0, Finding::Unstable);
}

#[test]
fn noise_is_where_the_answering_side_differs_from_itself_and_from_the_other() {
    let body = |id: u8, n: u8| ok(&format!(r#"{{"id": {id}, "n": {n}}}"#));
    let rules = Rules::default();
    let noise = |[a, b, c, d]: [Answer; 4]| run(Side::Legacy, [&a, &b, &c, &d], &rules).1;
    assert_eq!(noise([body(1, 1), body(2, 1), body(3, 1), body(4, 1)]), 1, "a random id");
    assert_eq!(noise([body(1, 1), body(2, 2), body(3, 1), body(4, 2)]), 1, "beside a fault");
    assert_eq!(noise([body(1, 1), body(2, 1), body(2, 1), body(2, 1)]), 0, "data that moved");
    assert_eq!(noise([body(1, 1), body(1, 2), body(1, 1), body(1, 2)]), 0, "a fault");
}
