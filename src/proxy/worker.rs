//! A thread of the proxy: a single-threaded runtime that serves the connections it is dealt.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::service::Service;
use crate::config::Limits;
use crate::tasks;

/// How long a client may take to send a head, and stay idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How often a draining thread looks whether its last connection has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Connections that may wait for a thread to take them over.
const DEALT: usize = 1024;

/// Bytes that are read from a connection at once, at most. A kept body holds on to the buffer
/// that it was read into, so that this is not larger than it needs to be.
const READ_BUFFER: usize = 64 * 1024;

/// A thread of the proxy, to be run.
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Which of them this is, from 0.
    pub thread: usize,
    connections: mpsc::Receiver<Dealt>,
    active: Arc<AtomicUsize>,
}

type Dealt = (std::net::TcpStream, SocketAddr);

/// Where the acceptor leaves connections for a worker.
#[derive(Clone)]
pub struct WorkerHandle {
    connections: mpsc::Sender<Dealt>,
    active: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// Connections that the worker serves.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Deals a connection to the worker; waits while it has many that it has not yet taken.
    pub(super) async fn deal(&self, stream: std::net::TcpStream, peer: SocketAddr) {
        self.active.fetch_add(1, Ordering::Relaxed);
        if self.connections.send((stream, peer)).await.is_err() {
            self.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Worker {
    /// A worker and the handle by which it is dealt connections.
    #[must_use]
    pub fn new(shared: Arc<Shared>, thread: usize) -> (Self, WorkerHandle) {
        let (sender, connections) = mpsc::channel(DEALT);
        let active = Arc::new(AtomicUsize::new(0));
        let handle = WorkerHandle { connections: sender, active: Arc::clone(&active) };
        (Self { shared, thread, connections, active }, handle)
    }

    /// Serves connections until the acceptor is gone, then until the last request is answered, but
    /// no longer than until `cut` turns true. `draining` turns true when connections should end
    /// after their present request.
    pub async fn run(mut self, draining: watch::Receiver<bool>, mut cut: watch::Receiver<bool>) {
        let service = Arc::new(Service { shared: Arc::clone(&self.shared), thread: self.thread });
        let mut limits = self.limits();
        let mut server = Arc::new(server(&limits));
        while let Some((stream, peer)) = self.connections.recv().await {
            let active = Active(Arc::clone(&self.active));
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let present = self.limits();
            if present != limits {
                limits = present;
                server = Arc::new(self::server(&limits));
            }
            let connection = Connection {
                stream,
                peer,
                service: Arc::clone(&service),
                server: Arc::clone(&server),
                draining: draining.clone(),
                _active: active,
            };
            tasks::spawn(connection.run());
        }
        let all_answered = async {
            while self.active.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = all_answered => {}
            _ = cut.wait_for(|cut| *cut) => {}
        }
    }

    fn limits(&self) -> Limits {
        self.shared.routing.load().in_force().settings.limits
    }
}

/// What speaks HTTP with clients under these limits.
fn server(limits: &Limits) -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(limits.head_bytes.max(READ_BUFFER))
        .max_headers(limits.headers)
        .preserve_header_case(true)
        .auto_date_header(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(HEAD_TIME))
        .auto_date_header(false);
    server
}

/// Resolves when the proxy drains.
async fn drained(draining: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same: nobody will say it any more.
    draining.wait_for(|draining| *draining).await.ok();
}

/// Counts a connection for as long as it lives.
struct Active(Arc<AtomicUsize>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's connection.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<Service>,
    server: Arc<Builder<TokioExecutor>>,
    draining: watch::Receiver<bool>,
    _active: Active,
}

impl Connection {
    async fn run(mut self) {
        // The library's own limit begins with the first byte.
        let speaks = tokio::time::timeout(HEAD_TIME, self.stream.readable());
        tokio::select! {
            spoke = speaks => if spoke.is_err() { return },
            () = drained(&mut self.draining) => return,
        }
        let (service, peer) = (self.service, self.peer);
        let answer = service_fn(move |request| Arc::clone(&service).answer(peer, request));
        let mut serving = pin!(self.server.serve_connection_with_upgrades(TokioIo::new(self.stream), answer));
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = drained(&mut self.draining) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, error, "a client's connection ended early");
        }
    }
}
