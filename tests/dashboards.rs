//! What is in `dashboards/` is held against a real Prometheus that has scraped a real parallax:
//! every panel's query gives numbers, every alert can be evaluated, and promtool accepts the
//! metrics and the rules.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use parallax_testkit::{Behaviour, RawClient, Reply};
use serde_json::Value;
use support::process::free_address;
use support::{DEADLINE, House};

const OPERATIONS: &str = "operations:
- {id: graphql, match: POST /graphql, graphql: {names: [Returns]}}
- {id: getReturn, match: 'GET /returns/{return_id}', compare: [{at: $.body.at, ignore: true}]}
- {id: createReturn, match: POST /returns}
";

#[tokio::test]
async fn every_query_gives_numbers_from_a_real_run() {
    let legacy = Behaviour::always(Reply::json(r#"{"amount":1}"#));
    let candidate = Behaviour::always(Reply::json(r#"{"amount":1}"#));
    let house = House::new(legacy, candidate, OPERATIONS).await;
    house.candidate.behave_at("/returns/2", Behaviour::always(Reply::json(r#"{"amount":2}"#)));
    let prometheus = Prometheus::start(house.running.control);
    let began = Instant::now();
    while prometheus.number("min(count_over_time(parallax_build_info[1m]))").await < 3.0 {
        assert!(began.elapsed() < DEADLINE, "Prometheus has not scraped three times");
        // Traffic between the scrapes, or every rate would be none.
        let mut client = house.client().await;
        for target in ["/returns/1", "/returns/2", "/elsewhere"] {
            client.get(target).await.expect("an answer");
        }
        client.ask("POST", "/returns", &[], b"{}").await.expect("an answer");
    }
    let mut complaints = Vec::new();
    for (panel, query) in queries() {
        let found = prometheus.query(&query).await;
        let series = found["data"]["result"].as_array().map_or(&[][..], Vec::as_slice);
        if found["status"] != "success" || !series.iter().any(|series| value(series).is_finite()) {
            complaints.push(format!("`{panel}`: {query}\n  gives {found}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_alerts_are_evaluated(&prometheus).await;
    house.running.stop().await;
}

async fn assert_alerts_are_evaluated(prometheus: &Prometheus) {
    let began = Instant::now();
    loop {
        let answer = prometheus.get("/api/v1/rules").await;
        let groups = answer["data"]["groups"].as_array().expect("groups");
        let rules: Vec<&Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(!rules.is_empty(), "{answer}");
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{answer}");
        if rules.iter().all(|rule| rule["health"] == "ok") {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "not evaluated: {answer}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let same = Behaviour::always(Reply::json("{}"));
    let house = House::new(same.clone(), same, OPERATIONS).await;
    house.get("/returns/1").await;
    house.at_rest("getReturn").await;
    let metrics = house.metrics().await;
    let mut promtool = tool("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    promtool.stdin.take().expect("its input").write_all(metrics.as_bytes()).expect("it reads");
    assert_accepted(&promtool.wait_with_output().expect("promtool ends"));

    let dashboard = fs::read_to_string(path("parallax.json")).expect("the dashboard");
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unseen: Vec<&str> = families.filter(|family| !dashboard.contains(family)).collect();
    assert!(unseen.is_empty(), "these metrics are on no panel: {unseen:?}");
    house.running.stop().await;
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    assert_accepted(&promtool(&["check", "rules", "rules.yml"]));
    assert_accepted(&promtool(&["test", "rules", "rules.test.yml"]));
    let rules = fs::read_to_string(path("rules.yml")).expect("the rules");
    let tests = fs::read_to_string(path("rules.test.yml")).expect("their tests");
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test in which it fires");
    }
}

#[test]
fn panels_are_explained_and_can_be_told_apart() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have the same id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
}

/// A Prometheus of its own, on a free port, that scrapes one address four times a second.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    fn start(target: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = format!(
            "global: {{scrape_interval: 250ms, evaluation_interval: 250ms}}\n\
             rule_files: ['{}']\n\
             scrape_configs: [{{job_name: parallax, static_configs: [{{targets: ['{target}']}}]}}]\n",
            path("rules.yml").display()
        );
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("its configuration");
        let log = File::create(directory.path().join("log")).expect("its log");
        let address = free_address();
        let child = tool("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus starts");
        Self { address, child, _directory: directory }
    }

    /// The one number that a query gives; none is 0, also while it is still starting.
    async fn number(&self, query: &str) -> f64 {
        if RawClient::connect(self.address).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            return 0.0;
        }
        let found = self.query(query).await;
        found["data"]["result"].get(0).map_or(0.0, value)
    }

    async fn query(&self, query: &str) -> Value {
        self.get(&format!("/api/v1/query?query={}", encoded(query))).await
    }

    async fn get(&self, target: &str) -> Value {
        let mut client = RawClient::connect(self.address).await.expect("Prometheus listens");
        let response = client.get(target).await.expect("an answer");
        serde_json::from_str(response.text()).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Every query of the dashboard with its panel's title, as Grafana would send it.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().map_or(&[][..], Vec::as_slice) {
            let query = target["expr"].as_str().expect("a query");
            let query = query.replace("$operation_id", ".*").replace("$__rate_interval", "1m");
            assert!(!query.contains('$'), "a variable that nobody fills in: {query}");
            queries.push((panel["title"].to_string(), query));
        }
    }
    assert!(queries.len() > 10, "only {} queries", queries.len());
    queries
}

fn dashboard() -> Value {
    let text = fs::read_to_string(path("parallax.json")).expect("the dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// The value of an instant vector's element.
fn value(series: &Value) -> f64 {
    series["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn promtool(words: &[&str]) -> Output {
    tool("promtool").args(words).current_dir(path("")).output().expect("promtool runs")
}

fn assert_accepted(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// A program that must be here: without it the test fails, because nothing would be tested.
fn tool(name: &str) -> Command {
    let found = Command::new(name).arg("--version").output();
    assert!(found.is_ok(), "{name} is not installed; run scripts/install-tools");
    Command::new(name)
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name)
}
