//! `parallax decode`: the child process of [`crate::isolate`]. Not shown, because nobody but this
//! program has a use for it.

use std::process::ExitCode;

use clap::Args;
use parallax_core::isolation::Foreign;

use crate::isolate;

/// Decode a body from standard input into a tree on standard output, under limits
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct DecodeArgs {
    /// What the body is: pdf or image
    #[arg(value_name = "KIND")]
    what: Foreign,
}

pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<ExitCode> {
    Ok(isolate::run_child(args.what)?)
}
