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

/// The certificate that a client gets who asks for this name, and the protocol.
async fn asked(server: &ServerTls, client: &Arc<ClientConfig>, server_name: &str) -> CertificateDer<'static> {
    let shaken = shake(server.config(), client, &name(server_name)).await;
    let (ours, theirs) = converse(shaken).await.expect("a conversation");
    assert_eq!(theirs.get_ref().1.alpn_protocol(), Some(ALPN_H2));
    ours.get_ref().1.peer_certificates().expect("certificates")[0].clone().into_owned()
}

fn certificate(files: &CertificateFiles) -> CertificateDer<'static> {
    pem::certificates(&files.cert).expect("certificates").remove(0)
}

/// A client that takes any of these for the server's certificate, whatever name stands in it.
fn gullible(shown: &[&CertificateFiles]) -> Arc<ClientConfig> {
    #[derive(Debug)]
    struct Known(Vec<CertificateDer<'static>>);

    impl rustls::client::danger::ServerCertVerifier for Known {
        fn verify_server_cert(
            &self,
            certificate: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            assert!(self.0.contains(certificate), "a certificate that is none of the given");
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let known = provider().signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let known = provider().signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            provider().signature_verification_algorithms.supported_schemes()
        }
    }

    let known = Known(shown.iter().map(|files| certificate(files)).collect());
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(known))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec(), ALPN_H2.to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let made = |file: &str, names: &[&str]| files(authority.server(names).write(directory.path(), file));
    let first = made("first", &["first.test"]);
    let shop = made("shop", &["Shop.test", "*.shop.test"]);
    let api = made("api", &["api.shop.test"]);
    let client = gullible(&[&first, &shop, &api]);
    let server = ServerTls::open(vec![first.clone(), shop.clone(), api.clone()]).expect("a server");
    for (asked_for, expected) in [
        ("first.test", &first),
        ("shop.test", &shop),
        ("SHOP.test", &shop),
        ("www.shop.test", &shop),
        ("api.shop.test", &api),
        ("a.b.shop.test", &first),
        ("unknown.test", &first),
        ("test", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(asked(&server, &client, asked_for).await, certificate(expected), "{asked_for}");
    }
}

#[test]
fn of_two_certificates_of_a_name_the_client_gets_one_that_it_understands() {
    use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256};

    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let names = &["shop.test"];
    let all = [
        files(authority.server(&["first.test"]).write(directory.path(), "first")),
        files(authority.server_ed25519(names).write(directory.path(), "ed25519")),
        files(authority.server(names).write(directory.path(), "ecdsa")),
    ];
    let shown = shown::Shown::load(&all).expect("certificates");
    for (known, expected) in [
        (&[ED25519, ECDSA_NISTP256_SHA256][..], 1),
        (&[ECDSA_NISTP256_SHA256], 2),
        (&[ED25519], 1),
        (&[RSA_PSS_SHA256], 0),
    ] {
        let found = shown.find(Some("shop.test"), known).expect("a certificate");
        assert_eq!(found.cert[0], certificate(&all[expected]), "{known:?}");
    }
}

#[tokio::test]
async fn both_versions_are_spoken_and_sessions_are_resumed() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let files = files(authority.server(&["shop.test"]).write(directory.path(), "server"));
    let server = ServerTls::open(vec![files]).expect("a server");
    let roots = || {
        let mut roots = RootCertStore::empty();
        roots.add(pem::certificates(&ca).expect("certificates").remove(0)).expect("a root");
        roots
    };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots())
            .with_no_client_auth();
        let client = Arc::new(client);
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let shaken = shake(server.config(), &client, &name("shop.test")).await;
            let (ours, _theirs) = converse(shaken).await.expect("a conversation");
            let ours = ours.get_ref().1;
            assert_eq!((ours.protocol_version(), ours.handshake_kind()), (Some(version.version), Some(kind)));
        }
    }
}

#[tokio::test]
async fn a_reload_counts_for_new_connections_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let files = files(authority.server(&["shop.test"]).write(directory.path(), "server"));
    let before = certificate(&files);
    let server = ServerTls::open(vec![files.clone()]).expect("a server");
    // Each time as a new client, which has no session to resume.
    let come = || client(&side(&ca, "shop.test")).config;
    let shaken = shake(server.config(), &come(), &name("shop.test")).await;
    let (mut ours, mut theirs) = converse(shaken).await.expect("a conversation");

    assert!(!server.has_changed());
    let _ = authority.server(&["shop.test"]).write(directory.path(), "server");
    assert!(server.has_changed());
    assert_eq!(asked(&server, &come(), "shop.test").await, before, "nothing was read yet");
    server.reload().expect("a reload");
    assert!(!server.has_changed());

    let after = asked(&server, &come(), "shop.test").await;
    assert!(after != before && after == certificate(&files));
    ours.write_all(b"still here").await.expect("written");
    ours.flush().await.expect("written");
    let mut read = [0; 10];
    theirs.read_exact(&mut read).await.expect("read");
    assert_eq!(&read, b"still here");
}

#[tokio::test]
async fn a_reload_is_all_or_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let made = |file: &str| files(authority.server(&[&format!("{file}.test")]).write(directory.path(), file));
    let all = vec![made("one"), made("two")];
    let before: Vec<_> = all.iter().map(certificate).collect();
    let server = ServerTls::open(all.clone()).expect("a server");
    let _ = made("one");
    let renewed = authority.server(&["two.test"]);
    let key = std::fs::read_to_string(&all[1].key).expect("a key");
    let _ = TestCertificate { key, ..renewed.clone() }.write(directory.path(), "two");
    assert!(server.has_changed());
    let told = server.reload().expect_err("refused").to_string();
    assert!(
        told.contains("two.key") && told.contains("two.crt") && told.contains("does not belong"),
        "{told}"
    );
    assert!(!server.has_changed(), "the same files are not read again and again");
    for (name, before) in ["one.test", "two.test"].iter().zip(&before) {
        assert_eq!(asked(&server, &client(&side(&ca, name)).config, name).await, *before);
    }
    let _ = renewed.write(directory.path(), "two");
    assert!(server.has_changed());
    server.reload().expect("a reload");
    for (name, files) in ["one.test", "two.test"].iter().zip(&all) {
        assert_eq!(asked(&server, &client(&side(&ca, name)).config, name).await, certificate(files));
    }
    std::fs::remove_file(&all[0].cert).expect("removed");
    assert!(server.has_changed() && server.reload().is_err() && !server.has_changed());
    assert!(server.replace(all.clone()).is_err());
    server.replace(vec![all[1].clone()]).expect("replaced");
    assert!(!server.has_changed() && server.reload().is_ok());
}

/// As Kubernetes mounts a secret: files are links into a directory which is itself a link that
/// is swapped.
#[test]
fn a_swapped_directory_is_a_change() {
    use std::os::unix::fs::symlink;

    let mount = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    for version in ["v1", "v2"] {
        std::fs::create_dir(mount.path().join(version)).expect("a directory");
        let _ = authority.server(&["shop.test"]).write(&mount.path().join(version), "tls");
    }
    symlink("v1", mount.path().join("..data")).expect("a link");
    let files = CertificateFiles { cert: mount.path().join("tls.crt"), key: mount.path().join("tls.key") };
    symlink("..data/tls.crt", &files.cert).expect("a link");
    symlink("..data/tls.key", &files.key).expect("a link");
    let before = certificate(&files);
    let server = ServerTls::open(vec![files.clone()]).expect("a server");
    symlink("v2", mount.path().join("..data_tmp")).expect("a link");
    assert!(!server.has_changed());
    std::fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).expect("swapped");
    assert!(server.has_changed());
    server.reload().expect("a reload");
    assert!(certificate(&files) != before && !server.has_changed());
}

#[test]
fn what_is_wrong_is_told_with_the_file_and_without_the_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let made = Authority::new("ours").server(&["shop.test"]);
    let other = Authority::new("other").server(&["shop.test"]);
    let damaged = made.key.replace("-----END", "----END");
    for (file, text) in [
        ("good.crt", made.cert.as_str()),
        ("good.key", &made.key),
        ("other.key", &other.key),
        ("empty", ""),
        ("damaged.key", &damaged),
        (
            "encrypted.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ),
        (
            "old.key",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
        ),
        ("odd.key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"),
        ("odd.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ] {
        std::fs::write(at(file), text).expect("a file");
    }
    std::fs::File::create(at("large")).and_then(|file| file.set_len(5 << 20)).expect("a file");
    for (cert, key, expected) in [
        ("good.crt", "good.key", &[][..]),
        ("none.crt", "none.key", &["none.crt`: No such file", "none.key`: No such file"]),
        ("good.crt", "other.key", &["other.key` does not belong to the certificate in"]),
        ("good.key", "good.crt", &["are `cert` and `key` swapped?", "are `cert` and `key` swapped?"]),
        ("empty", "empty", &["holds no certificate;", "holds no private key;"]),
        ("good.crt", "damaged.key", &["damaged.key` is damaged"]),
        ("good.crt", "encrypted.key", &["without a passphrase"]),
        ("good.crt", "old.key", &["without a passphrase"]),
        ("good.crt", "odd.key", &["odd.key` holds a private key that cannot be used"]),
        ("odd.crt", "good.key", &["odd.crt`: certificate 1 in it cannot be used"]),
        ("large", "good.key", &["large` is too large"]),
        (".", "good.key", &["is no regular file"]),
    ] {
        let files = CertificateFiles { cert: at(cert), key: at(key) };
        let told: Vec<String> = files.check().iter().map(|error| format!("{error} {error:?}")).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        let secret = made.key.lines().nth(1).expect("a line");
        assert!(told.iter().all(|told| !told.contains(secret) && !told.contains("MIIB")), "{told:?}");
        assert_eq!(ServerTls::open(vec![files]).is_err(), !expected.is_empty());
    }
    let side = SideTls { ca: Some(at("odd.crt")), certificate: None, server_name: name("shop.test") };
    assert!(side.check()[0].to_string().contains("odd.crt`: certificate 1 in it cannot be used"));
    assert!(ClientTls::new(&side, &[]).is_err());
}

#[test]
fn debug_shows_no_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let files = files(authority.client("parallax").write(directory.path(), "own"));
    let side = SideTls { certificate: Some(files.clone()), ..side(&ca, "shop.test") };
    let shown = format!("{:?} {:?}", client(&side), ServerTls::open(vec![files]).expect("a server"));
    assert!(shown.len() < 200, "{shown}");
}
