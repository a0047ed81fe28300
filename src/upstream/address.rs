//! Where a side is. A name is resolved again when the last answer is older than a few seconds,
//! because a side may move while we run; all its addresses are tried in turn, starting from the
//! next one each time, because any one of them may be down. While a name is looked up again, and
//! when the resolver fails, the last good answer is used: a broken resolver must not slow down or
//! take down a working service.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::health::Health;
use crate::tasks;

/// How long a resolved name is taken for true.
const FRESH: Duration = Duration::from_secs(20);

/// A host and port, and the addresses that it has at the moment.
#[derive(Debug)]
pub struct Addresses {
    host: String,
    port: u16,
    fixed: Option<SocketAddr>,
    next: AtomicUsize,
    known: Mutex<Option<Known>>,
    health: Mutex<Health>,
    looking: AtomicBool,
}

#[derive(Clone, Debug)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    since: Instant,
}

impl Addresses {
    /// The addresses of a host: a name, or an IP address (IPv6 without its brackets).
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let fixed = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        Self {
            host: host.to_owned(),
            port,
            fixed,
            next: AtomicUsize::new(0),
            known: Mutex::new(None),
            health: Mutex::default(),
            looking: AtomicBool::new(false),
        }
    }

    /// All addresses, the one to try first in front and those that failed of late at the end.
    ///
    /// # Errors
    /// When the name cannot be resolved and never was.
    pub async fn resolve(self: &Arc<Self>) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.fixed {
            return Ok(vec![address]);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let addresses = match known {
            Some(known) => {
                if known.since.elapsed() >= FRESH {
                    self.look_up_aside();
                }
                known.addresses
            }
            None => self.look_up().await?,
        };
        let first = self.next.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
        let mut addresses: Vec<SocketAddr> =
            addresses[first..].iter().chain(&addresses[..first]).copied().collect();
        self.health().order(&mut addresses, Instant::now());
        Ok(addresses)
    }

    /// An address did not take a connection: it is tried last for a while.
    pub fn failed(&self, address: SocketAddr) {
        self.health().failed(address, Instant::now());
    }

    /// An address took a connection.
    pub fn worked(&self, address: SocketAddr) {
        self.health().worked(address);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is an IP address, which never moves.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// Looks the name up again without making anyone wait, once at a time.
    fn look_up_aside(self: &Arc<Self>) {
        if self.looking.swap(true, Ordering::Relaxed) {
            return;
        }
        let this = Arc::clone(self);
        tasks::spawn(async move {
            if let Err(error) = this.look_up().await {
                tracing::warn!(host = this.host, %error, "the last known addresses are used on");
            }
            this.looking.store(false, Ordering::Relaxed);
        });
    }

    async fn look_up(&self) -> io::Result<Arc<[SocketAddr]>> {
        let answer = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = answer.map(Iterator::collect).unwrap_or_default();
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.host)));
        }
        let addresses: Arc<[SocketAddr]> = found.into();
        let known = Known { addresses: Arc::clone(&addresses), since: Instant::now() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ip_address_needs_no_resolver() {
        let v6 = Arc::new(Addresses::new("::1", 80)).resolve().await.expect("an address");
        assert_eq!(v6, ["[::1]:80".parse::<SocketAddr>().expect("an address")]);
    }

    #[tokio::test]
    async fn the_addresses_take_turns() {
        let addresses = Arc::new(Addresses::new("two.test", 80));
        let both: Vec<SocketAddr> =
            ["127.0.0.1:80", "127.0.0.2:80"].map(|text| text.parse().expect("an address")).into();
        *addresses.known.lock().expect("a lock") =
            Some(Known { addresses: both.clone().into(), since: Instant::now() });
        assert_eq!(addresses.resolve().await.expect("addresses"), both);
        assert_eq!(addresses.resolve().await.expect("addresses"), [both[1], both[0]]);
    }

    #[tokio::test]
    async fn one_that_failed_waits_behind_the_other_and_is_still_tried() {
        let addresses = Arc::new(Addresses::new("two.test", 80));
        let both: Vec<SocketAddr> =
            ["127.0.0.1:80", "127.0.0.2:80"].map(|text| text.parse().expect("an address")).into();
        *addresses.known.lock().expect("a lock") =
            Some(Known { addresses: both.clone().into(), since: Instant::now() });
        addresses.failed(both[0]);
        for _ in 0..4 {
            assert_eq!(addresses.resolve().await.expect("addresses"), [both[1], both[0]]);
        }
        addresses.worked(both[0]);
        assert_eq!(addresses.resolve().await.expect("addresses")[0], both[0]);
    }

    #[tokio::test]
    async fn a_name_that_never_resolved_is_an_error() {
        assert!(Arc::new(Addresses::new("no-such-host.invalid", 80)).resolve().await.is_err());
    }
}
