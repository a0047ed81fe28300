//! What SQLite promises beyond the contract: files, locks, formats, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use parallax_core::stage::Stage;
use parallax_core::tally::End;
use rusqlite::ffi;
use tempfile::TempDir;

use super::*;
use crate::store::checks::{Completion, NewCheck, NewState};
use crate::store::contract::{counted, operation, tally, transition};

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    fn open(&self) -> Result<Sqlite, StoreError> {
        Sqlite::open(&self.path())
    }

    fn with_bytes(bytes: &[u8]) -> Self {
        let place = Self::new();
        fs::write(place.path(), bytes).expect("a file");
        place
    }

    /// The file as any other program sees it.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).expect("a connection")
    }
}

fn one_transition() -> Write {
    Write::Transition(Box::new(transition("a", 1, Stage::Shadow)))
}

fn error_of(result: Result<Sqlite, StoreError>) -> StoreError {
    result.map(|_| ()).expect_err("a store that cannot be opened")
}

#[test]
fn everything_is_there_after_opening_it_again() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[counted("a", 1, tally(10)), one_transition()]).expect("a write");
    drop(store);
    let mut store = place.open().expect("the same store");
    store.write(&[counted("a", 1, tally(10))]).expect("a write");
    let mut total = tally(10);
    total.add(&tally(10));
    assert_eq!(store.totals(), Ok(vec![(operation("a"), total)]));
    assert_eq!(store.stages().expect("stages").len(), 1);
    assert_eq!(store.audit(None, 9).expect("audit").len(), 1);
}

#[test]
fn its_files_are_for_their_owner_only() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[one_transition()]).expect("a write");
    let mut names = Vec::new();
    for entry in fs::read_dir(place.directory.path()).expect("the directory") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"]);
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let place = Place::new();
    let store = place.open().expect("a new store");
    let error = error_of(place.open());
    let expected = format!("is in use by process {};", std::process::id());
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&expected), "{error}");
    drop(store);
    place.open().expect("it is free again");
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::new();
    drop(place.open().expect("a new store"));
    place.raw().pragma_update(None, "user_version", 7).expect("a newer format");
    let error = error_of(place.open());
    assert_eq!(error, StoreError::Newer { place: place.path().display().to_string(), found: 7, known: 6 });
}

#[test]
fn a_store_of_the_first_format_is_brought_to_the_present_one() {
    let place = Place::new();
    let raw = place.raw();
    raw.execute_batch(include_str!("schema_1.sql")).expect("the first format");
    let rows = "
        PRAGMA application_id = 1347177560;
        PRAGMA user_version = 1;
        INSERT INTO signatures VALUES
            ('00000000000000aa', 'a', 'body', '$.body.a', 'value', NULL, NULL, 'opposite sign', 3, 1, 2),
            ('00000000000000bb', 'a', 'body', '$.body.b', 'value', NULL, NULL, NULL, 0, 1, 2);";
    raw.execute_batch(rows).expect("rows");
    drop(raw);
    let mut store = place.open().expect("an older store");
    let mut explained = |count: u64| {
        let mut signature = store.signatures(&operation("a")).expect("signatures").remove(0).signature;
        signature.explanation = Some("rounded to 1 decimals".to_owned());
        store.write(&[Write::seen(signature, count, crate::store::contract::at(1))]).expect("a write");
        let seen = store.signatures(&operation("a")).expect("signatures").remove(0);
        (seen.count, seen.signature.explanation)
    };
    assert_eq!(explained(2), (5, Some("opposite sign".to_owned())), "the earlier three are not forgotten");
    assert_eq!(explained(2), (7, Some("rounded to 1 decimals".to_owned())));
}

#[test]
fn counts_of_an_older_format_are_evidence_of_a_version_without_a_name() {
    use parallax_core::evidence::{Evidence, Key, RulesId, Version};

    let place = Place::new();
    let raw = place.raw();
    let formats = [
        include_str!("schema_1.sql"),
        include_str!("schema_2.sql"),
        include_str!("schema_3.sql"),
        include_str!("schema_4.sql"),
    ];
    raw.execute_batch(&formats.concat()).expect("the fourth format");
    let rows = "
        PRAGMA application_id = 1347177560;
        PRAGMA user_version = 4;
        INSERT INTO totals VALUES ('a', 'requests', '', 20), ('a', 'matched', '', 9), ('a', 'unmatched', '', 2),
            ('a', 'failed', 'timeout', 1), ('a', 'failed', 'dns', 3), ('a', 'skipped', 'stage', 5),
            ('b', 'requests', '', 1), ('b', 'skipped', 'stage', 1);";
    raw.execute_batch(rows).expect("rows");
    drop(raw);
    let mut store = place.open().expect("an older store");
    let evidences = store.evidences().expect("evidences");
    let [(id, of_a)] = &evidences[..] else { panic!("{evidences:?}") };
    let unknown = Key { rules: RulesId::UNKNOWN, version: Version::unnamed() };
    assert_eq!((id, of_a.get(&unknown)), (&operation("a"), Some(&Evidence::of_counts(9, 2, 4))));
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let foreign = Place::new();
    foreign
        .raw()
        .execute_batch("CREATE TABLE cats (name TEXT); PRAGMA user_version = 1")
        .expect("a database");
    let long = [b'x'; 9_000];
    for place in
        [foreign, Place::with_bytes(b"x"), Place::with_bytes(b"hello, world\n"), Place::with_bytes(&long)]
    {
        let before = fs::read(place.path()).expect("a file");
        let error = error_of(place.open());
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        assert!(error.to_string().contains("store.db is not a store of parallax"), "{error}");
        assert_eq!(fs::read(place.path()).expect("a file"), before);
    }
}

#[test]
fn an_empty_file_becomes_a_store() {
    let place = Place::with_bytes(b"");
    place.open().expect("a new store").write(&[one_transition()]).expect("a write");
}

#[test]
fn a_path_that_cannot_be_is_refused_with_the_remedy() {
    let place = Place::new();
    let missing = error_of(Sqlite::open(&place.directory.path().join("no/such/store.db")));
    assert!(missing.to_string().contains("create its directory first"), "{missing}");
    let directory = error_of(Sqlite::open(place.directory.path()));
    assert!(matches!(directory, StoreError::NotAStore { .. }), "{directory}");
}

#[test]
fn damage_is_called_damage() {
    let place = Place::new();
    place.open().expect("a new store").write(&[counted("a", 1, tally(1))]).expect("a write");
    let mut bytes = fs::read(place.path()).expect("the file");
    bytes[100..].fill(0xff);
    fs::write(place.path(), bytes).expect("the file");
    let error = error_of(place.open());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn a_row_that_is_never_written_is_damage_too() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[counted("a", 1, tally(1))]).expect("a write");
    place
        .raw()
        .execute("UPDATE totals SET reason = 'bad_luck' WHERE reason = 'timeout'", [])
        .expect("an update");
    let error = store.totals().expect_err("an unknown reason");
    assert!(matches!(error, StoreError::Corrupt { .. }) && error.to_string().contains("bad_luck"), "{error}");
    // Only that; the rest can be read.
    assert_eq!(store.minutes(&operation("a"), Minute(0)), Ok(vec![(Minute(1), tally(1))]));
}

#[test]
fn the_audit_cannot_be_changed_by_anyone_with_a_database_tool() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[one_transition()]).expect("a write");
    let raw = place.raw();
    let attempts = [
        ("UPDATE audit SET who = 'nobody'", "never changed"),
        ("DELETE FROM audit", "never deleted"),
        ("INSERT OR REPLACE INTO audit SELECT * FROM audit", "never replaced"),
    ];
    for (attempt, refusal) in attempts {
        let error = raw.execute(attempt, []).expect_err(attempt).to_string();
        assert!(error.contains(refusal), "{attempt}: {error}");
    }
    assert_eq!(store.audit(None, 9), Ok(vec![transition("a", 1, Stage::Shadow)]));
}

#[test]
fn a_full_disk_loses_the_write_and_nothing_else() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[counted("a", 1, tally(1))]).expect("a write");
    let connection = store.connected().expect("a connection");
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a size");
    connection.pragma_update(None, "max_page_count", pages).expect("a limit");

    let many: Vec<_> = (0..1_000).map(|minute| counted("a", minute, tally(1))).collect();
    let error = store.write(&many).expect_err("no room");
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(!error.is_refusal());
    // The next call opens the file again, and there is room again.
    assert_eq!(store.totals(), Ok(vec![(operation("a"), tally(1))]));
    store.write(&many).expect("there is room");
}

#[test]
fn a_failed_commit_is_looked_up_and_not_repeated() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[counted("a", 1, tally(1))]).expect("a write");
    let connection = store.connected().expect("a connection");
    // The violation is deferred, so each statement succeeds and the commit fails.
    let trap = "
        CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TEMP TABLE child (parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TEMP TRIGGER trap AFTER UPDATE ON main.commits BEGIN INSERT INTO child VALUES (1); END;";
    connection.execute_batch(trap).expect("a trap");
    store.write(&[counted("a", 1, tally(1))]).expect_err("a commit that fails");
    assert_eq!(store.totals(), Ok(vec![(operation("a"), tally(1))]));

    let last = store.read(read::last_commit).expect("a number");
    store.write(&[]).expect("a write");
    assert_eq!(store.read(read::last_commit), Ok(last + 1));
    assert!(!store.is_suspect, "what was in the log is in the file");
}

#[test]
fn what_has_waited_is_erased_from_the_log_too() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    let id = CheckId(7);
    let check = NewCheck {
        id,
        operation_id: operation("a"),
        fingerprint: None,
        at: Timestamp::UNIX_EPOCH,
        state: NewState::Waiting(b"what was sealed".repeat(100)),
    };
    store.write(&[Write::Check(Box::new(check))]).expect("a write");
    let is_readable = || {
        let files = fs::read_dir(place.directory.path()).expect("a directory");
        let bytes = files.flat_map(|file| fs::read(file.expect("a file").path()).expect("its bytes"));
        memchr::memmem::find(&bytes.collect::<Vec<_>>(), b"what was sealed").is_some()
    };
    assert!(is_readable());
    store.forget_done(Timestamp::MIN, 9).expect("nothing is done");
    assert!(is_readable(), "it waits");
    let (at, end) = (Timestamp::UNIX_EPOCH, End::DEAD_LETTER);
    let done = Completion { id, at, end, differences: Vec::new(), shown: Default::default() };
    store.write(&[Write::Done(Box::new(done))]).expect("a write");
    store.forget_done(Timestamp::MIN, 9).expect("nothing is old enough");
    assert!(store.kept(id).expect("a read").is_some());
    assert!(!is_readable());
}

#[test]
fn a_reader_from_outside_stops_nobody() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    store.write(&[counted("a", 1, tally(1))]).expect("a write");
    let raw = place.raw();
    let count =
        |raw: &Connection| raw.query_row("SELECT count(*) FROM minutes", [], |row| row.get::<_, i64>(0));
    raw.execute_batch("BEGIN").expect("a transaction");
    let before = count(&raw).expect("a count");
    store.write(&[counted("a", 2, tally(1))]).expect("a write beside a reader");
    assert_eq!(count(&raw), Ok(before));
    raw.execute_batch("COMMIT").expect("a transaction");
    assert!(count(&raw).expect("a count") > before);
}

#[test]
fn commits_are_on_disk_when_they_return() {
    let place = Place::new();
    let mut store = place.open().expect("a new store");
    let connection = store.connected().expect("a connection");
    let setting = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
            .expect("a setting")
    };
    assert_eq!(setting("journal_mode"), "wal".to_owned().into());
    assert_eq!(setting("synchronous"), 2.into());
}

#[test]
fn each_fault_of_the_system_is_told_from_the_others() {
    let explained = |code| {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        explain("store.db", &error)
    };
    assert!(matches!(explained(ffi::SQLITE_READONLY), StoreError::ReadOnly { .. }));
    assert!(matches!(explained(ffi::SQLITE_READONLY_DIRECTORY), StoreError::ReadOnly { .. }));
    assert!(matches!(explained(ffi::SQLITE_FULL), StoreError::Full { .. }));
    assert!(matches!(explained(ffi::SQLITE_CORRUPT), StoreError::Corrupt { .. }));
    assert!(matches!(explained(ffi::SQLITE_NOTADB), StoreError::NotAStore { .. }));
    assert!(matches!(explained(ffi::SQLITE_IOERR_FSYNC), StoreError::Unavailable { .. }));
    assert!(matches!(explained(ffi::SQLITE_BUSY), StoreError::Unavailable { .. }));
}
