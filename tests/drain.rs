//! The end of the process: seen coming, in order, and within its time.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, RawClient, wait_until};
use support::process::{Process, signal};
use support::{DEADLINE, GET_RETURN, at_rest, operation, same};
use tokio::net::TcpStream;

fn start(directory: &Path, legacy: &FakeService, candidate: &FakeService, rest: &str) -> Process {
    let program = Path::new(env!("CARGO_BIN_EXE_parallax"));
    Process::start_logging(directory, program, &|process| {
        format!(
            "listen: '{}'\ncontrol: {{listen: '{}'}}\nlegacy: '{}'\ncandidate: '{}'\n{rest}{GET_RETURN}",
            process.proxy,
            process.control,
            legacy.url(),
            candidate.url()
        )
    })
}

fn slow(time: Duration) -> FakeService {
    FakeService::start(Behaviour::Slow(time))
}

async fn readyz(process: &Process) -> u16 {
    let mut client = RawClient::connect(process.control).await.expect("the control listener");
    client.get("/readyz").await.expect("an answer").status
}

/// Lets a client ask, and goes on when legacy has the request.
async fn ask(process: &Process, legacy: &FakeService) -> RawClient {
    let before = legacy.heads();
    let mut client = RawClient::connect(process.proxy).await.expect("the proxy listens");
    client.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("it takes it");
    wait_until(DEADLINE, "legacy is asked", || legacy.heads() > before).await;
    client
}

async fn ended(process: &mut Process) {
    let began = Instant::now();
    while !process.has_ended() {
        assert!(began.elapsed() < DEADLINE, "it does not end:\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_see_it_coming_and_requests_finish() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (slow(Duration::from_secs(2)), slow(Duration::from_millis(100)));
    let mut process = start(directory.path(), &legacy, &candidate, "drain: {delay: 3s}\n");
    assert_eq!(readyz(&process).await, 200);
    let mut before = ask(&process, &legacy).await;
    signal(process.id(), "TERM");
    process.logged("draining", 1).await;
    assert_eq!(readyz(&process).await, 503);
    // Whoever has not noticed yet is served.
    let mut late = ask(&process, &legacy).await;
    assert_eq!(before.response("GET").await.unwrap().status, 200);
    assert_eq!(late.response("GET").await.unwrap().status, 200);
    ended(&mut process).await;
    assert!(TcpStream::connect(process.proxy).await.is_err(), "the listener is closed");
    assert!(process.wait_for_end().success());
    process.start_again();
    let counts = operation(process.control, "getReturn").await["counts"].clone();
    assert_eq!(
        (&counts["requests"], &counts["matched"]),
        (&2.into(), &2.into()),
        "checks have finished: {counts}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_whatever_is_left_ends_and_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (slow(Duration::from_secs(60)), FakeService::start(same("{}")));
    let mut process = start(directory.path(), &legacy, &candidate, "drain: {deadline: 500ms}\n");
    let mut client = ask(&process, &legacy).await;
    signal(process.id(), "TERM");
    assert!(client.response("GET").await.is_err(), "cut");
    ended(&mut process).await;
    assert!(process.log().contains("the deadline has passed"), "{}", process.log());
    assert!(process.wait_for_end().success());
    process.start_again();
    let counts = at_rest(process.control, "getReturn").await["counts"].clone();
    assert_eq!(counts["requests"], 1, "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (slow(Duration::from_secs(60)), FakeService::start(same("{}")));
    let mut process = start(directory.path(), &legacy, &candidate, "drain: {delay: 1h, deadline: 1h}\n");
    let mut client = ask(&process, &legacy).await;
    signal(process.id(), "INT");
    process.logged("draining", 1).await;
    signal(process.id(), "TERM");
    assert!(client.response("GET").await.is_err(), "cut");
    ended(&mut process).await;
    assert!(process.wait_for_end().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let manager = tokio::net::UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let mut process = start(directory.path(), &legacy, &candidate, "");
    process.terminate();
    process.start_again_with(&[("NOTIFY_SOCKET", directory.path().join("notify").as_os_str())]);
    let told = async || {
        let mut buffer = [0; 256];
        let length =
            tokio::time::timeout(DEADLINE, manager.recv(&mut buffer)).await.expect("in time").unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(told().await, format!("READY=1\nMAINPID={}\nSTATUS=serving", process.id()));
    signal(process.id(), "HUP");
    let reloading = told().await;
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert!(told().await.starts_with("READY=1\n"));
    signal(process.id(), "TERM");
    assert!(told().await.starts_with("STOPPING=1"));
    assert!(process.wait_for_end().success());
}
