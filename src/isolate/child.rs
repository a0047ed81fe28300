//! The child's side: it takes its limits upon itself, reads a body from standard input, and writes the
//! tree to standard output. Why there is none is the exit code.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use parallax_core::isolation::{Foreign, Refusal, decode};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::MAX_TREE;

/// Bytes of addresses, the program itself included.
const MEMORY: u64 = 256 * 1024 * 1024;
/// Seconds on a core.
const SECONDS: u64 = 1;

/// What the exit codes say; 1 and 2 are the command line's, 101 is a panic.
const CODES: [(u8, Refusal); 4] =
    [(65, Refusal::Broken), (66, Refusal::TooLarge), (67, Refusal::Budget), (68, Refusal::Crashed)];

/// Decodes one body.
///
/// # Errors
/// When a limit cannot be set: without limits nothing is decoded; and when the tree cannot be written.
pub fn run(what: Foreign) -> io::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limits = [
        (Resource::As, MEMORY),
        (Resource::Cpu, SECONDS),
        (Resource::Fsize, MAX_TREE),
        (Resource::Core, 0),
        (Resource::Nofile, 8),
    ];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    let mut body = Vec::new();
    io::stdin().lock().read_to_end(&mut body)?;
    match decode(what, &body.into()) {
        Ok(document) => {
            let mut out = io::stdout().lock();
            out.write_all(document.raw(document.root()))?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => Ok(ExitCode::from(code_of(refusal))),
    }
}

fn code_of(refusal: Refusal) -> u8 {
    CODES.iter().find(|(_, one)| *one == refusal).map_or(68, |(code, _)| *code)
}

/// What a child with this exit code said.
pub(super) fn refusal_of(code: i32) -> Option<Refusal> {
    CODES.iter().find(|(one, _)| i32::from(*one) == code).map(|(_, refusal)| *refusal)
}
