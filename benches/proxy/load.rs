//! Load on a contender: wrk for HTTP/1.1, h2load for HTTP/2 and for a fixed rate.

use std::process::{Command, Output};
use std::time::Duration;

use crate::protocol::Protocol;

/// Connections for HTTP/1.1, each with one request at a time.
const CONNECTIONS: u32 = 64;
/// Connections for HTTP/2, and requests at a time on each.
const H2_CONNECTIONS: u32 = 16;
const H2_STREAMS: u32 = 8;

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests that were answered well.
    pub(crate) requests: f64,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Load {
    pub(crate) fn per_second(self) -> f64 {
        self.requests / self.seconds
    }
}

/// As many requests as the contender can answer.
pub(crate) fn saturate(url: &str, protocol: Protocol, length: Duration) -> Load {
    match protocol {
        Protocol::H1 | Protocol::Tls => wrk(url, length),
        Protocol::H2 | Protocol::TlsH2 => h2load(
            Command::new("h2load")
                .args(["-c", &H2_CONNECTIONS.to_string(), "-m", &H2_STREAMS.to_string()])
                .args(["-D", &length.as_secs().to_string()])
                .arg(url),
            length,
        ),
    }
}

/// So many requests a second over HTTP/1.1, dealt among the connections; each connection makes up
/// for what it could not send in time.
pub(crate) fn steady(url: &str, per_second: f64, length: Duration) -> Load {
    let each = format!("{:.3}", per_second / f64::from(CONNECTIONS));
    let mut command = Command::new("h2load");
    command.args(["--h1", "-c", &CONNECTIONS.to_string(), "-m", "1", "--rps", &each]);
    h2load(command.args(["-D", &length.as_secs().to_string()]).arg(url), length)
}

fn wrk(url: &str, length: Duration) -> Load {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{}s", length.as_secs())]).arg(url);
    let text = output_of(&mut command);
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{url}: {text}");
    let line = text.lines().find_map(|line| line.split_once(" requests in "));
    let (requests, rest) = line.unwrap_or_else(|| panic!("wrk: {text}"));
    let seconds = rest.split("s,").next().and_then(|number| number.parse().ok());
    Load { requests: number(requests), seconds: seconds.unwrap_or_else(|| panic!("wrk: {text}")) }
}

/// `requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout`
fn h2load(command: &mut Command, length: Duration) -> Load {
    let text = output_of(command);
    let line = text.lines().find_map(|line| line.strip_prefix("requests: "));
    let line = line.unwrap_or_else(|| panic!("h2load: {text}"));
    let count = |what: &str| {
        let field = line.split(", ").find_map(|field| field.strip_suffix(what));
        number(field.unwrap_or_else(|| panic!("h2load: {text}")))
    };
    assert!(count(" failed") + count(" errored") == 0.0, "h2load: {text}");
    assert!(count(" succeeded") > 0.0, "h2load: {text}");
    Load { requests: count(" succeeded"), seconds: length.as_secs_f64() }
}

fn output_of(command: &mut Command) -> String {
    let Output { stdout, status, .. } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/install-tools installs it"));
    let text = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {text}");
    text
}

fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}
