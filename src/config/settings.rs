//! The configuration as the rest of the program knows it: every default applied, every value of
//! its own type, nothing left to check.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use parallax_core::operation::Operation;

use super::drain::Drain;
use super::network::Network;
use super::scalar::Scalar;
use super::secret::Secret;
use super::side::Upstream;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The control listener.
    pub control: Control,
    /// The service that is being replaced.
    pub legacy: Upstream,
    /// The service that replaces it.
    pub candidate: Upstream,
    /// The store's URL, as `store::open` takes it.
    pub store: String,
    /// Bounds of what is held in memory.
    pub limits: Limits,
    /// What tells one client from another.
    pub sticky: Sticky,
    /// Networks whose word about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// How long samples are kept.
    pub retention: Duration,
    /// How the process ends.
    pub drain: Drain,
    /// The operations, in the order of the file; at least one, and no two match the same requests.
    pub operations: Vec<Arc<Operation>>,
}

/// The listener of the web UI, the API and the metrics.
#[derive(Clone, Debug)]
pub struct Control {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may do what. Empty only on a loopback address, where everybody is an operator.
    pub tokens: Vec<Token>,
    /// Names under which it is reached besides its own address.
    pub hosts: Vec<String>,
}

/// Someone who may use the control listener.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who it is, for the audit.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How they prove it.
    pub secret: Secret,
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and change stages.
    Operator,
    /// Post checks, and nothing else.
    Intake,
}

impl Scalar for Role {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "intake" => Ok(Self::Intake),
            _ => Err(format!("`{text}` is not one of viewer, operator, intake")),
        }
    }

    fn schema() -> schemars::Schema {
        schemars::json_schema!({"enum": ["viewer", "operator", "intake"]})
    }
}

/// Bounds of what is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Checks that wait, at most.
    pub queue_checks: usize,
    /// Bytes of checks that wait, at most.
    pub queue_bytes: usize,
    /// Longest head of a request, in bytes.
    pub head_bytes: usize,
    /// Most header fields of a request.
    pub headers: usize,
    /// Longest target of a request, in bytes.
    pub uri_bytes: usize,
}

/// What tells one client from another, so that each stays on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The key.
    pub key: StickyKey,
    /// What is hashed together with the key; the same on every node.
    pub salt: String,
}

/// Where a client's key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StickyKey {
    /// The client's address.
    ClientIp,
    /// The value of this cookie.
    Cookie(String),
    /// The value of this header.
    Header(HeaderName),
}
