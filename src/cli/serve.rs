//! `parallax serve`: proxy, checker, API and UI in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::logging;
use crate::{app, config};

/// Run the proxy, the checker, the API and the web UI, until the process is told to end
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax serve -c parallax.yaml\n\n\
    The variable PARALLAX_LOG says how much is logged: error, warn, info (default), debug.")]
pub(super) struct ServeArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "parallax.yaml")]
    config: PathBuf,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = config::load(&args.config)?;
    logging::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(app::run(settings))?;
    Ok(ExitCode::SUCCESS)
}
