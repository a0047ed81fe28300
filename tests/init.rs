//! `parallax init`, and how operations of an OpenAPI document and of traffic come into force.

mod support;

use std::path::Path;
use std::process::Output;

use parallax_testkit::{Behaviour, FakeService, RawClient, Reply};
use serde_json::json;
use support::process::{Process, command};
use support::{House, assert_conserved, at_rest, operation, same};

const DOCUMENT: &str = "openapi: 3.1.0
paths:
  /returns/{return_id}:
    get: {operationId: getReturn}
    delete: {operationId: cancelReturn}
";
const SIDES: [&str; 4] = ["--legacy", "http://127.0.0.1:8081", "--candidate", "http://127.0.0.1:8082"];

fn run(directory: &Path, words: &[&str]) -> Output {
    command(directory, words).output().expect("the program")
}

fn init(directory: &Path, words: &[&str]) -> Output {
    run(directory, &[&["init"], &SIDES[..], words].concat())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).expect("UTF-8"))
}

fn checked(directory: &Path) -> String {
    let (code, text) = said(&run(directory, &["config", "check"]));
    assert_eq!(code, Some(0), "{text}");
    text
}

#[test]
fn a_configuration_is_written_that_is_good_and_says_what_it_does() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("returns.yaml"), DOCUMENT).expect("a file");
    let (code, text) = said(&init(directory.path(), &["--openapi", "returns.yaml"]));
    assert_eq!((code, text.lines().next()), (Some(0), Some("wrote parallax.yaml: 2 operations")), "{text}");
    assert_eq!(checked(directory.path()), "ok: 2 operations\n");
    let file = directory.path().join("parallax.yaml");
    let written = std::fs::read_to_string(&file).expect("a file");
    assert!(
        written.contains("openapi: \"returns.yaml\"\n") && written.contains("\n#   cancelReturn\n"),
        "{written}"
    );
    assert!(written.lines().all(|line| line.len() <= 120), "{written}");

    let (code, text) = said(&init(directory.path(), &["--openapi", "returns.yaml"]));
    assert!(
        code == Some(2) && text.contains("parallax.yaml is there already; `--force` replaces it"),
        "{text}"
    );
    std::fs::write(&file, "mine").expect("a file");
    assert_eq!(init(directory.path(), &[]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "mine");
    assert_eq!(init(directory.path(), &["--force"]).status.code(), Some(0));
    assert_eq!(checked(directory.path()), "ok: 1 operation\n");
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("a directory").count(),
        2,
        "nothing is left lying about"
    );
}

#[test]
fn the_example_that_it_gives_is_good_too() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("returns.yaml"), DOCUMENT).expect("a file");
    let output = init(directory.path(), &["--openapi", "returns.yaml", "--output", "-"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!directory.path().join("parallax.yaml").exists());
    // What is commented out, with its comments' comments left alone.
    let on = |line: &str| match line.strip_prefix("# operations:").or(line.strip_prefix("#   - id")) {
        Some(_) => true,
        None => line.starts_with("#     ") || line.starts_with("#       -"),
    };
    let lines = text.lines().map(|line| if on(line) { line.trim_start_matches("# ") } else { line });
    let enabled = lines.collect::<Vec<_>>().join("\n").replace("\n  # ", "\n  ");
    std::fs::write(directory.path().join("parallax.yaml"), enabled).expect("a file");
    assert_eq!(checked(directory.path()), "ok: 2 operations\n");
}

#[test]
fn nothing_is_written_where_something_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("bad.yaml"), "openapi: 3.0.0\npaths:\n  /a: {$ref: '#/none'}\n")
        .expect("a file");
    for (words, expected) in [
        (&["--openapi", "bad.yaml"][..], "bad.yaml:3:14: `#/none` leads nowhere"),
        (&["--openapi", "none.yaml"], "the OpenAPI document none.yaml: cannot read it"),
        (&["--from-traffic", "--server", "http://127.0.0.1:1"], "cannot reach the server"),
    ] {
        let (code, text) = said(&init(directory.path(), words));
        assert!(matches!(code, Some(2 | 3)) && text.contains(expected), "{text}");
        assert!(!directory.path().join("parallax.yaml").exists());
    }
    let (code, text) =
        said(&run(directory.path(), &["init", "--legacy", "ftp://a", "--candidate", "http://b"]));
    assert!(code == Some(2) && text.contains("--legacy"), "{text}");
    let ourselves = ["init", "--legacy", "http://127.0.0.1:8080", "--candidate", "http://127.0.0.1:8082"];
    let (code, text) = said(&run(directory.path(), &ourselves));
    assert!(code == Some(2) && text.contains("legacy is parallax itself"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_ask_for_becomes_operations_without_their_data() {
    let house = House::new(same("{}"), same("{}"), "operations: [{id: health, match: GET /health}]\n").await;
    let mut client = house.client().await;
    for id in 0..8 {
        for path in [
            format!("/returns/{id}?token=secret"),
            format!("/customers/ann{id}@example.org/orders"),
            "/health".into(),
        ] {
            client.get(&path).await.expect("an answer");
        }
    }
    client.get("/once").await.expect("an answer");
    let other: serde_json::Value = serde_json::from_str(&house.control("/api/v1/other").await).expect("JSON");
    let expected = json!({"requests": 17, "more": 0, "left_out": 0, "suggestions": [
        {"id": "get_customers_customer_id_orders", "match": "GET /customers/{customer_id}/orders", "requests": 8},
        {"id": "get_returns_return_id", "match": "GET /returns/{return_id}", "requests": 8}]});
    assert_eq!(other, expected);

    let directory = tempfile::tempdir().expect("a directory");
    let server = format!("http://{}", house.running.control);
    let (code, text) = said(&run(directory.path(), &["status", "other", "--server", &server]));
    assert!(code == Some(0) && text.starts_with("17 requests matched no operation"), "{text}");
    assert!(
        text.contains("8         GET /returns/{return_id}             get_returns_return_id\n"),
        "{text}"
    );
    let (code, text) = said(&init(directory.path(), &["--from-traffic", "--server", &server]));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(checked(directory.path()), "ok: 2 operations\n");
    let written = std::fs::read_to_string(directory.path().join("parallax.yaml")).expect("a file");
    assert!(written.contains("match: \"GET /returns/{return_id}\"}   # 8 requests\n"), "{written}");
    for data in ["ann", "secret", "once"] {
        assert!(!written.contains(data) && !text.contains(data), "{written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_suggested() {
    let not_found = Behaviour::always(Reply::status(404));
    let house = House::new(not_found, same("{}"), support::GET_RETURN).await;
    let mut client = house.client().await;
    for _ in 0..20 {
        client.get("/wp-admin/setup").await.expect("an answer");
    }
    assert!(house.control("/api/v1/other").await.contains("\"suggestions\":[]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_document_is_put_in_force_and_a_bad_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let (legacy, candidate) = (FakeService::start(same("{}")), FakeService::start(same("{}")));
    let place = directory.path().join("returns.yaml");
    std::fs::write(&place, DOCUMENT).expect("a file");
    let sides =
        format!("legacy: '{}'\ncandidate: '{}'\nopenapi: returns.yaml\n", legacy.url(), candidate.url());
    let program = Path::new(env!("CARGO_BIN_EXE_parallax"));
    let process = Process::start_logging(directory.path(), program, &|process| {
        format!("listen: '{}'\ncontrol: {{listen: '{}'}}\n{sides}", process.proxy, process.control)
    });
    let mut client = RawClient::connect(process.proxy).await.expect("the proxy");
    client.get("/returns/1").await.expect("an answer");
    let first = at_rest(process.control, "getReturn").await;
    assert_eq!(
        (&first["counts"]["matched"], &first["match"]),
        (&json!(1), &json!("GET /returns/{return_id}"))
    );

    let with_labels = format!("{DOCUMENT}  /labels/{{id}}: {{get: {{operationId: getLabel}}}}\n");
    std::fs::write(&place, &with_labels).expect("a file");
    process.logged("the configuration was reloaded", 1).await;
    client.get("/labels/1").await.expect("an answer");
    assert_eq!(at_rest(process.control, "getLabel").await["counts"]["matched"], 1);

    std::fs::write(&place, with_labels.replace("getLabel}", "getReturn}")).expect("a file");
    process.logged("not reloaded", 1).await;
    assert!(process.log().contains("returns.yaml:6:"), "{}", process.log());
    assert_eq!(operation(process.control, "getLabel").await["id"], "getLabel", "the one before stays");
    assert_conserved(&at_rest(process.control, "getReturn").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_document_promises_is_held_against_what_checks_have_met() {
    let directory = tempfile::tempdir().expect("a directory");
    let document = "openapi: 3.0.0
paths:
  /returns:
    parameters: [{$ref: '#/components/parameters/page'}, {name: x-tenant, in: header}]
    get:
      operationId: listReturns
      parameters: [{name: sort, in: query}]
      responses:
        200: {$ref: '#/components/responses/list'}
        404: {$ref: 'elsewhere.yaml#/notFound'}
        5XX: {description: A fault}
components:
  parameters: {page: {name: page, in: query}}
  responses: {list: {content: {application/json: {}, text/csv: {}}}}
";
    std::fs::write(directory.path().join("returns.yaml"), document).expect("a file");
    let place = directory.path().join("returns.yaml").display().to_string();
    let house = House::new(same("{}"), same("{}"), &format!("openapi: '{place}'\n")).await;
    let mut client = house.client().await;
    for target in ["/returns", "/returns?page=2&secret=hunter2"] {
        client.get(target).await.expect("an answer");
    }
    house.at_rest("listReturns").await;
    let text = house.control("/api/v1/operations/listReturns/coverage").await;
    let coverage: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let item = |aspect: &str, name: &str, exercised: bool| json!({"aspect": aspect, "name": name, "exercised": exercised});
    let expected = json!({"operation_id": "listReturns", "documented": 7, "exercised": 3, "items": [
        item("status", "200", true), item("status", "404", false), item("status", "5XX", false),
        item("content_type", "application/json", true), item("content_type", "text/csv", false),
        item("parameter", "page", true), item("parameter", "sort", false)]});
    assert_eq!(coverage, expected);
    let server = format!("http://{}", house.running.control);
    let (code, text) = said(&run(directory.path(), &["status", "listReturns", "--server", &server]));
    let shown = "Documented: 3 of 7 met by checks\n  not yet  statuses 404, 5XX\n  not yet  content types text/csv\n  not yet  parameters sort\n";
    assert!(code == Some(0) && text.ends_with(shown), "{text}");
    let page = house.control("/operations/listReturns").await;
    assert!(page.contains("Parameters of the query") && !page.contains("hunter2"), "{page}");
    let bare = House::new(same("{}"), same("{}"), support::GET_RETURN).await;
    assert!(bare.control("/api/v1/operations/getReturn/coverage").await.contains("\"documented\":0"));
}
