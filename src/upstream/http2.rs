//! HTTP/2 connections to a side. Each carries many requests at once: as many as the side allows,
//! and no more than [`MOST_STREAMS`]; when all are full another is opened. The first that has room
//! is taken, so that connections that are not needed fall idle and are closed.
//!
//! A connection that the side wants to close (GOAWAY) is not used again; what it carries is
//! finished on it.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version, header};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use parallax_core::verdict::Cause;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::{Fault, PoolLimits, RequestBody, WantsTrailers, strip_hop_by_hop};
use crate::tasks;
use parallax_core::wire::HEAD_LIMIT_BYTES;

/// Requests that one connection carries at once, at most, whatever the side allows. RFC 9113
/// section 6.5.2 recommends that sides allow no fewer.
const MOST_STREAMS: usize = 100;
/// Bytes of one answer that may be on the way before its client has taken any.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for all answers of a connection: enough for every one of them, or clients that take
/// nothing would hold up those that do.
const CONNECTION_WINDOW_BYTES: u32 = (MOST_STREAMS as u32 + 1) * STREAM_WINDOW_BYTES;
/// What the library takes for the side's limit until it knows it; no side has this one.
const UNSETTLED: usize = 0x7fff_fff1;
/// How long to wait for it. It stands in the first bytes that a side sends, of its own accord.
const SETTLED_WITHIN: Duration = Duration::from_millis(500);
/// How long a connection with requests on it may be silent before the side is asked for a sign of
/// life, and how long it has. A dead peer is noticed sooner by TCP's own probes; asking more often
/// than every five minutes is what gRPC servers close connections for.
const PING_EVERY: Duration = Duration::from_secs(305);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// The connections of one pool.
pub(super) struct Connections {
    all: Mutex<Vec<Connection>>,
    limits: PoolLimits,
    /// Whether a connection may lead to where the name no longer points.
    may_move: bool,
}

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    load: Arc<Load>,
    opened: Instant,
    used: Instant,
}

/// What a connection carries and may carry.
#[derive(Debug)]
struct Load {
    streams: AtomicUsize,
    most: AtomicUsize,
    has_answered: AtomicBool,
}

/// A place for one request on a connection; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Stream(Arc<Load>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stream {
    /// Notes that the connection works.
    pub(super) fn answered(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    /// Whether an answer has come over this connection.
    pub(super) fn is_on_a_proven_connection(&self) -> bool {
        self.0.has_answered.load(Ordering::Relaxed)
    }
}

impl Connections {
    pub(super) fn new(limits: PoolLimits, may_move: bool) -> Self {
        Self { all: Mutex::default(), limits, may_move }
    }

    /// A place on a connection that has room.
    pub(super) fn take(&self) -> Option<(SendRequest<RequestBody>, Stream)> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return None;
        }
        let now = Instant::now();
        all.retain(|connection| !connection.sender.is_closed() && !self.is_over(connection, now));
        all.iter_mut().find_map(|connection| connection.reserve(now))
    }

    /// Keeps a new connection, and gives the first place on it.
    pub(super) fn add(&self, mut connection: Connection) -> (SendRequest<RequestBody>, Stream) {
        connection.load.streams.fetch_add(1, Ordering::Relaxed);
        let first = (connection.sender.clone(), Stream(Arc::clone(&connection.load)));
        connection.used = Instant::now();
        self.keep(connection);
        first
    }

    /// Keeps a new connection.
    pub(super) fn keep(&self, connection: Connection) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    /// Whether a connection is not used any more. Requests that it carries are finished.
    fn is_over(&self, connection: &Connection, now: Instant) -> bool {
        let is_idle = connection.load.streams.load(Ordering::Relaxed) == 0;
        let is_old = self.may_move && now.duration_since(connection.opened) > self.limits.keep_for;
        is_old || is_idle && now.duration_since(connection.used) > self.limits.idle_for
    }
}

impl Connection {
    /// Begins HTTP/2 on a stream, and waits for what the side says of how much it takes at once: to
    /// send it more would have it refuse what it need not.
    pub(super) async fn begin<S>(stream: S) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let executor = Executor::default();
        let driver = Arc::clone(&executor.driver);
        let (sender, mut connection) = Builder::new(executor)
            .timer(TokioTimer::new())
            .initial_max_send_streams(UNSETTLED)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_LIMIT_BYTES as u32)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::exchanging(&error))?;
        let load = Arc::new(Load {
            streams: AtomicUsize::new(0),
            most: AtomicUsize::new(MOST_STREAMS),
            has_answered: AtomicBool::new(false),
        });
        let known = Arc::clone(&load);
        let (settle, is_settled) = oneshot::channel();
        let mut settle = Some(settle);
        // The connection's own errors reach the requests that it carries.
        tasks::spawn(std::future::poll_fn(move |context| {
            driver.register(context.waker());
            let polled = Pin::new(&mut connection).poll(context);
            let most = connection.current_max_send_streams();
            known.most.store(most.min(MOST_STREAMS), Ordering::Relaxed);
            match polled {
                Poll::Pending if most == UNSETTLED => return Poll::Pending,
                Poll::Pending => settled(&mut settle, Ok(())),
                Poll::Ready(ended) => {
                    settled(&mut settle, Err(ended.err()));
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }));
        if let Ok(Ok(ended)) = tokio::time::timeout(SETTLED_WITHIN, is_settled).await {
            let over = || Fault::new(Cause::Reset, "the side closed the connection at once".to_owned());
            ended.map_err(|error| error.map_or_else(over, |error| Fault::exchanging(&error)))?;
        }
        let now = Instant::now();
        Ok(Self { sender, load, opened: now, used: now })
    }

    fn reserve(&mut self, now: Instant) -> Option<(SendRequest<RequestBody>, Stream)> {
        let Load { streams, most, .. } = &*self.load;
        if streams.load(Ordering::Relaxed) >= most.load(Ordering::Relaxed) {
            return None;
        }
        streams.fetch_add(1, Ordering::Relaxed);
        self.used = now;
        Some((self.sender.clone(), Stream(Arc::clone(&self.load))))
    }
}

/// How a connection has begun: its error, where it ended at once with one.
type Begun = Result<(), Option<hyper::Error>>;

fn settled(settle: &mut Option<oneshot::Sender<Begun>>, how: Begun) {
    if let Some(settle) = settle.take() {
        // Whoever waited may have gone.
        settle.send(how).ok();
    }
}

/// Starts the library's tasks. The first of them reads the connection; what the side says there of
/// how much it takes at once comes right at the beginning, and the library would look at it only
/// with the next request, so that it is nudged for as long as that may be on its way.
#[derive(Clone, Default)]
struct Executor {
    driver: Arc<AtomicWaker>,
    has_first: Arc<AtomicBool>,
}

/// How often the first task may run until the side's settings have surely been read.
const NUDGES: u8 = 8;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        if self.has_first.swap(true, Ordering::Relaxed) {
            tasks::spawn(future);
            return;
        }
        let driver = Arc::clone(&self.driver);
        tasks::spawn(async move {
            let (mut future, mut left) = (pin!(future), NUDGES);
            std::future::poll_fn(|context| {
                let polled: Poll<F::Output> = future.as_mut().poll(context);
                if left > 0 {
                    left -= 1;
                    driver.wake();
                }
                polled
            })
            .await
        });
    }
}

/// A request as HTTP/2 has it (RFC 9113 section 8.3.1): whom it is for stands in `:authority`, and
/// nothing is said about the connection. `te: trailers` is kept when the client said it, because
/// gRPC demands it. `own` is taken where `Host` holds nothing that can be an authority.
pub(super) fn to_http2(request: &mut Request<RequestBody>, scheme: &Scheme, own: &HeaderValue) {
    let wants_trailers = request.extensions().get::<WantsTrailers>().is_some();
    let host = request.headers_mut().remove(header::HOST);
    strip_hop_by_hop(request.headers_mut());
    if wants_trailers {
        request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let to_authority = |value: &HeaderValue| Authority::try_from(value.as_bytes()).ok();
    let authority = host.as_ref().and_then(to_authority).or_else(|| to_authority(own));
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme.clone());
    parts.authority = authority;
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_2;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: http::request::Builder) -> Request<RequestBody> {
        let mut request = request.body(RequestBody::Empty).expect("a request");
        to_http2(&mut request, &Scheme::HTTP, &HeaderValue::from_static("side.test:81"));
        request
    }

    #[test]
    fn whom_it_is_for_stands_in_the_target() {
        let request = sent(Request::builder().uri("/a?b").header("host", "shop.test"));
        assert_eq!(request.uri(), "http://shop.test/a?b");
        assert!(request.headers().is_empty());
        let odd = sent(Request::builder().uri("/").header("host", "a b"));
        assert_eq!(odd.uri(), "http://side.test:81/");
    }

    #[test]
    fn nothing_is_said_about_a_connection_but_for_trailers() {
        let framed = Request::builder()
            .uri("/")
            .header("host", "a")
            .header("transfer-encoding", "chunked")
            .header("connection", "upgrade, x")
            .header("upgrade", "websocket")
            .header("x", "1")
            .header("te", "gzip");
        assert!(sent(framed).headers().is_empty());
        let wanted = sent(Request::builder().uri("/").header("host", "a").extension(WantsTrailers));
        assert_eq!(wanted.headers()["te"], "trailers");
    }
}
