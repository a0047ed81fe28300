//! The control listener itself: a bounded number of connections, in all and for each peer, each with
//! a bounded time for the head of a request and for taking its answer, and an end that does not wait for whoever does not finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
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
/// How long a connection may take to say something when the listener ends.
const HEAR_OUT: Duration = Duration::from_millis(500);
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

/// Serves the API and the pages until `finished` turns true. `closed` turns true when no connection is
/// taken any more, which is before the last request is answered.
///
/// # Errors
/// When it cannot begin.
pub async fn run(
    listener: TcpListener,
    context: Context,
    pages: Pages,
    finished: watch::Receiver<bool>,
    closed: watch::Sender<bool>,
) -> Result<(), RunError> {
    let own = Authorities::of(listener.local_addr()?);
    let shared = Arc::new(Shared::new(context, own, finished.clone())?);
    accept(listener, &router(shared, pages), finished, &closed).await;
    Ok(())
}

async fn accept(
    listener: TcpListener,
    router: &Router,
    mut finished: watch::Receiver<bool>,
    closed: &watch::Sender<bool>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let peers = Peers::default();
    let ends = finished.clone();
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
                let connection = serve(stream, peer, router.clone(), ends.clone());
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
    closed.send_replace(true);
    // Every connection has given its place back.
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    if tokio::time::timeout(FINISH_TIME, places.acquire_many(all)).await.is_err() {
        tracing::debug!("connections to the control listener were cut");
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, mut finished: watch::Receiver<bool>) {
    let router = TowerToHyperService::new(router);
    let is_last = finished.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let (answer, is_last) = (router.call(request), is_last.clone());
        async move {
            let mut answer: Result<Response, Infallible> = answer.await;
            if let Ok(answer) = &mut answer
                && *is_last.borrow()
            {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = done(&mut finished) => end(connection).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection to the control listener broke off");
    }
}

/// Ends a connection after its present request. hyper closes one at once on which it has read nothing yet,
/// although a request may be on its way or lie there: so everyone is heard out for a moment first, and
/// answers say themselves that they are the last.
async fn end<I, S>(mut connection: Pin<&mut http1::Connection<I, S>>) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Ok(ended) = tokio::time::timeout(HEAR_OUT, connection.as_mut()).await {
        return ended;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// Resolves when the listener ends.
async fn done(finished: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same: nobody will say it any more.
    finished.wait_for(|done| *done).await.ok();
}
