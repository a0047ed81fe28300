//! Whether a side leads back to this process. The configuration refuses what can be told from the
//! file; here it is asked which addresses are this machine's, and names are looked up. It is easily a
//! name that used to lead to the service: it was moved over to parallax, as it should be, and the
//! configuration still has it.
//!
//! Where every address of a side is ours, nothing could be answered, and parallax does not start.
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

/// Looks up both sides. `listeners` are this process's.
pub(super) async fn check(settings: &Settings, listeners: &[SocketAddr]) -> Result<(), StartError> {
    let (legacy, candidate) = (&settings.legacy.url, &settings.candidate.url);
    let (of_legacy, of_candidate) = tokio::join!(addresses_of(legacy), addresses_of(candidate));
    for (side, url, addresses) in
        [(Side::Legacy, legacy, of_legacy), (Side::Candidate, candidate, of_candidate)]
    {
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

/// The addresses that a side has now; none where its name cannot be looked up.
async fn addresses_of(url: &UpstreamUrl) -> Vec<SocketAddr> {
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

/// To an address of its own a machine speaks from that same address. Nothing is sent. (Binding to it
/// would tell as well, but where a failover daemon lets addresses be bound that are not there.)
fn is_of_this_machine(address: IpAddr) -> bool {
    let any = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let spoken_from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    address.is_loopback() || spoken_from().is_ok_and(|from| from.ip() == address)
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
        assert!(!own("127.0.0.1:80", "127.0.0.2:80"));
        // For documentation only (RFC 5737); no machine has it.
        assert!(!own("192.0.2.1:80", "0.0.0.0:80"));
    }
}
