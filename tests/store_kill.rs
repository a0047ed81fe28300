//! Killed while it writes, the store has every write that it acknowledged, each once, and can be
//! opened again at once.
//!
//! The test starts this very binary once more as the writer, kills it by its id with SIGKILL, and
//! looks at what is left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;
use parallax::store::{self, Minute, Store, Write};
use parallax_core::evidence::{Evidence, Key, RulesId, Version};
use parallax_core::operation::OperationId;
use parallax_core::stage::Stage;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

const STORE_URL: &str = "PARALLAX_TEST_STORE_URL";
const WRITERS: usize = 8;
const ROUNDS: usize = 4;
const ACKNOWLEDGED_A_ROUND: usize = 150;

/// What a writer writes as one: a request counted and the transition to this revision.
fn step(operation_id: &OperationId, revision: u64) -> Vec<Write> {
    let at = jiff::Timestamp::from_second(i64::try_from(revision).expect("small")).expect("an instant");
    let transition = Transition {
        at,
        who: "writer".to_owned(),
        operation_id: operation_id.clone(),
        from: Stage::Legacy,
        to: Stage::Shadow,
        reason: "test".to_owned(),
        forced: false,
        automatic: false,
        revision,
        evidence: serde_json::Value::Null,
    };
    let tally = Tally { requests: 1, matched: 1, ..Tally::default() };
    let counted = Write::Tally { operation_id: operation_id.clone(), minute: Minute::of(at), tally };
    let key = Key { rules: RulesId(1), version: Version::unnamed() };
    let evidence = Box::new(Evidence::of_counts(1, 0, 0));
    let shown = Write::Evidence { operation_id: operation_id.clone(), key, evidence };
    vec![counted, shown, Write::Transition(Box::new(transition))]
}

/// Writes step after step and says so on stderr, until it is killed.
async fn write_for_ever(store: &Store, writer: usize) {
    let operation_id: OperationId = format!("operation{writer}").parse().expect("an id");
    for revision in next_revision(store, &operation_id).await.. {
        store.write(step(&operation_id, revision)).await.expect("a write");
        // In one piece, so that no half of a line is left behind.
        let line = format!("acknowledged {operation_id} {revision}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("someone who listens");
    }
}

async fn next_revision(store: &Store, operation_id: &OperationId) -> u64 {
    let stages = store.read(|backend| backend.stages()).await.expect("stages");
    stages.iter().find(|stage| stage.operation_id == *operation_id).map_or(1, |stage| stage.revision + 1)
}

#[test]
#[ignore = "the writer that the other test starts and kills"]
fn writer() {
    let Ok(url) = std::env::var(STORE_URL) else { return };
    let store = store::open(&url).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(join_all((0..WRITERS).map(|writer| write_for_ever(&store, writer))));
}

#[test]
fn every_acknowledged_write_is_there_after_kill_9_and_none_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        acknowledged.extend(kill_a_writer(&path));
        assert_eq!(acknowledged.len(), WRITERS, "every writer was heard");
        let kept = read_back(&path);
        for (operation_id, &revision) in &acknowledged {
            let kept = kept.get(operation_id).copied().unwrap_or_default();
            // At most the one that was committed and not yet acknowledged.
            assert!(
                kept == revision || kept == revision + 1,
                "round {round}: {operation_id} has {kept} writes, {revision} were acknowledged"
            );
        }
    }
}

/// Runs a writer, kills it in the middle, and returns the last revision that it acknowledged for
/// each operation.
fn kill_a_writer(path: &Path) -> BTreeMap<OperationId, u64> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--ignored", "--exact", "writer", "--nocapture"])
        .env(STORE_URL, format!("sqlite://{}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(KilledOnDrop)
        .expect("a writer");
    let stderr = BufReader::new(child.0.stderr.take().expect("its stderr"));
    let mut lines = stderr.lines().map(|line| acknowledgement(&line.expect("text")));
    let mut acknowledged: BTreeMap<_, _> = lines.by_ref().take(ACKNOWLEDGED_A_ROUND).collect();
    assert!(child.0.try_wait().expect("its state").is_none(), "it still runs");
    child.0.kill().expect("it was still running");
    // What it said between our last look and its end counts too.
    acknowledged.extend(lines);
    acknowledged
}

fn acknowledgement(line: &str) -> (OperationId, u64) {
    let words: Vec<_> = line.split(' ').collect();
    let ["acknowledged", operation_id, revision] = words[..] else { panic!("the writer says: {line}") };
    (operation_id.parse().expect("an id"), revision.parse().expect("a revision"))
}

/// How many writes of each operation are in the store, after checking that they are the first so
/// many, each whole and once.
fn read_back(path: &Path) -> BTreeMap<OperationId, u64> {
    let store = store::open(&format!("sqlite://{}", path.display())).expect("free at once");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let totals = store.read(|backend| backend.totals()).await.expect("totals");
        let evidences = store.read(|backend| backend.evidences()).await.expect("evidences");
        let shown: Vec<_> = evidences
            .iter()
            .map(|(id, evidences)| (id, evidences.iter().map(|known| known.evidence.matched).sum::<u64>()))
            .collect();
        assert_eq!(shown, totals.iter().map(|(id, tally)| (id, tally.matched)).collect::<Vec<_>>());
        let mut kept = BTreeMap::new();
        for (operation_id, tally) in totals {
            let id = operation_id.clone();
            let audit = store.read(move |backend| backend.audit(Some(&id), 1_000_000)).await.expect("audit");
            let revisions: Vec<u64> = audit.iter().rev().map(|transition| transition.revision).collect();
            assert_eq!(revisions, (1..=tally.requests).collect::<Vec<_>>(), "{operation_id}");
            assert_eq!(tally.matched, tally.requests, "{operation_id}");
            assert_eq!(next_revision(&store, &operation_id).await, tally.requests + 1, "{operation_id}");
            kept.insert(operation_id, tally.requests);
        }
        store.close().await;
        kept
    })
}

/// Ends the writer, also when the test fails.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // It may have ended already; waiting for it then returns at once.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
