//! Waiting for what happens on another thread: with a deadline, never for a fixed time.

use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(2);

/// Waits until the condition holds.
///
/// # Panics
/// When it does not hold by the deadline; `what` says what was waited for.
pub async fn wait_until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < deadline, "within {deadline:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until the condition holds, in a test without a runtime.
///
/// # Panics
/// When it does not hold by the deadline; `what` says what was waited for.
pub fn wait_until_blocking(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < deadline, "within {deadline:?}: {what}");
        std::thread::sleep(POLL);
    }
}
