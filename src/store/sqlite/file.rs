//! The file under the SQLite store, before and beneath SQLite: made readable by its owner alone,
//! its name made durable, and held by one process at a time.
//!
//! The lock is the system's, on a file beside the store, so it is gone the moment its holder is,
//! however that ended. It cannot be on the store's own file: closing any descriptor of that would
//! drop the locks that SQLite holds on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// Holds the store's file for this process until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let place = || path.display().to_string();
        let failed = |error: io::Error| StoreError::of_io(place(), "lock it with a file beside it", &error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(with_suffix(path, ".lock"))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { place: place(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        sign(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Makes an empty file for the store, readable by its owner alone, unless there is a file that may
/// be one.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let failed =
        |action| move |error: io::Error| StoreError::of_io(path.display().to_string(), action, &error);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all().map_err(failed("create"))?;
            sync_directory(path).map_err(failed("create"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => recognise(path),
        Err(error) => Err(failed("create")(error)),
    }
}

/// SQLite takes a very short file of any content for an empty database and writes over it.
fn recognise(path: &Path) -> Result<(), StoreError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let place = || path.display().to_string();
    let failed = |error: io::Error| StoreError::of_io(place(), "read", &error);
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(StoreError::NotAStore { place: place(), detail: "it is no file".to_owned() });
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(16).read_to_end(&mut start)).map_err(failed)?;
    if start.is_empty() || start == MAGIC {
        return Ok(());
    }
    Err(StoreError::NotAStore { place: place(), detail: "it is no SQLite database".to_owned() })
}

/// Makes the name of a new or renamed file durable.
pub(in crate::store) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Who holds the lock, as far as the file tells.
fn holder(file: &mut File) -> String {
    let mut id = String::new();
    let read = file.take(20).read_to_string(&mut id);
    let is_id = read.is_ok() && !id.trim().is_empty() && id.trim().bytes().all(|byte| byte.is_ascii_digit());
    if is_id { format!("process {}", id.trim()) } else { "another process".to_owned() }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
