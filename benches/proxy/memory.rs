//! What idle connections hold: clients that have asked once and keep their connection, as browsers
//! and other proxies do.

use std::time::Duration;

use parallax_testkit::RawClient;
use serde_json::{Value, json};

use crate::Effort;
use crate::contender::Contender;
use crate::process::{Memory, loopback};
use crate::protocol::Protocol;
use crate::setting::Setting;
use crate::sides::Size;
use crate::{haproxy, nginx, parallax};

/// Memory beside nginx's.
const GOAL: f64 = 2.0;
/// Connections that are opened at the same time.
const AT_ONCE: usize = 50;
/// Descriptors for things other than the connections.
const SPARE: u64 = 2000;
/// How long a contender may take to put its house in order.
const REST: Duration = Duration::from_secs(2);

struct Held {
    name: &'static str,
    before: Memory,
    with: Memory,
}

/// Measures and prints.
pub(crate) fn run(effort: Effort) -> Value {
    let connections = allow(effort.idle);
    let setting = Setting::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let contenders = [
        nginx::passing(&setting),
        haproxy::passing(&setting),
        parallax::in_stage("parallax", "shadow", &setting),
    ];
    let held = contenders.map(|contender| runtime.block_on(hold(&contender, connections)));
    println!(
        "Memory with {connections} idle connections, MiB (goal ≤ {GOAL:.1} × nginx)\n{:<10} {:>12} {:>12} {:>14} {:>12} {:>8}",
        "contender", "RSS before", "RSS with", "PSS before", "PSS with", "ratio"
    );
    let rows: Vec<Value> = held.iter().map(|one| row(one, &held[0], connections)).collect();
    println!();
    Value::Array(rows)
}

fn row(one: &Held, nginx: &Held, connections: usize) -> Value {
    let mib = |kib: u64| kib as f64 / 1024.0;
    let ratio = one.with.proportional as f64 / nginx.with.proportional as f64;
    println!(
        "{:<10} {:>12.1} {:>12.1} {:>14.1} {:>12.1} {ratio:>8.2}",
        one.name,
        mib(one.before.resident),
        mib(one.with.resident),
        mib(one.before.proportional),
        mib(one.with.proportional),
    );
    json!({
        "contender": one.name, "connections": connections, "ratio": ratio, "goal": GOAL,
        "rss_before_kib": one.before.resident, "rss_with_kib": one.with.resident,
        "pss_before_kib": one.before.proportional, "pss_with_kib": one.with.proportional,
    })
}

/// Opens the connections, asks once on each, and looks what the contender holds then.
async fn hold(contender: &Contender, connections: usize) -> Held {
    let address = loopback(contender.doors.to(Protocol::H1).expect("all speak HTTP/1.1"));
    let before = contender.process.memory();
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let next = (0..AT_ONCE.min(connections - open.len())).map(|_| async move {
            let mut client = RawClient::connect(address).await?;
            let answer = client.get(Size::Kilobyte.path()).await?;
            assert_eq!(answer.status, 200, "{}", contender.name);
            Ok::<_, std::io::Error>(client)
        });
        for client in futures_util::future::join_all(next).await {
            open.push(client.unwrap_or_else(|error| panic!("{}: {error}", contender.name)));
        }
    }
    tokio::time::sleep(REST).await;
    let with = contender.process.memory();
    // All of them are still open, or it would not have been measured.
    for client in open.iter_mut().step_by(connections.div_ceil(AT_ONCE)) {
        let answer = client.get(Size::Kilobyte.path()).await;
        assert!(answer.is_ok_and(|answer| answer.status == 200), "{} has closed", contender.name);
    }
    Held { name: contender.name, before, with }
}

/// Raises the limit of open files as far as it may be, and says how many connections fit. The
/// contenders inherit it.
fn allow(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let needed = (wanted as u64 + SPARE).min(maximum);
    let current = limit.current.unwrap_or(u64::MAX);
    if current < needed {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum }).ok();
    }
    let fit = usize::try_from(maximum.saturating_sub(SPARE)).unwrap_or(wanted).min(wanted);
    if fit < wanted {
        println!("only {fit} connections fit into this system's limit of open files");
    }
    fit
}
