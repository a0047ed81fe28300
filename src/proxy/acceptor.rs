//! Takes connections in and deals each to the thread with the fewest.

use std::io::{self, Write as _};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::problem;
use super::worker::WorkerHandle;
use crate::routing::SharedRouting;
use crate::telemetry::ClientMetrics;

/// How long to wait when the operating system gives no connection, for lack of file descriptors
/// for example: trying again at once would take a core and help nobody.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections in.
pub struct Acceptor {
    /// Where they arrive.
    pub listener: TcpListener,
    /// Who serves them.
    pub workers: Vec<WorkerHandle>,
    /// Where it stands how many there may be at a time.
    pub routing: SharedRouting,
    /// Where those beyond are counted.
    pub metrics: ClientMetrics,
}

impl Acceptor {
    /// Runs until `draining` turns true; then the listener is closed.
    pub async fn run(self, mut draining: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = draining.wait_for(|draining| *draining) => return,
            };
            let dealt = async {
                let (stream, peer) = accepted?;
                stream.set_nodelay(true)?;
                Ok::<_, io::Error>((stream.into_std()?, peer))
            };
            match dealt.await {
                Ok((stream, _)) if self.is_full() => self.turn_away(stream),
                Ok((stream, peer)) => {
                    if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.active()) {
                        worker.deal(stream, peer).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    fn is_full(&self) -> bool {
        let most = self.routing.load().in_force().settings.limits.connections;
        self.workers.iter().map(WorkerHandle::active).sum::<usize>() >= most
    }

    /// Says that there are too many, where that can be said in a moment, and closes.
    fn turn_away(&self, mut stream: std::net::TcpStream) {
        self.metrics.connections_refused.inc();
        // Whoever does not read it is not waited for.
        stream.write_all(problem::TOO_MANY_CONNECTIONS).ok();
    }
}
