//! The proxy: the clients' side of parallax. It streams, it never waits for the copy, and it
//! knows nothing of comparing: it asks the stage who answers, and makes a check of what was
//! answered.
//!
//! One thread with a runtime of its own for each core; one acceptor deals the connections out, so
//! that no connection is stuck behind a busy thread while another is idle.

mod acceptor;
mod account;
mod admission;
mod body;
mod capture;
mod client;
mod complaint;
mod forwarded;
mod head;
mod passage;
mod pending;
mod problem;
mod service;
mod sticky;
mod upgrade;
mod watched;
mod worker;

use std::sync::Arc;

pub use acceptor::Acceptor;
pub use complaint::Complaints;
pub use passage::Edge;
pub use sticky::Sticky;
pub use worker::{Limits, Worker, WorkerHandle};

use crate::config::{Forwarded, Network};
use crate::queue::Queue;
use crate::routing::SharedRouting;
use crate::telemetry::Telemetry;

/// What all threads of the proxy share.
pub struct Shared {
    /// The operations and their stages.
    pub routing: SharedRouting,
    /// What is learnt of requests, and what is told of them.
    pub edge: Edge,
    /// Which headers tell the sides from whom a request came.
    pub forwarded: Forwarded,
    /// The networks whose word about that is believed.
    pub trusted_proxies: Vec<Network>,
    /// By what clients are recognised.
    pub sticky: Sticky,
    /// Where checks go.
    pub queue: Queue,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// What is logged about sides that do not answer.
    pub complaints: Complaints,
}
