//! parallax between two fake services, all in this process, over real sockets.

#![expect(dead_code, reason = "every test target uses its own part of this")]

pub(crate) mod load;
pub(crate) mod process;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parallax::app::Running;
use parallax::config;
use parallax_testkit::{Behaviour, FakeService, RawClient, RawResponse, Reply};
use serde_json::{Value, json};

/// How long anything in these tests may take; a test that works takes a fraction.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Both sides and parallax between them.
pub(crate) struct House {
    pub(crate) legacy: FakeService,
    pub(crate) candidate: FakeService,
    pub(crate) running: Running,
}

/// Both sides answer every request with this JSON.
pub(crate) fn same(body: &'static str) -> Behaviour {
    Behaviour::always(Reply::json(body))
}

/// One operation, `GET /returns/{return_id}`, in shadow.
pub(crate) const GET_RETURN: &str = "operations: [{id: getReturn, match: 'GET /returns/{return_id}'}]\n";

impl House {
    /// Starts parallax between two sides that behave, with this configuration beside the
    /// addresses, and nothing on disk.
    pub(crate) async fn new(legacy: Behaviour, candidate: Behaviour, configuration: &str) -> Self {
        let (legacy, candidate) = (FakeService::start(legacy), FakeService::start(candidate));
        let urls = [legacy.url(), candidate.url()];
        let running = start(&urls[0], &urls[1], &format!("store: 'memory://'\n{configuration}")).await;
        Self { legacy, candidate, running }
    }

    /// A client's connection.
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.running.proxy).await.expect("the proxy listens")
    }

    /// One request over a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> RawResponse {
        self.client().await.get(target).await.expect("an answer")
    }

    pub(crate) async fn operation(&self, id: &str) -> Value {
        operation(self.running.control, id).await
    }

    /// The operation once none of its requests is in flight.
    pub(crate) async fn at_rest(&self, id: &str) -> Value {
        at_rest(self.running.control, id).await
    }

    /// What the control listener has under a path.
    pub(crate) async fn control(&self, path: &str) -> String {
        let mut client = RawClient::connect(self.running.control).await.expect("the control listener");
        client.get(path).await.expect("an answer").text().to_owned()
    }

    pub(crate) async fn metrics(&self) -> String {
        let mut client = RawClient::connect(self.running.control).await.expect("the control listener");
        client.get("/metrics").await.expect("metrics").text().to_owned()
    }

    /// Changes a stage, which must not be refused.
    pub(crate) async fn stage(&self, id: &str, body: Value) {
        let response = post(self.running.control, &format!("/api/v1/operations/{id}/stage"), &body).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

/// Starts parallax between two URLs, or the sides as the configuration has them.
pub(crate) async fn start(legacy: &str, candidate: &str, configuration: &str) -> Running {
    let side = |name: &str, url: &str| match configuration.contains(&format!("{name}:")) {
        true => String::new(),
        false => format!("{name}: {{url: '{url}'}}\n"),
    };
    let text = format!(
        "listen: 127.0.0.1:0\ncontrol: {{listen: '127.0.0.1:0'}}\n{}{}{configuration}",
        side("legacy", legacy),
        side("candidate", candidate),
    );
    let settings =
        config::parse(&text, "test.yaml", &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    Running::start(settings).await.expect("it starts")
}

pub(crate) async fn post(control: SocketAddr, path: &str, body: &Value) -> RawResponse {
    let mut client = RawClient::connect(control).await.expect("the control listener");
    let fields = [("Content-Type", "application/json")];
    client.ask("POST", path, &fields, body.to_string().as_bytes()).await.expect("an answer")
}

pub(crate) async fn operation(control: SocketAddr, id: &str) -> Value {
    let mut client = RawClient::connect(control).await.expect("the control listener");
    client.get(&format!("/api/v1/operations/{id}")).await.expect("an answer").json()
}

pub(crate) async fn at_rest(control: SocketAddr, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let operation = operation(control, id).await;
        if operation["counts"]["in_flight"] == json!(0) {
            return operation;
        }
        assert!(began.elapsed() < DEADLINE, "never at rest: {operation}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// `requests = matched + unmatched + failed + skipped + in_flight`.
pub(crate) fn assert_conserved(operation: &Value) {
    let counts = &operation["counts"];
    let number = |value: &Value| value.as_u64().expect("a count");
    let sum = |value: &Value| value.as_object().expect("counts by reason").values().map(number).sum::<u64>();
    let terms = number(&counts["matched"])
        + number(&counts["unmatched"])
        + sum(&counts["failed"])
        + sum(&counts["skipped"])
        + number(&counts["in_flight"]);
    assert_eq!(number(&counts["requests"]), terms, "{counts}");
}

/// As many checks are in the evidence as in the counts, given that there was never another version.
pub(crate) fn assert_all_shown(operation: &Value) {
    let conditions = operation["readiness"]["conditions"].as_array().expect("conditions");
    let shown = conditions.iter().find(|condition| condition["name"] == "min_checks").expect("a condition");
    let counted = ["matched", "unmatched"].map(|name| operation["counts"][name].as_u64().expect("a count"));
    assert_eq!(shown["value"], json!(counted.iter().sum::<u64>().to_string()), "{operation}");
}

/// The value of a metric's sample, by its name and labels as they are exposed.
pub(crate) fn sample(metrics: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    metrics.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, rest) = series.split_once('{').unwrap_or((series, ""));
        let has = |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
        (found == name && labels.iter().all(has)).then(|| value.parse().expect("a number"))
    })
}
