//! Who answers which operation now, with all that another tool needs to do the same.

use std::sync::Arc;

use http::{HeaderName, Method};

use crate::exchange::Side;
use crate::operation::{Operation, OperationId};
use crate::stage::Stage;
use crate::template::Template;

/// The plan of this moment: the operations with their stages, the sides, and what tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentPlan {
    /// Where clients connect, as `address:port`.
    pub(super) listen: String,
    /// Whether clients are spoken to through TLS.
    pub(super) is_tls: bool,
    /// The service that is being replaced.
    pub(super) legacy: Service,
    /// The service that replaces it.
    pub(super) candidate: Service,
    /// What tells one client from another.
    pub(super) client_key: ClientKey,
    /// What the hash of a client's key starts from; see [`crate::stage::Bucket::seed`].
    pub(super) seed: u64,
    /// Networks whose word about the client's address is believed.
    pub(super) trusted_proxies: Vec<String>,
    /// Who answers requests of no operation.
    pub(super) other: Side,
    /// The operations, in the order of the configuration.
    pub(super) routes: Vec<Route>,
}

/// An operation where it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub(super) id: OperationId,
    pub(super) method: Method,
    pub(super) template: Template,
    pub(super) candidate_path: Option<Template>,
    pub(super) stage: Stage,
    /// Counts the changes of its stage.
    pub(super) revision: u64,
}

impl Route {
    /// An operation in this stage, which is its so-many-th.
    #[must_use]
    pub fn of(operation: &Operation, stage: Stage, revision: u64) -> Self {
        Self {
            id: operation.id.clone(),
            method: operation.matcher.method.clone(),
            template: operation.matcher.template.clone(),
            candidate_path: operation.candidate_path.clone(),
            stage,
            revision,
        }
    }

    /// The methods of its requests: HEAD belongs to its GET.
    pub(super) fn methods(&self) -> Vec<&str> {
        if self.method == Method::GET { vec!["GET", "HEAD"] } else { vec![self.method.as_str()] }
    }
}

/// How a side is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub(super) is_tls: bool,
    /// A name or an IP address, IPv6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they stand in a `Host` header.
    pub(super) authority: String,
    /// What goes before every path: empty, or `/base` without a slash at its end.
    pub(super) base_path: String,
    pub(super) host_policy: HostPolicy,
    /// Whether it is spoken to in HTTP/2 only.
    pub(super) is_http2: bool,
    /// Whether it has authorities, a certificate or a server name of its own under `tls`.
    pub(super) has_own_tls: bool,
    /// The names of the headers that it gets from parallax.
    pub(super) headers: Vec<HeaderName>,
}

/// What a side is told in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client said.
    Preserve,
    /// The side's own host and port.
    Upstream,
    /// This name.
    Name(String),
}

/// Where a client's key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKey {
    /// The client's address.
    Address,
    /// The value of this cookie.
    Cookie(Arc<str>),
    /// The value of this header.
    Header(HeaderName),
}

/// Why a plan cannot be written for another tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: `{text}` {why}")]
pub struct PlanError {
    /// What it is about.
    pub what: &'static str,
    /// What stands there.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl PlanError {
    pub(super) fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        Self { what, text: text.chars().take(200).collect(), why }
    }
}

impl PresentPlan {
    /// A plan for clients that connect to `listen`, without operations yet. The salt itself is not
    /// kept.
    ///
    /// # Errors
    /// When something in it cannot be an address, a network or a cookie's name.
    pub fn new(
        listen: &str,
        sides: (Service, Service),
        client_key: ClientKey,
        seed: u64,
    ) -> Result<Self, PlanError> {
        if let ClientKey::Cookie(name) = &client_key
            && HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            return Err(PlanError::new("the cookie", name, "is no name of a cookie"));
        }
        let (legacy, candidate) = sides;
        let plan = Self {
            listen: String::new(),
            is_tls: false,
            legacy,
            candidate,
            client_key,
            seed,
            trusted_proxies: Vec::new(),
            other: Side::Legacy,
            routes: Vec::new(),
        };
        plan.listening_at(listen)
    }

    /// The same for clients that connect elsewhere.
    ///
    /// # Errors
    /// When it is no address.
    pub fn listening_at(mut self, listen: &str) -> Result<Self, PlanError> {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte);
        if !listen.contains(':') || !listen.bytes().all(is_part) {
            return Err(PlanError::new("listen", listen, "is no address with a port, like 127.0.0.1:8080"));
        }
        listen.clone_into(&mut self.listen);
        Ok(self)
    }

    /// Whether clients connect to a port that the system has chosen, which nobody else can be told.
    #[must_use]
    pub fn is_port_unknown(&self) -> bool {
        self.listen.ends_with(":0")
    }

    /// The same, with or without TLS for clients.
    #[must_use]
    pub fn with_tls(mut self, is_tls: bool) -> Self {
        self.is_tls = is_tls;
        self
    }

    /// The same with these networks, in CIDR notation, whose word about a client's address is believed.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn trusting(mut self, networks: Vec<String>) -> Result<Self, PlanError> {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || b":./".contains(&byte);
        if let Some(bad) = networks.iter().find(|text| text.is_empty() || !text.bytes().all(is_part)) {
            return Err(PlanError::new("trusted_proxies", bad, "is no network"));
        }
        self.trusted_proxies = networks;
        Ok(self)
    }

    /// The same, with this side answering the requests of no operation.
    #[must_use]
    pub fn with_other(mut self, other: Side) -> Self {
        self.other = other;
        self
    }

    /// Who answers the requests of no operation, by its name.
    pub(super) fn other(&self) -> (&'static str, &Service) {
        let service = match self.other {
            Side::Legacy => &self.legacy,
            Side::Candidate => &self.candidate,
        };
        (self.other.as_str(), service)
    }

    /// The same with these operations.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<Route>) -> Self {
        self.routes = routes;
        self
    }
}

impl Service {
    /// A side at this URL, `http://host:port/base`. Stricter than a URL has to be: what stands here is
    /// written into other programs' configuration.
    ///
    /// # Errors
    /// When it is no such URL, or has characters that no host or path needs.
    pub fn at(url: &str, host_policy: HostPolicy) -> Result<Self, PlanError> {
        let error = |why| PlanError::new("a side", url, why);
        let uri: http::Uri = url.parse().map_err(|_| error("is no URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(error("is no http or https URL")),
        };
        let authority = uri.authority().ok_or_else(|| error("names no host"))?;
        let odd_host = "has a host that cannot be written down for another tool";
        if !is_host(authority.as_str()) || uri.query().is_some() {
            return Err(error(odd_host));
        }
        if let HostPolicy::Name(name) = &host_policy
            && !is_host(name)
        {
            return Err(PlanError::new("host", name, odd_host));
        }
        let base_path = uri.path().trim_end_matches('/');
        if !base_path.bytes().all(is_path_byte) {
            return Err(error("has a path that cannot be written down for another tool"));
        }
        Ok(Self {
            is_tls,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            base_path: base_path.to_owned(),
            host_policy,
            is_http2: false,
            has_own_tls: false,
            headers: Vec::new(),
        })
    }

    /// The same, spoken to in HTTP/2 only or not.
    #[must_use]
    pub fn with_http2(mut self, is_http2: bool) -> Self {
        self.is_http2 = is_http2;
        self
    }

    /// The same, with authorities, a certificate or a server name of its own or without.
    #[must_use]
    pub fn with_own_tls(mut self, has_own_tls: bool) -> Self {
        self.has_own_tls = has_own_tls;
        self
    }

    /// The same, which gets these headers from parallax.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<HeaderName>) -> Self {
        self.headers = headers;
        self
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Host and port, the port always.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

/// What may stand in a path (RFC 3986 section 3.3).
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte)
}
