//! The access log: a line for each request, whatever became of it, and nothing that was not
//! released.

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, Gate, RawClient, Reply, Step, wait_until};
use serde_json::{Value, json};
use support::{DEADLINE, GET_RETURN, House, process, same, sample};

/// The lines once there are so many.
async fn lines(file: &Path, count: usize) -> Vec<Value> {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    wait_until(DEADLINE, "the lines", || read().lines().count() >= count).await;
    let lines: Vec<Value> =
        read().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

async fn house(legacy: Behaviour, configuration: &str) -> (tempfile::TempDir, std::path::PathBuf, House) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("access.log");
    let configuration = configuration.replace("FILE", &file.display().to_string());
    let house = House::new(legacy, same("{\"a\":1}"), &format!("{configuration}{GET_RETURN}")).await;
    (directory, file, house)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_a_line_and_no_line_a_value() {
    let (_directory, file, house) = house(same("{\"a\":1}"), "access_log: 'FILE'\n").await;
    let mut client = house.client().await;
    let secret = [("Authorization", "Bearer s3cret"), ("X-Forwarded-For", "9.9.9.9")];
    client.ask("GET", "/returns/s3cret?token=s3cret", &secret, b"").await.expect("an answer");
    client.ask("POST", "/s3cret", &[], b"s3cret").await.expect("an answer");
    client.ask("HEAD", "/returns/1", &[], b"").await.expect("an answer");
    client.ask("TRACE", "/returns/1", &[], b"").await.expect("an answer");

    let lines = lines(&file, 4).await;
    let text = std::fs::read_to_string(&file).expect("a text");
    assert!(!text.contains("s3cret") && !text.contains("9.9.9.9"), "{text}");
    let part = |line: &Value| {
        let names =
            ["method", "operation_id", "template", "status", "bytes_in", "bytes_out", "answered_by", "check"];
        json!(names.map(|name| line[name].clone()))
    };
    let template = "/returns/{return_id}";
    assert_eq!(part(&lines[0]), json!(["GET", "getReturn", template, 200, 0, 7, "legacy", "checked"]));
    assert_eq!(part(&lines[1]), json!(["POST", "other", null, 200, 6, 7, "legacy", null]));
    assert_eq!(part(&lines[2]), json!(["HEAD", "getReturn", template, 200, 0, 0, "legacy", "checked"]));
    assert_eq!((&lines[3]["status"], &lines[3]["answered_by"]), (&json!(405), &json!("parallax")));
    for line in &lines {
        assert_eq!(line["outcome"], "complete", "{line}");
        assert_eq!(line["protocol"], "HTTP/1.1");
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!(line.get("path"), None);
        assert!(
            line["duration_ms"].as_f64().expect("a number")
                >= line["side_latency_ms"].as_f64().unwrap_or(0.0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_has_to_be_asked_for_and_the_client_can_be_left_out() {
    let configuration = "access_log: {to: 'FILE', client: false, path: true}\n";
    let (_directory, file, house) = house(same("{}"), configuration).await;
    house.get("/returns/R-1?q=1").await;
    let line = lines(&file, 1).await.remove(0);
    assert_eq!((line["path"].as_str(), line.get("client")), (Some("/returns/R-1"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_request_ends_there_is_one_line() {
    let gate = Gate::new();
    let held = gate.clone();
    let legacy = Behaviour::script(move |request| match request.path() {
        "/returns/breaks" => {
            vec![Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".into()), Step::Fin]
        }
        "/returns/drops" => vec![Step::Fin],
        _ => vec![Step::Await(held.clone())],
    });
    let (_directory, file, house) = house(legacy, "access_log: 'FILE'\n").await;
    let mut client = house.client().await;
    assert!(!client.get("/returns/breaks").await.expect("half an answer").complete);
    assert_eq!(house.get("/returns/drops").await.status, 502);
    let mut impatient = house.client().await;
    impatient.send(b"GET /returns/waits HTTP/1.1\r\nHost: shop\r\n\r\n").await.expect("sent");
    wait_until(DEADLINE, "the request to arrive", || house.legacy.count() >= 3).await;
    drop(impatient);

    let lines = lines(&file, 3).await;
    let find = |outcome: &str, status: Value| {
        lines.iter().find(|line| line["outcome"] == outcome && line["status"] == status).expect("a line")
    };
    let broken = find("side_broke_off", json!(200));
    assert_eq!((&broken["check"], &broken["bytes_out"]), (&json!("no_answer"), &json!(4)));
    let refused = find("complete", json!(502));
    assert_eq!((&refused["check"], &refused["answered_by"]), (&json!("no_answer"), &json!("parallax")));
    let left = find("client_aborted", json!(null));
    assert_eq!((&left["check"], &left["answered_by"]), (&json!("client_aborted"), &json!(null)));
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_made_anew() {
    let (directory, file, house) = house(same("{}"), "access_log: 'FILE'\n").await;
    house.get("/returns/1").await;
    lines(&file, 1).await;
    let moved = directory.path().join("access.log.1");
    std::fs::rename(&file, &moved).expect("it moves");
    let began = Instant::now();
    let mut asked = 1;
    while !file.exists() {
        assert!(began.elapsed() < DEADLINE, "it is not made anew");
        house.get("/returns/1").await;
        asked += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let written = |file: &Path| std::fs::read_to_string(file).unwrap_or_default().lines().count();
    wait_until(DEADLINE, "every line", || written(&file) + written(&moved) == asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_counted_and_hurts_nobody() {
    let house = House::new(same("{}"), same("{}"), &format!("access_log: /dev/full\n{GET_RETURN}")).await;
    for _ in 0..20 {
        assert_eq!(house.get("/returns/1").await.status, 200);
    }
    let began = Instant::now();
    while sample(&house.metrics().await, "parallax_access_log_dropped_total", &[]) != Some(20.0) {
        assert!(began.elapsed() < DEADLINE, "not counted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lines_are_written_before_the_end() {
    let house = |file: &Path| format!("access_log: '{}'\n{GET_RETURN}", file.display());
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("access.log");
    let House { running, legacy: _legacy, candidate: _candidate } =
        House::new(same("{}"), Behaviour::always(Reply::status(404)), &house(&file)).await;
    for _ in 0..10 {
        let mut client = RawClient::connect(running.proxy).await.expect("the proxy");
        client.get("/returns/1").await.expect("an answer");
    }
    running.stop().await;
    assert_eq!(std::fs::read_to_string(&file).expect("a text").lines().count(), 10);
}

/// By a process of its own, because both are the process's: its standard output, and its signals.
#[tokio::test(flavor = "multi_thread")]
async fn lines_go_to_standard_output_and_sigusr1_ends_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (legacy, proxy) = (FakeService::start(same("{}")), process::free_address());
    let text = format!(
        "listen: '{proxy}'\ncontrol: {{listen: '{}'}}\nlegacy: '{1}'\ncandidate: '{1}'\naccess_log: stdout\n{GET_RETURN}",
        process::free_address(),
        legacy.url()
    );
    std::fs::write(directory.path().join("parallax.yaml"), text).expect("parallax.yaml");
    let serve =
        process::command(directory.path(), &["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Ended(serve.expect("parallax starts"));
    let mut lines = BufReader::new(child.0.stdout.take().expect("standard output")).lines();
    wait_until(DEADLINE, "it to listen", || std::net::TcpStream::connect(proxy).is_ok()).await;
    for number in 1..=2 {
        let mut client = RawClient::connect(proxy).await.expect("the proxy listens");
        client.get(&format!("/returns/{number}")).await.expect("an answer");
        let line = lines.next().expect("a line").expect("a text");
        let line: Value = serde_json::from_str(&line).expect("json");
        assert_eq!(line["operation_id"], "getReturn");
        let told = Command::new("kill").args(["-USR1", &child.0.id().to_string()]).status();
        assert!(told.expect("kill").success());
    }
    assert!(child.0.try_wait().expect("a child").is_none(), "it serves on");
}

struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
