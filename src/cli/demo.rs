//! `parallax demo`: the whole thing on one machine, with a sample shop and nothing to set up.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::demo::{self, DemoArgs};

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(demo::run(args))?;
    Ok(ExitCode::SUCCESS)
}
