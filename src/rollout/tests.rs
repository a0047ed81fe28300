//! Changes with a store that works, is down, and comes back.

use std::time::Instant;

use arc_swap::ArcSwap;
use parallax_core::exchange::Side;
use parallax_core::operation::{Idempotent, Matcher, Operation, Target};
use parallax_core::redaction::Redaction;
use parallax_core::rollback::{Answers, Bad, RollbackWhen};
use parallax_core::rule::Rules;
use parallax_core::stage::InitialStage;

use super::*;
use crate::routing::InForce;
use crate::store::testing;
use crate::telemetry::{Alarms, CountRepair, Ground, Telemetry};
use crate::upstream::{PoolLimits, Reach, Threads, Upstream};

fn operation(id: &str) -> Operation {
    Operation {
        id: id.parse().unwrap(),
        matcher: Matcher { method: http::Method::GET, template: format!("/{id}").parse().unwrap() },
        candidate_path: None,
        initial_stage: InitialStage::Shadow,
        sample: Ratio::ONE,
        target: Target {
            consistency: Ratio::ONE,
            confidence: None,
            min_checks: 1,
            min_distinct: 1,
            max_failed: Ratio::ONE,
            min_checked: Ratio::ZERO,
            latency: None,
        },
        version: parallax_core::evidence::VersionSource::Off,
        idempotent: Idempotent::Auto,
        when: parallax_core::operation::When::After,
        recheck: None,
        graphql: None,
        documented: parallax_core::coverage::Documented::default(),
        durable: false,
        steps: parallax_core::stage::Steps::default(),
        rollback_when: None,
        body_limit: 1 << 20,
        rules: Rules::default(),
        redaction: Redaction::default(),
    }
}

fn rollout(store: Store, plan_file: Option<PlanFile>, ids: &[&str]) -> Arc<Rollout> {
    rollout_with(store, plan_file, ids, |_| ())
}

fn rollout_with(
    store: Store,
    plan_file: Option<PlanFile>,
    ids: &[&str],
    change: impl Fn(&mut Operation),
) -> Arc<Rollout> {
    let telemetry = Telemetry::new().unwrap();
    let entry = |id: &&str| {
        let mut operation = operation(id);
        change(&mut operation);
        let (tally, ground) = (parallax_core::tally::Tally::default(), Ground::of(&operation));
        let meter = telemetry.meter(&operation.id, tally, &[], ground).unwrap();
        Entry { operation: Arc::new(operation), stage: Stage::Shadow, retired: false, revision: 0, meter }
    };
    let routing = Routing::new(ids.iter().map(entry).collect(), in_force()).unwrap();
    Arc::new(Rollout::new(Arc::new(ArcSwap::from_pointee(routing)), store, plan_file))
}

fn in_force() -> InForce {
    let text =
        "legacy: http://127.0.0.1:1\ncandidate: http://127.0.0.1:2\noperations: [{id: a, match: GET /a}]";
    let settings = crate::config::parse(text, "x.yaml", &|_| None).unwrap();
    let limits = |_| {
        let time = Duration::from_secs(1);
        PoolLimits { idle: 1, idle_for: time, keep_for: time, connect: time }
    };
    let side = |side, configured| {
        Arc::new(Upstream::new(side, configured, CountRepair::new(|_| ())).expect("a side"))
    };
    let (legacy, candidate) =
        (side(Side::Legacy, &settings.legacy), side(Side::Candidate, &settings.candidate));
    let reach = Reach::new(legacy, candidate, 1, Threads { data: 1, runners: 1 }, limits);
    InForce { settings: Arc::new(settings), reach: Arc::new(reach) }
}

fn to(stage: StageName, force: bool) -> Change {
    Change { stage, share: None, reason: "a test".into(), force, if_revision: None }
}

fn stage_of(rollout: &Rollout, id: &str) -> Stage {
    rollout.routing.load().entry(&id.parse().unwrap()).unwrap().stage
}

#[tokio::test]
async fn with_the_store_down_a_change_is_in_force_and_is_written_when_it_is_back() {
    let (store, outage) = testing::flaky().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let plan_file = PlanFile::at(directory.path().join("plan.json"));
    let rollout = rollout(store.clone(), Some(plan_file), &["a"]);
    let id: OperationId = "a".parse().unwrap();
    outage.begin();
    let changed = rollout.change(&id, to(StageName::Switched, true), "ann").await.unwrap();
    assert!(!changed.persisted);
    assert_eq!(stage_of(&rollout, "a"), Stage::Switched);
    let rolled_back = rollout.rollback(Some(&id), "again".into(), "ann").await.unwrap();
    assert_eq!((rolled_back[0].to, rolled_back[0].persisted), (Stage::Shadow, false));
    let planned = PlanFile::at(directory.path().join("plan.json")).read().unwrap();
    assert_eq!((planned[0].stage, planned[0].revision), (Stage::Shadow, 2), "the plan file needs no store");

    outage.end();
    rollout.write_pending().await;
    let audit = store.read(|backend| backend.audit(None, 10)).await.unwrap();
    let stages: Vec<(Stage, Stage)> = audit.iter().map(|one| (one.from, one.to)).collect();
    assert_eq!(stages, [(Stage::Switched, Stage::Shadow), (Stage::Shadow, Stage::Switched)]);
    assert!(rollout.change(&id, to(StageName::Legacy, false), "ann").await.unwrap().persisted);
}

#[tokio::test]
async fn all_operations_go_back_together_and_within_a_blink() {
    let (store, outage) = testing::flaky().unwrap();
    let ids: Vec<String> = (0..200).map(|number| format!("op{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let rollout = rollout(store, None, &ids);
    for id in &ids {
        rollout
            .decide(&id.parse().unwrap(), "ann", |_, _| {
                Ok(Wish { forced: true, ..Wish::by_hand(Stage::Switched, "up".into()) })
            })
            .unwrap();
    }
    outage.begin();
    let began = Instant::now();
    let watched = Arc::clone(&rollout);
    let in_force = async move {
        while stage_of(&watched, "op199") != Stage::Shadow {
            tokio::task::yield_now().await;
        }
        began.elapsed()
    };
    let (changed, took) = tokio::join!(rollout.rollback(None, "all".into(), "ann"), in_force);
    assert_eq!(changed.unwrap().len(), 200);
    assert!(took < Duration::from_secs(1), "{took:?}, ten times what is promised");
    assert!(ids.iter().all(|id| stage_of(&rollout, id) == Stage::Shadow));
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let (store, _outage) = testing::flaky().unwrap();
    let rollout = rollout(store, None, &["a"]);
    let id: OperationId = "a".parse().unwrap();
    let refused = rollout.change(&id, to(StageName::Switched, false), "ann").await.unwrap_err();
    assert!(matches!(refused, Refusal::NotReady { .. }), "{refused}");
    assert!(refused.to_string().contains("min_checks is 0, 1 needed"), "{refused}");
    let stale = Change { if_revision: Some(7), ..to(StageName::Legacy, false) };
    assert!(matches!(rollout.change(&id, stale, "ann").await.unwrap_err(), Refusal::Conflict { .. }));
    let unknown = rollout.change(&"b".parse().unwrap(), to(StageName::Legacy, false), "ann").await;
    assert!(matches!(unknown.unwrap_err(), Refusal::UnknownOperation(_)));
    assert_eq!(stage_of(&rollout, "a"), Stage::Shadow);
}

#[tokio::test]
async fn one_that_has_handed_over_decides_nothing_and_follows() {
    let (store, outage) = testing::flaky().unwrap();
    let (old, new) = (rollout(store.clone(), None, &["a", "b"]), rollout(store, None, &["a", "b"]));
    let id: OperationId = "a".parse().unwrap();
    outage.begin();
    assert!(!old.change(&id, to(StageName::Switched, true), "ann").await.unwrap().persisted);
    let unwritten = old.hand_over();
    assert!(matches!(old.change(&id, to(StageName::Legacy, false), "ann").await, Err(Refusal::HandedOver)));
    assert!(matches!(old.rollback(None, "x".into(), "ann").await, Err(Refusal::HandedOver)));

    let mut changes = new.changes();
    new.adopt(unwritten);
    assert_eq!(stage_of(&new, "a"), Stage::Switched);
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    outage.end();
    new.write_pending().await;
    let audit = new.store.read(|backend| backend.audit(None, 10)).await.unwrap();
    assert_eq!(audit.len(), 1, "the change is written by the one that has the store");

    new.rollback(Some(&id), "down".into(), "ann").await.unwrap();
    assert!(changes.has_changed().unwrap());
    old.follow(&new.stages());
    assert_eq!((stage_of(&old, "a"), stage_of(&old, "b")), (Stage::Shadow, Stage::Shadow));
    assert_eq!(old.routing.load().entry(&id).unwrap().revision, 2);
}

#[tokio::test]
async fn nothing_is_written_during_a_pause_and_everything_after_it() {
    let (store, _outage) = testing::flaky().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let plan_file = || PlanFile::at(directory.path().join("plan.json"));
    let rollout = rollout(store, Some(plan_file()), &["a"]);
    let pause = rollout.pause_writing().await;
    let id: OperationId = "a".parse().unwrap();
    let changed = rollout.change(&id, to(StageName::Switched, true), "ann").await.unwrap();
    assert_eq!((changed.persisted, stage_of(&rollout, "a")), (false, Stage::Switched));
    assert_eq!(plan_file().read().unwrap(), []);
    drop(pause);
    rollout.write_pending().await;
    assert_eq!(plan_file().read().unwrap()[0].stage, Stage::Switched);
}

#[tokio::test]
async fn a_candidate_that_fails_is_taken_back_without_the_store_and_only_where_clients_see_it() {
    let (store, outage) = testing::flaky().unwrap();
    let rollout = rollout_with(store.clone(), None, &["a", "b", "off"], |operation| {
        let is_off = operation.id.as_str() == "off";
        let (errors, over) = (Ratio::from_ppm(10_000), Duration::from_secs(5));
        let when = RollbackWhen { errors, over, latency: None };
        operation.rollback_when = (!is_off).then_some(when);
    });
    let alarms = Arc::new(Alarms::default());
    crate::tasks::spawn(Arc::clone(&rollout).run(Arc::clone(&alarms)));
    for id in ["a", "off"] {
        rollout.change(&id.parse().unwrap(), to(StageName::Switched, true), "ann").await.unwrap();
    }
    outage.begin();
    let began = Instant::now();
    for id in ["a", "b", "off", "gone"] {
        let candidate = Answers { all: 9, bad: 8 };
        let excess =
            Excess { of: Bad::Error, candidate, legacy_share: 0.0, allowed: Ratio::from_ppm(10_000) };
        alarms.raise(&id.parse().unwrap(), excess);
    }
    while stage_of(&rollout, "a") != Stage::Shadow {
        assert!(began.elapsed() < Duration::from_secs(5), "it is not taken back");
        tokio::task::yield_now().await;
    }
    assert_eq!(stage_of(&rollout, "off"), Stage::Switched);
    outage.end();
    while rollout.is_pending(&"a".parse().unwrap()) {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not written down");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let audit = store.read(|backend| backend.audit(None, 10)).await.unwrap();
    let last = &audit[0];
    assert_eq!((last.operation_id.as_str(), last.who.as_str(), last.automatic), ("a", "parallax", true));
    assert_eq!(last.evidence["excess"]["candidate"]["bad"], 8);
    assert_eq!(audit.len(), 3, "nothing else has moved");
}
