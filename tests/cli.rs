//! The command line against a server that answers as the contract says: what is asked, what is
//! printed, and the exit code.

mod fake_api;

use std::process::{Command, Output};

use fake_api::{Asked, FakeApi};
use serde_json::{Value, json};

const OPERATION: &str = r#"{"id":"getReturn","match":"GET /returns/{return_id}","stage":"shadow","share":null,"revision":3,
 "counts":{"requests":1300,"matched":1288,"unmatched":2,"failed":{"timeout":3},"skipped":{"queue_full":7},"in_flight":0},
 "consistency":0.99845,"target":"99.9%",
 "readiness":{"state":"below","more_matching_checks":710,"conditions":[
   {"name":"min_checks","met":true,"value":"1290","limit":"1000"},
   {"name":"target","met":false,"value":"99.8449%","limit":"99.9%"}]},
 "latency":{"legacy":{"p50_ms":1.2,"p99_ms":8.0},"candidate":{"p50_ms":1.0,"p99_ms":9.5}}}"#;

const SIGNATURE: &str = r#"{"id":"00c0ffee00c0ffee","operation_id":"getReturn","part":"body","path":"$.body.refund.method",
 "kind":"missing","legacy_type":"string","candidate_type":null,"explanation":null,"count":1312,
 "first_at":"2026-01-02T03:04:05Z","last_at":"2026-01-02T04:04:05Z"}"#;

fn report() -> serde_json::Value {
    json!({
        "id": "0123456789abcdef0123456789abcdef", "at": "2026-01-02T03:04:05Z", "operation_id": "getReturn",
        "answering": "legacy", "outcome": "unmatched", "reason": null, "more": 0,
        "differences": [
            {"signature": "0000000000000001", "part": "body", "path": "$.body.refund.amount", "kind": "value",
             "legacy": "9.99", "candidate": "11.99", "explanation": null},
            {"signature": "0000000000000001", "part": "body", "path": "$.body.refund.amount", "kind": "value",
             "legacy": "5.55", "candidate": "6.66", "explanation": null},
            {"signature": "00c0ffee00c0ffee", "part": "body", "path": "$.body.refund.method", "kind": "missing",
             "legacy": "\"xxxx\u{1b}[2J\"", "candidate": null, "explanation": null}],
        "signatures": [{"id": "00c0ffee00c0ffee", "operation_id": "getReturn", "part": "body",
                        "path": "$.body.refund.method", "kind": "missing", "legacy_type": "string",
                        "candidate_type": null, "explanation": null}],
        "sample": {"request": {"method": "GET", "target": "/returns/99", "headers": [], "body": [], "redacted": true},
                   "legacy": {"status": 200, "headers": [], "more_lines": 0, "trailers": [],
                              "body": [{"depth": 1, "text": "method: \"xxxx\"", "differs": true}]},
                   "candidate": {"status": 200, "headers": [], "body": [], "more_lines": 0, "trailers": []}}
    })
}

fn signature_with_samples() -> String {
    let mut signature: serde_json::Value = serde_json::from_str(SIGNATURE).expect("JSON");
    signature["samples"] = json!([report()]);
    signature.to_string()
}

/// The contract's API with one operation, which is not ready.
fn api(asked: &Asked) -> (u16, String) {
    let refusal = json!({"type": "about:blank", "title": "Conflict", "status": 409,
        "detail": "getReturn is below its target",
        "more_matching_checks": 1710,
        "missing": [{"name": "target", "met": false, "value": "99.8449%", "limit": "99.9%"}],
        "current": {"stage": "shadow", "share": null, "revision": 3}});
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/api/v1/operations") => (200, format!("[{OPERATION}]")),
        ("GET", "/api/v1/operations/getReturn") => (200, OPERATION.to_owned()),
        ("GET", "/api/v1/operations/getReturn/signatures") => (200, format!("[{SIGNATURE}]")),
        ("GET", "/api/v1/signatures/00c0ffee00c0ffee") => (200, signature_with_samples()),
        ("POST", "/api/v1/operations/getReturn/stage") => match asked.json()["force"].as_bool() {
            Some(true) => (200, json!({"revision": 4, "persisted": false}).to_string()),
            _ if asked.json()["stage"] == "legacy" => {
                (200, json!({"revision": 4, "persisted": true}).to_string())
            }
            _ => (409, refusal.to_string()),
        },
        ("POST", "/api/v1/operations/getReturn/rollback") => {
            (200, json!({"revision": 5, "persisted": true, "warning": "legacy does not answer"}).to_string())
        }
        ("GET", path) if path.starts_with("/api/v1/audit?") => (200, audit()),
        ("POST", "/api/v1/rollback") => match asked.json()["reason"].as_str() {
            Some("incident") => {
                let moved = json!({"operation_id": "getReturn", "from": "switched", "to": "shadow",
                    "revision": 6, "persisted": true});
                (200, json!({"persisted": true, "operations": [moved]}).to_string())
            }
            _ => (200, json!({"persisted": true, "operations": []}).to_string()),
        },
        _ => (
            404,
            json!({"title": "not found", "detail": "there is no operation of that name", "status": 404})
                .to_string(),
        ),
    }
}

fn parallax(api: Option<&FakeApi>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command.env_remove("PARALLAX_TOKEN").env_remove("PARALLAX_SERVER").args(arguments);
    if let Some(api) = api {
        command.env("PARALLAX_SERVER", api.url());
    }
    command.output().expect("the program")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn status_is_a_line_per_operation() {
    let server = FakeApi::start(api);
    let output = parallax(Some(&server), &["status"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "\
OPERATION  STAGE   CHECKS  CONSISTENCY  TARGET  READINESS                         LEGACY p50/p99  CANDIDATE p50/p99
getReturn  shadow  1,290   99.8449%     99.9%   below: target, 710 more matching  1.2/8.0 ms      1.0/9.5 ms
"
    );
}

#[test]
fn status_of_one_operation_tells_what_is_missing() {
    let server = FakeApi::start(api);
    let text = stdout(&parallax(Some(&server), &["status", "getReturn"]));
    assert!(text.contains("  missing  target      99.8449%  needs at least 99.9%\n"), "{text}");
    assert!(text.contains("queue_full 7"), "{text}");
}

#[test]
fn json_is_the_apis_own() {
    let server = FakeApi::start(api);
    let told = stdout(&parallax(Some(&server), &["status", "--json"]));
    assert_eq!(told, format!("[{OPERATION}]\n"));
    let told = stdout(&parallax(Some(&server), &["differences", "getReturn", "--json"]));
    assert_eq!(told, format!("[{SIGNATURE}]\n"));
}

#[test]
fn watching_goes_on_until_the_server_is_gone() {
    let times = std::sync::atomic::AtomicUsize::new(0);
    let server =
        FakeApi::start(move |asked| match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => api(asked),
            _ => (503, json!({"title": "draining"}).to_string()),
        });
    let output = parallax(Some(&server), &["status", "--watch"]);
    assert_eq!(code(&output), Some(3));
    assert!(stdout(&output).contains("getReturn"), "{}", stdout(&output));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn differences_name_the_place_and_both_values_and_obey_no_escape() {
    let server = FakeApi::start(api);
    let text = stdout(&parallax(Some(&server), &["differences", "getReturn"]));
    assert!(text.starts_with("getReturn: 1 kind of difference\n"), "{text}");
    assert!(
        text.contains("1,312 ×  $.body.refund.method  missing: legacy string, candidate nothing"),
        "{text}"
    );
    assert!(text.contains("legacy     \"xxxx\\u{1b}[2J\""), "{text}");
    assert!(text.contains("$.body.refund.method of GET /returns/99\n"), "{text}");
    assert!(!text.contains("$.body.refund.amount"), "a fault is shown with its own place\n{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let one =
        stdout(&parallax(Some(&server), &["differences", "getReturn", "--signature", "00c0ffee00c0ffee"]));
    assert!(one.contains("  -   method: \"xxxx\"\n"), "{one}");
    let other = parallax(Some(&server), &["differences", "listReturns", "--signature", "00c0ffee00c0ffee"]);
    assert_eq!(code(&other), Some(2));
    assert!(stderr(&other).contains("belongs to the operation `getReturn`"), "{}", stderr(&other));
}

#[test]
fn rules_are_suggested_to_paste_with_their_effect() {
    let suggestions = json!([
        {"rule": {"at": "$.body.refund", "within": "2s"}, "yaml": "- {at: \"$.body.refund\", within: \"2s\"}", "masks": 9,
         "of": 10, "with_other_differences": 3, "hides": "instants that are up to 2s apart, in any spelling",
         "replaces": [{"at": "$.body.refund", "within": "1s"}]},
        {"rule": {"at": "$.body.refund", "ignore": true}, "yaml": "- {at: \"$.body.refund\", ignore: true}", "masks": 10,
         "of": 10, "with_other_differences": 0, "hides": "everything"}]);
    let mut signature: serde_json::Value = serde_json::from_str(&signature_with_samples()).expect("JSON");
    signature["suggestions"] = suggestions;
    let one = signature.to_string();
    let told = one.clone();
    let server = FakeApi::start(move |asked| match asked.path.as_str() {
        "/api/v1/operations/getReturn/signatures" => (200, format!("[{one}]")),
        "/api/v1/signatures/00c0ffee00c0ffee" => (200, one.clone()),
        _ => (404, "{}".to_owned()),
    });
    let text = stdout(&parallax(Some(&server), &["differences", "getReturn", "--suggest"]));
    for expected in [
        "1,312 ×  $.body.refund.method",
        "\n     - {at: \"$.body.refund\", within: \"2s\"}\n",
        "masks 9 of 10 stored samples; 3 of them have other differences too\n",
        "hides instants that are up to 2s apart, in any spelling\n",
        "in place of - {at: \"$.body.refund\", within: \"1s\"}\n",
        "masks 10 of 10 stored samples\n",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let by_id = ["differences", "getReturn", "--suggest", "--signature", "00c0ffee00c0ffee"];
    assert_eq!(stdout(&parallax(Some(&server), &by_id)), text);
    let json = stdout(&parallax(Some(&server), &["differences", "getReturn", "--suggest", "--json"]));
    assert_eq!(json, format!("[{told}]\n"));

    let directory = tempfile::tempdir().expect("a directory");
    let tried = |rules: &str| {
        let file = directory.path().join("rules.yaml");
        std::fs::write(&file, rules).expect("a file");
        let file = file.display().to_string();
        stdout(&parallax(Some(&server), &["differences", "getReturn", "--rules", &file]))
    };
    let unmatched =
        "getReturn: under these rules 0 of 1 stored sample would match, 1 would still be unmatched\n";
    assert_eq!(tried("- {at: $.body.refund.method, ignore: true}"), unmatched);
    let matched =
        "getReturn: under these rules 1 of 1 stored sample would match, 0 would still be unmatched\n";
    assert_eq!(tried("- {at: $.body.refund, ignore: true}"), matched);
}

#[test]
fn a_refused_change_says_what_is_missing_and_exits_1() {
    let server = FakeApi::start(api);
    let output = parallax(Some(&server), &["stage", "getReturn", "switched", "--reason", "try"]);
    assert_eq!(code(&output), Some(1));
    assert_eq!(
        stderr(&output),
        "\
parallax: getReturn is below its target
  now: shadow (revision 3)
  missing: target is 99.8449%, needs at least 99.9%
  1,710 more matching checks would do
"
    );
}

#[test]
fn a_change_sends_stage_share_reason_and_force() {
    let server = FakeApi::start(api);
    let arguments =
        ["stage", "getReturn", "canary", "--share", "5%", "--reason", "first customers", "--force"];
    let output = parallax(Some(&server), &arguments);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "getReturn: canary 5% (revision 4)\n  it is in force, and will be written when the store is back\n"
    );
    let asked = server.asked();
    let sent = asked.last().expect("a request");
    assert_eq!(
        sent.json(),
        json!({"stage": "canary", "share": "5%", "reason": "first customers", "force": true})
    );
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("host"), Some(server.authority().as_str()));
    assert_eq!(sent.header("authorization"), None);
}

fn audit() -> String {
    let change = |at: &str, who: &str, from: &str, to: &str, share: Value, automatic: bool, forced: bool| {
        json!({"at": at, "who": who, "operation_id": "getReturn", "from": from, "to": to, "share": share,
            "reason": "because\u{1b}[31m", "forced": forced, "automatic": automatic, "evidence": {"matched": 3}})
    };
    json!([
        change("2026-01-02T03:04:06.5Z", "parallax", "canary", "shadow", Value::Null, true, false),
        change("2026-01-02T03:04:05Z", "ann", "shadow", "canary", json!("5%"), false, true),
    ])
    .to_string()
}

#[test]
fn the_audit_is_a_table_or_lines_of_json() {
    let server = FakeApi::start(api);
    let output = parallax(Some(&server), &["audit", "getReturn", "--limit", "5"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let expected = "\
WHEN                  WHO       OPERATION  CHANGE                       REASON
2026-01-02 03:04:06Z  parallax  getReturn  canary → shadow (automatic)  because\\u{1b}[31m
2026-01-02 03:04:05Z  ann       getReturn  shadow → canary 5% (forced)  because\\u{1b}[31m
";
    assert_eq!(stdout(&output), expected);
    assert_eq!(
        server.asked().last().expect("a request").path,
        "/api/v1/audit?limit=5&operation_id=getReturn"
    );
    let output = parallax(Some(&server), &["audit", "--json"]);
    let lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!((lines.len(), &lines[1]["evidence"]["matched"]), (2, &json!(3)));
}

#[test]
fn the_kill_switch_takes_every_operation() {
    let server = FakeApi::start(api);
    let output = parallax(Some(&server), &["stage", "--all", "legacy", "--reason", "incident"]);
    assert_eq!((code(&output), stdout(&output)), (Some(0), "getReturn: legacy (revision 4)\n".into()));
    let refused = parallax(Some(&server), &["stage", "--all", "switched", "--reason", "no"]);
    assert_eq!(code(&refused), Some(1));
    assert!(stderr(&refused).starts_with("parallax: getReturn: getReturn is below"), "{}", stderr(&refused));
}

#[test]
fn rollback_of_one_and_of_all() {
    let server = FakeApi::start(api);
    let one = parallax(Some(&server), &["rollback", "getReturn", "--reason", "wrong totals"]);
    assert_eq!(
        (code(&one), stdout(&one)),
        (Some(0), "getReturn: shadow (revision 5)\n  warning: legacy does not answer\n".into())
    );
    let all = parallax(Some(&server), &["rollback", "--all", "--reason", "incident"]);
    assert_eq!((code(&all), stdout(&all)), (Some(0), "getReturn: shadow (revision 6)\n".into()));
    let again = parallax(Some(&server), &["rollback", "--all", "--reason", "again"]);
    assert!(stdout(&again).starts_with("nothing to roll back"), "{}", stdout(&again));
    assert_eq!(server.asked().last().expect("a request").json(), json!({"reason": "again"}));
}

#[test]
fn the_token_comes_from_the_environment_or_a_file_and_is_never_printed() {
    let server = FakeApi::start(|asked| match asked.header("authorization") {
        Some("Bearer good") => (200, "[]".into()),
        Some(_) => (403, json!({"title": "forbidden", "detail": "a viewer only reads"}).to_string()),
        None => (401, json!({"title": "unauthorized"}).to_string()),
    });
    let none = parallax(Some(&server), &["status"]);
    assert_eq!(code(&none), Some(2));
    assert!(stderr(&none).contains("PARALLAX_TOKEN"), "{}", stderr(&none));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "good\n").expect("a file");
    let by_file = parallax(Some(&server), &["status", "--token-file", file.to_str().expect("a path")]);
    assert_eq!((code(&by_file), stdout(&by_file)), (Some(0), "no operations\n".into()));
    let program = env!("CARGO_BIN_EXE_parallax");
    let by_env = Command::new(program)
        .args(["status", "--server", &server.url()])
        .env("PARALLAX_TOKEN", "wr0ng")
        .output()
        .expect("the program");
    assert_eq!(code(&by_env), Some(2));
    assert!(stderr(&by_env).contains("a viewer only reads"), "{}", stderr(&by_env));
    assert!(!stderr(&by_env).contains("wr0ng"), "{}", stderr(&by_env));
}

#[test]
fn an_unknown_operation_is_wrong_usage() {
    let server = FakeApi::start(api);
    let output = parallax(Some(&server), &["status", "get/none"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("there is no operation of that name"), "{}", stderr(&output));
    assert_eq!(server.asked()[0].path, "/api/v1/operations/get%2Fnone");
}

#[test]
fn a_server_that_is_not_there_is_exit_3() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let output = parallax(None, &["status", "--server", &address]);
    assert_eq!(code(&output), Some(3));
    let told = stderr(&output);
    assert!(told.contains(&format!("http://{address}")) && told.contains("parallax serve"), "{told}");
}

#[test]
fn something_else_than_parallax_is_exit_3() {
    let server = FakeApi::start(|_| (200, "<html>hello</html>".into()));
    let output = parallax(Some(&server), &["status"]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("something else than parallax"), "{}", stderr(&output));
    let page = FakeApi::start(|_| (502, "<html>bad gateway</html>".into()));
    let output = parallax(Some(&page), &["status"]);
    assert_eq!(code(&output), Some(3));
    assert!(stderr(&output).contains("502"), "{}", stderr(&output));
}

#[test]
fn without_any_address_the_remedy_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .arg("status")
        .env_remove("PARALLAX_SERVER")
        .current_dir(directory.path())
        .output()
        .expect("the program");
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("--server URL"), "{}", stderr(&output));
    assert!(stderr(&output).contains("parallax.yaml"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        &["stage", "getReturn", "shadow", "--share", "5%", "--reason", "a share"][..],
        &["stage", "getReturn", "canary", "--share", "0%", "--reason", "nothing"],
        &["stage", "getReturn", "elsewhere", "--reason", "x"],
        &["stage", "getReturn", "shadow"],
        &["stage", "getReturn", "shadow", "--reason", ""],
        &["stage", "shadow", "--reason", "no operation"],
        &["stage", "--all", "getReturn", "shadow", "--reason", "both"],
        &["rollback", "--reason", "neither"],
        &["rollback", "getReturn", "--all", "--reason", "both"],
        &["differences", "getReturn", "--signature", "xyz"],
        &["status", "--json", "--watch"],
        &["status", "--server", "https://host"],
        &["init"],
        &[],
    ] {
        let output = parallax(None, arguments);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn config_check_says_ok_or_everything_that_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("p.yaml");
    let path = file.to_str().expect("a path");
    let sides = "legacy: http://127.0.0.1:1\ncandidate: http://127.0.0.1:2\n";
    std::fs::write(&file, format!("{sides}operations: [{{id: a, match: GET /a}}]\n")).expect("a file");
    let good = parallax(None, &["config", "check", "-c", path]);
    assert_eq!((code(&good), stdout(&good)), (Some(0), "ok: 1 operation\n".into()));
    std::fs::write(&file, format!("{sides}operations: [{{id: a, match: get /a, durable: yes}}]\n"))
        .expect("a file");
    let bad = parallax(None, &["config", "check", "-c", path]);
    assert_eq!(code(&bad), Some(2));
    assert_eq!(
        stderr(&bad),
        format!(
            "{path}:3:29: `get` is no method: methods are case-sensitive; write `GET`\n\
             {path}:3:46: `yes` is neither `true` nor `false`\n"
        )
    );
}

#[test]
fn schema_completions_and_man_are_what_they_say() {
    let schema: serde_json::Value =
        serde_json::from_str(&stdout(&parallax(None, &["config", "schema"]))).expect("JSON");
    assert_eq!(schema["title"], "parallax.yaml");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&parallax(None, &["completions", shell]));
        assert!(script.contains("differences"), "{shell}");
    }
    assert!(stdout(&parallax(None, &["man"])).contains(".TH parallax"));
    assert!(stdout(&parallax(None, &["man", "stage"])).contains("parallax\\-stage"));
    assert_eq!(code(&parallax(None, &["man", "nothing"])), Some(2));
}

#[test]
fn a_reader_that_has_gone_is_no_error_message() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .args(["config", "schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert_eq!(stderr(&output), "");
}
