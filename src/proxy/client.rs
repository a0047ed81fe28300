//! What the parts that serve one client's connection tell each other: the guard that reads it, the
//! service that answers its requests, and the task that ends it.
//!
//! All of them run on one thread. What is here is nevertheless `Send`, so that which thread serves
//! a connection stays a decision of one line.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parallax_core::wire::Refusal;
use tokio::time::Instant;

use super::worker::Active;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A client's connection, as its parts share it.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    protocol: OnceLock<Protocol>,
    opened: Instant,
    /// Requests under way.
    busy: AtomicUsize,
    /// When the last of them ended, in milliseconds after `opened`.
    rested_ms: AtomicU64,
    /// Whether the guard holds, or waits for, part of a message, or the client is slow to read.
    unsettled: AtomicBool,
    /// Requests that the service has met.
    met: AtomicU64,
    refused: OnceLock<Refused>,
    broken: OnceLock<Refusal>,
    shared: Mutex<Shared>,
    /// Keeps the connection counted, also after it has left HTTP.
    _active: Option<Active>,
}

/// A head that was refused, and the number of its request.
#[derive(Clone, Copy, Debug)]
struct Refused {
    number: u64,
    refusal: Refusal,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether the client has left HTTP, once that is decided.
    left: Option<bool>,
    /// Interim answers that are to be written.
    interim: Vec<u8>,
    connection: Option<Waker>,
    service: Option<Waker>,
}

impl Client {
    /// A connection that was opened just now.
    pub(crate) fn new(peer: SocketAddr, active: Option<Active>) -> Arc<Self> {
        Arc::new(Self {
            peer,
            protocol: OnceLock::new(),
            opened: Instant::now(),
            busy: AtomicUsize::new(0),
            rested_ms: AtomicU64::new(0),
            unsettled: AtomicBool::new(false),
            met: AtomicU64::new(0),
            refused: OnceLock::new(),
            broken: OnceLock::new(),
            shared: Mutex::default(),
            _active: active,
        })
    }

    /// It turned out how the client speaks.
    pub(crate) fn speaks(&self, protocol: Protocol) {
        self.protocol.set(protocol).ok();
    }

    /// How the client speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol.get().copied().unwrap_or(Protocol::Http1)
    }

    /// A request is under way until what this gives is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.busy.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// How long no request has been under way; none while one is.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        if self.busy.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let rested = Duration::from_millis(self.rested_ms.load(Ordering::Relaxed));
        Some(self.opened.elapsed().saturating_sub(rested))
    }

    /// How long nothing has been under way in either direction; none while something is.
    pub(crate) fn rests_for(&self) -> Option<Duration> {
        if self.unsettled.load(Ordering::Relaxed) { None } else { self.idle_for() }
    }

    /// Whether the guard holds, or waits for, part of a message, or the client is slow to read.
    pub(crate) fn set_unsettled(&self, unsettled: bool) {
        self.unsettled.store(unsettled, Ordering::Relaxed);
    }

    /// The head of this number is refused. The library is given another in its place, so that the
    /// answer has its turn.
    pub(crate) fn refuse(&self, number: u64, refusal: Refusal) {
        self.refused.set(Refused { number, refusal }).ok();
    }

    /// Counts a request of an HTTP/1 connection; the refusal, when it stands for a refused one.
    pub(crate) fn meet(&self) -> Option<Refusal> {
        let number = self.met.fetch_add(1, Ordering::Relaxed) + 1;
        self.refused.get().filter(|refused| refused.number == number).map(|refused| refused.refusal)
    }

    /// The body under way goes on with something that none does, or not at all.
    pub(crate) fn break_off(&self, refusal: Refusal) {
        self.broken.set(refusal).ok();
    }

    /// What was wrong with the body under way.
    pub(crate) fn broken(&self) -> Option<Refusal> {
        self.broken.get().copied()
    }

    /// The request to leave HTTP was answered.
    pub(crate) fn decide(&self, has_left: bool) {
        self.shared().left = Some(has_left);
    }

    /// What was answered to the last request to leave HTTP, told once.
    pub(crate) fn take_decision(&self) -> Option<bool> {
        self.shared().left.take()
    }

    /// An interim answer is to be written before the final one.
    pub(crate) fn push_interim(&self, head: &[u8]) {
        let waker = {
            let mut shared = self.shared();
            if shared.interim.len() + head.len() > INTERIM {
                return;
            }
            shared.interim.extend_from_slice(head);
            shared.connection.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Interim answers that were not written yet.
    pub(crate) fn take_interim(&self) -> Option<Vec<u8>> {
        let mut shared = self.shared();
        (!shared.interim.is_empty()).then(|| std::mem::take(&mut shared.interim))
    }

    /// The interim answers that were taken are written.
    pub(crate) fn interim_written(&self) {
        let waker = self.shared().service.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whom to wake when there is something to write.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        let mut shared = self.shared();
        if !shared.connection.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            shared.connection = Some(context.waker().clone());
        }
    }

    /// Ready when no interim answer waits to be written.
    pub(crate) fn poll_interim_written(&self, context: &Context<'_>) -> Poll<()> {
        let mut shared = self.shared();
        if shared.interim.is_empty() {
            return Poll::Ready(());
        }
        shared.service = Some(context.waker().clone());
        Poll::Pending
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of interim answers that wait to be written, at most; what is beyond is left out, as the
/// client is told the same again by the final answer.
const INTERIM: usize = 64 * 1024;

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Client>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let client = &self.0;
        let now_ms = u64::try_from(client.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        client.rested_ms.store(now_ms, Ordering::Relaxed);
        client.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_head_is_known_by_its_number() {
        let client = Client::new("127.0.0.1:1".parse().unwrap(), None);
        client.refuse(2, Refusal::Head);
        assert_eq!((client.meet(), client.meet(), client.meet()), (None, Some(Refusal::Head), None));
    }

    #[test]
    fn a_connection_is_idle_between_requests() {
        let client = Client::new("127.0.0.1:1".parse().unwrap(), None);
        assert!(client.idle_for().is_some());
        let first = client.begin();
        let second = client.begin();
        drop(first);
        assert_eq!(client.idle_for(), None);
        drop(second);
        assert!(client.idle_for().is_some());
    }
}
