//! Whether a side's name leads back to this process. An address that does is refused with the
//! configuration already; a name has to be looked up, and it is easily one that used to lead to the
//! service: it was moved over to parallax, as it should be, and the configuration still has it.
//!
//! Where every address of a name is ours, nothing could be answered, and parallax does not start.
//! Where some are, it starts and says so; requests that come round are recognised by their markers. A
//! name that cannot be looked up now says nothing: a resolver that is down must not keep a service
//! down.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use parallax_core::exchange::Side;

use super::StartError;
use crate::config::{Settings, UpstreamUrl};

/// How long a resolver is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks up both sides' names. `listeners` are this process's.
pub(super) async fn check(settings: &Settings, listeners: &[SocketAddr]) -> Result<(), StartError> {
    for (side, url) in [(Side::Legacy, &settings.legacy.url), (Side::Candidate, &settings.candidate.url)] {
        let addresses = addresses_of(url).await;
        let own = |address: &&SocketAddr| listeners.iter().any(|listener| is_own(**address, *listener));
        let first_own = addresses.iter().find(own);
        let Some(first) = first_own else { continue };
        if addresses.iter().all(|address| own(&address)) {
            return Err(StartError::OwnName { side, host: url.host.clone(), address: *first });
        }
        tracing::warn!(%side, host = url.host, address = %first, "one of its addresses is parallax's own");
    }
    Ok(())
}

/// The addresses that a name has now; none where it is an address, or cannot be looked up.
async fn addresses_of(url: &UpstreamUrl) -> Vec<SocketAddr> {
    if url.host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((url.host.as_str(), url.port))).await;
    found.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default()
}

fn is_own(address: SocketAddr, listener: SocketAddr) -> bool {
    if address.port() != listener.port() {
        return false;
    }
    let (address, listener) = (address.ip().to_canonical(), listener.ip().to_canonical());
    address == listener || listener.is_unspecified() && is_of_this_machine(address)
}

/// Only an address of this machine can be bound to; nothing is sent.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ours_when_it_leads_to_a_listener() {
        let own = |address: &str, listener: &str| {
            is_own(address.parse().expect("an address"), listener.parse().expect("an address"))
        };
        assert!(own("127.0.0.1:80", "127.0.0.1:80"));
        assert!(own("127.0.0.1:80", "0.0.0.0:80"));
        assert!(own("127.0.0.7:80", "0.0.0.0:80"));
        assert!(own("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
        assert!(!own("127.0.0.1:81", "127.0.0.1:80"));
        // For documentation only (RFC 5737); no machine has it.
        assert!(!own("192.0.2.1:80", "0.0.0.0:80"));
    }
}
