//! The only place that starts tasks and threads, so that each has a name and none is started in
//! passing. clippy holds everyone else to it.

use std::future::Future;
use std::io;
use std::thread;

use tokio::task::JoinHandle;

/// Starts a task on the current runtime.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Starts a thread that the operating system's tools show by name (15 bytes at most).
///
/// # Errors
/// When the operating system gives no thread.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
