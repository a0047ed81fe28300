//! Reads files on a thread of its own, piece by piece, and hands on what was found in them. When
//! nobody takes it, it waits.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use parallax_core::recorded::{Format, Found, Recording};
use tokio::sync::mpsc;

/// Bytes that are read at once: few, so that how much was read tells how much is done.
const CHUNK: usize = 16 * 1024;
/// Chunks whose records may wait.
const WAITING: usize = 2;

/// How far reading has come, in bytes of the files.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system says no.
    #[error("cannot read {file}: {error}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is nothing that is known.
    #[error(
        "cannot tell how {file} is written; say it with `--format`: jsonl (the article's payload, one a line), json, har or goreplay"
    )]
    Format {
        /// The file.
        file: String,
    },
}

/// What is read next.
pub(super) enum Piece {
    /// Another file begins.
    File(String, Format),
    /// Records of it.
    Found(Vec<Found>),
    /// Nothing more can be read.
    Failed(ReadError),
}

impl Progress {
    /// Bytes that were read until now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// Starts to read. The files are looked at first, so that one that is not there ends it before
/// anything was sent.
pub(super) fn start(
    files: &[PathBuf],
    format: Option<Format>,
    progress: &Progress,
) -> Result<mpsc::Receiver<Piece>, super::Stopped> {
    for path in files.iter().filter(|path| path.as_os_str() != "-") {
        look_at(path).map_err(|error| io_error(path, error))?;
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    let (files, progress) = (files.to_vec(), progress.clone());
    crate::tasks::spawn_thread("plx-read", move || {
        for path in files {
            if let Err(error) = one(&path, format, &progress, &sender) {
                // Whoever takes it may have gone.
                let _ = sender.blocking_send(Piece::Failed(error));
                return;
            }
        }
    })?;
    Ok(receiver)
}

fn one(
    path: &Path,
    format: Option<Format>,
    progress: &Progress,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), ReadError> {
    let failed = |error| io_error(path, error);
    let mut source = source(path, progress).map_err(failed)?;
    let name = path.display().to_string();
    let mut chunk = vec![0; CHUNK];
    let mut length = fill(&mut *source, &mut chunk).map_err(failed)?;
    let known = format.or_else(|| Format::of(&name, &chunk[..length]));
    // Nothing is nothing in every format.
    let known = known.or((length == 0).then_some(Format::JsonLines));
    let format = known.ok_or_else(|| ReadError::Format { file: name.clone() })?;
    let send = |read| sender.blocking_send(read).is_ok();
    if !send(Piece::File(name, format)) {
        return Ok(());
    }
    let mut recording = Recording::new(format);
    while length > 0 {
        let found = recording.feed(&chunk[..length]);
        if !found.is_empty() && !send(Piece::Found(found)) {
            return Ok(());
        }
        length = fill(&mut *source, &mut chunk).map_err(failed)?;
    }
    send(Piece::Found(recording.finish()));
    Ok(())
}

/// Reads until the chunk is full or the file has ended.
fn fill(source: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < chunk.len() {
        match source.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The content of a file, decompressed where it is gzip.
fn source(path: &Path, progress: &Progress) -> io::Result<Box<dyn Read>> {
    let file: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut counted = BufReader::new(Counted { file, read: Arc::clone(&progress.read) });
    let is_gzip = counted.fill_buf()?.starts_with(b"\x1f\x8b");
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) })
}

/// Whether there is something that can be read. A pipe is not opened here, since that waits for whoever
/// writes into it.
fn look_at(path: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.is_file() { File::open(path).map(drop) } else { Ok(()) }
}

fn io_error(path: &Path, error: io::Error) -> ReadError {
    ReadError::Io { file: path.display().to_string(), error }
}

/// Counts what is read.
struct Counted {
    file: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
