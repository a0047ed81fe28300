//! The configuration as the rest of the program knows it: every default applied, every value of
//! its own type, nothing left to check.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use parallax_core::exchange::Side;
use parallax_core::operation::Operation;

use super::access_log::AccessLog;
use super::drain::Drain;
use super::forwarded::Forwarded;
use super::limits::Limits;
use super::network::Network;
use super::scalar::Scalar;
use super::secret::Secret;
use super::side::Upstream;
use super::tester::Tester;
use super::traces::Traces;
use crate::tls::CertificateFiles;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// What clients are shown, the first one when nothing else fits the name that they ask for.
    /// None: they are spoken to without TLS.
    pub tls: Vec<CertificateFiles>,
    /// The control listener.
    pub control: Control,
    /// The service that is being replaced.
    pub legacy: Upstream,
    /// The service that replaces it.
    pub candidate: Upstream,
    /// A second legacy instance, to learn where legacy differs from itself.
    pub secondary: Option<Upstream>,
    /// Who answers requests of no operation.
    pub other: Side,
    /// The store's URL, as `store::open` takes it.
    pub store: String,
    /// The OpenAPI document that operations were taken from.
    pub openapi: Option<PathBuf>,
    /// Bounds of what clients may send, and of what is held in memory.
    pub limits: Limits,
    /// What tells one client from another.
    pub sticky: Sticky,
    /// Who may choose the side that answers; nobody when there is none.
    pub tester: Option<Tester>,
    /// Networks whose word about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// Which headers tell the sides from whom a request came.
    pub forwarded: Forwarded,
    /// The key that signs markers; none: one is made up.
    pub marker_key: Option<Secret>,
    /// The access log; none when it is off.
    pub access_log: Option<AccessLog>,
    /// Tracing; none when it is off.
    pub traces: Option<Traces>,
    /// How long samples are kept.
    pub retention: Duration,
    /// Where the routes for Skipper are kept; none: nowhere.
    pub routes_file: Option<PathBuf>,
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

/// What tells one client from another, so that each stays on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The key.
    pub key: StickyKey,
    /// Whether clients without the cookie are given one.
    pub set: bool,
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
