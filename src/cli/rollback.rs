//! `parallax rollback`: back to legacy's answers, at once.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, ServerArgs, operation_path};
use super::output::print;
use super::stage::changed;
use super::view::{OperationView, stage_text};

/// Take an operation back to shadow, so that legacy answers again, at once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax rollback getReturn --reason 'wrong totals'\n  \
    parallax rollback --all --reason 'incident 4711'")]
pub(super) struct RollbackArgs {
    /// The operation
    #[arg(value_name = "OP", required_unless_present = "all", conflicts_with = "all")]
    operation: Option<String>,
    /// All operations in canary or switched; those that are complete stay
    #[arg(long)]
    all: bool,
    /// Why; it is kept in the audit
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let body = json!({"reason": args.reason});
    let text = match &args.operation {
        Some(operation) => {
            let answer = client.post(&format!("{}/rollback", operation_path(operation)), &body)?;
            let now: OperationView = client.get(&operation_path(operation))?;
            changed(operation, &stage_text(&now.stage, now.share.as_deref()), &answer)
        }
        None => all(&client.post("/api/v1/rollback", &body)?),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What a rollback of all came to: a line for each operation that moved.
fn all(answer: &Value) -> String {
    let moved = answer.get("operations").and_then(Value::as_array);
    let line = |one: &Value| {
        let text = |key: &str| one.get(key).and_then(Value::as_str);
        Some(changed(text("operation_id")?, text("to")?, one))
    };
    let lines: String = moved.into_iter().flatten().filter_map(line).collect();
    if lines.is_empty() {
        "nothing to roll back: no operation is in canary or switched\n".to_owned()
    } else {
        lines
    }
}
