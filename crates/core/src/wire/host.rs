//! `Host` and the authority of an absolute target (RFC 9110 section 7.2, RFC 3986 section 3.2).

use super::bytes::is_host;

/// Whether this is a host, with or without a port. User and password are none of it.
#[must_use]
pub fn is_valid(host: &[u8]) -> bool {
    match host {
        [b'[', rest @ ..] => match rest.iter().position(|&byte| byte == b']') {
            Some(end) => {
                let (address, port) = (&rest[..end], &rest[end + 1..]);
                !address.is_empty()
                    && address.iter().all(|&byte| is_address(byte))
                    && is_port_or_nothing(port)
            }
            None => false,
        },
        _ => match host.iter().position(|&byte| byte == b':') {
            Some(colon) => {
                host[..colon].iter().all(|&byte| is_host(byte)) && is_port_or_nothing(&host[colon..])
            }
            None => host.iter().all(|&byte| is_host(byte)),
        },
    }
}

/// A byte of an IPv6 address, with the zone that some clients leave in it.
fn is_address(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

fn is_port_or_nothing(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_what_is_none() {
        for good in ["", "shop", "shop.example:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "shop:"] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "user@shop",
            "a\\b",
            "shop:80:80",
            "shop:x",
            "[::1",
            "[::1]x",
            "[]",
            "a#",
            "\u{e9}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
