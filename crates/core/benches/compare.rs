//! What one check costs: `compare()` beside what everyone would write first, `serde_json` reading
//! both bodies into values and `==`.
//!
//! Run it with `cargo bench -p parallax-core --bench compare`, or only some pairs by adding `-- WORD`.
//! All contestants run in one process, in turn, round after round, and the medians of the rounds are
//! printed: a machine that is busy for a while is busy for all of them, so the ratios mean something
//! where single times do not.

use std::cmp::Ordering;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::{Action, RuleSpec, Rules};
use parallax_core::verdict::Equality;
use serde_json::Value;

const ROUNDS: usize = 101;
const RUNS_A_ROUND: u32 = 40;

/// A pair of answers with what must come out, so that nothing is timed that does not do its work.
struct Pair {
    name: &'static str,
    legacy: Answer,
    candidate: Answer,
    rules: Rules,
    expected: Option<Equality>,
}

fn main() {
    println!("{:<44} {:>10} {:>10} {:>7}", "pair", "compare", "serde_json", "ratio");
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    for pair in pairs().into_iter().filter(|pair| pair.name.contains(&wanted)) {
        pair.check();
        let (ours, theirs, ratio) = pair.medians();
        println!("{:<44} {:>10} {:>10} {ratio:>6.1}x", pair.name, micros(ours), micros(theirs));
    }
}

fn pairs() -> Vec<Pair> {
    let (small, large) = (13, 66);
    let ignore = RuleSpec { at: "$.body..quantity".into(), action: Action::Ignore };
    let ruled = Rules::compile(&[ignore]).expect("the rule is good");
    let pair = |name, legacy: String, candidate: String, rules: &Rules, expected| Pair {
        name,
        legacy: answer(legacy),
        candidate: answer(candidate),
        rules: rules.clone(),
        expected,
    };
    let none = Rules::default();
    let (equal, identical) = (Some(Equality::Equal), Some(Equality::Identical));
    vec![
        pair("5 KB, identical", body("1.0", large), body("1.0", large), &none, identical),
        pair("5 KB, a number spelt differently", body("1.0", large), body("1.00", large), &none, equal),
        pair("5 KB, spaced differently throughout", body("1.0", large), spaced(large), &none, equal),
        pair("5 KB, the same under an `ignore`", body("1.0", large), body("1.00", large), &ruled, equal),
        pair("5 KB, members in another order", body("1.0", large), reordered(large), &none, equal),
        pair("5 KB, a number differs", body("1.0", large), body("1.5", large), &none, None),
        pair("1 KB, identical", body("1.0", small), body("1.0", small), &none, identical),
        pair("1 KB, a number spelt differently", body("1.0", small), body("1.00", small), &none, equal),
        pair("headers alone", String::new(), String::new(), &none, identical),
        headers_in_another_order(),
    ]
}

/// What a candidate on another framework sends: the same fields in another order, on another date.
fn headers_in_another_order() -> Pair {
    let (legacy, mut candidate) = (answer(String::new()), answer(String::new()));
    // What is taken out leaves its place to the last, and comes in again at the end.
    let first = candidate.headers.remove("content-type").expect("it was set");
    candidate.headers.append("content-type", first);
    candidate.headers.insert("date", HeaderValue::from_static("Mon, 01 Jan 2024 00:00:01 GMT"));
    let (rules, expected) = (Rules::default(), Some(Equality::Identical));
    Pair { name: "headers alone, in another order", legacy, candidate, rules, expected }
}

impl Pair {
    fn check(&self) {
        let found = match self.compare() {
            Comparison::Equal(equality) => Some(equality),
            Comparison::Different(_) => None,
            Comparison::Incomparable(cause) => panic!("{}: {cause}", self.name),
        };
        assert_eq!(found, self.expected, "{}", self.name);
    }

    fn compare(&self) -> Comparison {
        compare(black_box(&self.legacy), black_box(&self.candidate), &self.rules).comparison
    }

    /// What one would write without parallax. It sees neither status nor headers.
    fn values(&self) -> bool {
        let value = |answer: &Answer| match black_box(&answer.body) {
            Body::Whole(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
            Body::Digest(_) => None,
        };
        value(&self.legacy) == value(&self.candidate)
    }

    /// Of both times and, round by round, of their ratio.
    fn medians(&self) -> (Duration, Duration, f64) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(timed(|| self.compare()));
            theirs.push(timed(|| self.values()));
        }
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| theirs.as_secs_f64() / ours.as_secs_f64());
        let ratio = median(ratios.collect(), f64::total_cmp);
        (median(ours, Duration::cmp), median(theirs, Duration::cmp), ratio)
    }
}

/// One run's share of a round.
#[expect(clippy::disallowed_methods, reason = "a bench needs the clock that the core must not have")]
fn timed<T>(run: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..RUNS_A_ROUND {
        black_box(run());
    }
    start.elapsed() / RUNS_A_ROUND
}

fn median<T: Copy>(mut values: Vec<T>, order: fn(&T, &T) -> Ordering) -> T {
    values.sort_unstable_by(order);
    values[values.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

/// An answer with the header fields that a web framework sends.
fn answer(body: String) -> Answer {
    let fields = [
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("content-length", body.len().to_string()),
        ("date", "Mon, 01 Jan 2024 00:00:00 GMT".to_owned()),
        ("server", "nginx".to_owned()),
        ("cache-control", "no-cache, no-store".to_owned()),
        ("vary", "Accept-Encoding, Origin".to_owned()),
        ("etag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\"".to_owned()),
        ("x-request-version", "7".to_owned()),
    ];
    let headers: HeaderMap = fields
        .into_iter()
        .map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::try_from(value).expect("a good value"))
        })
        .collect();
    Answer { status: StatusCode::OK, headers, body: Body::Whole(Bytes::from(body)), trailers: None }
}

/// JSON as a shop would answer it, some 76 bytes an item; `spelling` is one of its numbers.
fn body(spelling: &str, items: u32) -> String {
    let item = |number: u32| {
        format!(
            "{{\"sku\":\"sku-{number:04}\",\"quantity\":{number},\"price\":{{\"amount\":\"12.99\",\"currency\":\"EUR\"}}}}"
        )
    };
    let items: Vec<String> = (0..items).map(item).collect();
    format!("{{\"id\":\"r-1\",\"weight\":{spelling},\"items\":[{}]}}", items.join(","))
}

/// Nothing of it is spelt as in [`body`], so that both sides must be read in full.
fn spaced(items: u32) -> String {
    body("1.0", items).replace(',', ", ").replace("\":", "\": ")
}

fn reordered(items: u32) -> String {
    body("1.0", items).replacen("\"id\":\"r-1\",\"weight\":1.0", "\"weight\":1.0,\"id\":\"r-1\"", 1)
}
