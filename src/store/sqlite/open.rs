//! Opening the file with SQLite: what it must be, how durable it is, and the way from older
//! formats to the present one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::errors::explain;
use crate::store::StoreError;

/// Marks the file as ours in its header: "PLLX".
const APPLICATION_ID: i64 = 0x504c_4c58;

/// The formats, oldest first; the number of those that were run is the file's `user_version`.
const FORMATS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// Another program may read the file (a backup, a curious user); it is waited for this long.
const BUSY: Duration = Duration::from_secs(2);

/// Opens an existing, possibly empty file, and brings it to the present format.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let place = path.display().to_string();
    let failed = |error: rusqlite::Error| explain(&place, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    if connection.is_readonly("main").map_err(failed)? {
        return Err(StoreError::ReadOnly { place, detail: "the file is read-only".to_owned() });
    }
    let format = recognise(&connection, &place)?;
    configure(&connection, &place)?;
    migrate(&mut connection, format).map_err(failed)?;
    Ok(connection)
}

/// Brings everything that is in the log into the file, before anything more is written. After an
/// fsync that failed, the system may have dropped what was to be written and will not say so again;
/// what is read from the log now is written once more, and only then relied upon.
pub(super) fn settle(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let place = path.display().to_string();
    let is_busy: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| explain(&place, &error))?;
    if is_busy {
        let detail = "another program reads it, so that its log cannot be settled after a fault".to_owned();
        return Err(StoreError::Unavailable { place, detail });
    }
    Ok(())
}

/// The format of the file: 0 when it is empty.
fn recognise(connection: &Connection, place: &str) -> Result<usize, StoreError> {
    let failed = |error: rusqlite::Error| explain(place, &error);
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(failed);
    let not_a_store =
        |detail: &str| StoreError::NotAStore { place: place.to_owned(), detail: detail.to_owned() };
    let is_ours = number("PRAGMA application_id")? == APPLICATION_ID;
    // Reads the schema in any case, so that a damaged file is refused here and not later.
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if !is_ours && tables > 0 {
        return Err(not_a_store("a database of another program"));
    }
    let found = if is_ours { number("PRAGMA user_version")? } else { 0 };
    match usize::try_from(found) {
        Ok(format) if format <= FORMATS.len() => Ok(format),
        Ok(_) => {
            let known = i64::try_from(FORMATS.len()).unwrap_or(i64::MAX);
            Err(StoreError::Newer { place: place.to_owned(), found, known })
        }
        Err(_) => Err(not_a_store("its format has a negative number")),
    }
}

/// WAL with `synchronous=FULL`: a commit is on disk when it returns. Deleted customer data is
/// overwritten, and the log does not keep the size of its busiest moment.
fn configure(connection: &Connection, place: &str) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| explain(place, &error);
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let detail = "its file system does not support SQLite's WAL; put it on a local disk".to_owned();
        return Err(StoreError::Unavailable { place: place.to_owned(), detail });
    }
    let settings = "
        PRAGMA synchronous = FULL;
        PRAGMA foreign_keys = ON;
        PRAGMA secure_delete = ON;
        PRAGMA trusted_schema = OFF;
        PRAGMA journal_size_limit = 67108864;";
    connection.execute_batch(settings).map_err(failed)
}

fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    for (format, script) in FORMATS.iter().enumerate().skip(from) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(format + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
