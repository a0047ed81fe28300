//! `parallax report`: where the whole migration stands, for those who do not look at the page: as text,
//! as JSON, or as one HTML file that needs nothing else; and what can go once an operation is complete. It has counts, faults by their kind and the
//! audit, and no value of any request or answer.

mod gather;
mod html;
mod retire;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::client::{Client, ServerArgs};
use super::output::{Paint, print};
use crate::export;

/// Report where the migration stands: each operation with its stage since when and why, what its checks
/// have shown, the faults that are left, and its history
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax report\n  parallax report --html migration.html\n  \
    parallax report --retire getReturn")]
pub(super) struct ReportArgs {
    /// Write it as one HTML file, which is replaced as a whole
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Show that this operation is complete, and what can go now; exit 1 while something is missing
    #[arg(long, value_name = "OP", conflicts_with = "html")]
    retire: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    if let Some(operation) = &args.retire {
        return retire::run(&client, operation, args.server.config(), args.json);
    }
    let report = gather::gather(&client)?;
    match &args.html {
        Some(file) => export::replace(file, &html::page(&report))
            .with_context(|| format!("cannot write {}", file.display()))?,
        None if args.json => print(&format!("{}\n", report.json()))?,
        None => print(&text::text(&report, Paint::for_stdout()))?,
    }
    Ok(ExitCode::SUCCESS)
}
