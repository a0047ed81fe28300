//! A new program in place of the running one, without a refused connection.
//!
//! The old process starts the program again, with one end of a socket pair as its standard input, and
//! over that socket hands over, in this order:
//!
//! ```text
//! new: hello (its configuration is good)      old: the two listening sockets
//! new: claim (it can listen)                  old: writes its counts, lets go of the store, where every operation stands
//! new: prepared (the store is open and read)  old: go
//! new: serving (it accepts connections)       old: closed (its last changes of stage); it accepts no more and drains
//! new: stages, whenever they change           old: late counts, until the last of its requests is done
//! ```
//!
//! The sockets are the same ones, with the same backlog, so that at no moment a connection is refused.
//! Until *serving* everything can be undone: when the new process fails, refuses or is silent, the old
//! one ends it, opens the store again and goes on as if nothing had been. The store has one writer at
//! any time, because it is locked by its holder and the new process is gone before the old one opens it
//! again. While nobody has it, the old process counts in memory, as it does when the disk is full.
//!
//! After *serving* the old process decides nothing: stages come from the new one, so that a rollback
//! holds for its last requests too. Whatever it still counts goes to the new one, which has the store;
//! a message is acknowledged and sent once, so that nothing counts twice. If the socket breaks, what
//! could not be delivered is logged.
//!
//! Both processes are the same user's on the same machine, and the socket has no name, so there is
//! nobody to be protected from; messages are bounded and versioned all the same.

mod late;
mod message;
mod new;
mod old;
mod program;
mod wire;

use std::time::Duration;

pub use new::Predecessor;
pub(super) use old::Successor;
pub(super) use program::Program;

/// Says that the process takes over, with the id of the process from which.
const VARIABLE: &str = "PARALLAX_HAND_OVER";

/// How long one process waits for the other's next word.
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts what is said in which order; both have to say it alike.
const PROTOCOL: u32 = 1;

/// Why a hand-over did not happen, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The program could not be started.
    #[error("the new program `{program}` cannot be started: {error}")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The socket failed, or the other process has gone.
    #[error("the other process is not there any more, or says nothing that can be understood: {0}")]
    Wire(#[from] std::io::Error),
    /// The other process is silent.
    #[error("the other process said nothing for {PATIENCE:?}")]
    Silent,
    /// The other process refused.
    #[error("the new process says: {0}")]
    Refused(String),
    /// The other process is of a version that hands over differently.
    #[error(
        "the other process hands over differently (protocol {0}, this one has {PROTOCOL}); restart instead"
    )]
    Protocol(u32),
    /// Another word was due.
    #[error("the other process said something that is not due")]
    OutOfTurn,
    /// The process was told to end meanwhile.
    #[error("this process was told to end meanwhile")]
    Ended,
    /// The first process of a container ends it.
    #[error("this is process 1, whose end is the end of its container; replace the container instead")]
    First,
}

/// What comes in time.
async fn in_time<T>(step: impl Future<Output = Result<T, HandOverError>>) -> Result<T, HandOverError> {
    tokio::time::timeout(PATIENCE, step).await.unwrap_or(Err(HandOverError::Silent))
}
