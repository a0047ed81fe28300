//! How often a peer may be wrong about a token. Each failure takes from a small allowance that
//! fills up slowly; a peer without allowance is not even listened to. What is right costs nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row before a peer has to wait.
const ALLOWED: u32 = 20;
/// How long one failure counts.
const FORGIVEN_AFTER: Duration = Duration::from_secs(6);
/// Peers that are remembered; while all of these places are taken by recent failures, a peer that
/// is not among them is let through: it is the guessers who must not be forgotten.
const MAX_PEERS: usize = 4096;

/// The failures of every peer.
#[derive(Default)]
pub(super) struct Attempts {
    peers: Mutex<HashMap<IpAddr, Debt>>,
}

/// When the last of a peer's failures will be forgiven.
struct Debt {
    until: Instant,
}

impl Attempts {
    /// Whether a peer may try again.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(super) fn may_try(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = peers.get(&network(peer)).map_or(Duration::ZERO, |debt| debt.until.duration_since(now));
        let limit = FORGIVEN_AFTER * (ALLOWED - 1);
        if debt > limit { Err(debt - limit) } else { Ok(()) }
    }

    /// Notes that a peer was wrong.
    pub(super) fn failed(&self, peer: IpAddr, now: Instant) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MAX_PEERS {
            peers.retain(|_, debt| debt.until > now);
        }
        let is_known = peers.contains_key(&network(peer));
        if peers.len() < MAX_PEERS || is_known {
            let debt = peers.entry(network(peer)).or_insert(Debt { until: now });
            debt.until = debt.until.max(now) + FORGIVEN_AFTER;
        }
    }
}

/// Whoever has one IPv6 address has the 2^64 around it.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_peer_that_guesses_has_to_wait_and_is_forgiven() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for _ in 0..ALLOWED {
            assert_eq!(attempts.may_try(peer("192.0.2.1"), start), Ok(()));
            attempts.failed(peer("192.0.2.1"), start);
        }
        assert_eq!(attempts.may_try(peer("192.0.2.1"), start), Err(FORGIVEN_AFTER));
        assert_eq!(attempts.may_try(peer("192.0.2.2"), start), Ok(()), "nobody else waits");
        assert_eq!(attempts.may_try(peer("192.0.2.1"), start + FORGIVEN_AFTER), Ok(()));
    }

    #[test]
    fn another_address_of_the_same_network_is_the_same_peer() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..ALLOWED {
            attempts.failed(peer(&format!("2001:db8::{host:x}")), now);
        }
        assert!(attempts.may_try(peer("2001:db8::ffff"), now).is_err());
        assert!(attempts.may_try(peer("2001:db8:0:1::1"), now).is_ok());
    }

    #[test]
    fn peers_are_bounded_and_the_forgiven_make_room() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..10_000_u32 {
            attempts.failed(IpAddr::V4(number.into()), now);
        }
        assert_eq!(attempts.peers.lock().expect("a lock").len(), MAX_PEERS);
        attempts.failed(peer("192.0.2.1"), now + FORGIVEN_AFTER);
        assert_eq!(attempts.peers.lock().expect("a lock").len(), 1);
    }
}
