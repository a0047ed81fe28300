//! Shadow with comparison at saturation, in *checked* requests per second, beside nginx that only
//! mirrors; then the share that is checked at 70 % of what was reached.
//!
//! A check counts when it was judged under load: counted from when the load has lasted for a while to
//! shortly before it ends. What still waits then would be judged on a machine that has nothing else to
//! do, and does not count; nor does what was skipped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Effort;
use crate::contender::Contender;
use crate::counters::Counters;
use crate::load::{saturate, steady};
use crate::measure::{Series, WARM_UP, median, paired_ratio};
use crate::protocol::Protocol;
use crate::setting::Setting;
use crate::sides::Size;
use crate::{nginx, parallax};

/// How much of what was reached at saturation the second part asks for.
const LOADED: f64 = 0.7;
/// How long the load lasts before and after checks are counted.
const EDGE: Duration = Duration::from_secs(1);
/// The ratio of checked requests per second to nginx that mirrors, and the share at 70 %.
const RATIO_GOAL: f64 = 2.0;
const SHARE_GOAL: f64 = 0.999;

/// The runs of parallax: all requests as any contender, and which of them were checked.
#[derive(Default)]
struct Checked {
    series: Series,
    per_second: Vec<f64>,
    /// Requests that were not checked, by the reason.
    skipped: BTreeMap<String, f64>,
}

/// Measures and prints.
pub(crate) fn run(effort: Effort) -> Value {
    let setting = Setting::new();
    let mirror = nginx::mirroring(&setting);
    let shadow = parallax::in_stage("parallax", "shadow", &setting);
    println!("Shadow and compare, beside nginx that mirrors and compares nothing");
    let sizes = Size::ALL.map(|size| one_size(effort, size, &mirror, &shadow));
    println!();
    Value::Array(sizes.into())
}

fn one_size(effort: Effort, size: Size, mirror: &Contender, shadow: &Contender) -> Value {
    let (mut mirrored, mut checked) = (Series::default(), Checked::default());
    let url = |contender: &Contender| contender.url(Protocol::H1, size.path()).expect("both speak HTTP/1.1");
    for contender in [mirror, shadow] {
        saturate(&url(contender), Protocol::H1, WARM_UP);
    }
    for round in 0..effort.rounds {
        let mut one_of_ours = || checked.run(shadow, &url(shadow), effort.run);
        if round % 2 == 1 {
            one_of_ours();
        }
        let before = mirror.process.cpu();
        let load = saturate(&url(mirror), Protocol::H1, effort.run);
        mirrored.add(load, mirror.process.cpu().saturating_sub(before));
        if round % 2 == 0 {
            one_of_ours();
        }
    }
    let theirs = mirrored.per_second();
    let ratio = paired_ratio(&checked.per_second, mirrored.runs());
    println!("{}: nginx mirror {theirs:>8.0} requests/s, {:.1} µs CPU each", size.name(), mirrored.cpu_us());
    println!(
        "  parallax {:>8.0} requests/s, {:.1} µs CPU each; {:.0} checked/s: {ratio:.2} × nginx mirror (goal ≥ {RATIO_GOAL:.1})",
        checked.series.per_second(),
        checked.series.cpu_us(),
        median(&checked.per_second),
    );
    println!("  skipped at saturation: {}", reasons(&checked.skipped));
    let at_70 = share_at(LOADED * checked.series.per_second(), effort, shadow, &url(shadow));
    json!({
        "size": size.name(), "goal_ratio": RATIO_GOAL, "ratio": ratio,
        "mirror": mirrored.to_json(), "parallax": checked.series.to_json(),
        "checked_per_second": checked.per_second, "skipped": checked.skipped,
        "cpu_ratio": checked.series.cpu_ratio(&mirrored), "at_70_percent": at_70,
    })
}

impl Checked {
    /// One run, of which the checks are counted in the middle: when the queue has filled, and before
    /// the load ends and leaves the machine to what waits in it.
    fn run(&mut self, shadow: &Contender, url: &str, length: Duration) {
        let control = shadow.control.expect("parallax has a control listener");
        let before = Counters::settled(control);
        let cpu = shadow.process.cpu();
        let (load, judged) = std::thread::scope(|scope| {
            let load = scope.spawn(|| saturate(url, Protocol::H1, length + 2 * EDGE));
            std::thread::sleep(EDGE);
            let (from, began) = (Counters::read(control), Instant::now());
            std::thread::sleep(length);
            let to = Counters::read(control).since(&from);
            let judged = to.of("matched") / began.elapsed().as_secs_f64();
            (load.join().expect("the load"), judged)
        });
        self.series.add(load, shadow.process.cpu().saturating_sub(cpu));
        self.per_second.push(judged);
        let after = Counters::settled(control).since(&before);
        assert!(after.of("unmatched") + after.of("failed") == 0.0, "all answers are equal: {after:?}");
        for (reason, count) in after.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
    }
}

/// The share that is checked of requests that come at a fixed rate.
fn share_at(rate: f64, effort: Effort, shadow: &Contender, url: &str) -> Value {
    let control = shadow.control.expect("parallax has a control listener");
    let before = Counters::settled(control);
    let length = effort.run * u32::try_from(effort.rounds.max(3)).expect("a number of rounds");
    let load = steady(url, rate, length);
    let after = Counters::settled(control).since(&before);
    // The load ends in the middle of some requests, which is nobody's fault.
    let of_ours = after.skipped.iter().filter(|(reason, _)| *reason != "client_aborted");
    let skipped: f64 = of_ours.map(|(_, count)| count).sum();
    let share = after.judged() / (after.judged() + after.of("failed") + skipped);
    println!(
        "  at {rate:.0} requests/s (70 %; {:.0} were answered): {:.3} % checked (goal ≥ {:.1} %)",
        load.per_second(),
        share * 100.0,
        SHARE_GOAL * 100.0
    );
    json!({
        "wanted_per_second": rate, "answered_per_second": load.per_second(), "share_checked": share,
        "goal": SHARE_GOAL, "skipped": after.skipped, "checks": after.checks,
    })
}

/// The reasons for which something was skipped at all.
fn reasons(skipped: &BTreeMap<String, f64>) -> String {
    let named = skipped.iter().filter(|(_, count)| **count > 0.0);
    let named: Vec<String> = named.map(|(reason, count)| format!("{count:.0} {reason}")).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}
