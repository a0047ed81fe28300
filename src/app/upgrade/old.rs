//! The old process: starts the new one, hands over, and undoes that when it does not succeed.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parallax_core::transition::Transition;
use tokio::sync::watch;

use super::message::{Counted, FromNew, FromOld, Moved, Stood};
use super::program::Program;
use super::wire::Wire;
use super::{HandOverError, PROTOCOL, VARIABLE, in_time};
use crate::app::moved::Standing;
use crate::app::running::Running;
use crate::rollout::Pause;
use crate::store::{self, Backend, Store, StoreUrl};
use crate::tasks;

/// How long to wait until the store is opened once more, when it could not be.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

/// How long the control listener may take to take no more connections.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// The process that has taken over.
pub(in crate::app) struct Successor {
    pub(super) wire: Wire,
    /// Nothing is written here any more.
    pub(super) pause: Pause,
}

impl Successor {
    /// Starts the program again and hands over to it. `told_to_end` turns true when there is no use in
    /// that any more.
    ///
    /// # Errors
    /// When there is no successor; everything is as before then.
    pub(in crate::app) async fn start(
        running: &Running,
        program: &Program,
        told_to_end: watch::Receiver<bool>,
    ) -> Result<Self, HandOverError> {
        if std::process::id() == 1 {
            return Err(HandOverError::First);
        }
        let (mut child, mut wire) = spawn(program)?;
        let mut lent = None;
        let done = hand_over(running, &mut wire, &mut lent, told_to_end).await;
        match (done, lent) {
            (Ok(()), Some(Lent { pause, .. })) => {
                tracing::info!(process = child.id(), "the new process serves");
                close_control(running).await;
                let transitions = running.parts.rollout.hand_over();
                say_last_word(&mut wire, transitions).await;
                Ok(Self { wire, pause })
            }
            (done, lent) => {
                end(&mut child).await;
                if let Some(lent) = lent {
                    lent.take_back(running).await;
                }
                Err(done.err().unwrap_or(HandOverError::OutOfTurn))
            }
        }
    }
}

/// From here on, whoever connects to the control listener finds the new process there.
async fn close_control(running: &Running) {
    running.ends.finished.send_replace(true);
    let mut closed = running.ends.closed.subscribe();
    let is_closed = closed.wait_for(|closed| *closed);
    if tokio::time::timeout(CLOSES_WITHIN, is_closed).await.is_err() {
        tracing::warn!("the control listener is still open; a change of stage may be answered with 503");
    }
}

async fn say_last_word(wire: &mut Wire, transitions: Vec<Transition>) {
    let closed = FromOld::Closed { transitions: transitions.into_iter().map(Moved::of).collect() };
    if let Err(error) = in_time(async { Ok(wire.outgoing.send(&closed).await?) }).await {
        tracing::error!(%error, "changes of stage that were not written could not be handed over");
    }
}

fn spawn(program: &Program) -> Result<(Child, Wire), HandOverError> {
    let failed = |error| HandOverError::Start { program: program.path.display().to_string(), error };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let child = Command::new(&program.path)
        .args(&program.arguments)
        .env(VARIABLE, std::process::id().to_string())
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()
        .map_err(failed)?;
    Ok((child, Wire::new(ours)?))
}

/// Ends a process that has not taken over, and waits until it is gone: it may have the store.
async fn end(child: &mut Child) {
    if let Err(error) = child.kill() {
        tracing::debug!(%error, "the new process has ended already");
    }
    while let Ok(None) = child.try_wait() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// All steps until the new process serves. Waiting for the other process may be broken off at any time;
/// letting go of the store may not, because what is half written would be written again.
async fn hand_over(
    running: &Running,
    wire: &mut Wire,
    lent: &mut Option<Lent>,
    mut told_to_end: watch::Receiver<bool>,
) -> Result<(), HandOverError> {
    tokio::select! {
        offered = offer(running, wire) => offered?,
        () = told(&mut told_to_end) => return Err(HandOverError::Ended),
    }
    let lent = lent.insert(Lent::from(running).await?);
    tokio::select! {
        served = let_serve(running, wire, lent) => served,
        () = told(&mut told_to_end) => Err(HandOverError::Ended),
    }
}

/// The sockets, to a process that could use them.
async fn offer(running: &Running, wire: &mut Wire) -> Result<(), HandOverError> {
    let FromNew::Hello { protocol, program } = hear(wire).await? else {
        return Err(HandOverError::OutOfTurn);
    };
    if protocol != PROTOCOL {
        return Err(HandOverError::Protocol(protocol));
    }
    tracing::info!(version = program, "a new process wants to take over");
    let settings = Arc::clone(&running.parts.routing.load().in_force().settings);
    let (listen, control) = (settings.listen, settings.control.listen);
    say(wire, &FromOld::Listeners { protocol: PROTOCOL, listen, control }).await?;
    in_time(async { Ok(wire.outgoing.send_listeners(&running.listeners).await?) }).await?;
    let FromNew::Claim = hear(wire).await? else { return Err(HandOverError::OutOfTurn) };
    Ok(())
}

/// The store, and the word to begin.
async fn let_serve(running: &Running, wire: &mut Wire, lent: &mut Lent) -> Result<(), HandOverError> {
    let standing =
        running.parts.routing.load().entries().iter().map(|entry| Stood::of(&Standing::of(entry))).collect();
    let (totals, shown) = (std::mem::take(&mut lent.totals), std::mem::take(&mut lent.shown));
    say(wire, &FromOld::Free { standing, totals, shown }).await?;
    let FromNew::Prepared = hear(wire).await? else { return Err(HandOverError::OutOfTurn) };
    say(wire, &FromOld::Go).await?;
    let FromNew::Serving = hear(wire).await? else { return Err(HandOverError::OutOfTurn) };
    Ok(())
}

async fn told(told_to_end: &mut watch::Receiver<bool>) {
    told_to_end.wait_for(|told| *told).await.ok();
}

/// Evidences of a store in memory that are passed on, at most.
const MAX_SHOWN: usize = 400;

/// What this process has let go of, and may take back.
struct Lent {
    pause: Pause,
    /// A store that is gone with this process stays here.
    kept: Option<Box<dyn Backend>>,
    totals: Vec<(parallax_core::operation::OperationId, parallax_core::tally::Tally)>,
    shown: Vec<Counted>,
}

impl Lent {
    /// Writes all that can be written, and lets go of the store.
    async fn from(running: &Running) -> Result<Self, HandOverError> {
        let parts = &running.parts;
        let pause = parts.rollout.pause_writing().await;
        running.feeding.rest().await;
        if let Err(error) = parts.flush.write().await {
            tracing::warn!(%error, "counts that the store does not take go to the new process");
        }
        let mut backend = parts.store.hand_over().await.map_err(std::io::Error::other)?;
        let url = parts.routing.load().in_force().settings.store.parse();
        if matches!(url, Ok(StoreUrl::Memory)) {
            // What waits is gone with this process, and its requests with it.
            let mut totals = backend.totals().unwrap_or_default();
            totals.iter_mut().for_each(|(_, tally)| tally.requests = tally.settled());
            let mut shown = Counted::all(backend.evidences().unwrap_or_default());
            // One message has room for so many; what is gone is gathered again.
            shown.truncate(MAX_SHOWN);
            return Ok(Self { pause, kept: Some(backend), totals, shown });
        }
        // Closing it may take as long as the disk does.
        tokio::task::spawn_blocking(move || drop(backend)).await.ok();
        Ok(Self { pause, kept: None, totals: Vec::new(), shown: Vec::new() })
    }

    /// Takes the store back, and tries until that succeeds: counts stay in memory as long.
    async fn take_back(self, running: &Running) {
        let store = running.parts.store.clone();
        let feeding = running.feeding.clone();
        if let Some(backend) = self.kept {
            store.take_back(backend).await.ok();
            return feeding.go_on().await;
        }
        let url = running.parts.routing.load().in_force().settings.store.clone();
        if open_again(&store, &url).await {
            return feeding.go_on().await;
        }
        tasks::spawn(async move {
            while !open_again(&store, &url).await {
                tokio::time::sleep(OPEN_AGAIN).await;
            }
            feeding.go_on().await;
        });
    }
}

async fn open_again(store: &Store, url: &str) -> bool {
    let url = url.to_owned();
    let opened = tokio::task::spawn_blocking(move || store::open_backend(&url)).await;
    match opened {
        Ok(Ok(backend)) => {
            // A store that was closed meanwhile needs no backend.
            store.take_back(backend).await.ok();
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "the store cannot be opened again yet; counts are kept in memory");
            false
        }
        Err(_) => true,
    }
}

async fn say(wire: &mut Wire, message: &FromOld) -> Result<(), HandOverError> {
    in_time(async { Ok(wire.outgoing.send(message).await?) }).await
}

async fn hear(wire: &mut Wire) -> Result<FromNew, HandOverError> {
    in_time(async { Ok(wire.incoming.receive::<FromNew>().await?) }).await?.or_refusal()
}
