//! `parallax config`: checks a configuration, or prints its schema.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::print;
use crate::config;

/// Check a configuration, or print the JSON Schema of configurations
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration: everything wrong with it, with line, column and remedy
    #[command(after_help = "Example:\n  parallax config check -c parallax.yaml")]
    Check {
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = "parallax.yaml")]
        config: PathBuf,
    },
    /// Print the JSON Schema of configurations, for editors
    #[command(after_help = "Example:\n  parallax config schema > parallax.schema.json")]
    Schema,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ConfigCommand::Check { config } => {
            let count = config::load(config)?.operations.len();
            print(&format!("ok: {count} {}\n", if count == 1 { "operation" } else { "operations" }))?;
        }
        ConfigCommand::Schema => {
            print(&format!("{}\n", serde_json::to_string_pretty(&config::schema())?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
