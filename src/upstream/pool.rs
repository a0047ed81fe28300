//! Connections to a side, kept and reused: the one that was used last goes out first, so that the
//! others may grow old and be closed.
//!
//! A request is sent once. It goes to another connection only when not a byte of it was written,
//! which hyper tells by handing it back, or when a *kept* connection turns out to have been closed
//! by the side before it answered anything, and the request is idempotent and has no body
//! (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Addresses, Fault, RequestBody, SendError};
use crate::tasks;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Connections kept for later, at most. Below the number of requests in flight at once,
    /// connections would be closed and opened all the time.
    pub idle: usize,
    /// How long a connection is kept.
    pub idle_for: Duration,
    /// How long a connection to a name is used, because the name may come to point elsewhere.
    pub keep_for: Duration,
    /// How long making a connection may take, all addresses together.
    pub connect: Duration,
}

/// Connections to one side, for one thread.
pub struct Pool {
    addresses: Arc<Addresses>,
    limits: PoolLimits,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
    opened: Instant,
}

/// Whether a request may go to a second connection after a kept one was found closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Not once it may have been seen: the copy for comparison.
    Never,
    /// When it is idempotent and has no body: the client's own request.
    IfHarmless,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(addresses: Arc<Addresses>, limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self { addresses, limits, idle: Mutex::default() })
    }

    /// Sends a request and waits for the head of the answer. The connection returns to the pool
    /// by itself when the answer was read to its end.
    ///
    /// # Errors
    /// With what went wrong, and the request when not a byte of it was sent.
    pub async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        again: Again,
    ) -> Result<Response<Incoming>, SendError> {
        // Once a byte may have been seen, the request is never handed back as unsent.
        let mut maybe_seen = false;
        while let Some(Idle { mut sender, since, opened }) = self.take_idle() {
            let spare = again.spare(&request, since);
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.keep_when_ready(sender, opened, &response);
                    return Ok(response);
                }
                Err(mut error) => match (error.take_message(), spare) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(spare)) if was_closed(error.error()) => {
                        maybe_seen = true;
                        request = spare.restore();
                    }
                    (None, _) => return Err(SendError::sent(error.error())),
                },
            }
        }
        let sent = self.send_fresh(request).await;
        sent.map_err(|error| if maybe_seen { SendError { unsent: None, ..error } } else { error })
    }

    async fn send_fresh(
        self: &Arc<Self>,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let mut sender = match self.connect().await {
            Ok(sender) => sender,
            Err(fault) => return Err(SendError::unsent(fault, request)),
        };
        let opened = Instant::now();
        match sender.try_send_request(request).await {
            Ok(response) => {
                self.keep_when_ready(sender, opened, &response);
                Ok(response)
            }
            Err(mut error) => match error.take_message() {
                Some(request) => Err(SendError::unsent(Fault::exchanging(error.error()), request)),
                None => Err(SendError::sent(error.error())),
            },
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|oldest| oldest.since.elapsed() > self.limits.idle_for) {
            idle.pop_front();
        }
        while let Some(newest) = idle.pop_back() {
            if newest.sender.is_ready() {
                return Some(newest);
            }
        }
        None
    }

    /// Keeps a connection once its present answer was read to the end. Most answers are complete
    /// when their head is: those connections are kept at once, without a task.
    fn keep_when_ready(
        self: &Arc<Self>,
        mut sender: SendRequest<RequestBody>,
        opened: Instant,
        response: &Response<Incoming>,
    ) {
        // A connection once answered in HTTP/1.0 would be spoken to in HTTP/1.0, which has no
        // chunks to send a body in. One that is old may lead to where the name no longer points.
        let is_old = !self.addresses.is_fixed() && opened.elapsed() > self.limits.keep_for;
        if response.version() == Version::HTTP_10 || is_old {
            return;
        }
        if sender.is_ready() {
            return self.keep(sender, opened);
        }
        let pool = Arc::clone(self);
        tasks::spawn(async move {
            if sender.ready().await.is_ok() {
                pool.keep(sender, opened);
            }
        });
    }

    fn keep(&self, sender: SendRequest<RequestBody>, opened: Instant) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.idle {
            idle.push_back(Idle { sender, since: Instant::now(), opened });
        }
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, Fault> {
        let within = self.limits.connect;
        let connected = tokio::time::timeout(within, self.connect_any()).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}"));
        let stream = connected.unwrap_or_else(|_| Err(late())).map_err(|error| Fault::connecting(&error))?;
        let handshake = Builder::new()
            .preserve_header_case(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(|error| Fault::exchanging(&error))?;
        // The connection's own errors reach the request that it carries.
        tasks::spawn(async move { connection.with_upgrades().await.ok() });
        Ok(sender)
    }

    async fn connect_any(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
        let addresses = self.addresses.resolve().await?;
        // Each gets its part of the time, so that one that drops everything does not take it all.
        let each = self.limits.connect / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            match tokio::time::timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
                Err(_) => {
                    let detail = format!("{address} did not accept within {each:?}");
                    last = io::Error::new(io::ErrorKind::TimedOut, detail);
                }
            }
        }
        Err(last)
    }
}

/// Whether the side closed the connection before it answered anything.
fn was_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}

/// What it takes to send a harmless request a second time.
struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: http::Extensions,
}

/// A connection that was idle for less than this is taken to be open: no server in use closes
/// connections sooner, and the clone of the head is saved for busy connections.
const SURELY_OPEN: Duration = Duration::from_millis(500);

impl Again {
    fn spare(self, request: &Request<RequestBody>, idle_since: Instant) -> Option<Spare> {
        let harmless = request.method().is_idempotent() && matches!(request.body(), RequestBody::Empty);
        if self == Self::Never || !harmless || idle_since.elapsed() < SURELY_OPEN {
            return None;
        }
        Some(Spare {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        })
    }
}

impl Spare {
    fn restore(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
        request
    }
}
