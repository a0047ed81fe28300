//! Clients over TLS: HTTP/1.1 and HTTP/2 as they agree with us, the certificate that fits the name,
//! and another one as soon as its file has changed.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parallax::{config, tasks};
use parallax_testkit::{Authority, FakeService};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::{DEADLINE, GET_RETURN, same};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// parallax that speaks TLS, with certificates in a directory.
async fn start(directory: &Path, legacy: &FakeService) -> parallax::app::Running {
    let text = format!(
        "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0'}}\nstore: 'memory://'\nlegacy: {0}\ncandidate: {0}\n\
         tls: {{cert: shop.crt, key: shop.key, certificates: [{{cert: api.crt, key: api.key}}]}}\n{GET_RETURN}",
        legacy.url()
    );
    let file = directory.join("parallax.yaml");
    let settings = config::parse(&text, file.to_str().expect("it is in order"), &|_| None)
        .unwrap_or_else(|error| panic!("{error}"));
    parallax::app::Running::start(settings).await.expect("it starts")
}

async fn connect(
    address: std::net::SocketAddr,
    name: &'static str,
    authority: &Authority,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("it is in order"))
        .expect("it is in order");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("it is in order");
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(name).expect("it is in order"), stream)
        .await
}

fn request(name: &str) -> http::Request<Empty<bytes::Bytes>> {
    http::Request::get("https://shop.test/returns/1")
        .header("host", name)
        .body(Empty::new())
        .expect("it is in order")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_are_agreed_on_and_names_have_their_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    _ = authority.server(&["shop.test"]).write(directory.path(), "shop");
    _ = authority.server(&["api.test"]).write(directory.path(), "api");
    let legacy = FakeService::start(same("{\"a\":1}"));
    let running = start(directory.path(), &legacy).await;

    let stream = connect(running.proxy, "shop.test", &authority, &[b"http/1.1"]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let serving = tasks::spawn(connection);
    let mut plain = request("shop.test");
    *plain.uri_mut() = "/returns/1".parse().unwrap();
    let answer = sender.send_request(plain).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{\"a\":1}");
    serving.abort();

    let stream = connect(running.proxy, "api.test", &authority, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let serving = tasks::spawn(connection);
    let answer = sender.send_request(request("shop.test")).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "{\"a\":1}");
    serving.abort();

    let operation = support::at_rest(running.control, "getReturn").await;
    assert_eq!(operation["counts"]["matched"], 2, "{operation}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_a_word_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    _ = old.server(&["shop.test"]).write(directory.path(), "shop");
    _ = old.server(&["api.test"]).write(directory.path(), "api");
    let legacy = FakeService::start(same("{}"));
    let running = start(directory.path(), &legacy).await;
    connect(running.proxy, "shop.test", &old, &[]).await.expect("the old one");
    _ = new.server(&["shop.test"]).write(directory.path(), "shop");
    let began = Instant::now();
    while connect(running.proxy, "shop.test", &new, &[]).await.is_err() {
        assert!(began.elapsed() < DEADLINE, "the new certificate is not shown");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_harms_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    _ = authority.server(&["shop.test"]).write(directory.path(), "shop");
    _ = authority.server(&["api.test"]).write(directory.path(), "api");
    let legacy = FakeService::start(same("{}"));
    let running = start(directory.path(), &legacy).await;
    let mut plain = parallax_testkit::RawClient::connect(running.proxy).await.unwrap();
    plain.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(plain.response("GET").await.is_err(), "no answer in the clear");
    connect(running.proxy, "shop.test", &authority, &[]).await.expect("others go on");
    assert_eq!(legacy.count(), 0);
    running.stop().await;
}
