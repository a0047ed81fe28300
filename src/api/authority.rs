//! Which `Host` is the listener's own. A page from elsewhere can make its own name resolve to our
//! address (DNS rebinding) and then counts as the same origin in the browser's eyes; but its name
//! is still in `Host`, so a name that is not ours is refused. An address cannot be rebound.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

/// Names and addresses under which the listener is reached.
#[derive(Clone, Debug)]
pub struct Authorities {
    listen: SocketAddr,
    names: Vec<String>,
}

impl Authorities {
    /// Those of a listener at this address.
    #[must_use]
    pub fn of(listen: SocketAddr) -> Self {
        Self { listen, names: Vec::new() }
    }

    /// These names too; a name without a port is good for every port, because whoever gives the
    /// listener a name often puts another port before it.
    pub(super) fn and(mut self, names: &[String]) -> Self {
        self.names.extend(names.iter().map(|name| name.to_ascii_lowercase()));
        self
    }

    /// Whether a `Host` is one of them.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if host.contains('@') {
            return false;
        }
        let (name, port) = (authority.host().to_ascii_lowercase(), authority.port_u16());
        if self
            .names
            .iter()
            .any(|own| *own == name || port.is_some_and(|port| *own == format!("{name}:{port}")))
        {
            return true;
        }
        port.unwrap_or(80) == self.listen.port() && self.is_address(&name)
    }

    fn is_address(&self, name: &str) -> bool {
        let own = self.listen.ip().to_canonical();
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) => {
                address == own || own.is_unspecified() || (own.is_loopback() && address.is_loopback())
            }
            Err(_) => name == "localhost" && (own.is_loopback() || own.is_unspecified()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(listen: &str) -> Authorities {
        Authorities::of(listen.parse().expect("an address"))
    }

    #[test]
    fn loopback_is_reached_by_its_addresses_and_its_name() {
        let own = at("127.0.0.1:9900");
        for good in ["127.0.0.1:9900", "localhost:9900", "LOCALHOST:9900", "[::1]:9900"] {
            assert!(own.contains(good), "{good}");
        }
        let bad = [
            "",
            "evil.example",
            "evil.example:9900",
            "127.0.0.1",
            "127.0.0.1:9901",
            "localhost.evil.example:9900",
            "127.0.0.1.evil.example:9900",
            "192.0.2.1:9900",
            "evil@127.0.0.1:9900",
            "127.0.0.1:9900@evil.example",
            "127.0.0.1:9900/x",
            "127.0.0.1:99999",
            "[::1",
        ];
        for bad in bad {
            assert!(!own.contains(bad), "{bad}");
        }
    }

    #[test]
    fn beyond_loopback_names_have_to_be_given() {
        let own = at("192.0.2.1:9900");
        assert!(own.contains("192.0.2.1:9900"));
        assert!(!own.contains("localhost:9900"));
        assert!(!own.contains("192.0.2.2:9900"));
        assert!(!own.contains("parallax.example:9900"));
        let named = own.and(&["Parallax.example".into(), "other.example:1".into()]);
        assert!(named.contains("parallax.example") && named.contains("parallax.example:443"));
        assert!(named.contains("other.example:1") && !named.contains("other.example:2"));
    }

    #[test]
    fn all_addresses_are_own_where_it_listens_on_all_and_names_are_not() {
        for own in [at("0.0.0.0:9900"), at("[::]:9900")] {
            assert!(own.contains("192.0.2.1:9900") && own.contains("[2001:db8::1]:9900"));
            assert!(own.contains("localhost:9900"));
            assert!(!own.contains("evil.example:9900") && !own.contains("192.0.2.1:80"));
        }
    }

    #[test]
    fn the_port_of_http_may_be_left_out() {
        assert!(at("192.0.2.1:80").contains("192.0.2.1"));
        assert!(at("192.0.2.1:80").contains("192.0.2.1:80"));
    }
}
