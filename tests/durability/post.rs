//! Posting numbered checks until each is accepted, and asking what became of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_testkit::{RawClient, RawResponse};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A word that is in every check and must be in no file.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";

/// Checks in one request.
const BATCH: u64 = 25;
const POSTERS: u64 = 4;

/// A check of this number, with so many bytes of padding. The candidate agrees with two of three.
pub(crate) fn payload(number: u64, padding: usize) -> Value {
    let answer = if number.is_multiple_of(3) { "{\"a\":2}" } else { "{\"a\":1}" };
    json!({
        "id": format!("check-{number}"),
        "request": {
            "method": "GET",
            "url": {"path": format!("/returns/{number}")},
            "headers": {"Authorization": SECRET, "X-Padding": "x".repeat(padding)},
        },
        "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": answer},
    })
}

/// Posts checks until each was accepted.
#[derive(Debug)]
pub(crate) struct Poster {
    shared: Arc<Shared>,
    posters: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    control: SocketAddr,
    checks: u64,
    padding: usize,
    accepted: AtomicU64,
    allowed: AtomicU64,
    again: AtomicU64,
    stopped: AtomicBool,
    refusals: Mutex<BTreeMap<String, u64>>,
}

/// What it took.
pub(crate) struct Posted {
    /// Posts that were refused, or whose answer got lost.
    pub(crate) again: u64,
}

impl Poster {
    /// Begins to post checks 0 to `checks`, as far as they are allowed.
    pub(crate) fn start(control: SocketAddr, checks: u64, padding: usize) -> Self {
        let shared = Arc::new(Shared {
            control,
            checks,
            padding,
            accepted: AtomicU64::new(0),
            allowed: AtomicU64::new(0),
            again: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            refusals: Mutex::default(),
        });
        let mut posters = JoinSet::new();
        for poster in 0..POSTERS {
            posters.spawn(run(Arc::clone(&shared), poster));
        }
        Self { shared, posters }
    }

    /// Up to so many in all may be accepted from now on.
    pub(crate) fn may_accept(&self, checks: u64) {
        self.shared.allowed.store(checks, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.accepted() == self.shared.checks
    }

    /// How often a refusal said this.
    pub(crate) fn said(&self, text: &str) -> u64 {
        let refusals = self.shared.refusals.lock().expect("no panic");
        refusals.iter().filter(|(detail, _)| detail.contains(text)).map(|(_, count)| count).sum()
    }

    pub(crate) async fn finish(self) -> Posted {
        self.posters.join_all().await;
        Posted { again: self.shared.again.load(Ordering::Relaxed) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

async fn run(shared: Arc<Shared>, poster: u64) {
    let mut client = None;
    for first in (poster * BATCH..shared.checks).step_by(usize::try_from(POSTERS * BATCH).expect("small")) {
        let mut left: Vec<u64> = (first..(first + BATCH).min(shared.checks)).collect();
        while !left.is_empty() {
            if shared.accepted.load(Ordering::Relaxed) >= shared.allowed.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            }
            match post(&shared, &mut client, &left).await {
                Some(accepted) => {
                    left.retain(|number| !accepted.contains(number));
                    shared.accepted.fetch_add(accepted.len() as u64, Ordering::Relaxed);
                }
                None => {
                    client = None;
                    shared.again.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

/// The checks that were accepted; none when nobody knows.
async fn post(shared: &Shared, client: &mut Option<RawClient>, numbers: &[u64]) -> Option<Vec<u64>> {
    let lines: Vec<String> =
        numbers.iter().map(|&number| payload(number, shared.padding).to_string()).collect();
    let mut open = match client.take() {
        Some(client) => client,
        None => RawClient::connect(shared.control).await.ok()?,
    };
    let fields = [("Content-Type", "application/x-ndjson")];
    let answer = open.ask("POST", "/consistency-checks", &fields, lines.join("\n").as_bytes()).await.ok()?;
    if !answer.complete {
        return None;
    }
    *client = Some(open);
    read(shared, numbers, &answer)
}

fn read(shared: &Shared, numbers: &[u64], answer: &RawResponse) -> Option<Vec<u64>> {
    match answer.status {
        207 => {
            let results = answer.json();
            let accepted = |(number, result): (&u64, &Value)| {
                assert_eq!(result["status"], 202, "{result}");
                *number
            };
            Some(numbers.iter().zip(results.as_array().expect("results")).map(accepted).collect())
        }
        503 => {
            assert!(answer.headers.get("retry-after").is_some(), "{}", answer.text());
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            *shared.refusals.lock().expect("no panic").entry(detail).or_default() += 1;
            None
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

/// What became of the checks.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) done: u64,
    pub(crate) matched: u64,
    pub(crate) unmatched: u64,
    pub(crate) failed: u64,
    reasons: BTreeMap<String, u64>,
}

/// Asks for every check by its name.
pub(crate) async fn ends_of(control: SocketAddr, checks: u64) -> Ends {
    let mut clients = JoinSet::new();
    for first in 0..POSTERS {
        clients.spawn(async move {
            let mut client = RawClient::connect(control).await.expect("the control listener");
            let mut ends = Vec::new();
            for number in (first..checks).step_by(usize::try_from(POSTERS).expect("small")) {
                let path = format!("/consistency-checks/check-{number}");
                let check = client.get(&path).await.expect("an answer");
                assert_eq!(check.status, 200, "check {number} is lost: {}", check.text());
                ends.push((number, check.json()));
            }
            ends
        });
    }
    let mut all = Ends::default();
    for (number, check) in clients.join_all().await.into_iter().flatten() {
        all.add(number, &check);
    }
    all
}

impl Ends {
    fn add(&mut self, number: u64, check: &Value) {
        self.done += u64::from(check["state"] == "done");
        match check["outcome"].as_str() {
            Some("matched") => {
                assert!(!number.is_multiple_of(3), "{check}");
                self.matched += 1;
            }
            Some("unmatched") => {
                assert!(number.is_multiple_of(3), "{check}");
                assert_eq!(check["differences"][0]["path"], "$.body.a");
                self.unmatched += 1;
            }
            Some("failed") => {
                self.failed += 1;
                let reason = check["reason"].as_str().expect("a reason").to_owned();
                *self.reasons.entry(reason).or_default() += 1;
            }
            other => panic!("{other:?}: {check}"),
        }
    }
}
