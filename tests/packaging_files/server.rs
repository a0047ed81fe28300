//! `parallax serve` with a configuration that is given whole.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::process::{command, free_address};

/// The running program, ended with the test.
pub(crate) struct Server {
    pub(crate) proxy: SocketAddr,
    pub(crate) control: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts it in this directory, with the configuration for these two addresses.
    pub(crate) fn start(directory: &Path, text: impl FnOnce(SocketAddr, SocketAddr) -> String) -> Self {
        let (proxy, control) = (free_address(), free_address());
        fs::write(directory.join("parallax.yaml"), text(proxy, control)).expect("parallax.yaml");
        let log = directory.join("log");
        let mut serve = command(directory, &["serve"]);
        serve.stdout(Stdio::null()).stderr(File::create(&log).expect("a log"));
        let mut server = Self { proxy, control, child: serve.spawn().expect("parallax starts") };
        let began = Instant::now();
        while TcpStream::connect(proxy).is_err() || TcpStream::connect(control).is_err() {
            let ended = server.child.try_wait().expect("a child");
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none() && began.elapsed() < DEADLINE, "it does not start: {}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
