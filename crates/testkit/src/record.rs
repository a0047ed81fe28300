//! What a fake service remembers of the requests that reached it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::wire::{Content, Head, Headers};

/// Most requests that are remembered; more are counted only.
const MAX_RECORDED: usize = 200_000;

/// A request as it reached a fake service.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method, as it came.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// The fields in their order, the names in their case.
    pub headers: Headers,
    /// The whole head with its empty line, byte for byte.
    pub head: Bytes,
    /// The body without its framing.
    pub body: Bytes,
    /// Bytes of the body, more than `body` has where it was too large to keep.
    pub body_length: u64,
    /// Trailer fields.
    pub trailers: Headers,
    /// Whether the request came to its end.
    pub complete: bool,
    /// Which of the service's connections it came on, the first being 1.
    pub connection: u64,
    /// When its last byte had come.
    pub at: Instant,
}

impl Recorded {
    pub(crate) fn new(head: Head, content: Content, connection: u64) -> Self {
        let mut words = head.first_line.split(' ');
        Self {
            method: words.next().unwrap_or_default().to_owned(),
            target: words.next().unwrap_or_default().to_owned(),
            headers: head.headers,
            head: head.raw,
            body: content.body.freeze(),
            body_length: content.length,
            trailers: content.trailers,
            complete: content.complete,
            connection,
            at: Instant::now(),
        }
    }

    /// The target's path, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target's query, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the request's body is UTF-8")
    }
}

/// Everything that a service has seen, shared between its thread and the test.
#[derive(Debug, Default)]
pub(crate) struct Record {
    requests: Mutex<Vec<Recorded>>,
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) heads: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    count: AtomicU64,
}

impl Record {
    pub(crate) fn push(&self, request: Recorded) {
        let mut requests = self.requests.lock().expect("no test panics while it holds the record");
        if requests.len() < MAX_RECORDED {
            requests.push(request);
        }
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().expect("no test panics while it holds the record").clone()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn clear(&self) {
        self.requests.lock().expect("no test panics while it holds the record").clear();
        for counter in [&self.connections, &self.heads, &self.body_bytes, &self.count] {
            counter.store(0, Ordering::SeqCst);
        }
    }
}
