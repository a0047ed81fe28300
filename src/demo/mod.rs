//! `parallax demo`: a sample monolith and its replacement with planted faults, the proxy between
//! them and simulated customers, and at the end a report that names each fault. The case is the
//! article's: a shop's returns move out of a monolith.
//!
//! It needs nothing but the binary: no configuration, no network beyond 127.0.0.1, ports that are
//! free. The report is made from the public API alone.

mod args;
mod client;
mod customers;
mod endpoint;
mod fault;
mod live;
mod monolith;
mod replacement;
pub mod report;
mod returns;
mod server;
mod show;
#[cfg(test)]
mod tests;
pub mod traffic;

use std::io;

pub use args::DemoArgs;
pub use fault::Fault;
pub use live::{DemoError, Live, Report};
use monolith::Monolith;
use replacement::Replacement;
use returns::Shop;
use server::Server;
pub use show::run;

/// The seed of the demo's shop and its customers.
pub const SEED: u64 = 2021;

/// Both sample services, running. They stop when this is dropped.
#[derive(Debug)]
pub struct Services {
    legacy: Server,
    candidate: Server,
}

impl Services {
    /// Starts both on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// When the system has no port or thread to give.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            legacy: Server::start("demo-legacy", Monolith::new(Shop::new(SEED)))?,
            candidate: Server::start("demo-candidate", Replacement::new(Shop::new(SEED)))?,
        })
    }

    /// The monolith's address, as a URL.
    #[must_use]
    pub fn legacy_url(&self) -> String {
        self.legacy.url()
    }

    /// The replacement's address, as a URL.
    #[must_use]
    pub fn candidate_url(&self) -> String {
        self.candidate.url()
    }
}

/// The demo's configuration, as a user would write it in parallax.yaml.
#[must_use]
pub fn config(legacy_url: &str, candidate_url: &str) -> String {
    format!(
        "listen: 127.0.0.1:0
control: {{listen: 127.0.0.1:0}}
legacy: {{url: \"{legacy_url}\"}}
candidate: {{url: \"{candidate_url}\", timeout: 10s}}
store: \"memory://\"
sticky: {{cookie: session}}
defaults:
  stage: shadow
  target: 99%
  min_checks: 100
  samples: plain        # the customers are made up
operations:
  - {{id: listReturns, match: GET /returns}}
  - {{id: getReturn, match: \"GET /returns/{{return_id}}\"}}
  - id: createReturn
    match: POST /returns
    idempotent: true    # by the header Idempotency-Key, on both sides
  - {{id: getReturnLabel, match: \"GET /returns/{{return_id}}/label\"}}
  - {{id: getReturnPolicy, match: \"GET /return-policies/{{country}}\"}}
"
    )
}
