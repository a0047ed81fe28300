//! Handshakes with certificates of the test's own, over a pipe in memory.

use std::path::Path;
use std::sync::Arc;

use parallax_testkit::{Authority, TestCertificate};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

type Ours = tokio_rustls::client::TlsStream<DuplexStream>;
type Theirs = tokio_rustls::server::TlsStream<DuplexStream>;

fn files((cert, key): (std::path::PathBuf, std::path::PathBuf)) -> CertificateFiles {
    CertificateFiles { cert, key }
}

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).expect("a name")
}

fn side(ca: &Path, server_name: &str) -> SideTls {
    SideTls { ca: Some(ca.to_owned()), certificate: None, server_name: name(server_name) }
}

fn client(side: &SideTls) -> ClientTls {
    ClientTls::new(side, &[ALPN_H2, ALPN_HTTP1]).expect("a client")
}

/// A server that shows one certificate, and asks for the client's when it has an authority.
fn plain_server(files: &CertificateFiles, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
            roots.add(root).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let chain = pem::certificates(&files.cert).expect("certificates");
    Arc::new(builder.with_single_cert(chain, pem::key(&files.key).expect("a key")).expect("a server"))
}

/// Both ends of one handshake, each with its own outcome.
async fn shake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &ServerName<'static>,
) -> (std::io::Result<Ours>, std::io::Result<Theirs>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::join!(
        TlsConnector::from(Arc::clone(client)).connect(name.clone(), near),
        TlsAcceptor::from(Arc::clone(server)).accept(far),
    )
}

/// Whether a byte comes over. In TLS 1.3 the client is done before the server has seen its
/// certificate, so that a refusal shows here.
async fn converse(
    (ours, theirs): (std::io::Result<Ours>, std::io::Result<Theirs>),
) -> std::io::Result<(Ours, Theirs)> {
    let (mut ours, mut theirs) = (ours?, theirs?);
    theirs.write_all(b"x").await?;
    theirs.flush().await?;
    let mut byte = [0];
    ours.read_exact(&mut byte).await?;
    Ok((ours, theirs))
}

#[tokio::test]
async fn a_side_is_known_by_its_authority_and_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let ca = ours.write(directory.path(), "ca");
    let files = files(ours.server(&["legacy.test", "127.0.0.1"]).write(directory.path(), "server"));
    let server = plain_server(&files, None);
    for fits in ["legacy.test", "127.0.0.1"] {
        let client = client(&side(&ca, fits));
        assert!(shake(&server, &client.config, &client.name).await.0.is_ok(), "{fits}");
    }
    let foreign = other.write(directory.path(), "other");
    for (ca, server_name, why) in
        [(&ca, "candidate.test", "not valid for name"), (&foreign, "legacy.test", "UnknownIssuer")]
    {
        let client = client(&side(ca, server_name));
        let refused = shake(&server, &client.config, &client.name).await.0.expect_err("refused");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[tokio::test]
async fn an_expired_side_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let files = files(authority.expired(&["legacy.test"]).write(directory.path(), "server"));
    let client = client(&side(&ca, "legacy.test"));
    let refused = shake(&plain_server(&files, None), &client.config, &client.name).await.0;
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn a_certificate_may_vouch_for_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = files(TestCertificate::self_signed(&["legacy.test"]).write(directory.path(), "server"));
    let client = client(&side(&files.cert, "legacy.test"));
    assert!(shake(&plain_server(&files, None), &client.config, &client.name).await.0.is_ok());
}

#[tokio::test]
async fn a_side_that_asks_who_we_are_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let server = files(authority.server(&["legacy.test"]).write(directory.path(), "server"));
    let server = plain_server(&server, Some(&authority));
    let nobody = side(&ca, "legacy.test");
    let own = files(authority.client("parallax").write(directory.path(), "client"));
    let known = SideTls { certificate: Some(own), ..nobody.clone() };
    assert!(known.check().is_empty());
    let known = client(&known);
    assert!(converse(shake(&server, &known.config, &known.name).await).await.is_ok());
    let nobody = client(&nobody);
    assert!(converse(shake(&server, &nobody.config, &nobody.name).await).await.is_err());
}

#[tokio::test]
async fn the_protocol_is_the_first_offered_that_the_side_knows() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let side = side(&authority.write(directory.path(), "ca"), "legacy.test");
    let files = files(authority.server(&["legacy.test"]).write(directory.path(), "server"));
    let mut server = ServerConfig::clone(&plain_server(&files, None));
    server.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    let server = Arc::new(server);
    for (offered, chosen) in
        [(&[ALPN_H2, ALPN_HTTP1][..], Some(ALPN_HTTP1)), (&[ALPN_HTTP1], Some(ALPN_HTTP1)), (&[], None)]
    {
        let client = ClientTls::new(&side, offered).expect("a client");
        let stream = shake(&server, &client.config, &client.name).await.0.expect("a stream");
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
}
