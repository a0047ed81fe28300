//! What the sides are told of where a request came from: `X-Forwarded-*`, and `Forwarded`
//! (RFC 7239). It is written once, before the copy's head is taken, so that both sides are told
//! the same.
//!
//! A client can put anything into these headers. What it says counts only when it comes through a
//! trusted proxy; otherwise all headers of this family are taken off, also those that are not
//! written here: a side that reads one of them would take a stranger's word for a proxy's.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::address::FORWARDED_FOR;
use crate::config;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FAMILY: &str = "x-forwarded-";

/// What we are called in `by`: the name is made up (RFC 7239 section 6.3), because the address of
/// a listener is nobody's business.
const BY: &str = "_parallax";

/// How a request reached us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The peer of its connection.
    pub(crate) peer: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(crate) is_trusted: bool,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The port that it was sent to.
    pub(crate) port: u16,
}

/// Writes the configured headers. `Host` must say by now what the client asked for.
pub(crate) fn write(headers: &mut HeaderMap, configured: config::Forwarded, arrival: &Arrival) {
    if configured == config::Forwarded::Off {
        return;
    }
    if !arrival.is_trusted {
        take_off_claims(headers);
    }
    if configured.has_x_forwarded() {
        write_x_forwarded(headers, arrival);
    }
    if configured.has_rfc7239() {
        append(headers, &header::FORWARDED, &element(headers, arrival));
    }
}

fn take_off_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &HeaderName| {
        name.as_str().starts_with(FAMILY) || *name == header::FORWARDED || *name == REAL_IP
    };
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

fn write_x_forwarded(headers: &mut HeaderMap, arrival: &Arrival) {
    append(headers, &FORWARDED_FOR, &arrival.peer.to_canonical().to_string());
    // What a trusted proxy has said of the client's connection stays, and is not mixed with what we
    // know of its own: our port beside its `https` would make URLs that lead nowhere.
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(arrival.scheme));
        if !headers.contains_key(FORWARDED_PORT) {
            headers.insert(FORWARDED_PORT, HeaderValue::from(arrival.port));
        }
    }
    if !headers.contains_key(FORWARDED_HOST)
        && let Some(host) = headers.get(header::HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// Our element of `Forwarded`.
fn element(headers: &HeaderMap, arrival: &Arrival) -> String {
    let mut element = match arrival.peer.to_canonical() {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        element.push_str(";host=");
        push_value(&mut element, host);
    }
    write!(element, ";proto={};by={BY}", arrival.scheme).ok();
    element
}

/// A token as it is, anything else quoted (RFC 9110 section 5.6).
fn push_value(element: &mut String, value: &str) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if value.bytes().all(is_token) {
        element.push_str(value);
        return;
    }
    element.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            element.push('\\');
        }
        element.push(character);
    }
    element.push('"');
}

/// Adds to the end of a list, in one line as most readers expect it.
fn append(headers: &mut HeaderMap, name: &HeaderName, element: &str) {
    let mut list: Vec<u8> = Vec::new();
    for line in headers.get_all(name) {
        if !line.as_bytes().trim_ascii().is_empty() {
            list.extend_from_slice(line.as_bytes());
            list.extend_from_slice(b", ");
        }
    }
    list.extend_from_slice(element.as_bytes());
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(list)) {
        headers.insert(name.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Forwarded;

    fn written(given: &[(&str, &str)], configured: Forwarded, peer: &str, is_trusted: bool) -> Vec<String> {
        let mut headers: HeaderMap = given
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let arrival = Arrival { peer: peer.parse().unwrap(), is_trusted, scheme: "http", port: 8080 };
        write(&mut headers, configured, &arrival);
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const HOST: (&str, &str) = ("host", "shop.test:8080");
    /// What a client claims, or a proxy says.
    const SAID: [(&str, &str); 8] = [
        HOST,
        ("forwarded", "for=9.9.9.9"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-host", "www.shop.test"),
        ("x-forwarded-prefix", "/shop"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "9.9.9.9"),
    ];

    #[test]
    fn off_changes_nothing() {
        let lines = written(&SAID, Forwarded::Off, "10.0.0.1", false);
        assert_eq!(lines.len(), SAID.len());
        assert!(lines.contains(&"x-forwarded-for: 1.1.1.1".to_owned()), "{lines:?}");
    }

    #[test]
    fn a_strangers_claims_are_replaced() {
        let expected = [
            "host: shop.test:8080",
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-host: shop.test:8080",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ];
        assert_eq!(written(&SAID, Forwarded::XHeaders, "10.0.0.1", false), expected);
        assert_eq!(written(&[HOST], Forwarded::XHeaders, "::ffff:10.0.0.1", false), expected);
        let expected = [
            "forwarded: for=10.0.0.1;host=\"shop.test:8080\";proto=http;by=_parallax",
            "host: shop.test:8080",
        ];
        assert_eq!(written(&SAID, Forwarded::Rfc7239, "10.0.0.1", false), expected);
    }

    #[test]
    fn a_trusted_proxys_word_stays_and_is_added_to() {
        let expected = [
            "forwarded: for=9.9.9.9, for=\"[fd00::1]\";host=\"shop.test:8080\";proto=http;by=_parallax",
            "host: shop.test:8080",
            "x-forwarded-for: 1.1.1.1, 9.9.9.9, fd00::1",
            "x-forwarded-host: www.shop.test",
            "x-forwarded-prefix: /shop",
            "x-forwarded-proto: https",
            "x-real-ip: 9.9.9.9",
        ];
        assert_eq!(written(&SAID, Forwarded::Both, "fd00::1", true), expected);
    }

    #[test]
    fn a_host_that_is_no_token_is_quoted() {
        let element =
            |host: &str| written(&[("host", host)], Forwarded::Rfc7239, "10.0.0.1", false)[0].clone();
        assert!(element("shop").contains(";host=shop;"));
        assert!(element("a\";for=6.6.6.6;x=\"").contains(r#";host="a\";for=6.6.6.6;x=\"";proto"#));
        assert_eq!(
            written(&[], Forwarded::Rfc7239, "10.0.0.1", false),
            ["forwarded: for=10.0.0.1;proto=http;by=_parallax"]
        );
    }
}
