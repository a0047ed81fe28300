//! `parallax check`: recorded requests, asked of a candidate and compared with what was recorded. For
//! a build's pipeline: no server, no store, an exit code.

mod junit;
mod object;
pub(super) mod shown;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use parallax_core::recorded::Format;

use super::output::{Paint, one_line, plain, print};
use super::{NOT_MET, UNREACHED};
use crate::config::{self, Settings, UpstreamUrl};
use crate::isolate::Children;
use crate::recordings::{self, Counts, Event, Operations, Plan, Progress};

/// The configuration that is used when none is named and this is there.
const DEFAULT_CONFIG: &str = "parallax.yaml";
/// Broken records that are told of each file.
const TOLD: u64 = 20;

/// Run recorded requests against a candidate and compare its answers with the recorded ones: exit 0
/// when every operation meets its target, 1 below it
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax check traffic.har --candidate http://127.0.0.1:8082\n  parallax check checks.jsonl traffic.gor.gz --candidate http://127.0.0.1:8082 -c parallax.yaml --junit report.xml\n\n\
    Exit codes: 0 every operation that was checked meets its target; 1 one does not, or none was checked;\n\
    2 wrong usage, configuration or file; 3 the candidate gave no answer at all."
)]
pub(super) struct CheckArgs {
    /// Recordings: the article's payload one a line or as JSON, HTTP archives (HAR), GoReplay files; also
    /// compressed with gzip. `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The candidate, like http://127.0.0.1:8082 [default: as in the configuration]
    #[arg(long, value_name = "URL")]
    candidate: Option<UpstreamUrl>,
    /// The configuration with the operations, their rules and targets, and the candidate's headers
    /// [default: parallax.yaml if it is there; otherwise operations are guessed from the paths]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How all files are written: jsonl, json, har or goreplay [default: each tells by its name or beginning]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Only what was recorded at this host, such as shop.example
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Requests in flight at a time; 1 keeps the order of the recording
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Also send requests that may have effects, such as POST. Without it, only those are sent that
    /// `idempotent` allows: GET, HEAD and OPTIONS, unless the configuration says otherwise
    #[arg(long)]
    all_methods: bool,
    /// End at the first broken record, with exit code 2, instead of telling it and going on
    #[arg(long)]
    strict: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as JUnit XML, one test case for each operation
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let (settings, operations) = settings(args)?;
    let url = settings.candidate.url.to_string();
    let plan = Plan {
        files: args.files.clone(),
        format: args.format,
        operations,
        candidate: settings.candidate,
        concurrency: usize::from(args.concurrency),
        all_methods: args.all_methods,
        host: args.host.clone(),
        strict: args.strict,
        isolation: Arc::new(Children::of_this_program()),
    };
    let counts = counted(args, plan)?;
    if let Some(path) = &args.junit {
        let xml = junit::of(&counts);
        std::fs::write(path, xml).with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(&if args.json { object::of(&counts)? } else { shown::of(&counts, Paint::for_stdout()) })?;
    Ok(exit(&counts, &url))
}

fn exit(counts: &Counts, url: &str) -> ExitCode {
    if counts.is_unreached() {
        let reason = counts.first_fault.as_deref().unwrap_or("no answer");
        eprintln!("parallax: the candidate at {url} gave no answer to any request: {}", one_line(reason));
        return ExitCode::from(UNREACHED);
    }
    if counts.is_met() {
        return ExitCode::SUCCESS;
    }
    if counts.asked == 0 {
        eprintln!("parallax: no request was sent, so that nothing is known of the candidate");
    }
    ExitCode::from(NOT_MET)
}

/// The settings, and whose requests are.
fn settings(args: &CheckArgs) -> anyhow::Result<(Settings, Operations)> {
    let default = Path::new(DEFAULT_CONFIG);
    let path = args.config.as_deref().or_else(|| default.exists().then_some(default));
    match (path, &args.candidate) {
        (Some(path), candidate) => {
            let settings = match candidate {
                Some(candidate) => config::load_against(path, candidate)?,
                None => config::load(path)?,
            };
            let operations = Operations::configured(&settings.operations)?;
            Ok((settings, operations))
        }
        (None, Some(candidate)) => {
            eprintln!(
                "parallax: there is no {DEFAULT_CONFIG}, so that operations are guessed from the paths and everything counts; name a configuration with `-c FILE`"
            );
            guessed(candidate)
        }
        (None, None) => {
            anyhow::bail!("name the candidate with `--candidate URL`, or a configuration with `-c FILE`")
        }
    }
}

/// What holds where nothing is configured.
fn guessed(candidate: &UpstreamUrl) -> anyhow::Result<(Settings, Operations)> {
    let text = format!(
        "listen: '127.0.0.1:0'\ncontrol: {{listen: '127.0.0.1:0'}}\nlegacy: http://legacy.invalid\n\
         candidate: '{candidate}'\noperations: [{{id: guessed, match: GET /}}]\n"
    );
    let settings = config::parse(&text, "--candidate", &|_| None)?;
    let model = settings.operations.first().context("a model for operations")?;
    let operations = Operations::guessed(model.as_ref().clone());
    Ok((settings, operations))
}

fn counted(args: &CheckArgs, plan: Plan) -> anyhow::Result<Counts> {
    let progress = Progress::default();
    let bar = bar(&args.files);
    let mut file = String::new();
    let mut done = 0_u64;
    let tell = |event: Event<'_>| match event {
        Event::File(name, _) => file = one_line(name),
        Event::Broken(counts, error) if counts.broken_total < TOLD => {
            bar.suspend(|| eprintln!("{}", plain(&recordings::placed(&counts.name, error))));
        }
        Event::Broken(counts, _) if counts.broken_total == TOLD => {
            bar.suspend(|| eprintln!("{}: more broken records are only counted", plain(&counts.name)));
        }
        Event::Broken(..) => {}
        Event::Checked(_) => {
            done += 1;
            bar.set_position(progress.bytes());
            bar.set_message(format!("{done} checks, {file}"));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the network runtime")?;
    let counts = runtime.block_on(recordings::run(plan, &progress, tell));
    bar.finish_and_clear();
    // A file that hangs, such as a pipe, must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(counts?)
}

/// A line that is drawn on terminals only. Of a pipe nobody knows how long it is.
fn bar(files: &[PathBuf]) -> ProgressBar {
    let length = |path: &PathBuf| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let bar = match files.iter().map(length).collect::<Option<Vec<_>>>() {
        Some(files) => ProgressBar::new(files.iter().map(std::fs::Metadata::len).sum()),
        None => ProgressBar::no_length(),
    };
    // A template that does not parse leaves the default one.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
