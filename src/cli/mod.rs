//! The command line: one file per command. It reads arguments, asks the server or the
//! configuration, and prints; it decides nothing that the server does not decide again.

mod audit;
mod check;
mod client;
mod compare;
mod completions;
mod config;
mod decode;
mod demo;
mod differences;
mod export;
mod init;
mod logging;
mod man;
mod output;
mod replay;
mod report;
mod retire;
mod rollback;
mod serve;
mod stage;
mod status;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use client::{ClientError, ServerArgs};

use crate::config::ConfigErrors;
use crate::demo::DemoArgs;

/// Exit code when a check or target is not met, or a change is refused.
const NOT_MET: u8 = 1;
/// Exit code for wrong usage or configuration.
const WRONG_USAGE: u8 = 2;
/// Exit code when the server could not be reached.
const UNREACHED: u8 = 3;

/// Runs a legacy service and its replacement side by side on live traffic, proves when each
/// operation is ready, and switches it.
#[derive(Debug, Parser)]
#[command(name = "parallax", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 good; 1 a check or target not met, or a change refused; \
    2 wrong usage or configuration; 3 the server could not be reached.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a sample shop whose returns move out of a monolith: both services, the proxy, customers
    /// and a report of what differs; it needs no configuration and no network
    #[command(after_help = "Example:\n  parallax demo --for 20s")]
    Demo(DemoArgs),
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Status(status::StatusArgs),
    Differences(differences::DifferencesArgs),
    Compare(compare::CompareArgs),
    Check(check::CheckArgs),
    Replay(replay::ReplayArgs),
    Stage(stage::StageArgs),
    Audit(audit::AuditArgs),
    Rollback(rollback::RollbackArgs),
    Report(report::ReportArgs),
    Retire(retire::RetireArgs),
    Export(export::ExportArgs),
    Config(config::ConfigArgs),
    Decode(decode::DecodeArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(Cli::parse())
}

/// Runs one command; what goes wrong is told on standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Differences(args) => differences::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Stage(args) => stage::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Rollback(args) => rollback::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Retire(args) => retire::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    done.unwrap_or_else(|error| {
        tell(&error);
        ExitCode::from(exit_code(&error))
    })
}

/// What is wrong with a configuration stands alone on its lines, as compilers print it, so that
/// editors can jump there; everything else says who speaks.
fn tell(error: &anyhow::Error) {
    if output::is_closed_pipe(error) {
        return;
    }
    let text = output::plain(&causes(error));
    if error.chain().len() == 1 && error.is::<ConfigErrors>() {
        eprintln!("{text}");
    } else {
        eprintln!("parallax: {text}");
    }
}

/// An error with its causes, each said once: some errors say their cause themselves.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<ClientError>().map_or(WRONG_USAGE, ClientError::exit_code)
}
