//! What every backend promises of stages and of the changes that led to them.

use super::*;

fn the_latest_stage_is_kept_and_every_transition_is_audited(backend: &mut dyn Backend) {
    let shadow = transition("b", 1, Stage::Shadow);
    let canary = transition("b", 2, Stage::Canary(share("12.5%")));
    let complete = transition("a", 3, Stage::Complete);
    write(backend, &[moved(&shadow), moved(&canary)]);
    write(backend, &[moved(&complete)]);

    let stored = |name, stage, revision| StoredStage {
        operation_id: operation(name),
        stage,
        revision,
        retired: false,
    };
    assert_eq!(stages(backend), [stored("a", complete.to, 3), stored("b", canary.to, 2)]);
    assert_eq!(audit(backend), [complete, canary.clone(), shadow.clone()]);
    assert_eq!(backend.audit(Some(&operation("b")), 9), Ok(vec![canary.clone(), shadow]));
    assert_eq!(backend.audit(Some(&operation("b")), 1), Ok(vec![canary]));
    assert_eq!(backend.audit(Some(&operation("c")), 9), Ok(vec![]));
}

fn an_operation_is_retired_until_it_moves_again(backend: &mut dyn Backend) {
    let retired = |evidence| Transition { evidence, ..transition("a", 2, Stage::Complete) };
    write(backend, &[moved(&transition("a", 1, Stage::Complete))]);
    assert!(!stages(backend)[0].retired);
    write(backend, &[moved(&retired(json!({"retired": true, "matched": 3})))]);
    assert!(stages(backend)[0].retired);
    assert_eq!((stages(backend)[0].stage, stages(backend)[0].revision), (Stage::Complete, 2));
    assert!(audit(backend)[0].retires());
    write(backend, &[moved(&transition("a", 3, Stage::Shadow))]);
    assert!(!stages(backend)[0].retired);
    // Only the word itself counts.
    for (revision, evidence) in (4..).zip([json!({"retired": 1}), json!({"retired": "true"}), json!([true])])
    {
        let other = Transition { evidence, ..transition("a", revision, Stage::Complete) };
        write(backend, &[moved(&other)]);
        assert!(!stages(backend)[0].retired && !other.retires());
    }
}

fn every_stage_survives(backend: &mut dyn Backend) {
    let every =
        [Stage::Legacy, Stage::Shadow, Stage::Canary(share("0.0001%")), Stage::Switched, Stage::Complete];
    for (revision, stage) in (1..).zip(every) {
        write(backend, &[moved(&transition("a", revision, stage))]);
        assert_eq!(stages(backend)[0].stage, stage);
    }
}

fn a_transition_that_is_written_again_counts_once(backend: &mut dyn Backend) {
    let [first, second] = [transition("a", 1, Stage::Shadow), transition("a", 2, Stage::Switched)];
    write(backend, &[moved(&first), moved(&first), moved(&second)]);
    write(backend, &[moved(&first), moved(&second)]);
    assert_eq!(audit(backend), [second.clone(), first]);
    assert_eq!(stages(backend)[0].stage, second.to);
}

fn a_transition_that_comes_late_is_audited_and_moves_nothing(backend: &mut dyn Backend) {
    let [first, second] = [transition("a", 1, Stage::Shadow), transition("a", 2, Stage::Switched)];
    write(backend, &[moved(&second)]);
    write(backend, &[moved(&first)]);
    assert_eq!(audit(backend), [second.clone(), first]);
    assert_eq!((stages(backend)[0].stage, stages(backend)[0].revision), (second.to, 2));
}

fn two_transitions_to_one_revision_are_refused(backend: &mut dyn Backend) {
    let first = transition("a", 1, Stage::Shadow);
    let other = Transition { reason: "another".to_owned(), ..first.clone() };
    let conflict = Err(StoreError::Conflict { operation_id: operation("a"), revision: 1 });
    assert_eq!(backend.write(&[moved(&first), moved(&other)]), conflict);
    assert_eq!(audit(backend), []);
    write(backend, &[moved(&first)]);
    assert_eq!(backend.write(&[counted("a", 1, tally(1)), moved(&other)]), conflict);
    assert_eq!(audit(backend), [first]);
    assert_eq!(backend.totals(), Ok(vec![]));
}

contract! {
    the_latest_stage_is_kept_and_every_transition_is_audited,
    an_operation_is_retired_until_it_moves_again,
    every_stage_survives,
    a_transition_that_is_written_again_counts_once,
    a_transition_that_comes_late_is_audited_and_moves_nothing,
    two_transitions_to_one_revision_are_refused,
}
