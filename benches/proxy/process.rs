//! A process that the benches have started: ended when it is dropped, and asked of the system for
//! what it has used. What is asked includes its children, because nginx works in them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take until it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A process of ours.
pub(crate) struct Process {
    child: Child,
}

/// Memory of a process and its children, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What is in memory, what processes share counted for each of them.
    pub(crate) resident: u64,
    /// The same, what n processes share counted for an n-th.
    pub(crate) proportional: u64,
}

impl Process {
    /// Starts a command, and waits until it listens on these ports.
    pub(crate) fn start(name: &str, ports: &[u16], command: &mut Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("{name} cannot be started: {error}; scripts/install-tools installs what the benches need")
        });
        let process = Self { child };
        for port in ports {
            wait_for(loopback(*port), name);
        }
        process
    }

    /// CPU time that the process and its children have used so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.all().into_iter().map(cpu_of).sum()
    }

    /// Memory that the process and its children hold now.
    pub(crate) fn memory(&self) -> Memory {
        let each = self.all().into_iter().map(memory_of);
        each.fold(Memory::default(), |sum, one| Memory {
            resident: sum.resident + one.resident,
            proportional: sum.proportional + one.proportional,
        })
    }

    fn all(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(id).chain(children).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx's workers end with their master only when it is asked to end.
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().ok();
        self.child.wait().ok();
    }
}

/// A free port of this machine; free a moment ago, which has to do.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(loopback(0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A port of this machine.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Writes a file that a process is started with.
pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn wait_for(address: SocketAddr, name: &str) {
    let deadline = Instant::now() + STARTS_WITHIN;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{name} does not listen on {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// User and system time from `/proc/PID/stat` (proc(5), fields 14 and 15, in ticks of 10 ms).
fn cpu_of(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn memory_of(id: u32) -> Memory {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let kib = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Memory { resident: kib("Rss:"), proportional: kib("Pss:") }
}
