//! The proxy: the clients' side of parallax. It streams, it never waits for the copy, and it
//! knows nothing of comparing: it asks the stage who answers, and makes a check of what was
//! answered.
//!
//! One thread with a runtime of its own for each core; one acceptor deals the connections out, so
//! that no connection is stuck behind a busy thread while another is idle.

mod acceptor;
mod admission;
mod body;
mod capture;
mod complaint;
mod head;
mod pending;
mod problem;
mod service;
mod sticky;
mod upgrade;
mod worker;

use std::sync::Arc;

pub use acceptor::Acceptor;
pub use complaint::Complaints;
pub use worker::{Worker, WorkerHandle};

use crate::queue::Queue;
use crate::routing::SharedRouting;
use crate::telemetry::Telemetry;

/// What all threads of the proxy share.
pub struct Shared {
    /// The operations, their stages, and all else that is in force.
    pub routing: SharedRouting,
    /// Where checks go.
    pub queue: Queue,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// What is logged about sides that do not answer.
    pub complaints: Complaints,
}
