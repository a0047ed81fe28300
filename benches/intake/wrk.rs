//! Posting as fast as the answers come: wrk over 64 connections.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::write;

/// About the bytes of one check.
pub(crate) const BYTES: usize = 4096;
/// What legacy has answered, and the candidate answers.
pub(crate) const ANSWER: &str = "{\"id\":17,\"total\":\"12.50\"}";

/// What was answered with 202.
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
}

/// Posts checks of 4 KB for so long, each a new one.
pub(crate) fn post(control: u16, directory: &Path, length: Duration) -> Load {
    let script = directory.join("post.lua");
    let check = serde_json::json!({
        "request": {
            "method": "GET",
            "url": {"path": "/items/17"},
            "headers": {"Accept": "application/json", "Authorization": "Bearer 0123456789abcdef"},
        },
        "response": {
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            // White space is no difference, and is sealed and stored as anything else.
            "body": format!("{ANSWER}{}", " ".repeat(BYTES - 300)),
        },
    });
    let lua = format!(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[{check}]==]\n"
    );
    write(&script, &lua);
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", "-d", &format!("{}s", length.as_secs()), "-s"]).arg(&script);
    let output = command
        .arg(format!("http://127.0.0.1:{control}/consistency-checks"))
        .output()
        .expect("wrk, which scripts/install-tools installs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "wrk: {text}");
    let line = text.lines().find_map(|line| line.split_once(" requests in "));
    let (requests, rest) = line.unwrap_or_else(|| panic!("wrk: {text}"));
    let seconds = rest.split("s,").next().and_then(|number| number.parse().ok());
    Load {
        requests: requests.trim().parse().unwrap_or_else(|_| panic!("wrk: {text}")),
        seconds: seconds.unwrap_or_else(|| panic!("wrk: {text}")),
    }
}
