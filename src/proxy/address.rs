//! Who the client is: the peer of the connection, or whom trusted proxies name.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::config::Network;

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks whose word about the client is believed, as configured in `trusted_proxies`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trusted<'s>(pub(crate) &'s [Network]);

impl Trusted<'_> {
    /// Whether this peer's word is believed.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client: the last one in `X-Forwarded-For` that no trusted proxy has,
    /// read from the right, because everything left of it is the client's own claim.
    pub(crate) fn client_address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        if !self.has(peer) {
            return peer.to_canonical();
        }
        let mut nearest = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
        for hop in lines.flat_map(|line| line.rsplit(',')) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            nearest = address;
            if !self.has(address) {
                break;
            }
        }
        nearest.to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_nearest_that_no_trusted_proxy_is() {
        let networks = ["10.0.0.0/8".parse().unwrap()];
        let near = Trusted(&networks);
        let address = |trusted: Trusted<'_>, lines: &[&str]| {
            let headers =
                lines.iter().map(|line| (FORWARDED_FOR, line.parse().unwrap())).collect::<HeaderMap>();
            trusted.client_address(&headers, "::ffff:10.0.0.7".parse().unwrap()).to_string()
        };
        assert_eq!(address(near, &["1.1.1.1, 9.9.9.9, 10.0.0.3"]), "9.9.9.9");
        assert_eq!(address(near, &["9.9.9.9", "10.0.0.4", "10.0.0.3"]), "9.9.9.9");
        assert_eq!(address(near, &["nonsense, 10.0.0.3"]), "10.0.0.3");
        assert_eq!(address(near, &[]), "10.0.0.7");
        assert_eq!(address(Trusted(&[]), &["9.9.9.9"]), "10.0.0.7");
    }
}
