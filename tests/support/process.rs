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

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
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
