//! `parallax audit`: every change of stage, with who, why, and the numbers it was decided on.

use std::process::ExitCode;

use clap::Args;
use parallax_core::transition::Transition;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, ServerArgs, encoded};
use super::output::{Paint, Table, Tone, in_short, one_line, plain, print};
use super::view::stage_text;

/// Show every change of stage, the newest first: when, who, from where to where, and why
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax audit getReturn\n  parallax audit --json --limit 1000 > audit.jsonl"
)]
pub(super) struct AuditArgs {
    /// Only the changes of this operation
    #[arg(value_name = "OP")]
    operation: Option<String>,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Print a line of JSON for each, with the readiness of that moment
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A row of the API.
#[derive(Debug, Deserialize)]
struct Row {
    at: jiff::Timestamp,
    who: String,
    operation_id: String,
    from: String,
    to: String,
    share: Option<String>,
    reason: String,
    forced: bool,
    automatic: bool,
    #[serde(default)]
    evidence: Value,
}

pub(super) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let mut path = format!("/api/v1/audit?limit={}", args.limit);
    if let Some(operation) = &args.operation {
        path.push_str(&format!("&operation_id={}", encoded(operation)));
    }
    let text = if args.json {
        let rows: Vec<Value> = client.get(&path)?;
        rows.iter().map(|row| plain(&row.to_string()) + "\n").collect()
    } else {
        table(&client.get::<Vec<Row>>(&path)?, Paint::for_stdout())
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[Row], paint: Paint) -> String {
    if rows.is_empty() {
        return "no operation has changed its stage\n".to_owned();
    }
    let mut table = Table::default();
    table.row(["WHEN", "WHO", "OPERATION", "CHANGE", "REASON"].map(|name| (Tone::Faint, name.to_owned())));
    for row in rows {
        let (mark, tone) = match (row.automatic, row.forced) {
            (true, _) => (" (automatic)", Tone::Warning),
            (false, true) => (" (forced)", Tone::Bad),
            (false, false) => ("", Tone::Plain),
        };
        let change = if row.evidence.get(Transition::RETIRED) == Some(&Value::Bool(true)) {
            format!("{}, retired", one_line(&row.to))
        } else {
            format!("{} → {}{mark}", one_line(&row.from), stage_text(&row.to, row.share.as_deref()))
        };
        table.row([
            (Tone::Plain, row.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
            (Tone::Plain, one_line(&row.who)),
            (Tone::Plain, one_line(&row.operation_id)),
            (tone, change),
            (Tone::Plain, in_short(Some(&row.reason))),
        ]);
    }
    table.render(paint)
}
