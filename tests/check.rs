//! `parallax check`, as a pipeline runs it: the program, files, and a candidate over real sockets.

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use parallax_testkit::{Behaviour, FakeService, Recorded, Reply};
use serde_json::{Value, json};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("a file");
    }

    fn check(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
        command.arg("check").args(words).current_dir(self.path()).env("TOKEN_OF_A_TEST", "candidates-own");
        command.stdin(Stdio::null()).output().expect("it runs")
    }

    fn json(&self, words: &[&str]) -> (Option<i32>, Value) {
        let output = self.check(&[words, &["--json"]].concat());
        let json = serde_json::from_slice(&output.stdout);
        (output.status.code(), json.unwrap_or_else(|_| panic!("{}", text(&output.stderr))))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn payload(method: &str, path: &str, status: u16, body: &str) -> String {
    json!({
        "request": {"method": method, "url": {"path": path}, "headers": {"Host": "evil.example", "Accept": "*/*"}},
        "response": {"status": status, "headers": {"Content-Type": "application/json"}, "body": body},
    })
    .to_string()
}

/// Answers `{"path": …}`.
fn echo() -> FakeService {
    FakeService::start(Behaviour::answer(|request: &Recorded| {
        Reply::json(format!("{{\"path\": \"{}\"}}", request.target))
    }))
}

fn echoed(path: &str) -> String {
    payload("GET", path, 200, &format!("{{\"path\":\"{path}\"}}"))
}

#[tokio::test]
async fn the_target_decides_how_it_ends() {
    let candidate = echo();
    let place = Place::new();
    place.write("good.jsonl", format!("{}\n{}\n", echoed("/returns/1"), echoed("/returns/2")));
    place.write(
        "bad.jsonl",
        format!("{}\n{}\n", echoed("/returns/1"), payload("GET", "/returns/2", 404, "{}")),
    );
    let url = candidate.url();
    let (code, good) = place.json(&["good.jsonl", "--candidate", &url]);
    assert_eq!((code, &good["result"], &good["matched"]), (Some(0), &json!("met"), &json!(2)));
    assert_eq!(good["operations"][0]["match"], "GET /returns/{id}");
    let (code, bad) = place.json(&["bad.jsonl", "--candidate", &url]);
    assert_eq!((code, &bad["result"], &bad["unmatched"]), (Some(1), &json!("below"), &json!(1)));
    let differences = bad["operations"][0]["differences"].as_array().expect("differences");
    assert!(differences.iter().all(|one| one["line"] == 2 && one["file"] == "bad.jsonl"), "{bad}");
    assert!(differences.iter().any(|one| one["signature"]["path"] == "$.status"), "{bad}");

    let output = place.check(&["bad.jsonl", "good.jsonl", "--candidate", &url]);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("GET:/returns/:id  3        1          –       –        75%")
            && shown.contains("bad.jsonl:2"),
        "{shown}"
    );
    for request in candidate.requests() {
        let value = |name: &str| request.headers.get(name).map(str::to_owned);
        assert_eq!(value("host").as_deref(), url.strip_prefix("http://"), "the candidate's own host");
        assert_eq!(value("parallax-shadow").as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn without_a_candidate_nothing_is_known() {
    let place = Place::new();
    place.write("a.jsonl", echoed("/a"));
    let closed = FakeService::start(Behaviour::always(Reply::json("{}"))).url();
    let output = place.check(&["a.jsonl", "--candidate", &closed]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("gave no answer"), "{}", text(&output.stderr));
    // It does not go on for ever.
    place.write("many.jsonl", vec![echoed("/a"); 2_000].join("\n"));
    let (code, json) = place.json(&["many.jsonl", "--candidate", &closed]);
    let asked = json["operations"][0]["counts"]["requests"].as_u64().expect("a number");
    assert_eq!((code, &json["result"]), (Some(3), &json!("unreached")));
    assert!((100..=200).contains(&asked) && json["failed"] == asked, "{asked} asked, {json}");

    for (words, said) in [
        (vec!["a.jsonl"], "--candidate"),
        (vec!["missing.jsonl", "--candidate", "http://127.0.0.1:1"], "missing.jsonl"),
        (vec!["a.jsonl", "--candidate", "nonsense"], "URL"),
        (vec!["a.jsonl", "--candidate", "http://127.0.0.1:1", "-c", "missing.yaml"], "missing.yaml"),
        (vec![".", "--candidate", "http://127.0.0.1:1"], "directory"),
    ] {
        let output = place.check(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(text(&output.stderr).contains(said), "{words:?}: {}", text(&output.stderr));
    }
    place.write("unknown", "GET / HTTP/1.1");
    let output = place.check(&["unknown", "--candidate", "http://127.0.0.1:1"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("--format"));
    place.write("empty.jsonl", "");
    assert_eq!(place.check(&["empty.jsonl", "--candidate", "http://127.0.0.1:1"]).status.code(), Some(1));
}

#[tokio::test]
async fn a_broken_line_is_told_and_the_rest_goes_on() {
    let candidate = echo();
    let place = Place::new();
    let hostile = payload("GET", "/a/%2e%2e/b", 200, "{}");
    place.write("a.jsonl", format!("{}\n{{\"request\"\n{hostile}\n{}\n", echoed("/a"), echoed("/b")));
    let words = ["a.jsonl", "--candidate", &candidate.url()];
    let (code, json) = place.json(&words);
    assert_eq!((code, &json["matched"], &json["files"][0]["broken_total"]), (Some(0), &json!(2), &json!(2)));
    assert_eq!(json["files"][0]["broken"][1]["field"], "$.request.url.path");
    let said = text(&place.check(&words).stderr);
    assert!(said.contains("a.jsonl:2:11: $: ") && said.contains("a.jsonl:3:"), "{said}");
    assert!(!said.contains("%2e"), "no value is told: {said}");

    let strict = place.check(&[&words[..], &["--strict"]].concat());
    assert_eq!(strict.status.code(), Some(2));
    assert_eq!(text(&strict.stderr).matches("a.jsonl:2:11: ").count(), 1, "{}", text(&strict.stderr));
}

#[tokio::test]
async fn what_may_have_effects_is_sent_only_when_asked() {
    let candidate = echo();
    let place = Place::new();
    let post = payload("POST", "/returns", 200, "{\"path\":\"/returns\"}");
    place.write("a.jsonl", format!("{post}\n{}\n", echoed("/a")));
    let words = ["a.jsonl", "--candidate", &candidate.url()];
    let (code, json) = place.json(&words);
    assert_eq!(code, Some(0));
    assert_eq!(json["operations"][0]["counts"]["skipped"], json!({"not_idempotent": 1}));
    assert!(candidate.requests().iter().all(|request| request.method == "GET"));
    let (code, json) = place.json(&[&words[..], &["--all-methods"]].concat());
    assert_eq!((code, &json["matched"]), (Some(0), &json!(2)));
    place.write("post.jsonl", post);
    let output = place.check(&["post.jsonl", "--candidate", &candidate.url()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no request was sent"), "{}", text(&output.stderr));
}

const CONFIGURATION: &str = "\
legacy: http://legacy.invalid
candidate: {url: 'http://candidate.invalid', timeout: 300ms, headers: {authorization: 'env:TOKEN_OF_A_TEST'}}
operations:
  - id: getReturn
    match: GET /returns/{return_id}
    candidate_path: /v2/returns/{return_id}
    target: 50%
    compare: [{at: '$.body.at', ignore: true}]
  - {id: slow, match: GET /slow, target: 50%}
  - {id: putReturn, match: 'PUT /returns/{return_id}', idempotent: true}
";

#[tokio::test]
async fn operations_rules_and_the_candidates_own_headers_come_from_the_configuration() {
    let candidate = FakeService::start(Behaviour::answer(|request: &Recorded| match request.path() {
        "/v2/returns/1" => Reply::json("{\"at\": 2, \"a\": 1}"),
        "/slow" => Reply::json("{}").delay(std::time::Duration::from_secs(5)),
        _ => Reply::json("{\"a\": 2}"),
    }));
    let place = Place::new();
    place.write("parallax.yaml", CONFIGURATION);
    let lines = [
        payload("GET", "/returns/1", 200, "{\"a\":1,\"at\":1}"),
        payload("GET", "/returns/2", 200, "{\"a\":1}"),
        payload("PUT", "/returns/1", 200, "{\"a\":2}").replace("\"Accept\"", "\"Authorization\""),
        payload("GET", "/slow", 200, "{}"),
        payload("GET", "/nothing", 200, "{}"),
    ];
    place.write("a.jsonl", lines.join("\n"));
    let (code, json) = place.json(&["a.jsonl", "--candidate", &candidate.url()]);
    let counts = |at: usize| json["operations"][at]["counts"].clone();
    assert_eq!(code, Some(1), "slow failed, so that its target is not met");
    assert_eq!(counts(0), json!({"requests": 2, "matched": 1, "unmatched": 1, "failed": {}, "skipped": {}}));
    assert_eq!(json["operations"][0]["met"], true);
    assert_eq!(counts(1)["failed"], json!({"timeout": 1}));
    assert_eq!((counts(2)["matched"].clone(), &json["other"]), (json!(1), &json!(1)));
    for request in candidate.requests() {
        assert_eq!(request.headers.get("authorization"), Some("candidates-own"));
    }
    let at_v2 =
        candidate.requests().iter().filter(|request| request.path().starts_with("/v2/returns/")).count();
    assert_eq!(at_v2, 2);
    let samples = json["operations"][0]["differences"].to_string();
    assert!(!samples.contains("evil.example") && samples.contains("\"first\""), "{samples}");
}

#[tokio::test]
async fn the_candidates_own_host_is_the_one_that_is_asked() {
    let candidate = FakeService::start(Behaviour::answer(|request: &Recorded| {
        let host = request.headers.get("host").unwrap_or_default().to_owned();
        Reply::json("{}").header("location", &format!("http://{host}/made"))
    }));
    let place = Place::new();
    let made = payload("GET", "/a", 200, "{}")
        .replace("\"Content-Type\"", "\"Location\":\"http://legacy.invalid/made\",\"Content-Type\"");
    place.write("a.jsonl", made);
    let rules = "compare: [{at: $.headers.location, origin: true}]";
    place.write("c.yaml", format!("legacy: http://legacy.invalid\ncandidate: http://candidate.invalid\noperations: [{{id: a, match: GET /a, {rules}}}]\n"));
    let (code, json) = place.json(&["a.jsonl", "-c", "c.yaml", "--candidate", &candidate.url()]);
    assert_eq!((code, &json["matched"]), (Some(0), &json!(1)), "{json}");
    let (code, json) = place.json(&["a.jsonl", "--candidate", &candidate.url()]);
    assert_eq!((code, &json["unmatched"]), (Some(1), &json!(1)), "without the rule they differ");
}

#[tokio::test]
async fn archives_and_goreplay_files_are_read_also_compressed() {
    let candidate = echo();
    let place = Place::new();
    let entry = |url: &str, status: u16| {
        json!({
            "request": {"method": "GET", "url": url, "headers": [{"name": ":path", "value": "/x"}]},
            "response": {"status": status, "headers": [{"name": "Content-Type", "value": "application/json"},
                {"name": "Content-Encoding", "value": "br"}], "content": {"text": "{\"path\":\"/har?a=b\"}", "size": 9}},
        })
    };
    let har = json!({"log": {"version": "1.2", "entries": [
        entry("https://shop.example/har?a=b#c", 200), entry("https://tracker.example/har?a=b", 200), entry("https://shop.example/x", 0)]}});
    place.write("a.har", har.to_string());
    let gor = "1 a1 1\nGET /gor HTTP/1.1\r\nHost: shop.example\r\n\r\n\n🐵🙈🙉\n\
        2 a1 1 1\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"path\":\"/gor\"}\r\n0\r\n\r\n\n🐵🙈🙉\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(gor.as_bytes()).expect("memory");
    place.write("b.gor.gz", gzip.finish().expect("memory"));
    let words =
        ["a.har", "b.gor.gz", "--candidate", &candidate.url(), "--host", "shop.example", "--junit", "j.xml"];
    let (code, json) = place.json(&words);
    assert_eq!((code, &json["matched"], &json["elsewhere"]), (Some(0), &json!(2), &json!(1)), "{json}");
    assert_eq!(json["files"][0]["unusable"], json!({"aborted": 1}));
    let formats: Vec<&str> =
        json["files"].as_array().expect("files").iter().filter_map(|file| file["format"].as_str()).collect();
    assert_eq!(formats, ["har", "goreplay"]);
    let junit = std::fs::read_to_string(place.path().join("j.xml")).expect("a report");
    assert!(junit.contains("tests=\"2\" failures=\"0\"") && junit.contains("name=\"GET /gor\"/>"), "{junit}");
}

#[tokio::test]
async fn the_order_is_kept_one_at_a_time_and_many_are_run_at_once() {
    let candidate = echo();
    let place = Place::new();
    let paths: Vec<String> = (0..500).map(|at| format!("/n/{at}")).collect();
    place.write("a.jsonl", paths.iter().map(|path| echoed(path)).collect::<Vec<_>>().join("\n"));
    let (code, _) = place.json(&["a.jsonl", "--candidate", &candidate.url(), "--concurrency", "1"]);
    let asked: Vec<String> = candidate.requests().iter().map(|request| request.target.clone()).collect();
    assert!(code == Some(0) && asked == paths, "{code:?}, {} asked", asked.len());
    let (code, json) = place.json(&["a.jsonl", "--candidate", &candidate.url(), "--concurrency", "64"]);
    assert_eq!((code, &json["matched"]), (Some(0), &json!(500)));
    // Operations that are guessed are bounded.
    place.write("many.jsonl", (0..500).map(|at| echoed(&format!("/n{at}x"))).collect::<Vec<_>>().join("\n"));
    let (_, json) = place.json(&["many.jsonl", "--candidate", &candidate.url()]);
    assert_eq!((json["operations"].as_array().map(Vec::len), &json["other"]), (Some(200), &json!(300)));
}

#[tokio::test]
async fn standard_input_is_a_file_too() {
    let candidate = echo();
    let mut child = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .args(["check", "-", "--json", "--candidate", &candidate.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir(Place::new().path())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(echoed("/a").as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let json: Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!(json["matched"], 1);
}
