//! parallax beside nginx and HAProxy: what passing a request through costs, how many checks are made
//! at saturation, what a candidate that misbehaves adds to a client's latency, and what idle
//! connections hold. Everything runs on this machine, interleaved round by round, so that a machine
//! that is shared and noisy is noisy for all of them alike; medians of ratios of neighbours are what
//! counts.
//!
//! `cargo bench --bench proxy [-- --quick] [-- --rounds 9 --seconds 2 PART…]`, where the parts are
//! `passthrough`, `shadow`, `latency` and `memory`. The tables go to standard output, and everything
//! behind them to `target/bench-proxy.json`. docs/performance.md says how to read them.

mod certificate;
mod contender;
mod counters;
mod haproxy;
mod latency;
mod load;
mod measure;
mod memory;
mod nginx;
mod parallax;
mod passthrough;
mod process;
mod protocol;
mod results;
mod setting;
mod shadow;
mod sides;

use std::time::Duration;

use results::Results;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Runs of each contender.
    pub(crate) rounds: usize,
    /// Length of a run.
    pub(crate) run: Duration,
    /// Idle connections that are opened.
    pub(crate) idle: usize,
}

impl Effort {
    const FULL: Self = Self { rounds: 9, run: Duration::from_secs(2), idle: 10_000 };
    /// Whether everything works; no figure of it means anything.
    const QUICK: Self = Self { rounds: 1, run: Duration::from_secs(1), idle: 500 };
}

/// A part of the measurement, by its name on the command line.
type Part = (&'static str, fn(Effort) -> serde_json::Value);

const PARTS: [Part; 4] = [
    ("passthrough", passthrough::run),
    ("shadow", shadow::run),
    ("latency", latency::run),
    ("memory", memory::run),
];

fn main() {
    let mut effort = Effort::FULL;
    let mut wanted: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match argument.as_str() {
            "--quick" => effort = Effort::QUICK,
            "--rounds" => effort.rounds = usize::try_from(number()).expect("a number of rounds"),
            "--seconds" => effort.run = Duration::from_secs(number()),
            // What cargo itself passes on.
            "--bench" => {}
            part if PARTS.iter().any(|(name, _)| *name == part) => wanted.push(part.to_owned()),
            other => {
                let parts = PARTS.map(|(name, _)| name).join(", ");
                eprintln!("`{other}` is no option and no part; the parts are {parts}");
                std::process::exit(2);
            }
        }
    }
    let mut results = Results::new(effort);
    for (name, run) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            results.add(name, run(effort));
        }
    }
    results.write();
}
