//! `parallax man`: the manual page.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};

use super::Cli;
use super::output::print;

/// Print the manual page, of the program or of one command
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax man | man -l -\n  parallax man stage > parallax-stage.1")]
pub(super) struct ManArgs {
    /// A command, like `stage`
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let mut program = Cli::command();
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| anyhow::anyhow!("there is no command `{name}`; see `parallax --help`"))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&String::from_utf8(page)?)?;
    Ok(ExitCode::SUCCESS)
}
