//! Thousands of requests that were made to be understood differently by two parsers, each sent as it
//! stands, with a service behind the proxy that takes nothing but valid HTTP/1.1. On the same connection
//! a canary follows, and two victims come over connections of their own.
//!
//! Nothing invalid may reach a side, and nothing invalid is taken, not even mended; no request may reach it that nobody gets the answer of; nobody may
//! get an answer that is not theirs; and the process lives. Every answer of the legacy side carries a
//! number, so that these hold to the unit whatever the proxy makes of a request.
//!
//! The requests are no part of this repository. `PARALLAX_CORPORA` names the folder that holds
//! `http1-requests.json`; without it the test is ignored.

#[path = "../crates/core/tests/harness/mod.rs"]
mod harness;
#[path = "hostile_http1/one.rs"]
mod one;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::Test;
use one::{Collected, Found};
use parallax_testkit::{Answered, Invalid, StrictService, check_request};
use serde::Deserialize;
use support::process::Process;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

const TESTS: [Test<Path>; 1] = [Test { name: "every_hostile_request", run: all }];

/// Cases at once: most of their time is spent waiting for what does not come.
const AT_ONCE: usize = 48;
/// How long answers may be under way when everything was sent.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// The smugglers' path is an operation that is copied, so that the candidate is behind the proxy too.
const OPERATIONS: &str = "store: 'memory://'
defaults: {recheck: off}
operations:
  - {id: hostile, match: POST /s, idempotent: true}
  - {id: canary, match: 'GET /canary/{id}'}
  - {id: victim, match: 'GET /victims/{id}'}
";

#[derive(Deserialize)]
struct Case {
    name: String,
    request_base64: String,
}

fn main() -> ExitCode {
    let corpora = std::env::var_os("PARALLAX_CORPORA").ok_or("PARALLAX_CORPORA is not set".to_owned());
    harness::main(&TESTS, &corpora.map(|corpora| PathBuf::from(corpora).join("http1-requests.json")))
}

fn all(file: &Path) -> Result<(), String> {
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let cases: Vec<Case> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(run(cases))
}

async fn run(cases: Vec<Case>) -> Result<(), String> {
    let (legacy, candidate) = (StrictService::start("legacy"), StrictService::start("candidate"));
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), OPERATIONS);

    let cases = decoded(cases)?;
    let collected = Arc::new(Collected::default());
    let (end, ended) = watch::channel(false);
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (number, (_, bytes)) in cases.iter().enumerate() {
        let one = one::One {
            number,
            bytes: bytes.clone(),
            proxy: process.proxy,
            collected: Arc::clone(&collected),
            at_once: Arc::clone(&at_once),
            ended: ended.clone(),
        };
        running.spawn(one.run());
    }
    // Each case says that it has been sent; the connections stay until every answer has come.
    all_sent(&collected, cases.len()).await?;
    let orphans = orphans(&legacy, &collected).await;
    end.send_replace(true);
    let mut found: Vec<Found> = running.join_all().await;
    found.sort_by_key(|found| found.number);
    process.assert_lives();
    judge(&cases, &found, &legacy, &candidate, &orphans, &collected)
}

/// The name and the bytes of each case.
fn decoded(cases: Vec<Case>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let decode = |case: Case| Ok((case.name, STANDARD.decode(&case.request_base64)?));
    cases
        .into_iter()
        .map(decode)
        .collect::<Result<_, base64::DecodeError>>()
        .map_err(|error| error.to_string())
}

async fn all_sent(collected: &Collected, cases: usize) -> Result<(), String> {
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while collected.sent() < cases {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.map_err(|_| format!("only {} of {cases} cases were done in time", collected.sent()))
}

/// Requests that legacy has answered and whose answer has reached nobody.
async fn orphans(legacy: &StrictService, collected: &Collected) -> Vec<Answered> {
    let began = std::time::Instant::now();
    loop {
        let mut left = legacy.answered();
        left.retain(|answered| !collected.has(&answered.serial));
        if left.is_empty() || began.elapsed() > UNDER_WAY {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn judge(
    cases: &[(String, Vec<u8>)],
    found: &[Found],
    legacy: &StrictService,
    candidate: &StrictService,
    orphans: &[Answered],
    collected: &Collected,
) -> Result<(), String> {
    let mut wrong = String::new();
    let invalid: Vec<Invalid> = legacy.invalid().into_iter().chain(candidate.invalid()).collect();
    for Invalid { why, bytes } in &invalid {
        let _ = writeln!(wrong, "invalid and forwarded: {why}\n    {}", bytes.escape_ascii());
    }
    for Answered { serial, head } in orphans {
        let _ = writeln!(wrong, "answered to nobody ({serial}): {}", head.escape_ascii());
    }
    for serial in collected.twice() {
        let _ = writeln!(wrong, "an answer came twice: {serial}");
    }
    let mut statuses = BTreeMap::new();
    let (mut harmed, mut taken) = (0, 0);
    for Found { number, status, victims, .. } in found {
        *statuses.entry(status.map_or("no answer".to_owned(), |status| status.to_string())).or_insert(0) += 1;
        let (name, bytes) = &cases[*number];
        for victim in victims {
            harmed += 1;
            let _ = writeln!(wrong, "{name}: {victim}");
        }
        if let (Some(200..400), Err(why)) = (status, check_request(bytes)) {
            taken += 1;
            let _ = writeln!(wrong, "{name} was taken, with {why}\n    {}", bytes.escape_ascii());
        }
    }
    let canaries = found.iter().filter(|found| found.canary).count();
    let forwarded = legacy.answered().len();
    println!(
        "{} hostile requests: first answers {statuses:?}; canaries answered {canaries}; legacy answered {forwarded}, \
         candidate {}; cut off {}; invalid forwarded {}; answered to nobody {}; victims harmed {harmed} of {}; invalid and taken {taken}",
        cases.len(),
        candidate.answered().len(),
        legacy.cut_off() + candidate.cut_off(),
        invalid.len(),
        orphans.len(),
        found.len() * 2,
    );
    // A proxy that answers nobody would pass all the rest.
    if canaries == 0 || forwarded < found.len() * 2 || candidate.answered().is_empty() {
        wrong.push_str("next to nothing was let through: this proves nothing\n");
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
