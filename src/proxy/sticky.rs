//! By what a client is recognised, so that it stays on one side: a cookie, a header, or its
//! address.

use std::net::SocketAddr;

use http::{HeaderMap, header};
use parallax_core::stage::Bucket;

use super::address::Trusted;
use crate::config::{self, Network, StickyKey};

/// Puts clients into buckets.
#[derive(Clone, Debug)]
pub struct Sticky {
    configured: config::Sticky,
    trusted: Vec<Network>,
}

impl Sticky {
    /// By the configured key; `trusted` are those whose `X-Forwarded-For` is believed.
    #[must_use]
    pub fn new(configured: config::Sticky, trusted: Vec<Network>) -> Self {
        Self { configured, trusted }
    }

    /// The bucket of a request's client; none without a key.
    #[must_use]
    pub fn bucket(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<Bucket> {
        let salt = &self.configured.salt;
        match &self.configured.key {
            StickyKey::Cookie(name) => cookie(headers, name).map(|value| Bucket::of(salt, value)),
            StickyKey::Header(name) => headers
                .get(name)
                .filter(|value| !value.is_empty())
                .map(|value| Bucket::of(salt, value.as_bytes())),
            StickyKey::ClientIp => {
                let client = Trusted(&self.trusted).client_address(headers, peer.ip());
                Some(Bucket::of(salt, client.to_string().as_bytes()))
            }
        }
    }
}

fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
        .find_map(|pair| {
            let pair = pair.trim_ascii();
            let value = pair.strip_prefix(wanted.as_bytes())?.strip_prefix(b"=")?;
            (!value.is_empty()).then_some(value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticky(key: StickyKey, trusted: &[&str]) -> Sticky {
        let configured = config::Sticky { key, salt: "salt".into() };
        Sticky::new(configured, trusted.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn bucket_of(key: &str) -> Option<Bucket> {
        Some(Bucket::of("salt", key.as_bytes()))
    }

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    const PEER: &str = "10.0.0.7:4711";

    #[test]
    fn by_cookie() {
        let sticky = sticky(StickyKey::Cookie("session".into()), &[]);
        let bucket = |value: &str| sticky.bucket(&with("cookie", value), PEER.parse().unwrap());
        assert_eq!(bucket("a=b; session=17; c=d"), bucket_of("17"));
        assert_eq!(bucket("mysession=17"), None);
        assert_eq!(bucket("session="), None);
    }

    #[test]
    fn by_address_behind_trusted_proxies() {
        let near = sticky(StickyKey::ClientIp, &["10.0.0.0/8"]);
        let forwarded = with("x-forwarded-for", "1.1.1.1, 9.9.9.9, 10.0.0.3");
        assert_eq!(near.bucket(&forwarded, PEER.parse().unwrap()), bucket_of("9.9.9.9"));
        let far = sticky(StickyKey::ClientIp, &[]);
        assert_eq!(far.bucket(&forwarded, PEER.parse().unwrap()), bucket_of("10.0.0.7"));
    }
}
