//! Which addresses of a side did not take connections of late. Such an address is tried last for a
//! while, so that a name with one dead address among several does not cost every new connection
//! the time it takes to find that out.
//!
//! Nothing is refused here: an address in disgrace is still tried when no other takes the
//! connection. It recovers by itself: when its time is over one connection tries it first, the
//! others wait for how that ends, and one success clears it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an address is tried last after its first failure; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest it is.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the one that tries it first has before another does.
const PROBE: Duration = Duration::from_secs(2);
/// Addresses that are remembered. A name has few; one that changes all the time must not fill memory.
const MOST: usize = 64;

/// What is known of a side's addresses.
#[derive(Debug, Default)]
pub(super) struct Health(Vec<Failing>);

#[derive(Debug)]
struct Failing {
    address: SocketAddr,
    failures: u32,
    last_until: Instant,
}

impl Health {
    /// Moves those that failed of late to the end, and keeps the order otherwise.
    pub(super) fn order(&mut self, addresses: &mut [SocketAddr], now: Instant) {
        if self.0.is_empty() || addresses.len() < 2 {
            return;
        }
        addresses.sort_by_cached_key(|&address| {
            let Some(failing) = self.0.iter_mut().find(|failing| failing.address == address) else {
                return false;
            };
            if now < failing.last_until {
                return true;
            }
            // This connection tries it; those that come meanwhile do not.
            failing.last_until = now + PROBE;
            false
        });
    }

    /// It did not take a connection.
    pub(super) fn failed(&mut self, address: SocketAddr, now: Instant) {
        let failing = match self.0.iter().position(|failing| failing.address == address) {
            Some(found) => &mut self.0[found],
            None => {
                if self.0.len() >= MOST {
                    self.0.swap_remove(0);
                }
                self.0.push(Failing { address, failures: 0, last_until: now });
                let newest = self.0.len() - 1;
                &mut self.0[newest]
            }
        };
        let time = FIRST.saturating_mul(1 << failing.failures.min(16)).min(LONGEST);
        failing.failures = failing.failures.saturating_add(1);
        failing.last_until = now + time;
    }

    /// It took one.
    pub(super) fn worked(&mut self, address: SocketAddr) {
        self.0.retain(|failing| failing.address != address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 80))
    }

    /// The order of three addresses, by their last byte.
    fn order(health: &mut Health, now: Instant) -> Vec<u8> {
        let mut addresses = [address(1), address(2), address(3)];
        health.order(&mut addresses, now);
        addresses.iter().map(|address| address.to_string().as_bytes()[8] - b'0').collect()
    }

    #[test]
    fn one_that_failed_is_tried_last_and_comes_back_by_itself() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert_eq!(order(&mut health, now), [1, 2, 3]);
        health.failed(address(1), now);
        assert_eq!(order(&mut health, now), [2, 3, 1]);
        let later = now + FIRST;
        assert_eq!(order(&mut health, later), [1, 2, 3], "its time is over");
        assert_eq!(order(&mut health, later), [2, 3, 1], "one tries it, the others do not");
        health.worked(address(1));
        assert_eq!(order(&mut health, later), [1, 2, 3]);
    }

    #[test]
    fn the_time_grows_and_is_bounded() {
        let (mut health, now) = (Health::default(), Instant::now());
        for _ in 0..100 {
            health.failed(address(2), now);
        }
        assert_eq!(order(&mut health, now + LONGEST - Duration::from_millis(1)), [1, 3, 2]);
        assert_eq!(order(&mut health, now + LONGEST), [1, 2, 3]);
    }

    #[test]
    fn no_more_are_remembered_than_can_be() {
        let (mut health, now) = (Health::default(), Instant::now());
        for last in 0..=255 {
            health.failed(address(last), now);
        }
        assert_eq!(health.0.len(), MOST);
    }

    #[test]
    fn the_only_one_is_tried_whatever_it_did() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(address(1), now);
        let mut only = [address(1)];
        health.order(&mut only, now);
        assert_eq!(only, [address(1)]);
    }
}
