//! What large arrays cost, and that the cost grows with their size and not with its square.
//!
//! Run it with `cargo bench -p parallax-core --bench arrays`. It prints the median of some runs of
//! each pair beside the time that the pair may take, and at the end the slope of time over size on
//! a doubly logarithmic scale: 1 is linear. What takes too long makes it fail.

use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::{Action, RuleSpec, Rules};

const ROUNDS: usize = 15;
const ELEMENTS: usize = 10_000;

fn main() {
    let spec = RuleSpec { at: "$.body".into(), action: Action::Unordered };
    let unordered = Rules::compile(&[spec]).expect("the rule is good");
    let ordered = Rules::default();
    let original = objects(ELEMENTS);
    let shuffled = shuffle(original.clone());
    let edited = edit(original.clone(), 10);
    let rotated = [&original[ELEMENTS / 2..], &original[..ELEMENTS / 2]].concat();
    let inserted = [vec![object(99_999)], original.clone()].concat();
    let bits: Vec<String> = numbers(ELEMENTS, 2);
    let other_bits: Vec<String> = numbers(ELEMENTS + 1, 2).split_off(1);
    println!("{:<52} {:>10} {:>10} {:>6}", "pair", "median", "at most", "found");
    let mut slow = 0;
    for (name, left, right, rules, found, most) in [
        ("10,000 objects, shuffled, unordered", &original, &shuffled, &unordered, 0, 20),
        (
            "10,000 objects, shuffled, 10 % edited, unordered",
            &original,
            &shuffle(edited.clone()),
            &unordered,
            1_000,
            60,
        ),
        ("10,000 objects, 10 % edited", &original, &edited, &ordered, 1_000, 60),
        ("10,000 objects, one inserted in front", &original, &inserted, &ordered, 1, 20),
        ("10,000 objects, rotated by half", &original, &rotated, &ordered, 1, 40),
        ("10,000 objects, shuffled", &original, &shuffled, &ordered, 1, 40),
        ("10,000 of two values, at random", &bits, &other_bits, &ordered, 0, 200),
    ] {
        let (left, right) = (answer(left), answer(right));
        let differences = count(&left, &right, rules);
        assert!(name.contains("at random") || differences == found, "{name}: {differences}");
        let time = median(|| count(&left, &right, rules));
        slow += usize::from(time > Duration::from_millis(most));
        println!("{name:<52} {:>10} {:>10} {differences:>6}", millis(time), format!("{most} ms"));
    }
    identical();
    for (name, rules, change) in [
        ("one edit in the middle", &ordered, edit_one as fn(Vec<String>) -> Vec<String>),
        ("10 % edited, shuffled, unordered", &unordered, |all| shuffle(edit(all, 10))),
    ] {
        let slope = slope(name, rules, change);
        println!("{name}: slope {slope:.2}");
        slow += usize::from(slope > 1.25);
    }
    assert_eq!(slow, 0, "some of it takes longer than it may");
}

/// The same bytes are compared as bytes: beside it, what comparing the slices alone takes.
fn identical() {
    let (left, right) = (answer(&objects(100_000)), answer(&objects(100_000)));
    let rules = Rules::default();
    let ours = median(|| count(&left, &right, &rules));
    let (Body::Whole(one), Body::Whole(other)) = (&left.body, &right.body) else { return };
    let bytes = median(|| usize::from(black_box(one) == black_box(other)));
    println!("{} MB, identical: {}; the bytes alone: {}", one.len() / 1_000_000, millis(ours), millis(bytes));
}

/// The slope of the best line through the times from 1 KB to 10 MB.
fn slope(name: &str, rules: &Rules, change: fn(Vec<String>) -> Vec<String>) -> f64 {
    let mut points = Vec::new();
    for elements in [16, 160, 1_600, 16_000, 160_000] {
        let left = objects(elements);
        let (left, right) = (answer(&left), answer(&change(left)));
        let Body::Whole(bytes) = &left.body else { continue };
        let time = median(|| count(&left, &right, rules));
        println!("  {name}, {} KB: {}", bytes.len() / 1_000, millis(time));
        points.push(((bytes.len() as f64).ln(), time.as_secs_f64().ln()));
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    above / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn count(left: &Answer, right: &Answer, rules: &Rules) -> usize {
    match compare(black_box(left), black_box(right), rules).comparison {
        Comparison::Equal(_) => 0,
        Comparison::Different(found) => found.kept.len() + found.more,
        Comparison::Incomparable(cause) => panic!("{cause}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench needs the clock that the core must not have")]
fn median(run: impl Fn() -> usize) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn object(id: usize) -> String {
    format!("{{\"id\":{id},\"sku\":\"sku-{id}\",\"price\":\"12.99\",\"currency\":\"EUR\"}}")
}

fn objects(count: usize) -> Vec<String> {
    (0..count).map(object).collect()
}

/// Every so many-th element with another price.
fn edit(mut elements: Vec<String>, every: usize) -> Vec<String> {
    for element in elements.iter_mut().step_by(every) {
        *element = element.replace("12.99", "13.49");
    }
    elements
}

fn edit_one(mut elements: Vec<String>) -> Vec<String> {
    let middle = elements.len() / 2;
    elements[middle] = elements[middle].replace("12.99", "13.49");
    elements
}

/// The same order every time, without any pattern.
fn shuffle(mut elements: Vec<String>) -> Vec<String> {
    let mut state = 42_u64;
    for at in (1..elements.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        elements.swap(at, (state >> 33) as usize % (at + 1));
    }
    elements
}

fn numbers(count: usize, below: u64) -> Vec<String> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below).to_string()
    };
    (0..count).map(|_| next()).collect()
}

fn answer(elements: &[String]) -> Answer {
    let headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = Body::Whole(Bytes::from(format!("[{}]", elements.join(","))));
    Answer { status: StatusCode::OK, headers, body, trailers: None }
}
