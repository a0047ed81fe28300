//! A thread of the proxy: a single-threaded runtime that serves the connections it is dealt.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::client::Client;
use super::limits::Limits;
use super::serve::{Connection, Servers, drained};
use super::service::Service;
use crate::config;
use crate::tasks;

/// How often a draining thread looks whether its last connection has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Connections that may wait for a thread to take them over.
const DEALT: usize = 1024;

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
        let service = Arc::new(Service {
            shared: Arc::clone(&self.shared),
            thread: self.thread,
            ending: AtomicBool::new(false),
        });
        let mut limits = self.limits();
        let mut servers = Arc::new(Servers::new(Limits::from(&limits)));
        tasks::spawn(end_answers(Arc::clone(&service), draining.clone()));
        while let Some((stream, peer)) = self.connections.recv().await {
            let active = Active::one_of(&self.active, &self.shared);
            let Ok(stream) = TcpStream::from_std(stream) else { continue };
            let present = self.limits();
            if present != limits {
                limits = present;
                servers = Arc::new(Servers::new(Limits::from(&limits)));
            }
            let connection = Connection {
                stream: Some(stream),
                client: Client::new(peer, Some(active)),
                service: Arc::clone(&service),
                servers: Arc::clone(&servers),
                draining: draining.clone(),
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

    fn limits(&self) -> config::Limits {
        self.shared.routing.load().in_force().settings.limits
    }
}

/// From the moment that the proxy drains, every answer tells its client that the connection ends.
async fn end_answers(service: Arc<Service>, mut draining: watch::Receiver<bool>) {
    drained(&mut draining).await;
    service.ending.store(true, Ordering::Relaxed);
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Active {
    dealt: Arc<AtomicUsize>,
    shown: IntGauge,
}

impl Active {
    /// One of a thread's connections. It was counted there when it was dealt.
    fn one_of(dealt: &Arc<AtomicUsize>, shared: &Shared) -> Self {
        let shown = shared.telemetry.clients.connections.clone();
        shown.inc();
        Self { dealt: Arc::clone(dealt), shown }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.dealt.fetch_sub(1, Ordering::Relaxed);
        self.shown.dec();
    }
}
