//! By what a client is recognised, so that it stays on one side: a cookie, a header, or its
//! address.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use parallax_core::stage::Bucket;

use super::address::Trusted;
use crate::config::{self, Network, Settings, StickyKey};

/// How long a client keeps the cookie that it is given, in seconds: a year.
const KEPT: u32 = 365 * 24 * 60 * 60;

/// Puts clients into buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sticky<'s> {
    configured: &'s config::Sticky,
    /// The networks whose `X-Forwarded-For` is believed.
    trusted: &'s [Network],
}

impl<'s> Sticky<'s> {
    /// By the key in these settings.
    pub(crate) fn of(settings: &'s Settings) -> Self {
        Self { configured: &settings.sticky, trusted: &settings.trusted_proxies }
    }

    /// A cookie for a client that has none, where it is to be given one. Until it brings it back legacy
    /// answers, so that a client which keeps no cookies does not change sides with each request.
    pub(crate) fn gift(&self, scheme: &str) -> Option<HeaderValue> {
        let StickyKey::Cookie(name) = &self.configured.key else { return None };
        if !self.configured.set {
            return None;
        }
        let (key, secure) = (fastrand::u128(..), if scheme == "https" { "; Secure" } else { "" });
        let cookie = format!("{name}={key:032x}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).ok()
    }

    /// The bucket of a request's client; none without a key.
    pub(crate) fn bucket(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<Bucket> {
        let salt = &self.configured.salt;
        match &self.configured.key {
            StickyKey::Cookie(name) => cookie(headers, name).map(|value| Bucket::of(salt, value)),
            StickyKey::Header(name) => headers
                .get(name)
                .filter(|value| !value.is_empty())
                .map(|value| Bucket::of(salt, value.as_bytes())),
            StickyKey::ClientIp => {
                let client = Trusted(self.trusted).client_address(headers, peer.ip());
                Some(Bucket::of(salt, client.to_string().as_bytes()))
            }
        }
    }
}

/// Gives a client its cookie, but for answers that a shared cache may keep (RFC 9111 section 3), or many
/// clients would have one cookie then; and where the service gives one of this name itself.
pub(crate) fn give<B>(response: &mut Response<B>, cookie: HeaderValue) {
    let is_of_http = !matches!(response.status(), StatusCode::SWITCHING_PROTOCOLS | StatusCode::NOT_MODIFIED);
    let headers = response.headers();
    if is_of_http && !may_be_shared(headers) && !is_given(headers, &cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn may_be_shared(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives: Vec<String> = lines
        .flat_map(|line| line.split(','))
        .map(|directive| directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let says = |names: &[&str]| directives.iter().any(|directive| names.contains(&directive.as_str()));
    let is_kept = says(&["public", "s-maxage", "max-age"])
        || headers.contains_key(header::EXPIRES)
        || headers.contains_key(header::LAST_MODIFIED);
    is_kept && !says(&["private", "no-store"])
}

/// Whether the service sets a cookie of the same name.
fn is_given(headers: &HeaderMap, cookie: &HeaderValue) -> bool {
    let name = |value: &HeaderValue| {
        value.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii().to_vec()
    };
    headers.get_all(header::SET_COOKIE).iter().any(|given| name(given) == name(cookie))
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

    struct Own(config::Sticky, Vec<Network>);

    impl Own {
        fn bucket(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<Bucket> {
            Sticky { configured: &self.0, trusted: &self.1 }.bucket(headers, peer)
        }
    }

    fn sticky(key: StickyKey, trusted: &[&str]) -> Own {
        let configured = config::Sticky { key, set: false, salt: "salt".into() };
        Own(configured, trusted.iter().map(|text| text.parse().unwrap()).collect())
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
        let bucket = |value: &str| near.bucket(&with("x-forwarded-for", value), PEER.parse().unwrap());
        assert_eq!(bucket("1.1.1.1, 9.9.9.9, 10.0.0.3"), bucket_of("9.9.9.9"));
        assert_eq!(bucket("nonsense, 10.0.0.3"), bucket_of("10.0.0.3"));
        let far = sticky(StickyKey::ClientIp, &[]);
        let spoofed = far.bucket(&with("x-forwarded-for", "9.9.9.9"), PEER.parse().unwrap());
        assert_eq!(spoofed, bucket_of("10.0.0.7"));
    }
}
