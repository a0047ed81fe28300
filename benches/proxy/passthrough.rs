//! What it costs to pass a request through: CPU time for each, and requests per second at
//! saturation, for each protocol and size, beside nginx.

use serde_json::{Value, json};

use crate::Effort;
use crate::contender::Contender;
use crate::load::saturate;
use crate::measure::{Series, WARM_UP};
use crate::protocol::Protocol;
use crate::setting::Setting;
use crate::sides::Size;
use crate::{haproxy, nginx, parallax};

/// Measures and prints.
pub(crate) fn run(effort: Effort) -> Value {
    let setting = Setting::new();
    let mut contenders = vec![
        nginx::passing(&setting),
        haproxy::passing(&setting),
        parallax::in_stage("parallax", "legacy", &setting),
    ];
    contenders.extend(parallax::with_tls("parallax", "legacy", &setting));
    println!(
        "Pass-through (stage `legacy`); ratios to nginx\n{:<6} {:<7} {:<10} {:>12} {:>10} {:>15} {:>10} {:>7}",
        "size", "speaks", "contender", "requests/s", "ratio", "CPU µs/request", "ratio", "goal"
    );
    let mut rows = Vec::new();
    for size in Size::ALL {
        for protocol in Protocol::ALL {
            rows.extend(cell(effort, &contenders, protocol, size));
        }
    }
    println!();
    Value::Array(rows)
}

/// All contenders on one protocol and size, in turns.
fn cell(effort: Effort, contenders: &[Contender], protocol: Protocol, size: Size) -> Vec<Value> {
    let mut measured: Vec<(&Contender, String, Series)> = contenders
        .iter()
        .filter_map(|contender| Some((contender, contender.url(protocol, size.path())?, Series::default())))
        .collect();
    for (_, url, _) in &measured {
        saturate(url, protocol, WARM_UP);
    }
    for round in 0..effort.rounds {
        // There and back, so that nobody always comes after the same one.
        let mut order: Vec<_> = measured.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (contender, url, series) in order {
            let before = contender.process.cpu();
            let load = saturate(url, protocol, effort.run);
            series.add(load, contender.process.cpu().saturating_sub(before));
        }
    }
    let rows = measured
        .iter()
        .map(|(contender, _, series)| row(protocol, size, contender.name, series, &measured[0].2));
    let mut rows: Vec<Value> = rows.collect();
    if !measured.iter().any(|(contender, ..)| contender.name == "parallax") {
        println!("{:<6} {:<7} {:<10} {:>12}", size.name(), protocol.name(), "parallax", "not available");
        rows.push(json!({"size": size.name(), "protocol": protocol.name(), "contender": "parallax",
            "available": false}));
    }
    rows
}

fn row(protocol: Protocol, size: Size, name: &str, series: &Series, nginx: &Series) -> Value {
    let (throughput, cpu) = (series.throughput_ratio(nginx), series.cpu_ratio(nginx));
    let goal = (name == "parallax").then(|| goal(protocol, size));
    println!(
        "{:<6} {:<7} {name:<10} {:>12.0} {throughput:>10.2} {:>15.1} {cpu:>10.2} {:>7}",
        size.name(),
        protocol.name(),
        series.per_second(),
        series.cpu_us(),
        goal.map_or(String::new(), |goal| format!("≤ {goal:.1}")),
    );
    json!({
        "size": size.name(), "protocol": protocol.name(), "contender": name, "available": true,
        "requests_per_second": series.per_second(), "throughput_ratio": throughput,
        "cpu_us_per_request": series.cpu_us(), "cpu_ratio": cpu, "cpu_ratio_goal": goal,
        "runs": series.to_json(),
    })
}

/// The CPU time for a request, in nginx's.
fn goal(protocol: Protocol, size: Size) -> f64 {
    match (protocol, size) {
        (Protocol::H1 | Protocol::H2, Size::Kilobyte) => 1.0,
        (Protocol::Tls | Protocol::TlsH2, _) | (_, Size::Twenty) => 1.2,
    }
}
