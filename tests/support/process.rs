//! parallax as a process of its own, as a user runs it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::DEADLINE;

/// A running `parallax serve`, ended with the test.
pub(crate) struct Process {
    pub(crate) proxy: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) file: PathBuf,
    child: Child,
}

/// An address that nobody listens at, for a process that is started later. Below the ports that the system
/// hands out by itself, or an outgoing connection of another test might take it in between.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = (std::process::id().wrapping_mul(97) % 20_000) as u16;
    let candidates =
        (0..20_000).map(|_| 10_000 + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000);
    let mut free = candidates.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    free.find(|address| TcpListener::bind(address).is_ok()).expect("a free port")
}

/// `parallax` with these words, in this directory.
pub(crate) fn command(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command.args(words).current_dir(directory).stdin(Stdio::null()).env_remove("PARALLAX_SERVER");
    command
}

impl Process {
    /// Writes parallax.yaml into the directory and serves it, with the store beside it.
    pub(crate) fn start(directory: &Path, legacy: &str, candidate: &str, configuration: &str) -> Self {
        let (proxy, control) = (free_address(), free_address());
        let text = format!(
            "listen: '{proxy}'\ncontrol: {{listen: '{control}'}}\nlegacy: {{url: '{legacy}'}}\ncandidate: {{url: '{candidate}'}}\n{configuration}"
        );
        let file = directory.join("parallax.yaml");
        std::fs::write(&file, text).expect("parallax.yaml");
        let child = serve(directory);
        let process = Self { proxy, control, file, child };
        process.wait_until_ready();
        process
    }

    /// Starts with this configuration as it stands, and writes what is logged to `log` beside it.
    pub(crate) fn start_logging(directory: &Path, program: &Path, text: &dyn Fn(&Self) -> String) -> Self {
        let (proxy, control) = (free_address(), free_address());
        let file = directory.join("parallax.yaml");
        let mut nothing = Command::new("true");
        let child = nothing.stdin(Stdio::null()).spawn().expect("a process");
        let mut process = Self { proxy, control, file, child };
        process.child.wait().expect("it ends");
        std::fs::write(&process.file, text(&process)).expect("parallax.yaml");
        let log = std::fs::File::create(directory.join("log")).expect("a log");
        let mut command = Command::new(program);
        command.args(["serve"]).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
        process.child = command.stderr(log).spawn().expect("parallax starts");
        process.wait_until_ready();
        process
    }

    /// What was logged so far by a process that was started with a log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("log")).expect("a log")
    }

    /// Waits until `text` was logged so many times.
    pub(crate) async fn logged(&self, text: &str, times: usize) {
        let began = Instant::now();
        while self.log().matches(text).count() < times {
            assert!(began.elapsed() < DEADLINE, "`{text}` is not logged {times} times:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The process that was started first.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process that was started first has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// The process that has the store now: after an upgrade that is another one than was started.
    pub(crate) fn holder(&self) -> Option<u32> {
        let locked = std::fs::read_to_string(self.directory().join("parallax.db.lock")).ok();
        locked.and_then(|id| id.trim().parse().ok()).or_else(|| self.successor())
    }

    /// The process that took over last, by the log.
    fn successor(&self) -> Option<u32> {
        let log = std::fs::read_to_string(self.directory().join("log")).ok()?;
        log.rsplit("\"process\":").next()?.split(&[',', '}']).next()?.parse().ok()
    }

    /// Kills the process as a power cut would, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
        self.child = serve(self.directory());
        self.wait_until_ready();
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.wait_for_end()
    }

    pub(crate) fn start_again(&mut self) {
        self.child = serve(self.directory());
        self.wait_until_ready();
    }

    /// Starts it again with these variables.
    pub(crate) fn start_again_with(&mut self, variables: &[(&str, &std::ffi::OsStr)]) {
        let mut command = command(self.directory(), &["serve"]);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = command.spawn().expect("parallax starts");
        self.wait_until_ready();
    }

    pub(crate) fn directory(&self) -> &Path {
        self.file.parent().expect("a directory")
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Bytes of memory that the process has now.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024
    }

    /// What the process has printed, to find a panic in; a process that has ended fails the test.
    pub(crate) fn assert_lives(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        let said = std::fs::read_to_string(self.directory().join(SAID)).unwrap_or_default();
        assert!(ended.is_none(), "the process has ended with {ended:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }

    fn wait_until_ready(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.proxy).is_err() || TcpStream::connect(self.control).is_err() {
            assert!(began.elapsed() < DEADLINE, "it does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends a signal to a process that this test has started.
pub(crate) fn signal(id: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("kill");
    assert!(done.success(), "process {id} is not there");
}

/// Whether a process is there and serves: one that has ended and was not waited for is not.
pub(crate) fn is_alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = status.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Whether a process is one of ours: it runs in this directory.
fn runs_in(id: u32, directory: &Path) -> bool {
    std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|place| place == directory)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(holder) = self.holder().filter(|holder| runs_in(*holder, self.directory())) {
            Command::new("kill").args(["-KILL", &holder.to_string()]).status().ok();
        }
    }
}

/// Where the process's log goes, in its directory.
const SAID: &str = "said.txt";

fn serve(directory: &Path) -> Child {
    let said = std::fs::File::options().create(true).append(true).open(directory.join(SAID));
    command(directory, &["serve"])
        .stdout(Stdio::null())
        .stderr(said.expect("a file"))
        .spawn()
        .expect("parallax starts")
}
