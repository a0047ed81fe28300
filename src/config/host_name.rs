//! The names under which the control listener is reached: what a client writes into `Host`, which
//! is a name or an address and, where it matters, a port. No scheme, no path, no wildcard: a
//! pattern would also fit names that somebody else can register.

use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::{Schema, json_schema};

use super::scalar::Scalar;

/// RFC 1035 section 2.3.4.
const LONGEST_NAME_BYTES: usize = 253;
/// RFC 1035 section 2.3.4.
const LONGEST_LABEL_BYTES: usize = 63;

/// A name as it stands in `Host`: `parallax.internal`, `parallax.internal:8443`, `[2001:db8::1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostName {
    /// The name, in small letters, with its port when it has one.
    pub(super) text: String,
    /// Whether nobody but this machine is meant by it.
    pub(super) is_loopback: bool,
}

impl Scalar for HostName {
    fn read(text: &str) -> Result<Self, String> {
        let (name, is_port) = split_port(text);
        match is_loopback(name) {
            Some(is_loopback) if is_port => Ok(Self { text: text.to_ascii_lowercase(), is_loopback }),
            _ => Err(format!(
                "`{text}` is no name of a host; write what clients put into `Host`, like `parallax.internal`, `parallax.internal:8443` or `[2001:db8::1]`"
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$"})
    }
}

/// The name, and whether what stands behind it is a port or nothing.
fn split_port(text: &str) -> (&str, bool) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
            (name, is_digits && port.parse::<u16>().is_ok_and(|port| port > 0))
        }
        Some(_) | None => (text, true),
    }
}

/// Whether the name is this machine's alone; none when it is no name.
fn is_loopback(name: &str) -> Option<bool> {
    if let Some(address) = name.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_canonical().is_loopback());
    }
    let is_numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_numeric {
        return name.parse::<Ipv4Addr>().ok().map(|address| address.is_loopback());
    }
    let is_name = name.len() <= LONGEST_NAME_BYTES && name.split('.').all(is_label);
    is_name.then(|| name.eq_ignore_ascii_case("localhost"))
}

/// Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore that networks of
/// containers put into names.
fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_edge = label.starts_with('-') || label.ends_with('-');
    (1..=LONGEST_LABEL_BYTES).contains(&label.len()) && !is_edge && label.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_names_are_loopback() {
        let is_loopback = |text| HostName::read(text).expect("a name").is_loopback;
        for own in ["localhost", "LOCALHOST:9900", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:9900"] {
            assert!(is_loopback(own), "{own}");
        }
        let others = [
            "parallax.internal",
            "localhost.example",
            "192.0.2.1:9900",
            "[2001:db8::1]:1",
            "0.0.0.0",
            "my_host",
        ];
        for other in others {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn what_no_client_can_put_into_host_is_refused() {
        let long = "a".repeat(64);
        let bad = [
            "",
            " ",
            "*",
            "*.example",
            "a b",
            "http://a",
            "a/",
            "a@b",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:b:1",
            "::1",
            "[::1",
            "[::1]x",
            "[a]",
            "127.1",
            "1.2.3.4.5",
            "a..b",
            ".",
            "a.",
            "-a",
            "a-",
            "é",
            &long,
        ];
        for bad in bad {
            assert!(HostName::read(bad).is_err(), "{bad}");
        }
    }
}
