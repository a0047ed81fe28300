//! What was measured, on what machine and under what load of others, in a file that programs read.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::Effort;
use crate::nginx::installed;

/// What was measured.
pub(crate) struct Results {
    parts: Map<String, Value>,
    machine: Value,
    effort: Effort,
}

impl Results {
    /// Nothing yet; notes the machine.
    pub(crate) fn new(effort: Effort) -> Self {
        let machine = json!({
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "processor": processor(),
            "kernel": first_line(Command::new("uname").arg("-sr")),
            "load_at_start": load(),
            "nginx": first_line(Command::new(installed("nginx")).arg("-v")),
            "haproxy": first_line(Command::new(installed("haproxy")).arg("-v")),
            "h2load": first_line(Command::new("h2load").arg("--version")),
        });
        println!("load of the machine before: {}\n", load());
        Self { parts: Map::new(), machine, effort }
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, part: &str, measured: Value) {
        self.parts.insert(part.to_owned(), measured);
    }

    /// Writes the file, beside what cargo builds.
    pub(crate) fn write(mut self) {
        self.machine["load_at_end"] = json!(load());
        let all = json!({
            "machine": self.machine,
            "rounds": self.effort.rounds,
            "seconds": self.effort.run.as_secs_f64(),
            "parts": self.parts,
        });
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's own directory");
        let file = target.join("bench-proxy.json");
        let text = serde_json::to_string_pretty(&all).expect("numbers and text");
        fs::write(&file, text + "\n").unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        println!("load of the machine after: {}; all figures: {}", load(), file.display());
    }
}

/// Processes that ran or wanted to, on average over 1, 5 and 15 minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or(String::new(), |(_, name)| name.trim().to_owned())
}

fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    // nginx tells its version where others tell errors.
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
