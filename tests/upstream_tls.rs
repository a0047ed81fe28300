//! A side behind TLS: whom we take for it, as whom we come, and in which version of HTTP we speak.

mod support;

use http::{Response, Version};
use parallax::app::Running;
use parallax_testkit::{
    Authority, FakeService, FrameService, HttpService, RawClient, Reached, ServerTls, TestCertificate, whole,
};
use support::GET_RETURN;
use tempfile::TempDir;

/// A side behind TLS that says in which version it was asked.
fn side(
    certificate: TestCertificate,
    client_authority: Option<String>,
    alpn: &[&'static str],
) -> HttpService {
    let tls = ServerTls { certificate, client_authority, alpn: alpn.to_vec() };
    HttpService::start(Reached { tls: Some(tls), ..Reached::default() }, |request| async move {
        Response::builder()
            .header("content-type", "text/plain")
            .body(whole(format!("{:?}", request.version())))
            .expect("an answer")
    })
}

/// parallax before a legacy side with these keys beside its URL.
async fn before(legacy: &str, keys: &str) -> Running {
    let configuration = format!(
        "store: 'memory://'\nlegacy: {{url: '{legacy}', {keys}}}\ndefaults: {{stage: legacy}}\n{GET_RETURN}"
    );
    support::start("", "http://127.0.0.1:9", &configuration).await
}

/// What a client gets: the status, and the body or the cause.
async fn get(running: &Running) -> (u16, String) {
    let mut client = RawClient::connect(running.proxy).await.expect("the proxy listens");
    let answer = client.get("/returns/1").await.expect("an answer");
    match answer.status {
        200 => (200, answer.text().to_owned()),
        status => (status, answer.json()["cause"].as_str().unwrap_or_default().to_owned()),
    }
}

/// An authority, and a directory with its certificate at `ca.crt`.
fn authority() -> (Authority, TempDir, String) {
    let (authority, directory) = (Authority::new("test"), tempfile::tempdir().expect("a directory"));
    let ca = authority.write(directory.path(), "ca").display().to_string();
    (authority, directory, ca)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_its_authority_vouches_for_is_spoken_to() {
    let (authority, _directory, ca) = authority();
    let legacy = side(authority.server(&["127.0.0.1"]), None, &["http/1.1"]);
    let running = before(&legacy.url(), &format!("tls: {{ca: '{ca}'}}")).await;
    for _ in 0..3 {
        assert_eq!(get(&running).await, (200, "HTTP/1.1".to_owned()));
    }
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(legacy.connections() <= threads, "connections are kept: {}", legacy.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_the_side_is_a_502_of_tls() {
    let (authority, _directory, ca) = authority();
    let stranger = Authority::new("stranger");
    for (certificate, keys) in [
        (authority.server(&["other.test"]), format!("tls: {{ca: '{ca}'}}")),
        (authority.server(&["127.0.0.1"]), format!("tls: {{ca: '{ca}', server_name: other.test}}")),
        (authority.expired(&["127.0.0.1"]), format!("tls: {{ca: '{ca}'}}")),
        (stranger.server(&["127.0.0.1"]), format!("tls: {{ca: '{ca}'}}")),
        (TestCertificate::self_signed(&["127.0.0.1"]), format!("tls: {{ca: '{ca}'}}")),
    ] {
        let legacy = side(certificate, None, &["http/1.1"]);
        let running = before(&legacy.url(), &keys).await;
        assert_eq!(get(&running).await, (502, "tls".to_owned()), "{keys}");
        assert_eq!(legacy.asked().len(), 0);
    }
    // Speaks, and not TLS.
    let plain = FrameService::start(|_| Vec::new());
    let running = before(&plain.url().replace("http:", "https:"), &format!("tls: {{ca: '{ca}'}}")).await;
    assert_eq!(get(&running).await, (502, "tls".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_may_be_another_than_the_urls() {
    let (authority, _directory, ca) = authority();
    let legacy = side(authority.server(&["returns.internal"]), None, &["http/1.1"]);
    let keys = format!("tls: {{ca: '{ca}', server_name: returns.internal}}");
    let running = before(&legacy.url(), &keys).await;
    assert_eq!(get(&running).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_asks_who_we_are_is_shown_our_certificate() {
    let (authority, directory, ca) = authority();
    let clients = Authority::new("clients");
    let (cert, key) = clients.client("parallax").write(directory.path(), "own");
    for alpn in ["http/1.1", "h2"] {
        let legacy = side(authority.server(&["127.0.0.1"]), Some(clients.pem()), &[alpn]);
        let keys = format!("tls: {{ca: '{ca}', cert: '{}', key: '{}'}}", cert.display(), key.display());
        assert_eq!(get(&before(&legacy.url(), &keys).await).await.0, 200, "{alpn}");
        let without = before(&legacy.url(), &format!("tls: {{ca: '{ca}'}}")).await;
        assert_eq!(get(&without).await, (502, "tls".to_owned()), "{alpn}");
        assert_eq!(legacy.asked().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_side_chooses_the_version_unless_the_configuration_does() {
    let (authority, _directory, ca) = authority();
    let certificate = authority.server(&["127.0.0.1"]);
    for (speaks, protocol, version) in [
        (&["h2", "http/1.1"][..], "auto", (200, "HTTP/2.0")),
        (&["http/1.1"], "auto", (200, "HTTP/1.1")),
        (&[], "auto", (200, "HTTP/1.1")),
        (&["h2", "http/1.1"], "http1", (200, "HTTP/1.1")),
        (&["h2", "http/1.1"], "http2", (200, "HTTP/2.0")),
        (&["http/1.1"], "http2", (502, "tls")),
        (&[], "http2", (502, "protocol")),
    ] {
        let legacy = side(certificate.clone(), None, speaks);
        let keys = format!("protocol: {protocol}, tls: {{ca: '{ca}'}}");
        let running = before(&legacy.url(), &keys).await;
        for _ in 0..3 {
            let (status, told) = get(&running).await;
            assert_eq!((status, told.as_str()), version, "{speaks:?} {protocol}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_gets_http1_also_where_the_side_would_choose_http2() {
    let (authority, _directory, ca) = authority();
    let legacy = side(authority.server(&["127.0.0.1"]), None, &["h2", "http/1.1"]);
    let running = before(&legacy.url(), &format!("tls: {{ca: '{ca}'}}")).await;
    assert_eq!(get(&running).await.1, "HTTP/2.0");
    let mut client = RawClient::connect(running.proxy).await.unwrap();
    let fields = [("Connection", "upgrade"), ("Upgrade", "websocket")];
    client.ask("GET", "/returns/1", &fields, b"").await.unwrap();
    let asked = legacy.asked().pop().unwrap();
    assert_eq!((asked.version, &asked.headers["upgrade"]), (Version::HTTP_11, &"websocket".parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_a_504() {
    let (_authority, _directory, ca) = authority();
    let silent = FakeService::start(parallax_testkit::Behaviour::NeverRead);
    let running = before(&silent.url().replace("http:", "https:"), &format!("tls: {{ca: '{ca}'}}")).await;
    assert_eq!(get(&running).await, (504, "timeout".to_owned()));
}
