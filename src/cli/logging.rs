//! Where log lines go: to standard error, readable on a terminal, JSON elsewhere.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// The variable that says how much is logged, like `info` or `parallax=debug`.
const LEVEL: &str = "PARALLAX_LOG";

/// Starts logging, once in the life of the process.
pub(super) fn start() -> anyhow::Result<()> {
    let filter = match std::env::var(LEVEL) {
        Ok(level) if !level.is_empty() => {
            EnvFilter::try_new(&level).with_context(|| format!("{LEVEL}=`{level}` is no log level"))?
        }
        _ => EnvFilter::new("info"),
    };
    // A reader of standard error that has gone must not end the server: no complaint about it there.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    let started = if io::stderr().is_terminal() {
        lines.try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
