//! Another process takes over while clients are served: none is refused, and nothing is counted twice or
//! not at all.

#[path = "durability/post.rs"]
#[expect(dead_code, reason = "the tests of durability use more of it")]
mod post;
mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, RawClient, Reply, wait_until};
use serde_json::{Value, json};
use support::load::{Connections, Load};
use support::process::{Process, is_alive, signal};
use support::{DEADLINE, GET_RETURN, assert_all_shown, assert_conserved, at_rest, operation, post, same};

/// A name of its own for the program, so that it can be replaced. A link, because a copy could not be
/// started for as long as a process that another test has just forked holds it open for writing.
fn program(directory: &Path) -> PathBuf {
    let program = directory.join("parallax");
    symlink(env!("CARGO_BIN_EXE_parallax"), &program).expect("a link");
    program
}

/// Puts a script in the program's place.
fn replace(program: &Path, script: &str) {
    let beside = program.with_extension("new");
    fs::write(&beside, script).expect("a script");
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("it can be run");
    fs::rename(beside, program).expect("it is replaced");
}

fn start(directory: &Path, legacy: &str, candidate: &str, rest: &str) -> Process {
    let sides = format!("legacy: '{legacy}'\ncandidate: '{candidate}'\n{rest}");
    Process::start_logging(directory, &program(directory), &|process| {
        format!("listen: '{}'\ncontrol: {{listen: '{}'}}\n{sides}", process.proxy, process.control)
    })
}

/// Replaces the process that has the store, and gives the id of the one that has it then.
async fn upgrade(process: &Process, times: usize) -> u32 {
    let before = process.holder().expect("a process");
    signal(before, "USR2");
    process.logged("the new process serves", times).await;
    let after = process.holder().expect("a process");
    assert_ne!(after, before);
    // It says so once it has the last word of the one before.
    process.logged("\"ready\"", times + 1).await;
    after
}

async fn gone(id: u32, log: impl Fn() -> String) {
    let began = Instant::now();
    while is_alive(id) {
        assert!(began.elapsed() < DEADLINE, "process {id} does not end:\n{}", log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The changes of stage that are in the store, the newest first.
async fn audit(process: &Process) -> Value {
    let mut client = RawClient::connect(process.control).await.expect("the control listener");
    client.get("/api/v1/audit").await.expect("the audit").json()
}

/// Ends the process that has the store.
async fn end(process: &Process, id: u32) {
    signal(id, "TERM");
    gone(id, || process.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_upgrades_under_load_refuse_nobody_and_count_everything_once() {
    let directory = tempfile::tempdir().unwrap();
    let legacy = FakeService::start(same("{\"a\":1}"));
    // Checks are still under way whenever the process changes.
    let answer = Reply::json("{\"a\":2}");
    let candidate = FakeService::start(Behaviour::always(answer.delay(Duration::from_millis(50))));
    let process = start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let load = Load::start(
        process.proxy,
        6,
        Duration::from_millis(15),
        &["/returns/1", "/returns/2"],
        Connections::Kept,
    );
    let mut last = process.id();
    for round in 1..=10 {
        let answered = load.answered();
        wait_until(DEADLINE, "clients are served", || load.answered() > answered + 20).await;
        last = upgrade(&process, round).await;
    }
    let answered = load.answered();
    wait_until(DEADLINE, "clients are served", || load.answered() > answered + 20).await;
    let outcome = load.stop().await;
    assert!(outcome.failed.is_empty(), "{outcome:?}\n{}", process.log());
    process.logged("the process before this one is done", 10).await;
    let operation = at_rest(process.control, "getReturn").await;
    assert_conserved(&operation);
    let counts = &operation["counts"];
    let requests = counts["requests"].as_u64().unwrap();
    // A request that was sent again because its connection had ended was not answered the first time, and
    // is counted where it had been read.
    assert!(
        (outcome.answered..=outcome.answered + outcome.again).contains(&requests),
        "{outcome:?} {counts}"
    );
    assert!(!process.log().contains("lost"), "{}", process.log());
    let signatures = {
        let mut client = RawClient::connect(process.control).await.unwrap();
        client.get("/api/v1/operations/getReturn/signatures").await.unwrap().json()
    };
    assert_eq!(signatures[0]["count"], counts["unmatched"], "faults that were found late are counted too");
    assert_all_shown(&operation);

    end(&process, last).await;
    let mut process = process;
    process.start_again();
    let after = support::operation(process.control, "getReturn").await;
    assert_eq!(after["counts"], *counts, "the store has every count once");
    assert_all_shown(&after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_that_drains_follows_the_stages_of_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let named = |side: &'static str| Behaviour::always(Reply::json("{}").header("X-Powered-By", side));
    let (legacy, candidate) = (FakeService::start(named("legacy")), FakeService::start(named("candidate")));
    let rest = format!("drain: {{deadline: 15s}}\n{GET_RETURN}");
    let process = start(directory.path(), &legacy.url(), &candidate.url(), &rest);
    let switched = json!({"stage": "switched", "reason": "up", "force": true});
    post(process.control, "/api/v1/operations/getReturn/stage", &switched).await;
    // A request in the middle keeps the old process and its connection.
    let mut held = RawClient::connect(process.proxy).await.unwrap();
    held.send(b"POST /returns/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{").await.unwrap();
    let old = process.id();
    wait_until(DEADLINE, "legacy has the head", || legacy.heads() == 1).await;
    let new = upgrade(&process, 1).await;
    assert_eq!(operation(process.control, "getReturn").await["stage"], "switched", "it knows");
    assert!(is_alive(old), "it serves what it has");

    let rollback = json!({"reason": "down"});
    let answer = post(process.control, "/api/v1/operations/getReturn/rollback", &rollback).await;
    assert_eq!(answer.status, 200);
    process.logged("follows the stages of the process that has taken over", 1).await;
    held.send(b"}").await.unwrap();
    assert_eq!(held.response("POST").await.unwrap().status, 200);
    gone(old, || process.log()).await;
    assert_eq!(operation(process.control, "getReturn").await["stage"], "shadow");
    end(&process, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_or_a_configuration_that_is_broken_leaves_the_old_one_serving() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let process = start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let program = directory.path().join("parallax");
    let load = Load::start(process.proxy, 3, Duration::from_millis(10), &["/returns/1"], Connections::Kept);
    let good = fs::read_to_string(&process.file).unwrap();

    replace(&program, "#!/bin/sh\nexit 1\n");
    signal(process.id(), "USR2");
    process.logged("this one goes on", 1).await;
    replace(&program, "no program at all");
    signal(process.id(), "USR2");
    process.logged("this one goes on", 2).await;

    let beside = program.with_extension("new");
    symlink(env!("CARGO_BIN_EXE_parallax"), &beside).unwrap();
    fs::rename(beside, &program).unwrap();
    fs::write(&process.file, format!("{good}nonsense: 1\n")).unwrap();
    signal(process.id(), "USR2");
    process.logged("this one goes on", 3).await;
    assert!(process.log().contains("the new process says: parallax.yaml:"), "{}", process.log());
    // One that opens the store and then cannot go on: its new address is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fs::write(&process.file, good.replace(&process.proxy.to_string(), &address)).unwrap();
    signal(process.id(), "USR2");
    process.logged("this one goes on", 4).await;
    // And one that would lose an operation, after the store was in its hands.
    let up = json!({"stage": "switched", "reason": "up", "force": true});
    post(process.control, "/api/v1/operations/getReturn/stage", &up).await;
    fs::write(&process.file, good.replace("getReturn", "another")).unwrap();
    signal(process.id(), "USR2");
    process.logged("this one goes on", 5).await;
    assert!(process.log().contains("is called `another` in the file"), "{}", process.log());

    let outcome = load.stop().await;
    assert_eq!((outcome.failed.len(), outcome.again), (0, 0), "{outcome:?}");
    let operation = at_rest(process.control, "getReturn").await;
    assert_conserved(&operation);
    assert_eq!(
        (&operation["counts"]["requests"], &operation["stage"]),
        (&outcome.answered.into(), &json!("switched"))
    );
    // The store is the old one's again: changes are written, and a good upgrade succeeds.
    let down = post(process.control, "/api/v1/rollback", &json!({"reason": "down"})).await;
    assert_eq!(down.status, 200);
    let began = Instant::now();
    while audit(&process).await[0]["reason"] != "down" {
        assert!(began.elapsed() < DEADLINE, "it is never written:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(process.holder(), Some(process.id()));
    fs::write(&process.file, good).unwrap();
    let new = upgrade(&process, 1).await;
    assert_eq!(support::operation(process.control, "getReturn").await["counts"], operation["counts"]);
    end(&process, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_stages_in_memory_are_handed_over_too() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let rest = format!("store: 'memory://'\n{GET_RETURN}");
    let process = start(directory.path(), &legacy.url(), &candidate.url(), &rest);
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    client.get("/returns/1").await.unwrap();
    let before = at_rest(process.control, "getReturn").await;
    let up = json!({"stage": "switched", "reason": "up", "force": true});
    post(process.control, "/api/v1/operations/getReturn/stage", &up).await;
    signal(process.id(), "USR2");
    process.logged("\"ready\"", 2).await;
    let after = operation(process.control, "getReturn").await;
    assert_eq!((&after["counts"], &after["stage"]), (&before["counts"], &json!("switched")));
    assert_eq!(after["readiness"], before["readiness"]);
    assert_all_shown(&after);
    let new = process.holder().expect("the log tells");
    end(&process, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_processes_back_is_still_counted_reaches_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let legacy = FakeService::start(Behaviour::Slow(Duration::from_secs(3)));
    let candidate = FakeService::start(same("{\"a\":2}"));
    let process = start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    client.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    wait_until(DEADLINE, "legacy is asked", || legacy.heads() == 1).await;
    upgrade(&process, 1).await;
    let last = upgrade(&process, 2).await;
    assert_eq!(operation(process.control, "getReturn").await["counts"]["requests"], 0);
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    process.logged("the process before this one is done", 2).await;
    let counts = at_rest(process.control, "getReturn").await["counts"].clone();
    assert_eq!((&counts["requests"], &counts["unmatched"]), (&json!(1), &json!(1)), "{counts}");
    end(&process, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_program_that_hangs_does_not_keep_the_old_one_from_ending() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let mut process = start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    replace(&directory.path().join("parallax"), "#!/bin/sh\nexec sleep 60\n");
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    signal(process.id(), "USR2");
    process.logged("starting a new process", 1).await;
    assert_eq!(client.get("/returns/1").await.unwrap().status, 200);
    at_rest(process.control, "getReturn").await;
    assert!(process.terminate().success());
    process.start_again();
    assert_eq!(operation(process.control, "getReturn").await["counts"]["requests"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn posted_checks_are_neither_lost_nor_counted_twice_by_upgrades() {
    const CHECKS: u64 = 1_200;
    const UPGRADES: u64 = 4;
    let directory = tempfile::tempdir().unwrap();
    let legacy = FakeService::start(same("{}"));
    let answer = Reply::json("{\"a\":1}").delay(Duration::from_millis(20));
    let candidate = FakeService::start(Behaviour::always(answer));
    // What is posted is made up, so that legacy would say something else.
    let configuration = format!("{GET_RETURN}defaults: {{recheck: off}}\n");
    let process = start(directory.path(), &legacy.url(), &candidate.url(), &configuration);
    let poster = post::Poster::start(process.control, CHECKS, 0);
    let mut last = process.id();
    for round in 1..=UPGRADES {
        poster.may_accept(CHECKS * round / UPGRADES);
        let wanted = CHECKS * (round - 1) / UPGRADES + 50;
        wait_until(DEADLINE, "checks are accepted", || poster.accepted() >= wanted).await;
        last = upgrade(&process, usize::try_from(round).unwrap()).await;
    }
    wait_until(DEADLINE, "all are accepted", || poster.is_done()).await;
    poster.finish().await;
    let operation = at_rest(process.control, "getReturn").await;
    assert_conserved(&operation);
    let ends = post::ends_of(process.control, CHECKS).await;
    let counts = &operation["counts"];
    assert_eq!((ends.done, ends.failed), (CHECKS, 0), "{ends:?} {counts}\n{}", process.log());
    assert_eq!(counts["requests"], CHECKS, "{ends:?} {counts}");
    assert_eq!((&counts["matched"], &counts["unmatched"]), (&json!(ends.matched), &json!(ends.unmatched)));
    assert_all_shown(&operation);
    end(&process, last).await;
}
