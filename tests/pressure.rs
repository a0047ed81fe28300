//! The side that is asked for comparison slows down, is not there, or hangs: it gets fewer copies or
//! none until it is well again, clients notice nothing, and every check is accounted for.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parallax_testkit::{Behaviour, FakeService, RawClient};
use serde_json::Value;
use support::{DEADLINE, assert_conserved, same, sample};

const EVERY: Duration = Duration::from_millis(5);

/// Both sides, and parallax between them with this `candidate: {…}` beside the URL.
struct Scene {
    _legacy: FakeService,
    candidate: FakeService,
    running: parallax::app::Running,
}

impl Scene {
    async fn new(candidate: Behaviour, settings: &str) -> Self {
        let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(candidate));
        let configuration = format!(
            "store: 'memory://'\ncandidate: {{url: '{}', {settings}}}\n{}",
            candidate.url(),
            support::GET_RETURN
        );
        let running = support::start(&legacy.url(), "", &configuration).await;
        Self { _legacy: legacy, candidate, running }
    }

    /// Runs a script while a client asks at a steady rate, and holds what the client saw and what
    /// was counted to what is promised.
    async fn under_traffic(&self, script: impl Future<Output = ()>) {
        let is_over = AtomicBool::new(false);
        let client = async {
            let mut client = RawClient::connect(self.running.proxy).await.expect("the proxy listens");
            let mut tick = tokio::time::interval(EVERY);
            let mut took = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                tick.tick().await;
                let answer = client.get("/returns/1").await.expect("an answer");
                assert_eq!(answer.status, 200);
                took.push(answer.to_end);
            }
            took.sort_unstable();
            let median = took[took.len() / 2];
            assert!(median < Duration::from_millis(100), "the client waits: {median:?}");
        };
        let script = async {
            script.await;
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(client, script);
        assert_conserved(&support::at_rest(self.running.control, "getReturn").await);
    }

    async fn count(&self, pointer: &str) -> u64 {
        let operation: Value = support::operation(self.running.control, "getReturn").await;
        operation["counts"].pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    /// What a gauge shows of the candidate.
    async fn gauge(&self, name: &str) -> f64 {
        let mut client = RawClient::connect(self.running.control).await.expect("the control listener");
        let metrics = client.get("/metrics").await.expect("metrics").text().to_owned();
        sample(&metrics, name, &[("side", "candidate")]).expect("the gauge")
    }

    async fn wait_for_gauge(&self, name: &str, holds: impl Fn(f64) -> bool) {
        let began = Instant::now();
        loop {
            let value = self.gauge(name).await;
            if holds(value) {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "{name} stays {value}");
            pass(20).await;
        }
    }

    /// Until so many more were counted.
    async fn wait_for_more(&self, pointer: &str, more: u64) {
        let (began, before) = (Instant::now(), self.count(pointer).await);
        while self.count(pointer).await < before + more {
            assert!(began.elapsed() < DEADLINE, "{pointer} stays near {before}");
            pass(20).await;
        }
    }
}

/// Traffic for so long: nothing is waited for, this is the stretch of time that is looked at.
async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_slows_down_gets_fewer_copies_and_all_of_them_when_it_recovers() {
    const SLOW: Duration = Duration::from_millis(500);
    let scene = Scene::new(same("{}"), "timeout: 1s").await;
    scene
        .under_traffic(async {
            // Its usual is known after a second, and then the limit grows.
            scene.wait_for_gauge("parallax_copies_limit", |copies| copies >= 256.0).await;
            assert_eq!(scene.count("/skipped/overload").await, 0, "a healthy candidate gets every copy");

            scene.candidate.behave(Behaviour::Slow(SLOW));
            scene.wait_for_gauge("parallax_copies_limit", |copies| copies <= 16.0).await;
            scene.candidate.forget();
            scene.wait_for_more("/skipped/overload", 100).await;
            let arrivals: Vec<Instant> =
                scene.candidate.requests().iter().map(|request| request.at).collect();
            let at_once =
                |at: &Instant| arrivals.iter().filter(|other| *other <= at && *at < **other + SLOW).count();
            let most = arrivals.iter().map(at_once).max().unwrap_or(0);
            // 200 a second that take half a second each would be a hundred.
            assert!((1..=24).contains(&most), "{most} at once");
            assert!(scene.gauge("parallax_copies_in_flight").await <= 24.0);

            scene.candidate.behave(same("{}"));
            scene.wait_for_gauge("parallax_copies_limit", |copies| copies >= 64.0).await;
            let (before, matched) = (scene.count("/skipped/overload").await, scene.count("/matched").await);
            pass(500).await;
            assert_eq!(scene.count("/skipped/overload").await, before, "all are checked again");
            assert!(scene.count("/matched").await > matched);
        })
        .await;
    assert_eq!(scene.gauge("parallax_copies_in_flight").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_not_there_is_left_alone_but_for_probes_until_it_is_back() {
    let scene = Scene::new(Behaviour::ResetAtConnect, "timeout: 1s").await;
    scene
        .under_traffic(async {
            scene.wait_for_gauge("parallax_breaker_open", |open| open == 1.0).await;
            assert!(scene.count("/failed/reset").await >= 50, "until then they were counted one by one");
            scene.candidate.forget();
            scene.wait_for_more("/skipped/overload", 300).await;
            let tries = scene.candidate.connections();
            assert!(tries <= 12, "{tries} connections, where three at a time would be probes");

            scene.candidate.behave(same("{}"));
            scene.wait_for_gauge("parallax_breaker_open", |open| open == 0.0).await;
            scene.wait_for_more("/matched", 100).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_refuses_now_and_then_is_asked_every_time() {
    let scene = Scene::new(Behaviour::Refuse, "timeout: 1s").await;
    let mut client = RawClient::connect(scene.running.proxy).await.unwrap();
    for _ in 0..30 {
        client.get("/returns/1").await.unwrap();
    }
    let operation = support::at_rest(scene.running.control, "getReturn").await;
    assert_eq!(operation["counts"]["failed"], serde_json::json!({"refused": 30}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_hangs_holds_no_more_than_is_allowed() {
    let scene = Scene::new(Behaviour::Silent, "timeout: 2s, max_in_flight: 5").await;
    scene
        .under_traffic(async {
            scene.wait_for_gauge("parallax_copies_in_flight", |copies| copies >= 5.0).await;
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(1) {
                assert!(scene.candidate.connections() <= 5, "{}", scene.candidate.connections());
                pass(20).await;
            }
        })
        .await;
    assert!(scene.count("/failed/timeout").await >= 5);
    assert!(scene.count("/skipped/overload").await >= 5, "those that waited for too long");
}
