//! The life of the process: it starts or takes over, serves, follows its configuration, and drains or is
//! replaced.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::sync::watch;

use super::config_file::ConfigFile;
use super::signals::{Signals, Told};
use super::upgrade::{HandOverError, Predecessor, Program, Successor};
use super::{Running, StartError, descriptors, notify};
use crate::config::Settings;

/// An upgrade that is under way.
type Upgrading<'r> = Pin<Box<dyn Future<Output = Result<Successor, HandOverError>> + 'r>>;

/// Starts everything and serves until the process is told to end (SIGTERM or SIGINT); then drains. In
/// between it follows `file`, from which `settings` were read, and hands over to a new process when it
/// is told to. Where this is that new process, it takes over from `predecessor`.
///
/// # Errors
/// When something cannot be started: a port in use, a store that cannot be opened.
pub async fn run(
    settings: Settings,
    mut file: ConfigFile,
    predecessor: Option<Predecessor>,
) -> Result<(), StartError> {
    // Listened for before anybody is told that it is ready: whoever hears that may end it at once.
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    // Only an upgrade needs it, and a container may have no /proc to tell.
    let program = Program::of_this_process();
    descriptors::raise_limit();
    let running = match predecessor {
        Some(predecessor) => predecessor.take_over(settings).await?,
        None => Running::start(settings).await?,
    };
    tracing::info!(listen = %running.proxy, control = %running.control, "ready");
    notify::ready();
    let end = serve(&running, &mut signals, &mut file, program.as_ref()).await;
    tracing::info!("draining");
    match end {
        End::Told => {
            notify::stopping();
            running.stop_until(signals.end()).await;
        }
        End::Replaced(successor) => running.follow_until(*successor, signals.end()).await,
    }
    Ok(())
}

/// Why the process drains.
enum End {
    /// It was told to.
    Told,
    /// Another one has taken over.
    Replaced(Box<Successor>),
}

async fn serve(
    running: &Running,
    signals: &mut Signals,
    file: &mut ConfigFile,
    program: Result<&Program, &io::Error>,
) -> End {
    let told_to_end = watch::channel(false).0;
    let mut upgrading: Option<Upgrading<'_>> = None;
    loop {
        let is_upgrading = upgrading.is_some();
        let told = tokio::select! {
            told = signals.next() => told,
            // The new process has read the file itself. If it fails, the change is still there to be seen.
            () = file.changed(), if !is_upgrading => Told::Reload,
            ended = finished(&mut upgrading) => {
                upgrading = None;
                match ended {
                    Ok(successor) => return End::Replaced(Box::new(successor)),
                    Err(error) if *told_to_end.borrow() => {
                        tracing::debug!(%error, "the upgrade was given up");
                        return End::Told;
                    }
                    Err(error) => {
                        tracing::error!(%error, "no new process has taken over; this one goes on");
                        continue;
                    }
                }
            }
        };
        match told {
            Told::End if is_upgrading => _ = told_to_end.send_replace(true),
            Told::End => return End::Told,
            Told::Reload if is_upgrading => {
                tracing::warn!("not reloaded: a new process is taking over, with the file as it is");
            }
            Told::Reload => reload(running, file),
            Told::Reopen => running.reopen.ask(),
            Told::Upgrade if is_upgrading => tracing::warn!("a new process is taking over already"),
            Told::Upgrade => {
                let program = match program {
                    Ok(program) => program,
                    Err(error) => {
                        tracing::error!(%error, "no upgrade: the system did not tell which program this is");
                        continue;
                    }
                };
                tracing::info!("starting a new process to take over");
                let successor = Successor::start(running, program, told_to_end.subscribe());
                upgrading = Some(Box::pin(successor));
            }
        }
    }
}

async fn finished(upgrading: &mut Option<Upgrading<'_>>) -> Result<Successor, HandOverError> {
    match upgrading {
        Some(upgrading) => upgrading.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Reads the configuration again, and puts it in force or says why not.
fn reload(running: &Running, file: &mut ConfigFile) {
    notify::reloading();
    let done = match file.load() {
        Ok(settings) => running.reload(settings).map_err(|error| error.to_string()),
        Err(errors) => Err(errors.to_string()),
    };
    match &done {
        Ok(()) => tracing::info!("the configuration was reloaded"),
        Err(error) => {
            tracing::error!(%error, "the configuration was not reloaded; the one before stays in force");
        }
    }
    running.note_reload(done.is_ok());
    notify::reloaded(done.is_ok());
}
