//! Foreign formats are decoded in a child process of this program, one for each body, with limits on
//! memory, time and output. Whatever a body does to a decoder ends there, and this process learns only
//! how.
//!
//! Body and tree pass through files that are in memory and have no name: nothing reaches a disk, no
//! pipe can fill up, and the parent has nothing to do but wait for the end. The child is this program
//! itself with a command that is not shown, with an empty environment, and dies with its parent.

mod child;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_core::document::{Document, read};
use parallax_core::isolation::{Foreign, Isolation, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

pub use child::run as run_child;

/// The hidden command of the child.
const COMMAND: &str = "decode";
/// How long a child may take by the clock, waiting included. Its time on a core is limited further.
const MAY_TAKE: Duration = Duration::from_secs(5);
/// Most bytes of a tree.
const MAX_TREE: u64 = 64 * 1024 * 1024;
/// Most values and names of a tree.
const MAX_NODES: usize = 2_000_000;
/// Bytes of a child's last words that are looked at.
const LAST_WORDS: u64 = 4096;

/// Decodes in child processes, so many at once.
#[derive(Debug)]
pub struct Children {
    program: PathBuf,
    may_take: Duration,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Children {
    /// Children of this very program, one at once for each core.
    #[must_use]
    pub fn of_this_program() -> Self {
        // The file may be replaced while the program runs; this name stays with what runs.
        Self::of("/proc/self/exe", MAY_TAKE)
    }

    /// Children of another program, which has the same command, with another limit of time.
    #[must_use]
    pub fn of(program: impl Into<PathBuf>, may_take: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { program: program.into(), may_take, free: Mutex::new(cores), freed: Condvar::new() }
    }

    /// Runs one child to its end. An error is this side's: no memory, no process.
    fn run(&self, what: Foreign, bytes: &Bytes) -> io::Result<Result<Document, Refusal>> {
        let mut body = unnamed()?;
        body.write_all(bytes)?;
        body.rewind()?;
        let (mut tree, mut words) = (unnamed()?, unnamed()?);
        let mut child = Command::new(&self.program)
            .args([OsStr::new(COMMAND), OsStr::new(what.as_str())])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(body))
            .stdout(Stdio::from(tree.try_clone()?))
            .stderr(Stdio::from(words.try_clone()?))
            .spawn()?;
        let Some(status) = end_of(&mut child, self.may_take)? else { return Ok(Err(Refusal::Budget)) };
        if !status.success() {
            return Ok(Err(refusal(status, &last_words(&mut words)?)));
        }
        if tree.metadata()?.len() > MAX_TREE {
            return Ok(Err(Refusal::Budget));
        }
        tree.rewind()?;
        let mut text = Vec::new();
        tree.read_to_end(&mut text)?;
        Ok(read(text.into(), MAX_NODES).map_err(|_| Refusal::Crashed))
    }

    /// Waits until one more child may run.
    fn place(&self) -> Place<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place(self)
    }
}

impl Isolation for Children {
    fn decode(&self, what: Foreign, bytes: &Bytes) -> Result<Document, Refusal> {
        let _place = self.place();
        self.run(what, bytes).unwrap_or_else(|error| {
            tracing::warn!(kind = %what, %error, "no child to decode with");
            Err(Refusal::Budget)
        })
    }
}

/// One of the children that may run at once.
struct Place<'c>(&'c Children);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

fn unnamed() -> io::Result<File> {
    Ok(File::from(memfd_create("parallax", MemfdFlags::CLOEXEC)?))
}

/// Waits for a child's end, and kills it when it takes too long (then nothing).
fn end_of(child: &mut Child, may_take: Duration) -> io::Result<Option<ExitStatus>> {
    let ended = wait_until_ended(child, may_take);
    if !matches!(ended, Ok(true)) {
        // It may have ended by itself in between.
        let _ = child.kill();
    }
    let status = child.wait()?;
    Ok(ended?.then_some(status))
}

fn wait_until_ended(child: &Child, may_take: Duration) -> io::Result<bool> {
    let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Instant::now() + may_take;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn last_words(words: &mut File) -> io::Result<Vec<u8>> {
    words.rewind()?;
    let mut said = Vec::new();
    words.take(LAST_WORDS).read_to_end(&mut said)?;
    Ok(said)
}

/// What the end of a child means. Its last words are looked at and never shown: they may hold a part
/// of the body.
fn refusal(status: ExitStatus, last_words: &[u8]) -> Refusal {
    if let Some(refusal) = status.code().and_then(child::refusal_of) {
        return refusal;
    }
    // How the standard library ends a process that gets no more memory: it says so and aborts.
    let out_of_memory = last_words.windows(17).any(|window| window == b"memory allocation");
    let by_limit = [Signal::KILL, Signal::XCPU, Signal::XFSZ].map(Signal::as_raw);
    match status.signal() {
        Some(signal) if out_of_memory || by_limit.contains(&signal) => Refusal::Budget,
        _ => Refusal::Crashed,
    }
}
