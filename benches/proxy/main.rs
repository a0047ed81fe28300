//! Throughput and CPU time per request of parallax beside nginx and HAProxy, and what a candidate
//! that misbehaves adds to a client's latency. Everything runs on this machine, interleaved round
//! by round, so that a machine that is shared and noisy is noisy for all of them alike; medians
//! and ratios are what counts.
//!
//! `cargo bench --bench proxy [-- --rounds 9 --seconds 2 throughput|latency]`

mod contender;
mod latency;
mod measure;
mod sides;
mod throughput;

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Runs of each contender.
    pub(crate) rounds: usize,
    /// Length of a run.
    pub(crate) run: Duration,
}

fn main() {
    let mut effort = Effort { rounds: 9, run: Duration::from_secs(2) };
    let mut parts: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match argument.as_str() {
            "--rounds" => effort.rounds = usize::try_from(number()).expect("a number of rounds"),
            "--seconds" => effort.run = Duration::from_secs(number()),
            // What cargo itself passes on.
            "--bench" => {}
            part => parts.push(part.to_owned()),
        }
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    if wanted("throughput") {
        throughput::run(effort);
    }
    if wanted("latency") {
        latency::run(effort);
    }
}
