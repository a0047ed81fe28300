//! `parallax stage`: takes one operation, or all of them, to a stage. The server decides whether
//! that may be.

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use parallax_core::ratio::Ratio;
use parallax_core::stage::{Share, Stage, StageName};
use serde_json::{Value, json};

use super::client::{Client, ClientError, ServerArgs, operation_path};
use super::output::{plain, print};
use super::{NOT_MET, status};

/// Take an operation to a stage: legacy, shadow, canary, switched or complete
#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "Example:\n  parallax stage getReturn canary --share 5% --reason 'first customers'\n  \
        parallax stage getReturn canary --reason 'the next step of its plan'\n  \
        parallax stage --all legacy --reason 'incident: stop all copies'"
)]
pub(super) struct StageArgs {
    /// The operation
    #[arg(value_name = "OP", required_unless_present = "all", conflicts_with = "all")]
    operation: Option<String>,
    /// The stage to take it to
    #[arg(value_name = "STAGE", value_parser = stage_names())]
    stage: StageName,
    /// All operations, one after the other; `stage --all legacy` stops all copies
    #[arg(long)]
    all: bool,
    /// The share of clients that the candidate answers, in canary; the next step of its plan by default
    #[arg(long, value_name = "PERCENT", value_parser = read_share)]
    share: Option<Share>,
    /// Why; it is kept in the audit
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Change it even though the operation is not ready
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn stage_names() -> impl clap::builder::TypedValueParser<Value = StageName> {
    PossibleValuesParser::new(StageName::ALL.iter().map(|name| name.as_str()))
        .try_map(|word| word.parse::<StageName>())
}

fn read_share(text: &str) -> Result<Share, String> {
    let ratio: Ratio = text.parse().map_err(|error: parallax_core::ratio::RatioError| error.to_string())?;
    Share::new(ratio).map_err(|error| error.to_string())
}

pub(super) fn run(args: &StageArgs) -> anyhow::Result<ExitCode> {
    if args.share.is_some() {
        Stage::from_parts(args.stage, args.share)?;
    }
    let client = Client::find(&args.server)?;
    match &args.operation {
        Some(operation) => {
            print(&change(&client, operation, args)?)?;
            Ok(ExitCode::SUCCESS)
        }
        None => change_all(&client, args),
    }
}

fn change(client: &Client, operation: &str, args: &StageArgs) -> anyhow::Result<String> {
    let mut body = json!({"stage": args.stage, "reason": args.reason, "force": args.force});
    if let Some(share) = args.share {
        body["share"] = json!(share);
    }
    let answer = client.post(&format!("{}/stage", operation_path(operation)), &body)?;
    // A share may be the plan's.
    let share = answer.get("share").and_then(Value::as_str).map(str::to_owned);
    let share = share.or(args.share.map(|share| share.to_string()));
    let stage = share.map_or(args.stage.to_string(), |share| format!("{} {share}", args.stage));
    Ok(changed(operation, &stage, &answer))
}

/// Goes through all of them whatever one of them says: a kill switch must not stop half-way.
fn change_all(client: &Client, args: &StageArgs) -> anyhow::Result<ExitCode> {
    let mut refused = 0;
    for operation in status::ids(client)? {
        match change(client, &operation, args) {
            Ok(text) => print(&text)?,
            Err(error) if matches!(error.downcast_ref(), Some(ClientError::Refused { .. })) => {
                refused += 1;
                eprintln!("parallax: {operation}: {}", plain(&error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(NOT_MET) })
}

/// What a change came to.
pub(super) fn changed(operation: &str, stage: &str, answer: &Value) -> String {
    let revision = answer.get("revision").and_then(Value::as_u64);
    let revision = revision.map_or(String::new(), |revision| format!(" (revision {revision})"));
    let mut text = format!("{operation}: {stage}{revision}\n");
    if answer.get("persisted") == Some(&Value::Bool(false)) {
        text.push_str("  it is in force, and will be written when the store is back\n");
    }
    if let Some(warning) = answer.get("warning").and_then(Value::as_str) {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    plain(&text)
}
