//! Requests that come round: proxied, never checked again, and refused when they go in a circle.
//! What claims to have come round and has not is taken for any other request.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parallax::app::Running;
use parallax_testkit::{FakeService, RawClient};
use serde_json::json;
use support::{DEADLINE, GET_RETURN, House, assert_conserved, at_rest, process, same, sample, start};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "a key that the nodes share";

/// A loop is a mismatch, and asking again would go round again.
const NOT_AGAIN: &str = "defaults: {recheck: off}\n";

/// An address that leads to whatever it is pointed at later.
struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
}

impl Relay {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let target = Arc::new(Mutex::new(None));
        let pointed = Arc::clone(&target);
        parallax::tasks::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let target: Option<SocketAddr> = *pointed.lock().expect("a target");
                let Some(target) = target else { continue };
                parallax::tasks::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let passing = tokio::io::copy_bidirectional(&mut near, &mut far);
                    tokio::time::timeout(DEADLINE, passing).await.ok();
                });
            }
        });
        Self { address, target }
    }

    fn point(&self, to: &Running) {
        *self.target.lock().expect("a target") = Some(to.proxy);
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A file with the key, and the line of configuration that names it.
fn key() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("key");
    std::fs::write(&file, KEY).expect("a file");
    let line = format!("markers: {{key: 'file:{}'}}\n", file.display());
    (directory, line)
}

/// A marker as the deployment with [`KEY`] makes them.
fn marker(hops: u8, age: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    let claim = format!("{hops}.{}", (now - age).as_secs() / 60);
    let mut signer = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).expect("a key");
    signer.update(b"parallax-hop ");
    signer.update(claim.as_bytes());
    format!("{claim}.{}", BASE64_URL_SAFE_NO_PAD.encode(&signer.finalize().into_bytes()[..16]))
}

async fn get(proxy: SocketAddr, fields: &[(&str, &str)]) -> parallax_testkit::RawResponse {
    let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
    let asked = client.ask("GET", "/returns/1", fields, b"");
    tokio::time::timeout(DEADLINE, asked).await.expect("in time").expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_lead_to_each_other_stop_after_eight_hops() {
    let (_directory, key) = key();
    let configuration = format!("store: 'memory://'\n{NOT_AGAIN}{key}{GET_RETURN}");
    let candidate = FakeService::start(same("{}"));
    let (to_one, to_other) = (Relay::new().await, Relay::new().await);
    let one = start(&to_other.url(), &candidate.url(), &configuration).await;
    let other = start(&to_one.url(), &candidate.url(), &configuration).await;
    to_one.point(&one);
    to_other.point(&other);

    let answer = get(one.proxy, &[]).await;
    assert_eq!(answer.status, 508, "{}", answer.text());
    assert_eq!(answer.headers.get("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["status"], 508);

    // Nine arrivals: the first is checked, seven are passed on, the ninth is refused.
    let first = at_rest(one.control, "getReturn").await;
    assert_eq!(first["counts"]["requests"], 5);
    assert_eq!(first["counts"]["skipped"], json!({"loop": 4}));
    assert_eq!(first["counts"]["unmatched"], 1);
    let second = at_rest(other.control, "getReturn").await;
    assert_eq!(second["counts"]["requests"], 4);
    assert_eq!(second["counts"]["skipped"], json!({"loop": 4}));
    for operation in [&first, &second] {
        assert_conserved(operation);
    }
    assert_eq!(candidate.count(), 1, "a request is copied once, however often it comes round");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leads_to_itself_stops_too() {
    let candidate = FakeService::start(same("{}"));
    let relay = Relay::new().await;
    let running =
        start(&relay.url(), &candidate.url(), &format!("store: 'memory://'\n{NOT_AGAIN}{GET_RETURN}")).await;
    relay.point(&running);
    assert_eq!(get(running.proxy, &[]).await.status, 508);
    let operation = at_rest(running.control, "getReturn").await;
    assert_eq!(operation["counts"]["requests"], 9);
    assert_eq!(operation["counts"]["skipped"], json!({"loop": 8}));
    assert_conserved(&operation);

    let mut client = RawClient::connect(running.proxy).await.expect("the proxy listens");
    assert_eq!(client.get("/elsewhere").await.expect("an answer").status, 508);
    let mut control = RawClient::connect(running.control).await.expect("the control listener");
    let metrics = control.get("/metrics").await.expect("metrics").text().to_owned();
    let other =
        |by| sample(&metrics, "parallax_requests_total", &[("operation_id", "other"), ("answered_by", by)]);
    assert_eq!((other("legacy"), other("parallax")), (Some(8.0), Some(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_round_is_answered_and_not_checked() {
    let (_directory, key) = key();
    let house = House::new(same("{}"), same("{}"), &format!("{key}{GET_RETURN}")).await;
    for hops in 1..8 {
        let marker = marker(hops, Duration::ZERO);
        let answer = get(house.running.proxy, &[("Parallax-Hop", &marker), ("Parallax-Shadow", "1")]).await;
        assert_eq!(answer.status, 200);
        let asked = house.legacy.requests().pop().expect("a request");
        let passed_on = asked.headers.get("parallax-hop").expect("a marker");
        assert!(passed_on.starts_with(&format!("{}.", hops + 1)), "{passed_on}");
        assert_eq!(asked.headers.get("parallax-shadow"), Some("1"), "it is part of a copy");
    }
    assert_eq!(get(house.running.proxy, &[("Parallax-Hop", &marker(8, Duration::ZERO))]).await.status, 508);
    let operation = house.at_rest("getReturn").await;
    assert_eq!(operation["counts"]["skipped"], json!({"loop": 8}));
    assert_eq!((house.legacy.count(), house.candidate.count()), (7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_old_marker_is_worth_nothing() {
    let (_directory, key) = key();
    let house = House::new(same("{}"), same("{}"), &format!("{key}{GET_RETURN}")).await;
    let minute = marker(1, Duration::ZERO).split('.').nth(1).expect("a minute").to_owned();
    let forged = format!("8.{minute}.AAAAAAAAAAAAAAAAAAAAAA");
    let raised = marker(1, Duration::ZERO).replacen("1.", "8.", 1);
    let old = marker(8, Duration::from_secs(600));
    for (number, claim) in (1..).zip([forged.as_str(), &raised, &old, "8", ""]) {
        let fields = [("Parallax-Hop", claim), ("Parallax-Shadow", "1"), ("Parallax-Other", "x")];
        assert_eq!(get(house.running.proxy, &fields).await.status, 200, "{claim}");
        let operation = house.at_rest("getReturn").await;
        assert_eq!(operation["counts"]["matched"], number, "{claim}");
        for (side, shadow) in [(&house.legacy, None), (&house.candidate, Some("1"))] {
            let asked = side.requests().pop().expect("a request");
            assert!(asked.headers.get("parallax-hop").is_some_and(|marker| marker.starts_with("1.")));
            assert_eq!(asked.headers.all("parallax-hop").count(), 1);
            assert_eq!(asked.headers.get("parallax-shadow"), shadow);
            assert_eq!(asked.headers.get("parallax-other"), None);
        }
        let hop = |side: &FakeService| {
            side.requests().pop().and_then(|asked| asked.headers.get("parallax-hop").map(str::to_owned))
        };
        assert_eq!(hop(&house.legacy), hop(&house.candidate), "both sides are told the same");
    }
}

/// `127.1` is a name to us and an address of the listener to the resolver.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_the_own_listener_is_refused_at_start() {
    let address = process::free_address();
    let text = format!(
        "listen: '{address}'\ncontrol: {{listen: '127.0.0.1:0'}}\nlegacy: 'http://127.1:{}'\ncandidate: http://127.0.0.1:9\nstore: 'memory://'\n{GET_RETURN}",
        address.port()
    );
    let settings = parallax::config::parse(&text, "test.yaml", &|_| None).expect("settings");
    let refused = Running::start(settings).await.err().expect("it does not start").to_string();
    let expected =
        format!("`legacy`: 127.1 leads to parallax itself ({address}); write the service's own address");
    assert_eq!(refused, expected);
}
