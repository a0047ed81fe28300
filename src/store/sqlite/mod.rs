//! The store in one SQLite file: what most deployments need, with nothing to install.
//!
//! One connection, one writer. After an error that is the store's fault the connection is closed
//! and the next call opens another one: SQLite's view of a file that failed under it is not to be
//! trusted. A commit whose fate is unknown is looked up, never repeated.

mod checks;
mod errors;
mod evidence;
mod file;
mod open;
mod read;
mod room;
mod rows;
mod sql;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parallax_core::check::CheckId;
use parallax_core::evidence::Evidences;
use parallax_core::operation::OperationId;
use parallax_core::report::Report;
use parallax_core::signature::SignatureId;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;
use rusqlite::Connection;

use self::errors::explain;
pub(super) use self::file::sync_directory;
use self::write::Failure;
use super::StoreError;
use super::backend::{Backend, Minute, Purged, SeenSignature, StoredStage, Write};
use super::checks::{Acceptance, Backlog, Claim, KeptCheck, Lease, Room};

/// A store in an SQLite file, held by this process until dropped.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Option<Connection>,
    /// A write has failed under the last connection: what it left in the log may be in memory only.
    is_suspect: bool,
    // After the connection, so that it is the last to go.
    _lock: file::Lock,
}

impl Sqlite {
    /// Opens the file, and creates it when it is absent; its directory has to exist.
    ///
    /// # Errors
    /// When another process has it, when it is no store or a newer version's, and when the system
    /// does not let it be read and written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = file::Lock::take(path)?;
        file::create(path)?;
        let connection = open::connect(path)?;
        Ok(Self { path: path.to_owned(), connection: Some(connection), is_suspect: false, _lock: lock })
    }

    /// Refuses checks that would use up the room in which others are completed. What is in the log has
    /// to fit into the file, or the log can never be emptied.
    fn keep_reserve(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        let waiting = batch.iter().filter_map(Write::waiting_bytes).sum::<u64>();
        if waiting == 0 || room::is_enough(&self.path, waiting, 0) {
            return Ok(());
        }
        let path = self.path.clone();
        open::settle(self.connected()?, &path)?;
        if room::is_enough(&path, waiting, self.read(read::unused_bytes)?) {
            return Ok(());
        }
        let detail = "what is left is kept to complete the checks that wait".to_owned();
        Err(StoreError::Full { place: self.place(), detail })
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The connection, a new one after a fault.
    fn connected(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = open::connect(&self.path)?;
                if self.is_suspect {
                    open::settle(&connection, &self.path)?;
                    self.is_suspect = false;
                }
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn read<T>(&mut self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let result = read(self.connected()?);
        result.map_err(|error| self.failed(&error))
    }

    /// Does what is no batch of writes, in a transaction of its own.
    fn alone<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let result = write::alone(self.connected()?, work);
        self.settled(result)
    }

    /// What came of a transaction. One whose commit has failed is looked up, never repeated.
    fn settled<T>(&mut self, result: Result<T, Failure<T>>) -> Result<T, StoreError> {
        match result {
            Ok(done) => Ok(done),
            Err(Failure::Conflict { operation_id, revision }) => {
                Err(StoreError::Conflict { operation_id, revision })
            }
            Err(Failure::Sql(error)) => {
                let explained = explain(&self.place(), &error);
                if !explained.is_refusal() {
                    self.failed(&error);
                }
                Err(explained)
            }
            Err(Failure::Commit { number, done, error }) => {
                let explained = self.failed(&error);
                // Asking opens the file once more, and settles what is in its log first.
                match self.read(read::last_commit) {
                    Ok(last) if last == number => Ok(done),
                    Ok(_) => Err(explained),
                    Err(_) => Err(StoreError::Unsettled { place: self.place(), detail: error.to_string() }),
                }
            }
        }
    }

    /// Erases from the log what has waited, once nothing waits any more. Where somebody else reads the
    /// file, the next time will do.
    fn erase_log(&mut self) -> Result<(), StoreError> {
        let is_waiting = self.read(|connection| connection.prepare(sql::IS_WAITING)?.exists([]))?;
        let path = self.path.clone();
        if !is_waiting && let Err(error) = open::settle(self.connected()?, &path) {
            tracing::debug!(%error, "the store's log could not be emptied yet");
        }
        Ok(())
    }

    fn failed(&mut self, error: &rusqlite::Error) -> StoreError {
        self.connection = None;
        self.is_suspect = true;
        explain(&self.place(), error)
    }
}

impl Backend for Sqlite {
    fn write(&mut self, batch: &[Write]) -> Result<Vec<Acceptance>, StoreError> {
        batch.iter().try_for_each(Write::validate)?;
        self.keep_reserve(batch)?;
        let result = write::all(self.connected()?, batch);
        self.settled(result)
    }

    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError> {
        self.read(read::totals)
    }

    fn evidences(&mut self) -> Result<Vec<(OperationId, Evidences)>, StoreError> {
        self.read(evidence::all)
    }

    fn minutes(
        &mut self,
        operation_id: &OperationId,
        since: Minute,
    ) -> Result<Vec<(Minute, Tally)>, StoreError> {
        self.read(|connection| read::minutes(connection, operation_id, since))
    }

    fn signatures(&mut self, operation_id: &OperationId) -> Result<Vec<SeenSignature>, StoreError> {
        self.read(|connection| read::signatures(connection, operation_id))
    }

    fn signature(&mut self, id: SignatureId) -> Result<Option<SeenSignature>, StoreError> {
        self.read(|connection| read::signature(connection, id))
    }

    fn samples(&mut self, id: SignatureId, limit: usize) -> Result<Vec<Report>, StoreError> {
        self.read(|connection| read::samples(connection, id, limit))
    }

    fn sample(&mut self, id: CheckId) -> Result<Option<Report>, StoreError> {
        self.read(|connection| read::sample(connection, id))
    }

    fn stages(&mut self) -> Result<Vec<StoredStage>, StoreError> {
        self.read(read::stages)
    }

    fn audit(
        &mut self,
        operation_id: Option<&OperationId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        self.read(|connection| read::audit(connection, operation_id, limit))
    }

    fn purge(&mut self, before: Timestamp, limit: usize) -> Result<Purged, StoreError> {
        self.alone(|connection| write::purge(connection, before, limit))
    }

    fn claim(&mut self, now: Timestamp, lease: Lease, room: Room) -> Result<Claim, StoreError> {
        self.alone(|connection| checks::claim(connection, now, lease, room))
    }

    fn renew(&mut self, lease: Lease, checks: &[CheckId]) -> Result<(), StoreError> {
        self.alone(|connection| checks::renew(connection, lease, checks))
    }

    fn release(&mut self, holder: u64, checks: &[CheckId]) -> Result<(), StoreError> {
        self.alone(|connection| checks::release(connection, holder, checks))
    }

    fn outlive(&mut self, holder: u64) -> Result<(), StoreError> {
        self.alone(|connection| checks::outlive(connection, holder))
    }

    fn kept(&mut self, id: CheckId) -> Result<Option<KeptCheck>, StoreError> {
        self.read(|connection| checks::kept(connection, id))
    }

    fn backlog(&mut self) -> Result<Vec<Backlog>, StoreError> {
        self.read(checks::backlog)
    }

    fn forget_done(&mut self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let forgotten = self.alone(|connection| checks::forget_done(connection, before, limit))?;
        if forgotten < limit {
            self.erase_log()?;
        }
        Ok(forgotten)
    }

    fn use_key(&mut self, key_id: &[u8]) -> Result<bool, StoreError> {
        self.alone(|connection| checks::use_key(connection, key_id))
    }
}
