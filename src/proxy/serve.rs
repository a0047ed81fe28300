//! A client's connection from its first byte to its last: how it speaks is found out, its requests
//! are served, and it ends in good order, also when the process does.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::Parts;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::client::{Client, Protocol};
use super::fair::Fair;
use super::guard::Guard;
use super::limits::{GRACE, Limits};
use super::service::Service;
use crate::tls::{ALPN_H2, ALPN_HTTP1, MaybeTls, ServerTls};

/// With this an HTTP/2 connection opens (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are read from a connection at once, at most. A kept body holds on to the buffer
/// that it was read into, so that this is not larger than it needs to be.
const READ_BUFFER: usize = 64 * 1024;
/// Header fields up to which the library needs no memory of its own for them.
const FEW_FIELDS: usize = 100;

/// How long nothing is asked on a connection until it is at rest. Clients that are busy never are.
const REST: Duration = Duration::from_secs(1);

/// How connections are served, the same for all of a thread.
pub(crate) struct Servers {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    limits: Limits,
}

impl Servers {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_buf_size(limits.message.head.max(READ_BUFFER))
            .preserve_header_case(true)
            .auto_date_header(false)
            // The guard knows when a head is late, also before its first byte.
            .header_read_timeout(None);
        if limits.message.headers > FEW_FIELDS {
            http1.max_headers(limits.message.headers);
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.message.head).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams)
            .keep_alive_interval(Some(limits.patience.head))
            .auto_date_header(false);
        Self { http1, http2, limits }
    }
}

/// A client's connection.
pub(crate) struct Connection {
    /// As it was accepted, until it is opened.
    pub(crate) stream: Option<TcpStream>,
    pub(crate) client: Arc<Client>,
    pub(crate) service: Arc<Service>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) draining: watch::Receiver<bool>,
}

impl Connection {
    pub(crate) async fn run(mut self) {
        let client = Arc::clone(&self.client);
        let mut draining = self.draining.clone();
        let opened = tokio::select! {
            opened = self.open() => opened,
            () = may_end(&client, &mut draining) => return,
        };
        let ended = match opened {
            Ok((guard, protocol)) => {
                client.speaks(protocol);
                self.serve(guard, protocol).await
            }
            Err(error) => return tracing::debug!(peer = %client.peer, %error, "nothing was asked"),
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %client.peer, %error, "a client's connection ended early");
        }
    }

    /// The handshake, and how the client speaks.
    async fn open(&mut self) -> io::Result<(Guard<MaybeTls>, Protocol)> {
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let Limits { message, patience, .. } = self.servers.limits;
        let tls = self.service.shared.tls.as_deref();
        let accepted = tokio::time::timeout(patience.head, shake_hands(stream, tls)).await;
        let stream = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let agreed = stream.agreed().map(<[u8]>::to_vec);
        let mut guard = Guard::new(stream, Arc::clone(&self.client), message, patience);
        let is_http2 = match agreed.as_deref() {
            Some(ALPN_HTTP1) => false,
            Some(ALPN_H2) => {
                guard.open();
                true
            }
            _ => guard.opens_with(PREFACE).await?,
        };
        Ok((guard, if is_http2 { Protocol::Http2 } else { Protocol::Http1 }))
    }

    async fn serve(self, guard: Guard<MaybeTls>, protocol: Protocol) -> hyper::Result<()> {
        match protocol {
            Protocol::Http1 => self.serve_http1(guard).await,
            Protocol::Http2 => self.serve_http2(guard).await,
        }
    }

    /// The library keeps the buffers of a connection for as long as it has it, tens of kilobytes. So
    /// it gets the connection for as long as something is asked, and a connection at rest waits with
    /// the guard alone.
    async fn serve_http1(mut self, mut guard: Guard<MaybeTls>) -> hyper::Result<()> {
        loop {
            let (client, service) = (Arc::clone(&self.client), Arc::clone(&self.service));
            let answer = service_fn(move |request| Arc::clone(&service).answer(Arc::clone(&client), request));
            let serving = self.servers.http1.serve_connection(TokioIo::new(guard), answer).with_upgrades();
            // In a box, so that a connection at rest has no room for it either.
            let mut serving = Box::pin(serving);
            let rests = tokio::select! {
                ended = serving.as_mut() => return ended,
                () = may_end(&self.client, &mut self.draining) => false,
                () = comes_to_rest(&self.client) => true,
            };
            let parts = if rests {
                Pin::into_inner(serving).into_parts()
            } else {
                serving.as_mut().graceful_shutdown();
                return serving.await;
            };
            let Some(Parts { io, read_buf, service: _, .. }) = parts else { return Ok(()) };
            guard = io.into_inner();
            guard.take_back(&read_buf);
            // Or it would be there for as long as the rest lasts.
            drop(read_buf);
            let awakens = tokio::select! {
                awakens = guard.awakens() => awakens.unwrap_or(false),
                () = may_end(&self.client, &mut self.draining) => false,
            };
            if !awakens {
                guard.shutdown().await.ok();
                return Ok(());
            }
        }
    }

    async fn serve_http2(mut self, guard: Guard<MaybeTls>) -> hyper::Result<()> {
        let idle = self.servers.limits.patience.idle;
        let (client, service) = (Arc::clone(&self.client), self.service);
        let answer = service_fn(move |request| Arc::clone(&service).answer(Arc::clone(&client), request));
        let mut serving =
            Box::pin(self.servers.http2.serve_connection(TokioIo::new(Fair::new(guard)), answer));
        tokio::select! {
            ended = serving.as_mut() => return ended,
            () = may_go_away(&self.client, &mut self.draining, idle) => serving.as_mut().graceful_shutdown(),
        }
        serving.await
    }
}

/// The handshake, where there is one.
async fn shake_hands(stream: TcpStream, tls: Option<&ServerTls>) -> io::Result<MaybeTls> {
    let Some(tls) = tls else { return Ok(MaybeTls::Plain(stream)) };
    // In a box, so that a connection in the clear has no room for it.
    let stream = Box::pin(TlsAcceptor::from(Arc::clone(tls.config())).accept(stream)).await?;
    Ok(MaybeTls::Tls(Box::new(stream.into())))
}

/// Resolves when the proxy drains.
pub(crate) async fn drained(draining: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same: nobody will say it any more.
    draining.wait_for(|draining| *draining).await.ok();
}

/// Resolves when the proxy drains and nothing was asked on this connection for a while. A client
/// that asks in between is answered, and told that the connection ends with the answer.
async fn may_end(client: &Client, draining: &mut watch::Receiver<bool>) {
    drained(draining).await;
    tokio::time::sleep(GRACE).await;
    until(GRACE, || client.idle_for()).await;
}

/// Resolves when nothing has been under way on this connection for a while.
async fn comes_to_rest(client: &Client) {
    until(REST, || client.rests_for()).await;
}

/// Resolves when something has lasted for so long; `lasts` tells how long it does.
async fn until(long: Duration, lasts: impl Fn() -> Option<Duration>) {
    loop {
        match lasts() {
            Some(lasted) if lasted >= long => return,
            Some(lasted) => tokio::time::sleep(long - lasted).await,
            None => tokio::time::sleep(long).await,
        }
    }
}

/// Resolves when the proxy drains, or the client has not asked for long. HTTP/2 can say so without
/// losing a request (RFC 9113 section 6.8).
async fn may_go_away(client: &Client, draining: &mut watch::Receiver<bool>, idle: Duration) {
    let rested = until(idle, || client.idle_for());
    tokio::select! {
        () = drained(draining) => {}
        () = rested => {}
    }
}

/// Waits until what was told in between is on its way to the client.
pub(crate) async fn interim_written(client: &Client) {
    poll_fn(|context| client.poll_interim_written(context)).await;
}
