//! Where a side is and how it is spoken to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Uri};

use super::protocol::Protocol;
use super::scalar::Scalar;
use crate::tls::SideTls;

/// How one of the two services is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is.
    pub url: UpstreamUrl,
    /// Whom we take for it, and as whom we come; present exactly when the URL is `https://`.
    pub tls: Option<SideTls>,
    /// In which version of HTTP it is spoken to.
    pub protocol: Protocol,
    /// What it is told in `Host`.
    pub host: HostPolicy,
    /// How long it may take for an answer to a client; none: as long as the client waits.
    pub timeout: Option<Duration>,
    /// Copies in flight to it, at most.
    pub max_in_flight: usize,
    /// Headers that every request to it gets, in place of the client's; marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Upstream {
    /// Whether its `tls` has keys without which it would be another side to whoever asks it: its
    /// authorities, what it is shown, or a name that is not its host.
    #[must_use]
    pub fn has_own_tls(&self) -> bool {
        let is_own = |tls: &SideTls| {
            tls.ca.is_some() || tls.certificate.is_some() || tls.server_name.to_str() != self.url.host
        };
        self.tls.as_ref().is_some_and(is_own)
    }
}

/// What a side is spoken to through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TCP as it is.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The port that need not be typed.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Where a side is: `http://host:port/base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// A name or an IP address, IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port as they stand in a `Host` header: the port only where it was typed.
    pub authority: Authority,
    /// What goes before every path: empty, or `/base` without a slash at its end.
    pub base_path: String,
}

impl UpstreamUrl {
    /// Whether requests sent here would arrive at our own listener.
    #[must_use]
    pub fn reaches(&self, listener: SocketAddr) -> bool {
        let own = listener.ip();
        let address = match self.host.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) if self.host.eq_ignore_ascii_case("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
            Err(_) => None,
        };
        let same = |address: IpAddr| {
            address == own
                || address.is_unspecified() && (own.is_loopback() || own.is_unspecified())
                || address.is_loopback() && own.is_unspecified()
        };
        listener.port() != 0 && listener.port() == self.port && address.is_some_and(same)
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base_path)
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl Scalar for UpstreamUrl {
    fn read(text: &str) -> Result<Self, String> {
        let write_it = "write it like `http://127.0.0.1:8081` or `https://returns.internal/v1`";
        if text.contains('@') {
            return Err("a URL must not hold a user or password; send them with `headers`".to_owned());
        }
        let uri: Uri = text.parse().map_err(|error| format!("`{text}` is no URL ({error}); {write_it}"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(format!("`{text}` is no http URL; {write_it}")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{text}` names no host; {write_it}"))?;
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("`{text}` has a query or fragment; a side is a host and a base path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let typed = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
        let port = match typed.map(str::parse::<u16>) {
            None => scheme.default_port(),
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(format!("`{text}` has no port between 1 and 65535")),
        };
        if host.is_empty() {
            return Err(format!("`{text}` names no host; {write_it}"));
        }
        let base_path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host, port, authority: authority.clone(), base_path })
    }

    fn schema() -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "uri", "pattern": "^https?://"})
    }
}

/// What a side is told in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client said.
    Preserve,
    /// The side's own host and port.
    Upstream,
    /// This name.
    Name(HeaderValue),
}

impl Scalar for HostPolicy {
    fn read(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is neither `preserve` nor `upstream` nor a host name");
        match text {
            "preserve" => Ok(Self::Preserve),
            "upstream" => Ok(Self::Upstream),
            name => match name.parse::<Authority>() {
                Ok(authority) if !name.contains('@') && !authority.host().is_empty() => {
                    HeaderValue::from_str(name).map(Self::Name).map_err(|_| error())
                }
                _ => Err(error()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> UpstreamUrl {
        UpstreamUrl::read(text).expect("a url")
    }

    #[test]
    fn a_url_falls_into_its_parts() {
        let full = url("http://returns.internal:8081/v1/");
        assert_eq!(
            (full.host.as_str(), full.port, full.base_path.as_str()),
            ("returns.internal", 8081, "/v1")
        );
        let short = url("http://[::1]");
        assert_eq!((short.host.as_str(), short.port, short.base_path.as_str()), ("::1", 80, ""));
        assert_eq!(short.authority, "[::1]");
        assert_eq!((short.scheme, url("https://a").scheme), (Scheme::Http, Scheme::Https));
        assert_eq!((url("https://a").port, url("HTTPS://a:8443/v1").port), (443, 8443));
        assert_eq!(url("HTTPS://a:8443/v1/").to_string(), "https://a:8443/v1");
    }

    #[test]
    fn what_is_no_side_is_refused() {
        for bad in [
            "",
            "returns:80",
            "/path",
            "ftp://a/",
            "wss://a/",
            "http://",
            "http://u:p@a/",
            "http://a/?x",
            "http://a/#x",
            "http://a:0/",
            "http://a:99999/",
            "http://a b/",
            "http://:80/",
        ] {
            assert!(UpstreamUrl::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_side_that_is_ourselves_is_recognised() {
        let reaches = |text: &str, listener: &str| url(text).reaches(listener.parse().expect("an address"));
        assert!(reaches("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(reaches("http://localhost:8080", "0.0.0.0:8080"));
        assert!(reaches("http://[::1]:8080", "[::]:8080"));
        assert!(reaches("http://0.0.0.0:8080", "127.0.0.1:8080"));
        assert!(!reaches("http://127.0.0.1:8081", "127.0.0.1:8080"));
        assert!(!reaches("http://10.0.0.1:8080", "0.0.0.0:8080"));
        assert!(!reaches("http://127.0.0.1:80", "127.0.0.1:0"));
    }

    #[test]
    fn a_host_is_a_policy_or_a_name() {
        assert_eq!(HostPolicy::read("preserve"), Ok(HostPolicy::Preserve));
        assert_eq!(HostPolicy::read("upstream"), Ok(HostPolicy::Upstream));
        assert_eq!(
            HostPolicy::read("shop.example:80"),
            Ok(HostPolicy::Name(HeaderValue::from_static("shop.example:80")))
        );
        for bad in ["", "a b", "user@host", "http://a"] {
            assert!(HostPolicy::read(bad).is_err(), "{bad}");
        }
    }
}
