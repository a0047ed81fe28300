//! From the name of a side to a connection that speaks HTTP: an address that takes it, TLS where
//! the URL is `https://`, and the version of HTTP that the configuration wants or the side chooses.
//!
//! All of it has one limit in time. Each address gets its part, handshake included, so that one
//! that takes connections and says nothing does not take it all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use parallax_core::verdict::Cause;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Addresses, Fault, Upstream, http1, http2};
use crate::config::Protocol;
use crate::telemetry::CountRepair;
use crate::tls::{ALPN_H2, ALPN_HTTP1, ClientTls, MaybeTls};

/// How long a connection may be silent before TCP asks whether the peer is still there, and how
/// often then.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// Makes connections to a side.
pub(super) struct Connector {
    addresses: Arc<Addresses>,
    within: Duration,
    protocol: Protocol,
    tls: Option<Tls>,
    count: CountRepair,
}

/// A side's TLS, for each of what may be offered to it.
struct Tls {
    name: ServerName<'static>,
    http1: TlsConnector,
    http2: TlsConnector,
    either: TlsConnector,
}

/// In which version of HTTP a connection may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2,
    /// The side chooses.
    Either,
}

/// A connection that was made.
pub(super) enum Connected {
    Http1(http1::Connection),
    Http2(http2::Connection),
}

impl Connector {
    pub(super) fn new(upstream: &Upstream, within: Duration) -> Self {
        Self {
            addresses: Arc::clone(&upstream.addresses),
            within,
            protocol: upstream.protocol,
            tls: upstream.tls.as_ref().map(Tls::new),
            count: upstream.count_repair.clone(),
        }
    }

    /// For a service that is spoken to in HTTP/1.1 and in the clear.
    pub(super) fn in_the_clear(addresses: Arc<Addresses>, within: Duration) -> Self {
        let count = CountRepair::new(|_| ());
        Self { addresses, within, protocol: Protocol::Http1, tls: None, count }
    }

    /// What a request may go over. One that wants to leave HTTP needs a connection of its own, so
    /// that it gets HTTP/1.1 wherever the configuration allows it.
    pub(super) fn offer(&self, wants_upgrade: bool) -> Offer {
        match self.protocol {
            Protocol::Http1 => Offer::Http1,
            Protocol::Http2 => Offer::Http2,
            Protocol::Auto if self.tls.is_none() || wants_upgrade => Offer::Http1,
            Protocol::Auto => Offer::Either,
        }
    }

    /// What stands before the authority of a request in HTTP/2.
    pub(super) fn scheme(&self) -> &Scheme {
        if self.tls.is_some() { &Scheme::HTTPS } else { &Scheme::HTTP }
    }

    /// Makes a connection.
    pub(super) async fn connect(&self, offer: Offer) -> Result<Connected, Fault> {
        let within = self.within;
        let connected = tokio::time::timeout(within, async {
            let stream = self.reach_any(offer).await?;
            self.begin(stream, offer).await
        });
        let late = || Fault::new(Cause::Timeout, format!("no connection within {within:?}"));
        connected.await.unwrap_or_else(|_| Err(late()))
    }

    async fn begin(&self, stream: MaybeTls, offer: Offer) -> Result<Connected, Fault> {
        let is_http2 = match offer {
            Offer::Http1 => false,
            Offer::Http2 => true,
            Offer::Either => stream.agreed() == Some(ALPN_H2),
        };
        if is_http2 {
            let begun = http2::Connection::begin(stream).await;
            begun.map(Connected::Http2).map_err(|fault| match fault.cause {
                // The side has the last word in the handshake, and its first word is still to come.
                Cause::Reset if self.tls.is_some() => Fault::new(Cause::Tls, fault.detail),
                _ => fault,
            })
        } else {
            let begun = http1::Connection::begin(stream, self.count.clone()).await;
            begun.map(Connected::Http1).map_err(|error| Fault::exchanging(&error))
        }
    }

    async fn reach_any(&self, offer: Offer) -> Result<MaybeTls, Fault> {
        let addresses = self.addresses.resolve().await.map_err(|error| Fault::connecting(&error))?;
        let mut last = Fault::new(Cause::Dns, "no address".to_owned());
        let each = self.within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            let late = || Fault::new(Cause::Timeout, format!("{address} was not ready within {each:?}"));
            let reached = tokio::time::timeout(each, self.reach(address, offer)).await;
            match reached.unwrap_or_else(|_| Err(late())) {
                Ok(stream) => {
                    self.addresses.worked(address);
                    return Ok(stream);
                }
                Err(fault) => {
                    self.addresses.failed(address);
                    last = fault;
                }
            }
        }
        Err(last)
    }

    async fn reach(&self, address: SocketAddr, offer: Offer) -> Result<MaybeTls, Fault> {
        let at = |error: io::Error| {
            Fault::connecting(&io::Error::new(error.kind(), format!("{address}: {error}")))
        };
        let stream = TcpStream::connect(address).await.map_err(at)?;
        stream.set_nodelay(true).map_err(at)?;
        let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
        SockRef::from(&stream).set_tcp_keepalive(&probes).map_err(at)?;
        let Some(tls) = &self.tls else { return Ok(MaybeTls::Plain(stream)) };
        let connector = match offer {
            Offer::Http1 => &tls.http1,
            Offer::Http2 => &tls.http2,
            Offer::Either => &tls.either,
        };
        let refused = |error: io::Error| Fault::new(Cause::Tls, format!("{address}: {error}"));
        let stream = connector.connect(tls.name.clone(), stream).await.map_err(refused)?;
        let stream = MaybeTls::Tls(Box::new(stream.into()));
        // A side that chose nothing was not asked, or knows no ALPN: that is HTTP/1.1.
        if offer == Offer::Http2 && stream.agreed() != Some(ALPN_H2) {
            let detail = format!("{address} does not speak HTTP/2, which `protocol: http2` asks for");
            return Err(Fault::new(Cause::Protocol, detail));
        }
        Ok(stream)
    }
}

impl Tls {
    fn new(client: &ClientTls) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut config = (*client.config).clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Self {
            name: client.name.clone(),
            http1: offering(&[ALPN_HTTP1]),
            http2: offering(&[ALPN_H2]),
            either: offering(&[ALPN_H2, ALPN_HTTP1]),
        }
    }
}
