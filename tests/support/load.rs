//! Clients that ask steadily, each over its own connection, and count what they got.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parallax_testkit::RawClient;
use tokio::task::JoinSet;

/// Clients that ask until they are stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    proxy: SocketAddr,
    targets: Vec<&'static str>,
    connections: Connections,
    stopped: AtomicBool,
    answered: AtomicU64,
    failed: std::sync::Mutex<Vec<String>>,
    again: AtomicU64,
}

/// What a client may put up with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One connection for ever: an end of it is a failure.
    Kept,
    /// A connection may end between two answers, or before a request was read: HTTP lets a client ask
    /// again over another then (RFC 9112 section 9.3.1). A refused connection or a broken answer is a
    /// failure.
    MayEnd,
}

/// What the clients got.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers with status 200, to the last byte.
    pub(crate) answered: u64,
    /// Everything else.
    pub(crate) failed: Vec<String>,
    /// Requests that were sent over a second connection because the first had ended.
    pub(crate) again: u64,
}

impl Load {
    /// So many clients, each asking for the targets in turn, with a pause after each answer.
    pub(crate) fn start(
        proxy: SocketAddr,
        clients: usize,
        pause: Duration,
        targets: &[&'static str],
        connections: Connections,
    ) -> Self {
        let shared = Arc::new(Shared {
            proxy,
            targets: targets.to_vec(),
            connections,
            stopped: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: std::sync::Mutex::default(),
            again: AtomicU64::new(0),
        });
        let mut running = JoinSet::new();
        for _ in 0..clients {
            running.spawn(run(Arc::clone(&shared), pause));
        }
        Self { shared, clients: running }
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Lets every client finish its request.
    pub(crate) async fn stop(self) -> Outcome {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        let failed = std::mem::take(&mut *self.shared.failed.lock().expect("no panic"));
        Outcome {
            answered: self.shared.answered.load(Ordering::Relaxed),
            failed,
            again: self.shared.again.load(Ordering::Relaxed),
        }
    }
}

async fn run(shared: Arc<Shared>, pause: Duration) {
    let mut connection = None;
    for target in shared.targets.iter().cycle() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Err(failure) = ask(&shared, &mut connection, target).await {
            shared.failed.lock().expect("no panic").push(failure);
            connection = None;
        } else {
            shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(pause).await;
    }
}

async fn ask(shared: &Shared, connection: &mut Option<RawClient>, target: &str) -> Result<(), String> {
    let mut attempts = if shared.connections == Connections::MayEnd { 10 } else { 1 };
    loop {
        attempts -= 1;
        let mut client = match connection.take() {
            Some(client) => client,
            None => RawClient::connect(shared.proxy).await.map_err(|error| format!("connecting: {error}"))?,
        };
        match client.get(target).await {
            Ok(answer) if answer.status == 200 && answer.complete => {
                let closes = answer.headers.get("connection").is_some_and(|value| value == "close");
                *connection = (!closes).then_some(client);
                return Ok(());
            }
            Ok(answer) => return Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
            Err(_) if attempts > 0 => _ = shared.again.fetch_add(1, Ordering::Relaxed),
            Err(error) => return Err(format!("no answer: {error}")),
        }
    }
}
