//! What requests of no operation looked like, for whoever asks what is still to be configured. It is no metric: no
//! label is made of it.

use std::sync::{Mutex, PoisonError, TryLockError};

use http::{Method, StatusCode};
use parallax_core::other::{Shapes, Suggested};

/// The shapes of requests of no operation, since the process started.
#[derive(Default)]
pub struct OtherShapes(Mutex<Shapes>);

impl OtherShapes {
    /// Notes an answered request. What the client got wrong is not noted: it says nothing of the service, and
    /// whoever looks for doors would fill the place with what is not there. Nobody waits: a request that comes
    /// while another is being noted is not.
    pub fn note(&self, method: &Method, path: &str, status: StatusCode) {
        if status.is_client_error() {
            return;
        }
        match self.0.try_lock() {
            Ok(mut shapes) => shapes.note(method, path),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().note(method, path),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// The operations that these requests could be, and how many requests are in none of them for want of room.
    #[must_use]
    pub fn suggest(&self) -> (Vec<Suggested>, u64) {
        // Copied, so that a request is held up by the copying at most, and that one is not noted.
        let shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (shapes.suggest(), shapes.left_out())
    }
}
