//! Threads, each with a single-threaded runtime of its own.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;

use crate::tasks;

/// Starts a thread that runs one future to its end, with its tasks. `work` makes the future on
/// the thread itself, within its runtime.
pub(super) fn start<F>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<F::Output>>
where
    F: Future,
    F::Output: Send + 'static,
{
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        // Few are enough: large comparisons, bodies that a child process decodes, name look-ups.
        .max_blocking_threads(4)
        .build()?;
    tasks::spawn_thread(name, move || {
        let result = runtime.block_on(async move {
            tasks::spawn(tick());
            work().await
        });
        // Whatever a client or a side still holds open ends here.
        runtime.shutdown_timeout(Duration::from_millis(100));
        result
    })
}

/// How often a thread wakes for nothing: more often than any timeout of a request runs out.
const TICK: Duration = Duration::from_millis(500);

/// Keeps a timer in the runtime that runs out sooner than those that each request sets and drops.
/// Where a new timer is the next to run out, tokio wakes its own thread for it, with a write and one
/// more wait in the kernel; without this timer that is so for every second request.
async fn tick() {
    loop {
        tokio::time::sleep(TICK).await;
    }
}

/// The number of data threads, and of runners.
pub(super) fn per_core() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
