//! Traffic at a steady rate: requests leave when they are due, whether or not earlier ones were
//! answered, as customers who know nothing of each other do. The number in flight is bounded, and
//! a request that finds no room is counted, never sent later.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::client::{Client, ClientError};
use super::customers::Customers;

/// Requests in flight, at most.
const MAX_IN_FLIGHT: usize = 256;
/// How often due requests are sent.
const BEAT: Duration = Duration::from_millis(5);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(250);

/// What came of the traffic so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent.
    pub sent: u64,
    /// Requests that found no room, and were not sent.
    pub left_out: u64,
    /// Complete answers by status.
    pub answered: BTreeMap<u16, u64>,
    /// Requests without a complete answer.
    pub errors: u64,
    /// What the first of those came to.
    pub first_error: Option<String>,
    /// How long it has been going on.
    pub elapsed: Duration,
}

/// Where the traffic goes and how much of it.
#[derive(Clone, Debug)]
pub struct Load {
    /// `host:port` of the proxy.
    pub authority: String,
    /// Requests a second.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
    /// What the customers and their returns are made of; the same as the services'.
    pub seed: u64,
}

/// Sends the traffic and waits for the last answer. `tell` hears of the progress a few times a
/// second. As many requests are due as rate and duration say, no matter how busy the machine is.
pub async fn run(load: &Load, mut tell: impl FnMut(&Traffic)) -> Traffic {
    let mut sending = Sending::new(load);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = Instant::now();
    let mut told = start;
    while start.elapsed() < load.duration {
        tokio::select! {
            _ = beat.tick() => sending.send_due(start.elapsed().min(load.duration)),
            Some(done) = sending.in_flight.join_next() => sending.traffic.count(done),
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            sending.traffic.elapsed = start.elapsed();
            tell(&sending.traffic);
        }
    }
    sending.send_due(load.duration);
    while let Some(done) = sending.in_flight.join_next().await {
        sending.traffic.count(done);
    }
    sending.traffic.elapsed = start.elapsed();
    tell(&sending.traffic);
    sending.traffic
}

struct Sending {
    rate: u32,
    customers: Customers,
    client: Client,
    in_flight: JoinSet<Result<StatusCode, ClientError>>,
    traffic: Traffic,
}

impl Sending {
    fn new(load: &Load) -> Self {
        Self {
            rate: load.rate,
            customers: Customers::new(&load.authority, load.seed),
            client: Client::new(&load.authority),
            in_flight: JoinSet::new(),
            traffic: Traffic::default(),
        }
    }

    fn send_due(&mut self, elapsed: Duration) {
        let begun = self.traffic.sent + self.traffic.left_out;
        for _ in begun..due(self.rate, elapsed) {
            let request = self.customers.next();
            if self.in_flight.len() >= MAX_IN_FLIGHT {
                self.traffic.left_out += 1;
                continue;
            }
            self.traffic.sent += 1;
            let client = self.client.clone();
            self.in_flight.spawn(async move { client.ask(request).await.map(|(status, _)| status) });
        }
    }
}

impl Traffic {
    fn count(&mut self, done: Result<Result<StatusCode, ClientError>, tokio::task::JoinError>) {
        let error = match done {
            Ok(Ok(status)) => {
                *self.answered.entry(status.as_u16()).or_default() += 1;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

fn due(rate: u32, elapsed: Duration) -> u64 {
    let due = u128::from(rate) * elapsed.as_micros() / 1_000_000;
    u64::try_from(due).unwrap_or(u64::MAX)
}
