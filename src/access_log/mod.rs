//! The access log: a line of JSON for each request, written when its answer has ended.
//!
//! It says who asked for which operation, who answered, how it went and what it took. It has no
//! bodies, no headers and no query, and instead of the path the operation's template, because a
//! path often holds what identifies a person; the path itself has to be asked for.
//!
//! The threads that serve clients hand a line over without waiting; one thread writes. A line for
//! which there is no room, because the disk or the reader of standard output is slow, is dropped
//! and counted. When it is off, nothing of this exists.
//!
//! A file is opened again when it was moved away or removed, which is looked for once a second, and
//! on `SIGUSR1`: every way of logrotate works, `copytruncate` too, because lines are only ever
//! added at the end.

mod line;
mod target;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

pub use line::{Line, Outcome};
use target::Target;

use crate::config;

/// Lines that may wait, some 300 bytes each.
const WAITING: usize = 16_384;
/// How long the writer rests when it has written all there was: waking it up for each line would cost
/// the threads that serve clients more than the line.
const REST: Duration = Duration::from_millis(20);

/// Where lines are handed over.
#[derive(Clone)]
pub struct AccessLog {
    lines: SyncSender<Box<Line>>,
    dropped: IntCounter,
    /// Whether a line has the client's address.
    pub client: bool,
    /// Whether a line has the raw path.
    pub path: bool,
}

/// What writes them, on a thread of its own.
pub struct Writer {
    lines: Receiver<Box<Line>>,
    target: Target,
    dropped: IntCounter,
}

/// Has the file opened again.
#[derive(Clone, Debug, Default)]
pub struct Reopen(Arc<AtomicBool>);

impl Reopen {
    /// Has the file opened again before the next line is written.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Opens the log. `dropped` counts what is not written.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(
    configured: &config::AccessLog,
    dropped: &IntCounter,
    reopen: Reopen,
) -> io::Result<(AccessLog, Writer)> {
    let target = Target::open(&configured.to, reopen)?;
    let (sender, lines) = sync_channel(WAITING);
    let log = AccessLog {
        lines: sender,
        dropped: dropped.clone(),
        client: configured.client,
        path: configured.path,
    };
    Ok((log, Writer { lines, target, dropped: dropped.clone() }))
}

impl AccessLog {
    /// Hands a line over; where there is no room, it is dropped and counted.
    pub fn write(&self, line: Box<Line>) {
        if self.lines.try_send(line).is_err() {
            self.dropped.inc();
        }
    }
}

impl Writer {
    /// Writes until nobody can hand a line over any more, and everything is written.
    pub fn run(mut self) {
        while let Ok(first) = self.lines.recv() {
            self.write(&first);
            loop {
                match self.lines.try_recv() {
                    Ok(line) => self.write(&line),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.flush(),
                }
            }
            self.flush();
            std::thread::sleep(REST);
        }
    }

    fn write(&mut self, line: &Line) {
        self.target.add(|buffer| line.write(buffer));
        if self.target.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.dropped.inc_by(self.target.flush());
    }
}
