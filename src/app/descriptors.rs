//! File descriptors: each connection takes one or two, and the limit that a shell or a service manager sets
//! is a thousand, for the sake of programs that cannot handle more. This one can.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one. Where that is refused, the process works with what it has.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(from = ?current, to = ?maximum, "more file descriptors are allowed"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors stays as it is"),
    }
}
