//! The way to a side: its address, resolved again and again; its connections, in HTTP/1.1 or
//! HTTP/2 and with or without TLS, kept and reused; and what went wrong, in the words of the
//! contract.
//!
//! Each thread has pools of its own, so that nothing on the hot path waits for another thread,
//! and the copy for comparison never takes a connection from the answering side.

mod address;
mod again;
mod body;
mod connect;
mod error;
mod health;
mod hop;
mod http1;
mod http2;
mod interim;
mod mend;
mod pool;
mod reach;
mod response;
mod sides;
mod tape;

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use parallax_core::exchange::Side;

use crate::config::{self, HostPolicy, Protocol};
use crate::telemetry::CountRepair;
use crate::tls::{ALPN_H2, ALPN_HTTP1, ClientTls, TlsError};

pub use address::Addresses;
pub use again::Again;
pub use body::{BodyError, RequestBody};
pub use error::{Fault, SendError};
pub use hop::{WantsTrailers, is_hop_by_hop, names_connection, strip_hop_by_hop};
pub use interim::{HearInterim, Interim};
pub use pool::{Pool, PoolLimits};
pub use reach::{Kept, Reach, Threads};
pub use response::ResponseBody;
pub use sides::{Access, Sides};

/// A side as configured.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Which side this is.
    pub side: Side,
    /// Host and port as in the URL.
    pub authority: HeaderValue,
    /// What precedes every path: empty, or `/base` without a trailing slash.
    pub base_path: String,
    /// What the `Host` header says.
    pub host: HostPolicy,
    /// Headers that are set on every request to this side.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a complete answer may take; none waits as long as the client does.
    pub timeout: Option<Duration>,
    /// Where it is.
    pub addresses: Arc<Addresses>,
    /// In which version of HTTP it is spoken to.
    pub protocol: Protocol,
    /// How TLS is spoken with it; none: in the clear.
    pub tls: Option<ClientTls>,
    /// Counts what was repaired in its answers.
    pub count_repair: CountRepair,
}

impl Upstream {
    /// A side as the configuration has it. `count_repair` counts what was repaired in its answers.
    ///
    /// # Errors
    /// When its certificates, or those of the system, are of no use.
    pub fn new(
        side: Side,
        configured: &config::Upstream,
        count_repair: CountRepair,
    ) -> Result<Self, TlsError> {
        let url = &configured.url;
        let offering = [ALPN_H2, ALPN_HTTP1];
        let tls = configured.tls.as_ref().map(|tls| ClientTls::new(tls, &offering)).transpose()?;
        Ok(Self {
            side,
            authority: HeaderValue::from_str(url.authority.as_str()).unwrap_or(HeaderValue::from_static("")),
            base_path: url.base_path.clone(),
            host: configured.host.clone(),
            headers: configured.headers.clone(),
            timeout: configured.timeout,
            addresses: Arc::new(Addresses::new(&url.host, url.port)),
            protocol: configured.protocol,
            tls,
            count_repair,
        })
    }

    /// Sets the headers that the side is told beside the client's own.
    pub fn address(&self, headers: &mut HeaderMap) {
        match &self.host {
            HostPolicy::Preserve if headers.contains_key(header::HOST) => {}
            HostPolicy::Preserve | HostPolicy::Upstream => {
                headers.insert(header::HOST, self.authority.clone());
            }
            HostPolicy::Name(name) => {
                headers.insert(header::HOST, name.clone());
            }
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// The target as the side knows it: beneath its base path, byte for byte.
    #[must_use]
    pub fn uri(&self, target: &PathAndQuery) -> Uri {
        if self.base_path.is_empty() {
            return Uri::from(target.clone());
        }
        let joined = format!("{}{target}", self.base_path);
        PathAndQuery::try_from(joined).map_or_else(|_| Uri::from(target.clone()), Uri::from)
    }
}
