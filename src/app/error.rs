//! Why the program cannot start: what, where, and what to do.

use std::io;
use std::net::SocketAddr;

use parallax_core::exchange::Side;

use super::{HandOverError, ReloadError};
use crate::durable::KeyError;
use crate::store::StoreError;
use crate::tls::TlsError;

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error("`{key}`: {address} {}", listening(error))]
    Listen {
        /// The key in the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// A side leads back to this process.
    #[error("`{side}`: {host} leads to parallax itself ({address}); write the service's own address")]
    OwnName {
        /// The side.
        side: Side,
        /// Its host, as configured.
        host: String,
        /// What it leads to.
        address: SocketAddr,
    },
    /// The access log could not be opened.
    #[error("`access_log`: cannot write to it: {0}; choose another file")]
    AccessLog(io::Error),
    /// The key of the markers could not be made up.
    #[error("`markers`: the operating system gives no randomness for a key: {0}")]
    Markers(io::Error),
    /// The store could not be opened or read.
    #[error("`store`: {0}")]
    Store(#[from] StoreError),
    /// The key that seals what waits in the store cannot be used.
    #[error("`store`: {0}")]
    StoreKey(#[from] KeyError),
    /// Checks wait that another key has sealed.
    #[error(
        "`store`: checks wait in it that were sealed with another key; start with the key of before \
         (PARALLAX_STORE_KEY, or the file ending in .key beside the store), or move the store away"
    )]
    OtherKey,
    /// The metrics could not be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The certificates could not be read.
    #[error("`tls`: {0}")]
    Tls(#[from] crate::tls::TlsError),
    /// TLS with a side is not possible.
    #[error("`{side}`: {error}")]
    SideTls {
        /// The side.
        side: Side,
        /// What is wrong.
        error: TlsError,
    },
    /// The operations could not be routed.
    #[error("`operations`: an operation {0}")]
    Routing(#[from] parallax_core::router::SameRequests),
    /// The operating system gave no thread or runtime.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The process that was to be replaced does not hand over.
    #[error("cannot take over: {0}")]
    HandOver(#[from] HandOverError),
    /// The configuration would lose operations of the process that was to be replaced.
    #[error("cannot take over: {0}")]
    Moved(Box<ReloadError>),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

fn listening(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "is in use by another program; stop that one, or choose another address".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "needs more rights than this process has; choose a port from 1024 up".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "is no address of this machine; choose one that is".to_owned(),
        _ => format!("cannot be listened on: {error}"),
    }
}
