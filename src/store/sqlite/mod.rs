//! The store in one SQLite file: what most deployments need, with nothing to install.
//!
//! One connection, one writer. After an error that is the store's fault the connection is closed
//! and the next call opens another one: SQLite's view of a file that failed under it is not to be
//! trusted. A commit whose fate is unknown is looked up, never repeated.

mod errors;
mod file;
mod open;
mod read;
mod rows;
mod sql;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parallax_core::check::CheckId;
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

/// A store in an SQLite file, held by this process until dropped.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    connection: Option<Connection>,
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
        Ok(Self { path: path.to_owned(), connection: Some(connection), _lock: lock })
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// The connection, a new one after a fault.
    fn connected(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::connect(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn read<T>(&mut self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let result = read(self.connected()?);
        result.map_err(|error| {
            self.connection = None;
            explain(&self.place(), &error)
        })
    }

    /// Whether the transaction of this number is in the file after all, although its commit failed.
    fn has_landed(&mut self, number: i64) -> bool {
        self.read(read::last_commit).is_ok_and(|last| last == number)
    }
}

impl Backend for Sqlite {
    fn write(&mut self, batch: &[Write]) -> Result<(), StoreError> {
        batch.iter().try_for_each(Write::validate)?;
        let place = self.place();
        match write::all(self.connected()?, batch) {
            Ok(()) => Ok(()),
            Err(Failure::Conflict { operation_id, revision }) => {
                Err(StoreError::Conflict { operation_id, revision })
            }
            Err(Failure::Sql(error)) => {
                let error = explain(&place, &error);
                if !error.is_refusal() {
                    self.connection = None;
                }
                Err(error)
            }
            Err(Failure::Commit { number, error }) => {
                self.connection = None;
                if self.has_landed(number) { Ok(()) } else { Err(explain(&place, &error)) }
            }
        }
    }

    fn totals(&mut self) -> Result<Vec<(OperationId, Tally)>, StoreError> {
        self.read(read::totals)
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
        let result = write::purge(self.connected()?, before, limit);
        result.map_err(|error| {
            self.connection = None;
            explain(&self.place(), &error)
        })
    }
}
