//! What a misbehaving candidate adds to a client's latency: 500 requests a second, sent on time
//! whether or not the last was answered, through a proxy that only passes them on and one that
//! copies them as well; pair by pair, parallax and nginx with `mirror`.

use std::net::SocketAddr;
use std::time::Duration;

use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Effort;
use crate::contender::Contender;
use crate::measure::{median, quantile};
use crate::process::loopback;
use crate::protocol::Protocol;
use crate::setting::Setting;
use crate::sides::{Size, body};
use crate::{nginx, parallax};

const PER_SECOND: u32 = 500;
/// Connections among which the requests are dealt, so that one slow answer delays none of the
/// others.
const CONNECTIONS: u32 = 50;
/// How long answers are waited for when the last request is due. Those that have not come count with
/// the time that they were waited for, so that what is shown is too good for whoever owes them.
const PATIENCE: Duration = Duration::from_secs(2);
/// The 99th percentile that a candidate may add, whatever it does.
const GOAL_MS: f64 = 1.0;

/// Measures and prints.
pub(crate) fn run(effort: Effort) -> Value {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let setting = Setting::new();
    let legacy = FakeService::start(Behaviour::always(answer("1.0")));
    println!(
        "Latency at {PER_SECOND} requests/s, open loop, ms; added by copying (goal: p99 ≤ {GOAL_MS} ms, no error)\n{:<14} {:<10} {:>20} {:>20} {:>11} {:>11} {:>8}",
        "candidate", "contender", "passing p50 / p99", "copying p50 / p99", "p50 added", "p99 added", "late"
    );
    let slow = Behaviour::always(answer("1.00").delay(Duration::from_millis(200)));
    let faults = [
        ("healthy", Behaviour::always(answer("1.00"))),
        ("200 ms slow", slow),
        ("hangs", Behaviour::Silent),
        ("refuses", Behaviour::Refuse),
        ("drips", Behaviour::Drip(Duration::from_secs(1))),
    ];
    let mut rows = Vec::new();
    for (name, fault) in faults {
        let candidate = FakeService::start(fault);
        let (legacy, candidate) = (legacy.addr().port(), candidate.addr().port());
        let ours = |name, stage| parallax::between(name, stage, &setting, legacy, candidate);
        let pairs = [
            Pair::new("parallax", ours("passing", "legacy"), ours("copying", "shadow")),
            Pair::new(
                "nginx",
                nginx::passing_to(&setting, legacy),
                nginx::mirroring_to(&setting, legacy, candidate),
            ),
        ];
        rows.extend(runtime.block_on(compare(name, pairs, effort)));
    }
    println!();
    Value::Array(rows)
}

fn answer(spelling: &str) -> Reply {
    Reply::json(body(Size::Kilobyte, spelling))
}

/// A proxy that passes on, and the same that copies as well.
struct Pair {
    name: &'static str,
    passing: (Contender, Vec<Run>),
    copying: (Contender, Vec<Run>),
}

impl Pair {
    fn new(name: &'static str, passing: Contender, copying: Contender) -> Self {
        Self { name, passing: (passing, Vec::new()), copying: (copying, Vec::new()) }
    }
}

async fn compare(candidate: &str, mut pairs: [Pair; 2], effort: Effort) -> Vec<Value> {
    for _ in 0..effort.rounds {
        for pair in &mut pairs {
            for (contender, runs) in [&mut pair.passing, &mut pair.copying] {
                let port = contender.doors.to(Protocol::H1).expect("both speak HTTP/1.1");
                runs.push(steady(loopback(port), effort.run).await);
            }
        }
    }
    pairs.iter().map(|pair| row(candidate, pair.name, &pair.passing.1, &pair.copying.1)).collect()
}

fn row(candidate: &str, name: &str, passing: &[Run], copying: &[Run]) -> Value {
    let over = |runs: &[Run], of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let added = |of: fn(&Run) -> f64| {
        let each: Vec<f64> =
            copying.iter().zip(passing).map(|(with, without)| of(with) - of(without)).collect();
        median(&each)
    };
    let pair =
        |runs: &[Run]| format!("{:.2} / {:.2}", over(runs, |run| run.p50_ms), over(runs, |run| run.p99_ms));
    let (p50_added, p99_added) = (added(|run| run.p50_ms), added(|run| run.p99_ms));
    let late: u32 = copying.iter().map(|run| run.late).sum();
    let asked: u32 = copying.iter().map(|run| run.asked).sum();
    let share = f64::from(late) / f64::from(asked) * 100.0;
    println!(
        "{candidate:<14} {name:<10} {:>20} {:>20} {p50_added:>11.2} {p99_added:>11.2} {share:>6.1} %",
        pair(passing),
        pair(copying),
    );
    json!({
        "candidate": candidate, "contender": name, "per_second": PER_SECOND, "goal_p99_added_ms": GOAL_MS,
        "passing": {"p50_ms": over(passing, |run| run.p50_ms), "p99_ms": over(passing, |run| run.p99_ms)},
        "copying": {"p50_ms": over(copying, |run| run.p50_ms), "p99_ms": over(copying, |run| run.p99_ms)},
        "p50_added_ms": p50_added, "p99_added_ms": p99_added, "asked": asked, "late_or_failed": late,
    })
}

struct Run {
    p50_ms: f64,
    p99_ms: f64,
    asked: u32,
    /// Those that were not answered well, or not in time.
    late: u32,
}

/// Sends at a steady rate; a latency counts from when the request was due, not from when it could
/// be sent, so that a stall is not hidden by the requests that it holds up.
async fn steady(address: SocketAddr, length: Duration) -> Run {
    let asked = PER_SECOND * u32::try_from(length.as_secs()).expect("a length");
    let began = Instant::now() + Duration::from_millis(100);
    let given_up = began + length + PATIENCE;
    let clients = (0..CONNECTIONS).map(|client| async move {
        let mut connection = RawClient::connect(address).await.expect("the proxy listens");
        let (mut latencies, mut late) = (Vec::new(), 0);
        for number in (client..asked).step_by(CONNECTIONS as usize) {
            let due = began + number * Duration::from_secs(1) / PER_SECOND;
            tokio::time::sleep_until(due.min(given_up)).await;
            let answer = tokio::time::timeout_at(given_up, connection.get(Size::Kilobyte.path())).await;
            if !matches!(answer, Ok(Ok(answer)) if answer.status == 200) {
                late += 1;
            }
            latencies.push(due.elapsed().as_secs_f64() * 1000.0);
        }
        (latencies, late)
    });
    let all = futures_util::future::join_all(clients).await;
    let late = all.iter().map(|(_, late)| late).sum();
    let mut latencies: Vec<f64> = all.into_iter().flat_map(|(latencies, _)| latencies).collect();
    latencies.sort_by(f64::total_cmp);
    Run { p50_ms: quantile(&latencies, 0.5), p99_ms: quantile(&latencies, 0.99), asked, late }
}
