//! Where lines go: standard output, or a file that may be moved away at any time.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Reopen;
use crate::config::LogTarget;

/// How often a file is looked for where it should be, and a complaint made.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is held before it is written; more comes in between only where one line is that long.
const BUFFER_BYTES: usize = 64 * 1024;
/// Lines say who asked for what: others on the machine have no business with them.
const MODE: u32 = 0o640;

pub(super) struct Target {
    place: Place,
    buffer: Vec<u8>,
    lines: u64,
    reopen: Reopen,
    looked: Instant,
    complained: Option<Instant>,
}

enum Place {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Target {
    pub(super) fn open(configured: &LogTarget, reopen: Reopen) -> io::Result<Self> {
        let place = match configured {
            LogTarget::Stdout => Place::Stdout,
            LogTarget::File(path) => Place::File { path: path.clone(), file: open(path)? },
        };
        Ok(Self {
            place,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            lines: 0,
            reopen,
            looked: Instant::now(),
            complained: None,
        })
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: impl FnOnce(&mut Vec<u8>)) {
        line(&mut self.buffer);
        self.lines += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= BUFFER_BYTES
    }

    /// Writes what was added; the number of lines that could not be written.
    pub(super) fn flush(&mut self) -> u64 {
        self.follow_the_file();
        let lines = std::mem::take(&mut self.lines);
        let written = self.place.write(&self.buffer);
        self.buffer.clear();
        let Err(error) = written else { return 0 };
        self.complain(&error);
        lines
    }

    /// Opens the file again when it is no longer where it should be.
    fn follow_the_file(&mut self) {
        let asked = self.reopen.take();
        let Place::File { path, file } = &mut self.place else { return };
        if !asked && self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        if !asked && is_at(file, path) {
            return;
        }
        match open(path) {
            Ok(fresh) => *file = fresh,
            // Better the old file than none.
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if self.complained.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return;
        }
        self.complained = Some(Instant::now());
        tracing::warn!(%error, "the access log cannot be written; its lines are lost and counted");
    }
}

impl Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File { file, .. } => file.write_all(bytes),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |one: Metadata, other: Metadata| one.dev() == other.dev() && one.ino() == other.ino();
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(there)) => same(open, there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(target: &mut Target, text: &str) -> u64 {
        target.add(|buffer| buffer.extend_from_slice(text.as_bytes()));
        target.flush()
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        std::fs::write(&path, "old\n").expect("a file");
        let reopen = Reopen::default();
        let mut target = Target::open(&LogTarget::File(path.clone()), reopen.clone()).expect("a target");
        assert_eq!(add(&mut target, "a\n"), 0);
        let moved = directory.path().join("access.log.1");
        std::fs::rename(&path, &moved).expect("it moves");
        assert_eq!(add(&mut target, "b\n"), 0);
        reopen.ask();
        assert_eq!(add(&mut target, "c\n"), 0);
        assert_eq!(std::fs::read_to_string(&moved).expect("a text"), "old\na\nb\n");
        assert_eq!(std::fs::read_to_string(&path).expect("a text"), "c\n");
        std::fs::remove_file(&path).expect("it goes");
        target.looked = Instant::now().checked_sub(LOOK_EVERY).expect("a time");
        assert_eq!(add(&mut target, "d\n"), 0);
        assert_eq!(std::fs::read_to_string(&path).expect("a text"), "d\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let mut target =
            Target::open(&LogTarget::File("/dev/full".into()), Reopen::default()).expect("a target");
        target.add(|buffer| buffer.push(b'a'));
        assert_eq!(add(&mut target, "b\n"), 2);
        assert!(
            Target::open(&LogTarget::File("/no/such/directory/a.log".into()), Reopen::default()).is_err()
        );
    }
}
