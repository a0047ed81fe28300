//! What was shown is there after a restart, also after kill -9: counts, stages, faults, audit.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parallax_testkit::{FakeService, RawClient};
use serde_json::{Value, json};
use support::process::{Process, command, free_address};
use support::{GET_RETURN, assert_all_shown, assert_conserved, at_rest, operation, post, same};

async fn get(address: SocketAddr, target: &str) -> Value {
    RawClient::connect(address).await.expect("an answer").get(target).await.expect("it works").json()
}

/// The operation without what is measured anew by each process.
fn lasting(mut operation: Value) -> Value {
    operation.as_object_mut().expect("an answer").remove("latency");
    operation
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_stages_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{\"a\":1}")), FakeService::start(same("{\"a\":2}")));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let mut expected = 0;
    for round in 0..3 {
        let mut client = RawClient::connect(process.proxy).await.unwrap();
        for number in 0..25 {
            client.get(&format!("/returns/{number}")).await.unwrap();
        }
        expected += 25;
        let stage = if round == 1 { "legacy" } else { "shadow" };
        at_rest(process.control, "getReturn").await;
        let change = json!({"stage": stage, "reason": format!("round {round}")});
        post(process.control, "/api/v1/operations/getReturn/stage", &change).await;
        let before = lasting(at_rest(process.control, "getReturn").await);
        assert_conserved(&before);
        assert_all_shown(&before);
        assert_eq!(before["counts"]["requests"], expected, "{before}");
        let signatures = get(process.control, "/api/v1/operations/getReturn/signatures").await;
        // The first changes nothing: that is the stage from the beginning.
        if round > 0 {
            written(process.control, &change["reason"]).await;
        }
        let audit = get(process.control, "/api/v1/audit").await;

        process.kill_and_restart();
        assert_eq!(lasting(operation(process.control, "getReturn").await), before);
        assert_eq!(get(process.control, "/api/v1/operations/getReturn/signatures").await, signatures);
        assert_eq!(get(process.control, "/api/v1/audit").await, audit);
    }
    assert_eq!(process.terminate().code(), Some(0));
    process.start_again();
    assert_eq!(operation(process.control, "getReturn").await["counts"]["requests"], expected);
}

/// Waits until the change with this reason is on disk: a store that is slow is not waited for by
/// whoever asks for a change, who is told so.
async fn written(control: SocketAddr, reason: &Value) {
    let began = Instant::now();
    loop {
        let audit = get(control, "/api/v1/audit").await;
        if audit[0]["reason"] == *reason {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "never written: {audit}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_survives_kill_9_the_moment_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    for revision in [2, 4, 6] {
        let switch = json!({"stage": "switched", "reason": "up", "force": true});
        post(process.control, "/api/v1/operations/getReturn/stage", &switch).await;
        let path = "/api/v1/operations/getReturn/rollback";
        assert_eq!(post(process.control, path, &json!({"reason": "down"})).await.status, 200);
        process.kill_and_restart();
        let operation = operation(process.control, "getReturn").await;
        assert_eq!(
            (operation["stage"].as_str(), operation["revision"].as_u64()),
            (Some("shadow"), Some(revision))
        );
        let asked = candidate.count();
        let mut client = RawClient::connect(process.proxy).await.unwrap();
        client.get("/returns/1").await.unwrap();
        at_rest(process.control, "getReturn").await;
        let copies: Vec<_> = candidate.requests().into_iter().skip(usize::try_from(asked).unwrap()).collect();
        assert!(
            copies.iter().all(|request| request.headers.get("parallax-shadow").is_some()),
            "legacy answers"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_file_alone_restores_the_stages() {
    let directory = tempfile::tempdir().unwrap();
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let switch = json!({"stage": "switched", "reason": "up", "force": true});
    post(process.control, "/api/v1/operations/getReturn/stage", &switch).await;
    assert!(process.terminate().success());
    for file in ["parallax.db", "parallax.db-wal", "parallax.db-shm"] {
        std::fs::remove_file(directory.path().join(file)).ok();
    }
    process.start_again();
    assert_eq!(operation(process.control, "getReturn").await["stage"], "switched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_the_middle_is_answered_before_the_process_ends() {
    let directory = tempfile::tempdir().unwrap();
    let slow = parallax_testkit::Behaviour::Slow(std::time::Duration::from_millis(300));
    let (legacy, candidate) = (FakeService::start(slow), FakeService::start(same("{}")));
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), GET_RETURN);
    let mut client = RawClient::connect(process.proxy).await.unwrap();
    client.send(b"GET /returns/1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    parallax_testkit::wait_until(support::DEADLINE, "legacy is asked", || legacy.heads() == 1).await;
    let ended = tokio::task::spawn_blocking(move || (process.terminate(), process));
    assert_eq!(client.response("GET").await.unwrap().status, 200);
    let (status, mut process) = ended.await.unwrap();
    assert_eq!(status.code(), Some(0));
    process.start_again();
    assert_eq!(operation(process.control, "getReturn").await["counts"]["requests"], 1);
}

#[test]
fn a_port_in_use_is_said_with_the_key_and_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!(
        "listen: '{address}'\ncontrol: {{listen: '{}'}}\nlegacy: {{url: 'http://127.0.0.1:1'}}\ncandidate: {{url: 'http://127.0.0.1:2'}}\n{GET_RETURN}",
        free_address()
    );
    std::fs::write(directory.path().join("parallax.yaml"), text).unwrap();
    let output = command(directory.path(), &["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("`listen`") && said.contains(&address.to_string()) && said.contains("in use"),
        "{said}"
    );
}

#[test]
fn a_second_process_on_the_same_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path(), "http://127.0.0.1:1", "http://127.0.0.1:2", GET_RETURN);
    let text = std::fs::read_to_string(&process.file).unwrap();
    let text = text.replace(&process.proxy.to_string(), &free_address().to_string());
    let text = text.replace(&process.control.to_string(), &free_address().to_string());
    std::fs::write(&process.file, text).unwrap();
    let output = command(directory.path(), &["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("parallax.db"), "{said}");
}
