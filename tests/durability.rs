//! What was accepted is on disk: killed at any moment, on a disk that fails or is full, every check that
//! was answered with 202 ends once and is counted once.
//!
//! Each test posts numbered checks, again and again until each was accepted, and then asks for every
//! single one and adds up. A check that is refused or whose answer got lost is posted again under the
//! same id, as a monolith would.

mod support;

#[path = "durability/post.rs"]
mod post;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, Gate, RawClient, Reply, Step, wait_until};
use post::{Ends, Poster, ends_of, payload};
use serde_json::{Value, json};
use support::process::{Process, free_address};
use support::{DEADLINE, assert_all_shown, assert_conserved, operation};

const OPERATION: &str = "
operations: [{id: getReturn, match: 'GET /returns/{return_id}'}]
access_log: off
";

/// The candidate agrees with two of three.
fn candidate() -> FakeService {
    FakeService::start(Behaviour::always(Reply::json("{\"a\":1}")))
}

/// How long a test may take until everything that was accepted has ended.
const LONG: Duration = Duration::from_secs(60);

async fn at_rest(control: SocketAddr) -> Value {
    let began = Instant::now();
    loop {
        if let Ok(mut client) = RawClient::connect(control).await
            && let Ok(answer) = client.get("/api/v1/operations/getReturn").await
            && answer.json()["counts"]["in_flight"] == json!(0)
        {
            return answer.json();
        }
        assert!(began.elapsed() < LONG, "never at rest: {}", operation(control, "getReturn").await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every check has ended once, and the counts say the same as the checks themselves.
async fn assert_all_ended(control: SocketAddr, accepted: u64) -> Ends {
    let operation = at_rest(control).await;
    assert_conserved(&operation);
    assert_all_shown(&operation);
    let ends = ends_of(control, accepted).await;
    assert_eq!(ends.done, accepted, "none is lost: {ends:?}");
    let counts = &operation["counts"];
    assert_eq!(counts["requests"], accepted, "none is counted twice: {counts}");
    assert_eq!(counts["matched"], ends.matched, "{ends:?} {counts}");
    assert_eq!(counts["unmatched"], ends.unmatched, "{ends:?} {counts}");
    let failed: u64 = sum(&counts["failed"]);
    assert_eq!((failed, sum(&counts["skipped"])), (ends.failed, 0), "{ends:?} {counts}");
    ends
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().expect("counts by reason").values().filter_map(Value::as_u64).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_fifty_times_no_accepted_check_is_lost_and_none_is_counted_twice() {
    const CHECKS: u64 = 10_000;
    const KILLS: u64 = 50;
    let (directory, legacy, candidate) =
        (tempfile::tempdir().expect("a directory"), candidate(), candidate());
    let mut process = Process::start(directory.path(), &legacy.url(), &candidate.url(), OPERATION);
    let poster = Poster::start(process.control, CHECKS, 0);
    let mut kills = 0;
    while kills < KILLS || !poster.is_done() {
        // So that the kills are spread over all of the posting, however fast this machine is.
        poster.may_accept(CHECKS * (kills + 1) / KILLS);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..350))).await;
        process.kill_and_restart();
        kills += 1;
        assert!(kills < 20 * KILLS, "{poster:?}");
    }
    let posted = poster.finish().await;
    let ends = assert_all_ended(process.control, CHECKS).await;
    let duplicates = candidate.count().saturating_sub(CHECKS);
    println!(
        "{CHECKS} accepted, {} done, 0 counted twice; {kills} kills, {} posts again, {duplicates} copies sent again after a kill, {ends:?}",
        ends.done, posted.again
    );
    // It is all there after an end in good order, too.
    process.terminate();
    process.start_again();
    assert_all_ended(process.control, CHECKS).await;
    assert_nothing_readable(directory.path());
}

/// What waited was sealed, and is erased: no copy's content is left in any file.
fn assert_nothing_readable(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("the directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "txt" || end == "yaml") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let finds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!finds(post::SECRET.as_bytes()), "{} holds what was posted", path.display());
    }
}

/// Runs the process under strace, which has some of its calls fail.
struct Failing {
    process: Child,
    control: SocketAddr,
    _candidate: FakeService,
    directory: tempfile::TempDir,
}

impl Failing {
    fn start(inject: &str) -> Self {
        let (directory, candidate) = (tempfile::tempdir().expect("a directory"), candidate());
        let (proxy, control) = (free_address(), free_address());
        configure(directory.path(), proxy, control, &candidate.url(), "parallax.db");
        let said = std::fs::File::create(directory.path().join("said.txt")).expect("a file");
        let calls = inject.split(':').next().expect("calls");
        let process = Command::new("strace")
            .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"])
            .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={inject}")])
            .args([env!("CARGO_BIN_EXE_parallax"), "serve"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("strace, which scripts/install-tools installs");
        let failing = Self { process, control, _candidate: candidate, directory };
        failing.wait_until_ready();
        failing
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        while std::net::TcpStream::connect(self.control).is_err() {
            assert!(began.elapsed() < DEADLINE, "it does not start: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said.txt")).unwrap_or_default()
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // The process that strace has started, which is not ours to wait for, then strace itself.
        let lock =
            std::fs::read_to_string(self.directory.path().join("parallax.db.lock")).unwrap_or_default();
        if let Ok(id) = lock.trim().parse::<u32>() {
            Command::new("kill").args(["-KILL", &id.to_string()]).status().ok();
        }
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn configure(directory: &Path, proxy: SocketAddr, control: SocketAddr, candidate: &str, store: &str) {
    let text = format!(
        "listen: '{proxy}'\ncontrol: {{listen: '{control}'}}\nlegacy: {{url: '{candidate}'}}\ncandidate: {{url: '{candidate}', timeout: 60s}}\nstore: 'sqlite://{store}'\n{OPERATION}"
    );
    std::fs::write(directory.join("parallax.yaml"), text).expect("parallax.yaml");
}

async fn no_check_is_lost_while(inject: &str) {
    const CHECKS: u64 = 2_000;
    let failing = Failing::start(inject);
    let poster = Poster::start(failing.control, CHECKS, 0);
    poster.may_accept(CHECKS);
    let began = Instant::now();
    while !poster.is_done() {
        assert!(began.elapsed() < LONG, "{poster:?}\n{}", failing.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let posted = poster.finish().await;
    let ends = assert_all_ended(failing.control, CHECKS).await;
    assert!(!failing.said().contains("panicked"), "{}", failing.said());
    println!(
        "{inject}: {CHECKS} accepted, {} done, {} refused or lost and posted again, {ends:?}",
        ends.done, posted.again
    );
    assert!(posted.again > 0, "nothing has failed: the test proves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_check_is_lost_while_fsync_fails() {
    no_check_is_lost_while("fsync,fdatasync:error=EIO:when=30+7").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_check_is_lost_while_writes_fail() {
    no_check_is_lost_while("pwrite64:error=EIO:when=200+701").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_check_is_lost_while_there_is_no_space_now_and_then() {
    no_check_is_lost_while("pwrite64:error=ENOSPC:when=200+307").await;
}

/// A process in a mount namespace of its own, whose store is on a file system of 8 MiB.
struct OnSmallDisk {
    process: Child,
    control: SocketAddr,
    directory: tempfile::TempDir,
}

impl OnSmallDisk {
    fn start(candidate: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (proxy, control) = (free_address(), free_address());
        std::fs::create_dir(directory.path().join("disk")).expect("a directory");
        configure(directory.path(), proxy, control, candidate, "disk/parallax.db");
        let said = std::fs::File::create(directory.path().join("said.txt")).expect("a file");
        let script = "mount -t tmpfs -o size=8m none disk && exec \"$0\" serve";
        let mut command = Command::new("unshare");
        // As root nothing else is needed; for others the kernel has to allow user namespaces.
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        if !is_root {
            command.args(["--user", "--map-root-user"]);
        }
        let process = command
            .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_parallax")])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("unshare (util-linux)");
        Self { process, control, directory }
    }

    async fn ready(&mut self) {
        let began = Instant::now();
        while std::net::TcpStream::connect(self.control).is_err() {
            let ended = self.process.try_wait().expect("a child");
            assert!(
                ended.is_none() && began.elapsed() < DEADLINE,
                "this test needs root or user namespaces to mount a small file system: {}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said.txt")).unwrap_or_default()
    }
}

impl Drop for OnSmallDisk {
    fn drop(&mut self) {
        // `exec` all the way, so that this is parallax itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_checks_are_refused_and_those_accepted_end() {
    const CHECKS: u64 = 3_000;
    let gate = Gate::new();
    let script = {
        let gate = gate.clone();
        move |_: &_| {
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
            vec![Step::Await(gate.clone()), Step::Send(answer.into())]
        }
    };
    let candidate = FakeService::start(Behaviour::script(script));
    let mut small = OnSmallDisk::start(&candidate.url());
    small.ready().await;
    // Four kilobytes each: more than there is room for.
    let poster = Poster::start(small.control, CHECKS, 4_000);
    poster.may_accept(CHECKS);
    wait_until(LONG, "the disk is full", || poster.said("no room left") > 0).await;
    let accepted = poster.accepted();
    assert!(accepted > 100, "{poster:?}");
    let during = operation(small.control, "getReturn").await;
    assert_conserved(&during);
    let metrics = {
        let mut client = RawClient::connect(small.control).await.expect("the control listener");
        client.get("/metrics").await.expect("metrics").text().to_owned()
    };
    assert!(support::sample(&metrics, "parallax_stored_checks", &[]).is_some_and(|waiting| waiting > 100.0));
    gate.open();
    let began = Instant::now();
    while !poster.is_done() {
        assert!(began.elapsed() < LONG, "{poster:?}\n{}", small.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let posted = poster.finish().await;
    let ends = assert_all_ended(small.control, CHECKS).await;
    assert!(!small.said().contains("panicked"), "{}", small.said());
    println!(
        "full disk: {accepted} accepted before it was full, {CHECKS} in the end, {} posts again, {ends:?}",
        posted.again
    );
}

/// A check that ends the process, or that nobody can finish, is given up in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_whose_run_never_ends_is_given_up_after_five_attempts() {
    let directory = tempfile::tempdir().expect("a directory");
    let candidate = FakeService::start(Behaviour::Silent);
    let configuration = format!("{OPERATION}limits: {{stored_checks: 100}}\n");
    let url = candidate.url();
    let mut process = Process::start(directory.path(), &url, &url, &configuration);
    let mut client = RawClient::connect(process.control).await.expect("the control listener");
    let body = payload(1, 0).to_string();
    let fields = [("Content-Type", "application/json")];
    let answer =
        client.ask("POST", "/consistency-checks", &fields, body.as_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 202);
    assert_nothing_readable(directory.path());
    for attempt in 1..=5 {
        wait_until(DEADLINE, "it was sent", || candidate.count() == attempt).await;
        process.kill_and_restart();
    }
    let operation = at_rest(process.control).await;
    assert_eq!(operation["counts"]["failed"], json!({"dead_letter": 1}));
    assert_conserved(&operation);
    assert_eq!(candidate.count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_key_has_sealed_is_not_given_up_for_another() {
    let directory = tempfile::tempdir().expect("a directory");
    // Kept, or it would refuse connections, and the check might end before the process is killed.
    let silent = FakeService::start(Behaviour::Silent);
    let url = silent.url();
    let mut process = Process::start(directory.path(), &url, &url, OPERATION);
    let mut client = RawClient::connect(process.control).await.expect("the control listener");
    let fields = [("Content-Type", "application/json")];
    let body = payload(1, 0).to_string();
    let answer =
        client.ask("POST", "/consistency-checks", &fields, body.as_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 202);
    support::process::signal(process.id(), "KILL");
    process.wait_for_end();
    let start = |key: &str| {
        let mut serve = support::process::command(directory.path(), &["serve"]);
        serve.env("PARALLAX_STORE_KEY", key).output().expect("parallax starts")
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let other = start(&"00ff".repeat(16));
    assert!(!other.status.success());
    assert!(said(&other).contains("sealed with another key"), "{}", said(&other));
    let none = start("no key");
    assert!(!none.status.success());
    assert!(said(&none).contains("PARALLAX_STORE_KEY is no key"), "{}", said(&none));
    process.start_again();
    let counts = &operation(process.control, "getReturn").await["counts"];
    assert_eq!((&counts["requests"], &counts["in_flight"]), (&json!(1), &json!(1)), "it still waits");
}
