//! `parallax retire`: archives an operation that is complete, so that it may go from the configuration.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::client::{Client, ServerArgs, operation_path};
use super::output::{plain, print};
use super::stage::changed;

/// Retire an operation that is complete, so that it may be taken out of the configuration
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax retire getReturn --reason 'the legacy endpoint is gone'\n\n\
    It is refused unless the operation is complete, and while it saw requests in the last 24 hours that \
    would fall back to legacy. `parallax report --retire getReturn` shows what can go.")]
pub(super) struct RetireArgs {
    /// The operation
    #[arg(value_name = "OP")]
    operation: String,
    /// Why; it is kept in the audit
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &RetireArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let path = format!("{}/retire", operation_path(&args.operation));
    let answer = client.post(&path, &json!({"reason": args.reason}))?;
    let id = &args.operation;
    let next = format!("  it may go from the configuration now; see `parallax report --retire {id}`\n");
    print(&(changed(id, "retired", &answer) + &plain(&next)))?;
    Ok(ExitCode::SUCCESS)
}
