//! `parallax replay`: what a running server has stored of mismatches, asked of another build of the
//! candidate. It sends what was kept and nothing else: a sample that was redacted or cut is told as
//! not replayable, and counts as left, because nobody knows.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use parallax_core::operation::OperationId;
use parallax_core::report::{NotAgain, Report};
use parallax_core::verdict::Outcome;
use serde_json::json;

use super::check::shown;
use super::client::{Client, ServerArgs, operation_path};
use super::output::{Paint, Table, Tone, grouped, one_line, print};
use super::view::SignatureView;
use super::{NOT_MET, UNREACHED, status};
use crate::config::{self, UpstreamUrl};
use crate::isolate::Children;
use crate::recordings::{Replay, Replayed, again};

/// Requests in flight at a time.
const CONCURRENCY: usize = 4;
/// Faults that are listed of an operation.
const LISTED: usize = 10;

/// Ask the stored mismatches of a running server again, of another build of the candidate: exit 0 when
/// all of them match now, 1 while any is left
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax replay --candidate http://127.0.0.1:8083\n  parallax replay getReturn --only unmatched --candidate http://127.0.0.1:8083\n\n\
    Samples are replayable where the operation keeps them whole (`samples: plain`). Rules and the candidate's\n\
    headers come from the configuration, credentials from nowhere else. What cannot be replayed counts as left."
)]
pub(super) struct ReplayArgs {
    /// Only this operation
    #[arg(value_name = "OP")]
    operation: Option<OperationId>,
    /// The build to ask, like http://127.0.0.1:8083 [default: the candidate in the configuration]
    #[arg(long, value_name = "URL")]
    candidate: Option<UpstreamUrl>,
    /// Only samples with this outcome: unmatched or failed
    #[arg(long, value_name = "OUTCOME")]
    only: Option<Outcome>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let path = args.server.config();
    let settings = match &args.candidate {
        Some(candidate) => config::load_against(path, candidate)?,
        None => config::load(path)?,
    };
    let url = settings.candidate.url.to_string();
    let replay = Replay {
        operations: settings.operations,
        candidate: settings.candidate,
        concurrency: CONCURRENCY,
        isolation: Arc::new(Children::of_this_program()),
    };
    let replayed = replayed(args, &replay)?;
    print(&if args.json { object(&replayed)? } else { table(&replayed, Paint::for_stdout()) })?;
    let asked: u64 = replayed.iter().map(Replayed::asked).sum();
    if asked > 0 && replayed.iter().all(|one| one.answered == 0) {
        let reason = replayed.iter().find_map(|one| one.first_fault.as_deref()).unwrap_or("no answer");
        eprintln!("parallax: the candidate at {url} gave no answer to any request: {}", one_line(reason));
        return Ok(ExitCode::from(UNREACHED));
    }
    if replayed.iter().any(|one| one.not_again.contains_key(&NotAgain::Redacted)) {
        eprintln!(
            "parallax: some samples were redacted when they were stored; an operation with `samples: plain` keeps what a replay needs, and credentials belong into `candidate.headers`"
        );
    }
    let is_left = replayed.iter().any(|one| one.left() > 0);
    Ok(if is_left { ExitCode::from(NOT_MET) } else { ExitCode::SUCCESS })
}

fn replayed(args: &ReplayArgs, replay: &Replay) -> anyhow::Result<Vec<Replayed>> {
    let client = Client::find(&args.server)?;
    let ids = match &args.operation {
        Some(id) => vec![id.clone()],
        None => status::ids(&client)?.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the network runtime")?;
    let mut all = Vec::new();
    for id in ids {
        let reports = samples(&client, &id, args.only)?;
        all.push(runtime.block_on(again(replay, id, &reports))?);
    }
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(all)
}

/// The stored samples of an operation, each once, the oldest first. One that shows several faults is
/// stored under each.
fn samples(client: &Client, id: &OperationId, only: Option<Outcome>) -> anyhow::Result<Vec<Report>> {
    let path = format!("{}/signatures", operation_path(id.as_str()));
    let signatures: Vec<SignatureView> = client.get(&path)?;
    let mut seen = BTreeSet::new();
    let mut reports = Vec::new();
    for signature in signatures {
        let with_samples: SignatureView = client.get(&format!("/api/v1/signatures/{}", signature.id))?;
        let wanted = |report: &Report| only.is_none_or(|only| report.outcome == only);
        reports.extend(
            with_samples.samples.into_iter().filter(|report| wanted(report) && seen.insert(report.id)),
        );
    }
    reports.sort_by_key(|report| report.at);
    Ok(reports)
}

fn table(replayed: &[Replayed], paint: Paint) -> String {
    const HEAD: [&str; 6] = ["OPERATION", "SAMPLES", "MATCHED", "UNMATCHED", "FAILED", "NOT REPLAYABLE"];
    let mut table = Table::default();
    table.row(HEAD.map(|name| (Tone::Faint, name.to_owned())));
    for one in replayed {
        let tally = one.counts.as_ref().map(|counts| counts.tally.clone()).unwrap_or_default();
        let unmatched = if tally.unmatched > 0 { Tone::Bad } else { Tone::Plain };
        table.row([
            (Tone::Plain, one.id.to_string()),
            (Tone::Plain, grouped(one.asked() + one.not_again.values().sum::<u64>())),
            (Tone::Plain, grouped(tally.matched)),
            (unmatched, grouped(tally.unmatched)),
            (Tone::Plain, shown::by_reason(&tally.failed)),
            (Tone::Plain, shown::by_reason(&one.not_again)),
        ]);
    }
    let mut text = table.render(paint);
    for counts in replayed.iter().filter_map(|one| one.counts.as_ref()) {
        for fault in counts.by_count().into_iter().take(LISTED) {
            let place = format!("{}: check {}", counts.operation.id, fault.report.id);
            text.push('\n');
            text.push_str(&shown::fault(fault, &place, paint));
        }
    }
    text
}

fn object(replayed: &[Replayed]) -> anyhow::Result<String> {
    let one = |one: &Replayed| {
        let tally = one.counts.as_ref().map(|counts| counts.tally.clone()).unwrap_or_default();
        let faults = one.counts.as_ref().map(|counts| counts.by_count()).unwrap_or_default();
        let fault = |fault: &&crate::recordings::Fault| json!({"signature": fault.signature, "count": fault.count, "first": &*fault.report});
        json!({
            "operation_id": one.id,
            "matched": tally.matched,
            "unmatched": tally.unmatched,
            "failed": tally.failed,
            "not_replayable": one.not_again,
            "left": one.left(),
            "differences": faults.iter().map(fault).collect::<Vec<_>>(),
        })
    };
    let all: Vec<_> = replayed.iter().map(one).collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}
