//! `parallax replay` and `parallax differences --curl`: stored mismatches against another build.

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use parallax_testkit::{Behaviour, FakeService, Recorded, Reply};
use serde_json::{Value, json};
use support::{House, same};

/// What the server and the commands are told about the operation.
fn operations(samples: &str) -> String {
    format!(
        "operations:\n  - id: getReturn\n    match: GET /returns/{{return_id}}\n    samples: {samples}\n    \
         redact: {{headers: [authorization, set-cookie]}}\n"
    )
}

fn write_config(directory: &Path, samples: &str, headers: &str) {
    let text = format!(
        "legacy: http://legacy.invalid\ncandidate: {{url: 'http://candidate.invalid', timeout: 2s{headers}}}\n{}",
        operations(samples)
    );
    std::fs::write(directory.join("parallax.yaml"), text).expect("a file");
}

async fn parallax(directory: &Path, house: &House, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command.args(words).args(["--server", &format!("http://{}", house.running.control)]);
    command.current_dir(directory).env("TOKEN_OF_A_TEST", "Bearer candidates-own").stdin(Stdio::null());
    // The server runs in this process, and must not wait for the command.
    tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends")
}

async fn replay(directory: &Path, house: &House, candidate: &str) -> (Option<i32>, Value, String) {
    let words = ["replay", "getReturn", "--only", "unmatched", "--json", "--candidate", candidate];
    let output = parallax(directory, house, &words).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), said)
}

/// A house in which two kinds of request were answered differently, one of them with credentials.
async fn house(samples: &str) -> House {
    let legacy = Behaviour::always(
        Reply::json("{\"price\": 1.50, \"tags\": [\"it's\", {}]}").header("set-cookie", "s=1"),
    );
    let house = House::new(legacy, same("{\"price\": 2}"), &operations(samples)).await;
    let mut client = house.client().await;
    let fields = [("Authorization", "Bearer secret"), ("X-Note", "it's $(here)")];
    client.ask("GET", "/returns/1?q=a'b", &fields, b"").await.expect("an answer");
    house.at_rest("getReturn").await;
    house
}

fn mended() -> FakeService {
    FakeService::start(Behaviour::always(Reply::json("{\"tags\":[\"it's\",{}],\"price\":1.5}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_build_has_nothing_left_and_gets_its_own_credentials() {
    let house = house("plain").await;
    let directory = tempfile::tempdir().expect("a directory");
    write_config(directory.path(), "plain", ", headers: {authorization: 'env:TOKEN_OF_A_TEST'}");
    let candidate = mended();
    let (code, json, said) = replay(directory.path(), &house, &candidate.url()).await;
    assert_eq!(
        (code, &json[0]["matched"], &json[0]["left"]),
        (Some(0), &json!(1), &json!(0)),
        "{json} {said}"
    );
    let requests = candidate.requests();
    let sent = &requests[0];
    assert_eq!(sent.target, "/returns/1?q=a'b");
    assert_eq!(sent.headers.get("authorization"), Some("Bearer candidates-own"));
    assert_eq!(sent.headers.get("x-note"), Some("it's $(here)"));
    assert_eq!(sent.headers.get("parallax-shadow"), Some("1"));

    let still = FakeService::start(same("{\"price\": 2}"));
    let (code, json, _) = replay(directory.path(), &house, &still.url()).await;
    assert_eq!((code, &json[0]["unmatched"]), (Some(1), &json!(1)));
    let places = json[0]["differences"].to_string();
    assert!(places.contains("$.body.price") && !places.contains("secret"), "{places}");
    let output = parallax(directory.path(), &house, &["replay", "--candidate", &still.url()]).await;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("getReturn  1        0        1") && shown.contains("$.body.price"), "{shown}");

    let gone = FakeService::start(same("{}")).url();
    let (code, _, said) = replay(directory.path(), &house, &gone).await;
    assert_eq!(code, Some(3), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_redacted_is_never_guessed() {
    let directory = tempfile::tempdir().expect("a directory");
    let candidate = mended();
    for (samples, configured) in [("plain", "plain"), ("masked", "masked"), ("masked", "plain")] {
        let house = house(samples).await;
        write_config(directory.path(), configured, "");
        let (code, json, said) = replay(directory.path(), &house, &candidate.url()).await;
        assert_eq!(code, Some(1), "{samples}: {json}");
        assert_eq!(json[0]["not_replayable"], json!({"redacted": 1}), "{samples}");
        assert!(said.contains("samples: plain"), "{said}");
    }
    assert_eq!(candidate.count(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mismatches_nothing_is_left() {
    let house = House::new(same("{}"), same("{}"), &operations("plain")).await;
    let directory = tempfile::tempdir().expect("a directory");
    write_config(directory.path(), "plain", "");
    let (code, _, said) = replay(directory.path(), &house, "http://127.0.0.1:1").await;
    assert_eq!(code, Some(0), "{said}");
    let missing =
        parallax(Path::new("/"), &house, &["replay", "--candidate", "http://127.0.0.1:1", "-c", "none.yaml"])
            .await;
    assert_eq!(missing.status.code(), Some(2));
}

/// The printed command is run by a shell, and what arrives is what was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_reproduction_asks_what_was_asked() {
    let house = house("plain").await;
    let directory = tempfile::tempdir().expect("a directory");
    let output = parallax(directory.path(), &house, &["differences", "getReturn", "--curl"]).await;
    let script = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !script.contains("secret"), "{script}");
    let candidate = mended();
    let run = Command::new("sh")
        .args(["-euc", &script])
        .env("CANDIDATE", candidate.url())
        .env("VALUE_AUTHORIZATION", "Bearer mine")
        .output()
        .expect("a shell");
    assert!(run.status.success(), "{script}\n{}", String::from_utf8_lossy(&run.stderr));
    let requests: Vec<Recorded> = candidate.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.target, "/returns/1?q=a'b");
        assert_eq!(request.headers.get("authorization"), Some("Bearer mine"));
        assert_eq!(request.headers.get("x-note"), Some("it's $(here)"));
        assert!(request.headers.get("parallax-hop").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_reproduction_has_a_variable_for_each_value() {
    let house = house("masked").await;
    let directory = tempfile::tempdir().expect("a directory");
    let output = parallax(directory.path(), &house, &["differences", "getReturn", "--curl"]).await;
    let script = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "\"$CANDIDATE\"/returns/\"${VALUE_RETURN_ID}\"'?q='\"${VALUE_Q}\"",
        "'authorization: '\"${VALUE_AUTHORIZATION}\"",
        "'x-note: '\"${VALUE_X_NOTE}\"",
    ] {
        assert!(script.contains(part), "{part} in {script}");
    }
}
