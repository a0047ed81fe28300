//! What a misbehaving candidate adds to a client's latency: 500 requests a second, sent on time
//! whether or not the last was answered, in stage `legacy` and in shadow with a candidate that
//! hangs, refuses or drips; pair by pair.

use std::net::SocketAddr;
use std::time::Duration;

use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use tokio::time::Instant;

use crate::Effort;
use crate::contender::Contender;
use crate::measure::{median, quantile};
use crate::sides::body;

const PER_SECOND: u32 = 500;
/// Connections among which the requests are dealt, so that one slow answer delays none of the
/// others.
const CONNECTIONS: u32 = 50;

/// Measures and prints.
pub(crate) fn run(effort: Effort) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let legacy = FakeService::start(Behaviour::always(Reply::json(body("1.0"))));
    println!(
        "{:<12} {:>22} {:>22} {:>14} {:>8}",
        "candidate", "legacy p50 / p99 ms", "shadow p50 / p99 ms", "p99 added ms", "errors"
    );
    let faults = [
        ("healthy", Behaviour::always(Reply::json(body("1.00")))),
        ("hangs", Behaviour::Silent),
        ("refuses", Behaviour::Refuse),
        ("drips", Behaviour::Drip(Duration::from_secs(1))),
    ];
    for (name, fault) in faults {
        let candidate = FakeService::start(fault);
        let start =
            |name, stage| Contender::parallax(name, stage, directory.path(), &legacy.url(), &candidate.url());
        let (plain, shadow) = (start("parallax legacy", "legacy"), start("parallax shadow", "shadow"));
        let (mut plains, mut shadows) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            plains.push(runtime.block_on(steady(plain.address, effort.run)));
            shadows.push(runtime.block_on(steady(shadow.address, effort.run)));
        }
        let over = |runs: &[Run], of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let added: Vec<f64> =
            shadows.iter().zip(&plains).map(|(shadow, plain)| shadow.p99_ms - plain.p99_ms).collect();
        let pair = |runs: &[Run]| {
            format!("{:.2} / {:.2}", over(runs, |run| run.p50_ms), over(runs, |run| run.p99_ms))
        };
        let errors: u32 = shadows.iter().map(|run| run.errors).sum();
        println!(
            "{name:<12} {:>22} {:>22} {:>14.2} {errors:>8}",
            pair(&plains),
            pair(&shadows),
            median(&added)
        );
    }
}

struct Run {
    p50_ms: f64,
    p99_ms: f64,
    errors: u32,
}

/// Sends at a steady rate; a latency counts from when the request was due, not from when it could
/// be sent, so that a stall is not hidden by the requests that it holds up.
async fn steady(address: SocketAddr, length: Duration) -> Run {
    let requests = PER_SECOND * u32::try_from(length.as_secs()).expect("a length");
    let began = Instant::now() + Duration::from_millis(100);
    let clients = (0..CONNECTIONS).map(|client| async move {
        let mut connection = RawClient::connect(address).await.expect("the proxy listens");
        let (mut latencies, mut errors) = (Vec::new(), 0);
        for number in (client..requests).step_by(CONNECTIONS as usize) {
            let due = began + number * Duration::from_secs(1) / PER_SECOND;
            tokio::time::sleep_until(due).await;
            match connection.get("/items/1").await {
                Ok(answer) if answer.status == 200 => latencies.push(due.elapsed().as_secs_f64() * 1000.0),
                Ok(_) | Err(_) => errors += 1,
            }
        }
        (latencies, errors)
    });
    let all = futures_util::future::join_all(clients).await;
    let errors = all.iter().map(|(_, errors)| errors).sum();
    let mut latencies: Vec<f64> = all.into_iter().flat_map(|(latencies, _)| latencies).collect();
    latencies.sort_by(f64::total_cmp);
    Run { p50_ms: quantile(&latencies, 0.5), p99_ms: quantile(&latencies, 0.99), errors }
}
