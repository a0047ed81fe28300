//! HTTP/1.1 connections to a side, kept and reused: the one that was used last goes out first, so
//! that the others may grow old and be closed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::mend::{Mended, Watch};
use super::{Interim, PoolLimits, RequestBody};
use crate::tasks;
use crate::telemetry::CountRepair;

/// The connections of one pool that wait for a request.
pub(super) struct Connections {
    idle: Mutex<VecDeque<Idle>>,
    limits: PoolLimits,
    /// Whether a connection may lead to where the name no longer points.
    may_move: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    watch: Arc<Watch>,
    opened: Instant,
}

impl Connection {
    /// Begins HTTP/1.1 on a stream. The heads of the answers are mended on their way.
    pub(super) async fn begin<S>(stream: S, count: CountRepair) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let watch = Arc::new(Watch::default());
        let stream = Mended::new(stream, Arc::clone(&watch), count);
        let (sender, connection) =
            Builder::new().preserve_header_case(true).handshake(TokioIo::new(stream)).await?;
        // The connection's own errors reach the request that it carries.
        tasks::spawn(async move { connection.with_upgrades().await.ok() });
        Ok(Self { sender, watch, opened: Instant::now() })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        interim: Interim,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        self.watch.expect_answer(interim);
        self.sender.try_send_request(request).await
    }
}

impl Connections {
    pub(super) fn new(limits: PoolLimits, may_move: bool) -> Self {
        Self { idle: Mutex::default(), limits, may_move }
    }

    /// A connection that waits, and since when it does.
    pub(super) fn take(&self) -> Option<(Connection, Instant)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|oldest| oldest.since.elapsed() > self.limits.idle_for) {
            idle.pop_front();
        }
        while let Some(Idle { connection, since }) = idle.pop_back() {
            if connection.sender.is_ready() {
                return Some((connection, since));
            }
        }
        None
    }

    /// Keeps a connection once its present answer was read to the end. Most answers are complete
    /// when their head is: those connections are kept at once, without a task.
    pub(super) fn keep_when_ready(
        self: &Arc<Self>,
        mut connection: Connection,
        response: &Response<Incoming>,
    ) {
        // A connection once answered in HTTP/1.0 would be spoken to in HTTP/1.0, which has no
        // chunks to send a body in. One that is old may lead to where the name no longer points.
        let is_old = self.may_move && connection.opened.elapsed() > self.limits.keep_for;
        if response.version() == Version::HTTP_10 || is_old || connection.watch.is_spent() {
            return;
        }
        if connection.sender.is_ready() {
            return self.keep(connection);
        }
        let this = Arc::clone(self);
        tasks::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                this.keep(connection);
            }
        });
    }

    /// Keeps a connection that carries nothing.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.limits.idle {
            idle.push_back(Idle { connection, since: Instant::now() });
        }
    }
}
