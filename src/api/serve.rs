//! The control listener itself: a bounded number of connections, in all and for each peer, each with
//! a bounded time for the head of a request and for taking its answer, and an end that does not wait for whoever does not finish.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::connections::{Impatient, Peers};
use super::guard::Peer;
use super::{Authorities, Context, Pages, Shared, router};
use crate::tasks;

/// Connections at a time; more wait.
const MAX_CONNECTIONS: usize = 512;
/// How long the head of a request may take, and how long a connection may wait for one.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long requests may take to finish when the listener ends.
const FINISH_TIME: Duration = Duration::from_secs(2);
/// How long to wait after an accept that failed, which usually means: no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Why the control listener cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its own address is not known.
    #[error("the control listener does not know its own address: {0}")]
    Address(#[from] std::io::Error),
    /// No secrets can be made.
    #[error("the system gives the control listener no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Serves the API and the pages until `finished` turns true.
///
/// # Errors
/// When it cannot begin.
pub async fn run(
    listener: TcpListener,
    context: Context,
    pages: Pages,
    finished: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let own = Authorities::of(listener.local_addr()?);
    let shared = Arc::new(Shared::new(context, own, finished.clone())?);
    accept(listener, &router(shared, pages), finished).await;
    Ok(())
}

async fn accept(listener: TcpListener, router: &Router, mut finished: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let peers = Peers::default();
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            accepted = accepted => accepted,
            _ = finished.wait_for(|done| *done) => break,
        };
        match stream {
            Ok((stream, peer)) => {
                let Some(peer_place) = peers.admit(peer.ip()) else {
                    tracing::debug!(%peer, "this peer has too many connections to the control listener");
                    continue;
                };
                let connection = serve(stream, peer, router.clone(), &graceful);
                tasks::spawn(async move {
                    connection.await;
                    drop((place, peer_place));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control listener could not accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(FINISH_TIME, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections to the control listener were cut");
    }
}

fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = router.call(request);
        async move { answer.await as Result<Response, Infallible> }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service);
    let connection = graceful.watch(connection);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "a connection to the control listener broke off");
        }
    }
}
