//! What accepting a check for good costs: 202 a second when each is on disk before it is answered,
//! beside one commit for each check; checks a second from the post to the verdict; memory while
//! 100,000 wait. Rounds are interleaved, because the disk is shared with others.
//!
//! `cargo bench --bench intake [-- --quick]`. The table goes to standard output.
//! docs/performance.md says how to read it.

mod candidate;
#[path = "../proxy/process.rs"]
#[expect(dead_code, reason = "the benches of the proxy use more of it")]
mod process;
mod wrk;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use candidate::Candidate;
use parallax::store::{NewCheck, NewState, Write, open_backend};
use parallax_core::check::CheckId;
use process::{Process, free_port, loopback, write};

const PROGRAM: &str = env!("CARGO_BIN_EXE_parallax");

/// How much is measured.
struct Effort {
    rounds: usize,
    run: Duration,
    waiting: f64,
}

impl Effort {
    const FULL: Self = Self { rounds: 5, run: Duration::from_secs(5), waiting: 100_000.0 };
    const QUICK: Self = Self { rounds: 1, run: Duration::from_secs(1), waiting: 1_000.0 };
}

/// parallax with a store on disk.
struct Server {
    process: Process,
    control: u16,
}

impl Server {
    fn start(directory: &Path, candidate: u16) -> Self {
        let (port, control) = (free_port(), free_port());
        let file = directory.join("parallax.yaml");
        let text = format!(
            "listen: 127.0.0.1:{port}
control: {{listen: '127.0.0.1:{control}'}}
legacy: {{url: 'http://127.0.0.1:{candidate}'}}
candidate: {{url: 'http://127.0.0.1:{candidate}', timeout: 600s}}
store: 'sqlite://{}'
drain: {{deadline: 1s}}
operations: [{{id: getItem, match: 'GET /items/{{id}}'}}]
",
            directory.join("parallax.db").display()
        );
        write(&file, &text);
        let mut command = Command::new(PROGRAM);
        let process = Process::start("parallax", &[port, control], command.arg("serve").arg("-c").arg(&file));
        Self { process, control }
    }

    /// The sum of a metric's samples that have all of these words.
    fn metric(&self, name: &str, words: &[&str]) -> f64 {
        let mut stream = TcpStream::connect(loopback(self.control)).expect("the control listener");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.control);
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("it answers");
        let lines = page.lines().filter(|line| {
            let is_it = line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
            is_it && words.iter().all(|word| line.contains(word))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn waiting(&self) -> f64 {
        self.metric("parallax_stored_checks", &[])
    }
}

/// 202 a second over 64 connections while nothing is run: the candidate is silent.
fn accepted(directory: &Path, run: Duration) -> f64 {
    let candidate = Candidate::silent();
    let server = Server::start(directory, candidate.port);
    let load = wrk::post(server.control, directory, run);
    let kept = server.metric("parallax_requests_total", &["posted"]);
    assert!(kept >= load.requests, "{} were answered and {kept} are kept", load.requests);
    load.requests / load.seconds
}

/// The same rows by the same code, each in a commit of its own, without HTTP.
fn one_by_one(directory: &Path, run: Duration) -> f64 {
    let url = format!("sqlite://{}", directory.join("one.db").display());
    let mut backend = open_backend(&url).expect("a store");
    let began = Instant::now();
    let mut written = 0_u32;
    while began.elapsed() < run {
        let check = NewCheck {
            id: CheckId(fastrand_u128(written)),
            operation_id: "getItem".parse().expect("an id"),
            fingerprint: Some([0; 16]),
            at: jiff::Timestamp::now(),
            state: NewState::Waiting(vec![7; wrk::BYTES]),
        };
        backend.write(&[Write::Check(Box::new(check))]).expect("a commit");
        written += 1;
    }
    f64::from(written) / began.elapsed().as_secs_f64()
}

/// Ids as far apart as random ones.
fn fastrand_u128(number: u32) -> u128 {
    u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

/// Checks a second from the post to the verdict.
fn judged(directory: &Path, run: Duration) -> f64 {
    let candidate = Candidate::answering(wrk::ANSWER);
    let server = Server::start(directory, candidate.port);
    let began = Instant::now();
    wrk::post(server.control, directory, run);
    while server.waiting() > 0.0 {
        assert!(began.elapsed() < Duration::from_secs(300), "they never end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let failed = server.metric("parallax_checks_total", &["failed"]);
    let matched = server.metric("parallax_checks_total", &["matched\""]);
    assert!(failed == 0.0, "{failed} have failed");
    matched / seconds
}

/// Resident megabytes before anything waits and while so many do.
fn memory(directory: &Path, effort: &Effort) -> (f64, f64) {
    let candidate = Candidate::silent();
    let server = Server::start(directory, candidate.port);
    wrk::post(server.control, directory, Duration::from_secs(1));
    let resident = || server.process.memory().resident as f64 / 1024.0;
    let few = resident();
    while server.waiting() < effort.waiting {
        wrk::post(server.control, directory, Duration::from_secs(1));
    }
    (few, resident())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let effort = if is_quick { Effort::QUICK } else { Effort::FULL };
    let (mut grouped, mut single, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let directory = tempfile::tempdir().expect("a directory");
        grouped.push(accepted(directory.path(), effort.run));
        single.push(one_by_one(directory.path(), effort.run));
        let directory = tempfile::tempdir().expect("a directory");
        whole.push(judged(directory.path(), effort.run));
        println!(
            "round {}: {:.0} accepted/s, {:.0} single commits/s, {:.0} judged/s",
            round + 1,
            grouped[round],
            single[round],
            whole[round]
        );
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (few, many) = memory(directory.path(), &effort);
    println!("202/s, checks of 4 KB, 64 connections: {:.0}", median(grouped));
    println!("one commit each, without HTTP:         {:.0}", median(single));
    println!("checks/s from post to verdict:         {:.0}", median(whole));
    println!("memory: {few:.0} MB with few, {many:.0} MB with {:.0} waiting", effort.waiting);
}
