//! What the process is told from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// To end: SIGTERM, SIGINT.
    End,
    /// To read its configuration again: SIGHUP.
    Reload,
    /// To open the access log again: SIGUSR1.
    Reopen,
    /// To let a new process take over: SIGUSR2.
    Upgrade,
}

/// The signals, listened for since this was made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next thing that the process is told.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.upgrade.recv() => Told::Upgrade,
        }
    }

    /// Resolves when the process is told to end.
    pub(super) async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}
