//! The two services behind the proxies: nginx that answers 1 KB of JSON from memory, because it
//! takes the least of the machine.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::contender::{free_port, nginx_command, wait_for};

/// Both sides.
pub(crate) struct Sides {
    /// Where legacy is.
    pub(crate) legacy: u16,
    /// Where the candidate is.
    pub(crate) candidate: u16,
    process: Child,
}

impl Sides {
    /// Starts both.
    pub(crate) fn start(directory: &Path) -> Self {
        let (legacy, candidate) = (free_port(), free_port());
        // One byte is spelt differently, so that comparing really parses.
        let server = |port: u16, spelling: &str| {
            format!("server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{}'; }} }}", body(spelling))
        };
        let servers = format!("{}\n{}", server(legacy, "1.0"), server(candidate, "1.00"));
        let mut command = nginx_command(directory, "sides", &servers);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx starts");
        for port in [legacy, candidate] {
            wait_for(SocketAddr::from(([127, 0, 0, 1], port)), "a side");
        }
        Self { legacy, candidate, process }
    }
}

impl Drop for Sides {
    fn drop(&mut self) {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().ok();
        self.process.wait().ok();
    }
}

/// About 1 KB of JSON as a shop would answer it; `spelling` is one of its numbers.
pub(crate) fn body(spelling: &str) -> String {
    let item = |number: u32| {
        format!(
            "{{\"sku\":\"sku-{number:04}\",\"quantity\":{number},\"price\":{{\"amount\":\"12.99\",\"currency\":\"EUR\"}}}}"
        )
    };
    let items: Vec<String> = (0..13).map(item).collect();
    format!("{{\"id\":\"r-1\",\"weight\":{spelling},\"items\":[{}]}}", items.join(","))
}
