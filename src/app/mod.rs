//! The composition root: every channel, thread and long-lived task of the program is made here,
//! and nowhere else.
//!
//! | thread | does |
//! |---|---|
//! | `plx-accept` | takes connections in and deals them out |
//! | `plx-data-N` | one per core: the proxy; nothing on it waits for anything below |
//! | `plx-run-N` | one per core: asks the other side, compares |
//! | `plx-control` | API, UI, metrics; writing of counts; late writing of stages |
//! | `plx-log` | writes the access log, where there is one |
//! | `plx-store` | the store |
//!
//! Shutdown runs down the same list: whoever is upstream lets go of its end of a channel, and
//! whoever is downstream finishes what is left and ends.

mod assemble;
mod certificates;
mod control;
mod error;
mod own_address;
mod running;
mod telling;
mod threads;

pub use error::StartError;
pub use running::Running;

use crate::access_log::Reopen;
use crate::config::Settings;
use crate::tasks;

/// Starts everything and serves until the process is told to end (SIGTERM or SIGINT); then
/// drains.
///
/// # Errors
/// When something cannot be started: a port in use, a store that cannot be opened.
pub async fn run(settings: Settings) -> Result<(), StartError> {
    // Listened for before anybody is told that it is ready: whoever hears that may end it at once.
    let ended = told_to_end().map_err(StartError::Signals)?;
    let told_to_reopen = told_to_reopen().map_err(StartError::Signals)?;
    let running = Running::start(settings).await?;
    tasks::spawn(reopen_when_told(told_to_reopen, running.reopen.clone()));
    tracing::info!(listen = %running.proxy, control = %running.control, "ready");
    ended.await;
    tracing::info!("draining");
    running.stop().await;
    Ok(())
}

/// Listens from now on, also where there is no access log: `SIGUSR1` would otherwise end the process.
fn told_to_reopen() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())
}

async fn reopen_when_told(mut told: tokio::signal::unix::Signal, log: Reopen) {
    while told.recv().await.is_some() {
        log.ask();
    }
}

/// Listens from now on; what it gives resolves at the first signal to end.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
