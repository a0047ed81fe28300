//! `parallax serve`: proxy, checker, API and UI in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::logging;
use crate::app;

/// Run the proxy, the checker, the API and the web UI, until the process is told to end
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax serve -c parallax.yaml\n\n\
    SIGTERM drains, SIGHUP or a changed file reloads the configuration, SIGUSR2 lets a new process take over.\n\
    The variable PARALLAX_LOG says how much is logged: error, warn, info (default), debug.")]
pub(super) struct ServeArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "parallax.yaml")]
    config: PathBuf,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let predecessor = app::Predecessor::of_this_process().context("cannot take over from another process")?;
    let mut file = app::ConfigFile::at(&args.config);
    let settings = match file.load() {
        Ok(settings) => settings,
        Err(errors) => {
            if let Some(predecessor) = predecessor {
                predecessor.refuse(&errors.to_string());
            }
            return Err(errors.into());
        }
    };
    logging::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(app::run(settings, file, predecessor))?;
    Ok(ExitCode::SUCCESS)
}
