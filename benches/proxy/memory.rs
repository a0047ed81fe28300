//! What idle connections hold: of clients that have said nothing yet, and of clients that have asked
//! once and keep their connection, as browsers and other proxies do.

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
/// How often a few are asked once more before it is looked what all of them hold.
const AFTERWARDS: usize = 2;

struct Held {
    name: &'static str,
    before: Memory,
    /// With connections on which nothing was said.
    silent: Memory,
    /// With connections on which one request was answered.
    asked: Memory,
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
        "Memory with {connections} idle connections, PSS in MiB (goal ≤ {GOAL:.1} × nginx)\n{:<10} {:>10} {:>10} {:>8} {:>16} {:>8} {:>22}",
        "contender", "before", "silent", "ratio", "after a request", "ratio", "KiB per connection"
    );
    let rows: Vec<Value> = held.iter().map(|one| row(one, &held[0], connections)).collect();
    println!();
    Value::Array(rows)
}

fn row(one: &Held, nginx: &Held, connections: usize) -> Value {
    let mib = |memory: Memory| memory.proportional as f64 / 1024.0;
    let ratio = |ours: Memory, theirs: Memory| ours.proportional as f64 / theirs.proportional as f64;
    let each = |memory: Memory| {
        memory.proportional.saturating_sub(one.before.proportional) as f64 / connections as f64
    };
    let (silent, asked) = (ratio(one.silent, nginx.silent), ratio(one.asked, nginx.asked));
    println!(
        "{:<10} {:>10.1} {:>10.1} {silent:>8.2} {:>16.1} {asked:>8.2} {:>22}",
        one.name,
        mib(one.before),
        mib(one.silent),
        mib(one.asked),
        format!("{:.1} / {:.1}", each(one.silent), each(one.asked)),
    );
    let kib = |memory: Memory| json!({"rss_kib": memory.resident, "pss_kib": memory.proportional});
    json!({
        "contender": one.name, "connections": connections, "goal": GOAL,
        "before": kib(one.before), "silent": kib(one.silent), "asked": kib(one.asked),
        "silent_ratio": silent, "asked_ratio": asked,
    })
}

/// Opens the connections, then asks once on each, and looks what the contender holds.
async fn hold(contender: &Contender, connections: usize) -> Held {
    let address = loopback(contender.doors.to(Protocol::H1).expect("all speak HTTP/1.1"));
    let before = contender.process.memory();
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let next = (0..AT_ONCE.min(connections - open.len())).map(|_| RawClient::connect(address));
        for client in futures_util::future::join_all(next).await {
            open.push(client.unwrap_or_else(|error| panic!("{}: {error}", contender.name)));
        }
    }
    tokio::time::sleep(REST).await;
    let silent = contender.process.memory();
    for some in open.chunks_mut(AT_ONCE) {
        ask(contender.name, some.iter_mut()).await;
    }
    // A process in use goes on being asked, by others, and gives back what it has no use for then.
    for _ in 0..AFTERWARDS {
        tokio::time::sleep(REST).await;
        ask(contender.name, open.iter_mut().take(AT_ONCE)).await;
    }
    tokio::time::sleep(REST).await;
    let asked = contender.process.memory();
    // All of them are still open, or it would not have been measured.
    ask(contender.name, open.iter_mut().step_by(connections.div_ceil(AT_ONCE))).await;
    Held { name: contender.name, before, silent, asked }
}

/// Asks once on each of these.
async fn ask(name: &str, clients: impl Iterator<Item = &mut RawClient>) {
    let asked = clients.map(|client| client.get(Size::Kilobyte.path()));
    for answer in futures_util::future::join_all(asked).await {
        assert!(answer.is_ok_and(|answer| answer.status == 200), "{name} answers on every connection");
    }
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
