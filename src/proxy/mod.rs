//! The proxy: the clients' side of parallax. It streams, it never waits for the copy, and it
//! knows nothing of comparing: it asks the stage who answers, and makes a check of what was
//! answered.
//!
//! One thread with a runtime of its own for each core; one acceptor deals the connections out, so
//! that no connection is stuck behind a busy thread while another is idle.

mod acceptor;
mod account;
mod address;
mod admission;
mod ask;
mod body;
mod capture;
mod client;
mod complaint;
mod fair;
mod forwarded;
mod guard;
mod head;
mod interim;
mod limits;
mod met;
mod passage;
mod pending;
mod problem;
mod sent;
mod serve;
mod service;
mod sticky;
mod tester;
mod upgrade;
mod upload;
mod watched;
mod worker;

use std::sync::Arc;

pub use acceptor::Acceptor;
pub use complaint::Complaints;
pub use passage::Edge;
pub use worker::{Worker, WorkerHandle};

use crate::queue::Queue;
use crate::routing::SharedRouting;
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;

/// What all threads of the proxy share.
pub struct Shared {
    /// What clients are shown; none where they speak without TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// The operations, their stages, and all else that is in force.
    pub routing: SharedRouting,
    /// What is learnt of requests, and what is told of them.
    pub edge: Edge,
    /// Where checks go.
    pub queue: Queue,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// What is logged about sides that do not answer.
    pub complaints: Complaints,
}
