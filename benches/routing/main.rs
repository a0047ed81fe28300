//! What it costs to find the operation of a request among a thousand, on GitHub's own paths.
//!
//! Run it with `cargo bench --bench routing`, after `scripts/fetch-test-data`. Every path of the document is
//! asked for, with values that have the length of real ones, in an order that no cache likes. It fails
//! where a request takes longer than a microsecond.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use parallax::config;
use parallax_core::router::Router;

const ROUNDS: usize = 51;
const REQUESTS: usize = 1_000;
const MOST: Duration = Duration::from_micros(1);

fn main() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let document = directory.join("test-data/openapi/github.json");
    if !document.exists() {
        println!("no document: run scripts/fetch-test-data");
        return;
    }
    let file = directory.join("bench-routing.yaml");
    let text = format!(
        "legacy: http://127.0.0.1:1\ncandidate: http://127.0.0.1:2\nopenapi: '{}'\n",
        document.display()
    );
    std::fs::write(&file, text).expect("a file");
    let began = Instant::now();
    let settings = config::load(&file).expect("a configuration");
    println!("{} operations read in {} ms", settings.operations.len(), began.elapsed().as_millis());

    let mut router = Router::default();
    let mut requests: Vec<(Method, String)> = Vec::new();
    for (index, operation) in settings.operations.iter().enumerate() {
        let matcher = &operation.matcher;
        router.insert(matcher.method.clone(), &matcher.template, index).expect("its own requests");
        requests.push((matcher.method.clone(), matcher.template.fill(|name| Some(value(name)))));
    }
    requests.truncate(REQUESTS);
    let mut dice = fastrand::Rng::with_seed(1);
    dice.shuffle(&mut requests);
    assert!(
        requests.iter().all(|(method, path)| router.find(method, path).is_some()),
        "each has an operation"
    );

    let round = || {
        let began = Instant::now();
        for (method, path) in &requests {
            black_box(router.find(black_box(method), black_box(path)));
        }
        began.elapsed() / u32::try_from(requests.len()).expect("a thousand")
    };
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| round()).collect();
    times.sort();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    println!(
        "a request: {} ns (median of {ROUNDS} rounds of {}), {} ns in the slowest round",
        median.as_nanos(),
        requests.len(),
        worst.as_nanos()
    );
    assert!(median < MOST, "over {} ns", MOST.as_nanos());
}

fn value(name: &str) -> &'static str {
    match name {
        "owner" | "org" | "username" => "a-company",
        "repo" => "the-monolith",
        "ref" | "basehead" => "main...feature",
        _ => "1234567890",
    }
}
