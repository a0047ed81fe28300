//! The new process: takes over from the one that started it.

use std::env;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use parallax_core::operation::OperationId;
use parallax_core::tally::Tally;

use super::late::Inheriting;
use super::message::{Counted, FromNew, FromOld, Moved};
use super::wire::Wire;
use super::{HandOverError, PROTOCOL, VARIABLE, in_time};
use crate::app::assemble::{self, Listeners, Opened};
use crate::app::moved::{self, Standing};
use crate::app::running::{Prepared, Running};
use crate::app::{ReloadError, StartError};
use crate::config::Settings;
use crate::store::{Minute, StoreUrl, StoredStage, Write};
use crate::tasks;

/// The process that started this one in order to be replaced by it.
pub struct Predecessor {
    socket: UnixStream,
}

impl Predecessor {
    /// The process that wants to be replaced by this one, if that is how this one was started. Takes
    /// standard input for itself then.
    ///
    /// # Errors
    /// When standard input is not what it should be.
    pub fn of_this_process() -> std::io::Result<Option<Self>> {
        // The variable may have come down to us from a process that was meant by it.
        let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().to_string());
        if parent.is_none() || env::var(VARIABLE).ok() != parent {
            return Ok(None);
        }
        let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let socket = UnixStream::from(socket);
        socket.peer_addr()?;
        Ok(Some(Self { socket }))
    }

    /// Tells the other process that this one gives up before it has begun, and why.
    pub fn refuse(self, reason: &str) {
        // It notices by our end at the latest.
        let message = FromNew::Refused { reason: reason.to_owned() };
        let Ok(text) = serde_json::to_vec(&message) else { return };
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
        _ = std::io::Write::write_all(&mut &self.socket, &[&length[..], &text].concat());
    }

    /// Takes over with these settings.
    ///
    /// # Errors
    /// When this process cannot serve in place of the other; that one knows, and goes on.
    pub(in crate::app) async fn take_over(self, settings: Settings) -> Result<Running, StartError> {
        let mut wire = Wire::new(self.socket).map_err(HandOverError::Wire)?;
        match take_over(&mut wire, settings).await {
            Ok(mut running) => {
                let inheriting = Inheriting::new(wire, &running.parts);
                running.inheriting = Some(tasks::spawn(inheriting.run()));
                Ok(running)
            }
            Err(error) => {
                let refusal = FromNew::Refused { reason: error.to_string() };
                wire.outgoing.send(&refusal).await.ok();
                Err(error)
            }
        }
    }
}

async fn take_over(wire: &mut Wire, settings: Settings) -> Result<Running, StartError> {
    let program = env!("CARGO_PKG_VERSION").to_owned();
    say(wire, &FromNew::Hello { protocol: PROTOCOL, program }).await?;
    let listeners = listeners(wire, &settings).await?;
    say(wire, &FromNew::Claim).await?;
    let FromOld::Free { standing, totals, shown } = hear(wire).await? else {
        return Err(HandOverError::OutOfTurn.into());
    };
    let standing: Vec<Standing> = standing.into_iter().filter_map(super::message::Stood::standing).collect();
    let lost = moved::lost(&standing, &settings.operations);
    if !lost.is_empty() {
        return Err(StartError::Moved(Box::new(ReloadError::Moved(lost))));
    }
    let (store, plan_file) = assemble::open_store(&settings.store)?;
    let opened = Opened { listeners, store, plan_file };
    fill(&opened, &settings, totals, shown).await?;
    let told = standing.into_iter().map(|Standing { id, stage, revision, retired, .. }| StoredStage {
        operation_id: id,
        stage,
        revision,
        retired,
    });
    let prepared = Prepared::new(settings, opened, told.collect()).await?;
    say(wire, &FromNew::Prepared).await?;
    let FromOld::Go = hear(wire).await? else { return Err(HandOverError::OutOfTurn.into()) };
    let mut running = prepared.serve()?;
    say(wire, &FromNew::Serving).await?;
    // Not earlier: should this process end, what it completes is in the other's store, and not in its counts.
    running.feeding.go_on().await;
    match hear(wire).await {
        Ok(FromOld::Closed { transitions }) => {
            running.parts.rollout.adopt(transitions.into_iter().filter_map(Moved::transition).collect());
        }
        // It would end this process if it were still there.
        Ok(_) | Err(_) => tracing::error!("the process before this one has ended without its last word"),
    }
    running.open_control()?;
    Ok(running)
}

/// The other process's sockets; where the configuration has changed the address, a new one.
async fn listeners(wire: &mut Wire, settings: &Settings) -> Result<Listeners, StartError> {
    let FromOld::Listeners { protocol, listen, control } = hear(wire).await? else {
        return Err(HandOverError::OutOfTurn.into());
    };
    if protocol != PROTOCOL {
        return Err(HandOverError::Protocol(protocol).into());
    }
    let received = in_time(async { Ok(wire.incoming.receive_listeners().await?) }).await?;
    let pick = |key, had: SocketAddr, wanted: SocketAddr, socket: TcpListener| {
        if had == wanted { Ok(socket) } else { assemble::listen(key, wanted) }
    };
    Ok(Listeners {
        proxy: pick("listen", listen, settings.listen, received.proxy)?,
        control: pick("control.listen", control, settings.control.listen, received.control)?,
    })
}

/// A store in memory begins with what the other process's had.
async fn fill(
    opened: &Opened,
    settings: &Settings,
    totals: Vec<(OperationId, Tally)>,
    shown: Vec<Counted>,
) -> Result<(), StartError> {
    let is_empty = matches!(settings.store.parse(), Ok(StoreUrl::Memory));
    if totals.is_empty() || !is_empty {
        return Ok(());
    }
    let minute = Minute::of(jiff::Timestamp::now());
    let writes = totals.into_iter().map(|(operation_id, tally)| Write::Tally { operation_id, minute, tally });
    let shown = shown.into_iter().map(Counted::write);
    Ok(opened.store.write(writes.chain(shown).collect()).await?)
}

async fn say(wire: &mut Wire, message: &FromNew) -> Result<(), HandOverError> {
    in_time(async { Ok(wire.outgoing.send(message).await?) }).await
}

async fn hear(wire: &mut Wire) -> Result<FromOld, HandOverError> {
    in_time(async { Ok(wire.incoming.receive().await?) }).await
}
