//! A fake service that behaves well in what the raw one cannot speak: HTTP/2, and TLS with either
//! version of HTTP. The test answers each request, body and trailers included, with a function.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificates::TestCertificate;
use crate::host::Host;

/// A body of any make.
pub type AnyBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;
/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Response<AnyBody>> + Send>>;

/// How a service is reached.
#[derive(Clone, Default)]
pub struct Reached {
    /// Its TLS; none: in the clear.
    pub tls: Option<ServerTls>,
    /// Requests that it takes at once on a connection in HTTP/2.
    pub most_streams: Option<u32>,
}

/// The TLS of a service.
#[derive(Clone)]
pub struct ServerTls {
    /// What it shows.
    pub certificate: TestCertificate,
    /// Who vouches for its clients, as PEM; none: they need no certificate.
    pub client_authority: Option<String>,
    /// What it speaks, best first: `h2`, `http/1.1`.
    pub alpn: Vec<&'static str>,
}

/// The head of a request that has come.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In which version of HTTP.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The target, with its authority where HTTP/2 had one.
    pub uri: Uri,
    /// The fields.
    pub headers: HeaderMap,
    /// Which of the service's connections it came on, the first being 1.
    pub connection: u64,
}

/// A service on a port of 127.0.0.1. It stops when it is dropped.
pub struct HttpService {
    host: Host,
    scheme: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicU64,
}

impl HttpService {
    /// Starts a service that answers with this function.
    ///
    /// # Panics
    /// When the system has no port or no thread to give, or a certificate is none.
    pub fn start<F, A>(reached: Reached, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            answer: Box::new(move |request| Box::pin(answer(request))),
            asked: Mutex::default(),
            connections: AtomicU64::new(0),
        });
        let scheme = if reached.tls.is_some() { "https" } else { "http" };
        let host = {
            let shared = Arc::clone(&shared);
            Host::start("http", move |listener| serve(listener, reached, shared))
        };
        Self { host, scheme, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr())
    }

    /// The heads of the requests so far.
    ///
    /// # Panics
    /// When the service's thread has died.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no thread panics while it holds them").clone()
    }

    /// How many connections were accepted, and got through TLS where there is any.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// A body of these bytes.
pub fn whole(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body of these pieces, then these trailers.
#[must_use]
pub fn with_trailers(pieces: Vec<Bytes>, trailers: HeaderMap) -> AnyBody {
    let frames = pieces.into_iter().map(Frame::data).chain([Frame::trailers(trailers)]);
    StreamBody::new(futures_util::stream::iter(frames.map(Ok))).boxed_unsync()
}

async fn serve(listener: TcpListener, reached: Reached, shared: Arc<Shared>) {
    let tls = reached.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::new(server_config(tls))));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let (tls, shared, most) = (tls.clone(), Arc::clone(&shared), reached.most_streams);
        connections.spawn(async move {
            match tls {
                None => connection(stream, most, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, most, shared).await;
                    }
                }
            }
        });
    }
}

async fn connection<S>(stream: S, most_streams: Option<u32>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = Asked {
            version: request.version(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            connection: number,
        };
        shared.asked.lock().expect("no thread panics while it holds them").push(asked);
        let answering = (shared.answer)(request);
        async move { Ok::<_, std::convert::Infallible>(answering.await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http2().max_concurrent_streams(most_streams);
    // A peer that has gone ends the connection, and that is all there is to it.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

fn server_config(tls: &ServerTls) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let builder = match &tls.client_authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.expect("a certificate")).expect("an authority");
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let chain = CertificateDer::pem_slice_iter(tls.certificate.cert.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(tls.certificate.key.as_bytes()).expect("a key");
    let mut config = builder.with_single_cert(chain, key).expect("a certificate with its key");
    config.alpn_protocols = tls.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}
