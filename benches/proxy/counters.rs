//! What parallax itself says that it has done, from its page for Prometheus.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::process::loopback;

/// How long the checks of a run may take to be finished.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// The counts at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Checks by their outcome.
    pub(crate) checks: BTreeMap<String, f64>,
    /// Requests that were not checked, by the reason.
    pub(crate) skipped: BTreeMap<String, f64>,
    /// Requests whose fate is open.
    pub(crate) in_flight: f64,
}

impl Counters {
    /// Reads them from a control port.
    pub(crate) fn read(control: u16) -> Self {
        let mut counters = Self::default();
        for line in page(control).lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let add = |counts: &mut BTreeMap<String, f64>, label: &str| {
                *counts.entry(label_of(labels, label)).or_default() += value;
            };
            match name {
                "parallax_checks_total" => add(&mut counters.checks, "outcome"),
                "parallax_checks_skipped_total" => add(&mut counters.skipped, "reason"),
                "parallax_checks_in_flight" => counters.in_flight += value,
                _ => {}
            }
        }
        counters
    }

    /// Waits until every request has met its fate.
    pub(crate) fn settled(control: u16) -> Self {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let counters = Self::read(control);
            if counters.in_flight == 0.0 {
                return counters;
            }
            assert!(Instant::now() < deadline, "checks are still in flight: {counters:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks that were judged, whatever they showed.
    pub(crate) fn judged(&self) -> f64 {
        self.of("matched") + self.of("unmatched")
    }

    /// Checks with this outcome.
    pub(crate) fn of(&self, outcome: &str) -> f64 {
        self.checks.get(outcome).copied().unwrap_or(0.0)
    }

    /// What has come since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let minus = |now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>| {
            let of = |(name, value): (&String, &f64)| {
                (name.clone(), value - before.get(name).copied().unwrap_or(0.0))
            };
            now.iter().map(of).collect()
        };
        Self {
            checks: minus(&self.checks, &before.checks),
            skipped: minus(&self.skipped, &before.skipped),
            in_flight: self.in_flight,
        }
    }
}

fn label_of(labels: &str, name: &str) -> String {
    let value = labels.split(',').find_map(|label| label.trim_end_matches('}').strip_prefix(name));
    value.unwrap_or_default().trim_matches(['=', '"']).to_owned()
}

fn page(control: u16) -> String {
    let mut stream = TcpStream::connect(loopback(control)).expect("the control listener");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{control}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the control listener reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the control listener answers");
    assert!(text.starts_with("HTTP/1.1 200"), "/metrics: {text}");
    text
}
