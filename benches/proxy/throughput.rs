//! Requests per second at saturation, and CPU time per request, of each contender in turn.

use std::process::Command;
use std::time::Duration;

use crate::Effort;
use crate::contender::Contender;
use crate::measure::{median, paired_ratio};
use crate::sides::Sides;

const CONNECTIONS: &str = "64";

struct Measured {
    contender: Contender,
    per_second: Vec<f64>,
    /// CPU seconds per 100,000 requests.
    cpu: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(effort: Effort) {
    let directory = tempfile::tempdir().expect("a directory");
    let sides = Sides::start(directory.path());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (legacy, candidate) = (url(sides.legacy), url(sides.candidate));
    let parallax = |name, stage| Contender::parallax(name, stage, directory.path(), &legacy, &candidate);
    let contenders = [
        Contender::nginx("nginx", directory.path(), sides.legacy, None),
        Contender::haproxy(directory.path(), sides.legacy),
        parallax("parallax legacy", "legacy"),
        Contender::nginx("nginx mirror", directory.path(), sides.legacy, Some(sides.candidate)),
        parallax("parallax shadow", "shadow"),
    ];
    let mut measured: Vec<Measured> = contenders
        .into_iter()
        .map(|contender| Measured { contender, per_second: Vec::new(), cpu: Vec::new() })
        .collect();
    for one in &measured {
        load(&one.contender, Duration::from_secs(1));
    }
    for _ in 0..effort.rounds {
        for one in &mut measured {
            let before = one.contender.cpu();
            let per_second = load(&one.contender, effort.run);
            let used = one.contender.cpu().saturating_sub(before);
            one.per_second.push(per_second);
            one.cpu.push(used.as_secs_f64() / (per_second * effort.run.as_secs_f64()) * 100_000.0);
        }
    }
    print(&measured);
}

fn print(measured: &[Measured]) {
    println!(
        "{:<18} {:>12} {:>16} {:>18} {:>18}",
        "contender", "requests/s", "CPU s / 100k", "throughput ratio", "CPU ratio"
    );
    for (index, one) in measured.iter().enumerate() {
        // The last two mirror; they are held against nginx that mirrors.
        let reference = &measured[if index < 3 { 0 } else { 3 }];
        println!(
            "{:<18} {:>12.0} {:>16.2} {:>18.2} {:>18.2}",
            one.contender.name,
            median(&one.per_second),
            median(&one.cpu),
            paired_ratio(&one.per_second, &reference.per_second),
            paired_ratio(&one.cpu, &reference.cpu),
        );
    }
    println!("ratios: to nginx for those that pass through, to nginx mirror for those that copy\n");
}

/// Requests per second that wrk gets answered.
fn load(contender: &Contender, length: Duration) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", &format!("{}s", length.as_secs())])
        .arg(format!("http://{}/items/1", contender.address))
        .output()
        .unwrap_or_else(|error| panic!("wrk: {error}; scripts/install-tools installs it"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{}: {text}", contender.name);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))
        .unwrap_or_else(|| panic!("wrk: {text}"));
    line.trim().parse().expect("a number")
}
