//! Documents as teams have them, and a table of bad ones with what is said about them and where.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::{ConfigErrors, Settings, load};

const CONFIG: &str = "legacy: http://127.0.0.1:1\ncandidate: http://127.0.0.1:2\nopenapi: api.yaml\n";

/// A configuration with this after its first lines, and this document beside it.
fn read(config: &str, document: impl AsRef<[u8]>) -> Result<Settings, ConfigErrors> {
    let directory = tempfile::tempdir().expect("a directory");
    read_in(directory.path(), config, document)
}

fn read_in(directory: &Path, config: &str, document: impl AsRef<[u8]>) -> Result<Settings, ConfigErrors> {
    std::fs::write(directory.join("api.yaml"), document).expect("a file");
    let path = directory.join("parallax.yaml");
    std::fs::write(&path, format!("{CONFIG}{config}")).expect("a file");
    load(&path)
}

/// What is said, without the directory and the list of all keys.
fn told(config: &str, document: impl AsRef<[u8]>) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let read = read_in(directory.path(), config, document);
    let text = read.map_or_else(|errors| errors.to_string(), |_| "accepted".to_owned());
    let text = text.replace(&format!("{}/", directory.path().display()), "");
    let short =
        |line: &str| line.split_once(" known keys: ").map_or(line.to_owned(), |(said, _)| said.to_owned());
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}

fn shown(settings: &Settings) -> Vec<String> {
    let operations = settings.operations.iter();
    operations.map(|operation| format!("{} = {}", operation.id, operation.matcher)).collect()
}

#[test]
fn a_document_gives_operation_id_method_and_path_of_every_operation() {
    let document = include_str!("returns.yaml");
    let settings = read("", document).expect("settings");
    let expected = [
        "listReturns = GET /shop/v1/returns",
        "post_returns = POST /shop/v1/returns",
        "getReturn = GET /shop/v1/returns/{return_id}",
        "Cancel_a_return = DELETE /shop/v1/returns/{return_id}",
        "getLabel = GET /labels/{return_id}",
        "get_orders_order_id = GET /orders/{order_id}",
        "getOrderV2 = GET /v2/orders-copy/{order_id}",
    ];
    assert_eq!(shown(&settings), expected);
    let [list, post, get, ..] = &settings.operations[..] else { panic!("operations") };
    assert_eq!(list.target.consistency.to_string(), "99.9%");
    assert_eq!(post.idempotent.to_string(), "true");
    assert_eq!(get.target.consistency.to_string(), "99.5%");
    assert_eq!(get.candidate_path.as_ref().map(ToString::to_string), Some("/v2/returns/{return_id}".into()));
    assert_eq!(get.rules.specs().len(), 1);
}

/// JSON is YAML; the same document says the same.
#[test]
fn json_and_yaml_say_the_same() {
    let document = include_str!("returns.yaml");
    let value: serde_json::Value = serde_saphyr::from_str(document).expect("a document");
    let yaml = read("", document).expect("settings");
    for json in [serde_json::to_string(&value), serde_json::to_string_pretty(&value)] {
        let settings = read("", json.expect("JSON")).expect("settings");
        let sorted = |settings: &Settings| {
            let mut list = shown(settings);
            list.sort();
            list
        };
        assert_eq!(sorted(&settings), sorted(&yaml));
    }
    let tabs = serde_json::to_string_pretty(&value).expect("JSON").replace("  ", "\t");
    assert_eq!(read("", tabs).expect("settings").operations.len(), 7);
    let marked = format!("\u{feff}{document}");
    assert_eq!(read("", marked).expect("settings").operations.len(), 7);
}

#[test]
fn the_file_refines_what_the_document_says_over_the_defaults() {
    let document = include_str!("returns.yaml");
    let settings = read(
        "defaults: {target: 98%, min_checks: 5, compare: [{at: $.body.a, ignore: true}]}
operations:
  - {id: getReturn, target: 97%, compare: [{at: $.body.c, ignore: true}]}
  - {id: ownOne, match: GET /own}
  - {id: listReturns, match: GET /elsewhere}
",
        document,
    )
    .expect("settings");
    let operation = |id: &str| {
        settings.operations.iter().find(|operation| operation.id.as_str() == id).expect("an operation")
    };
    let get = operation("getReturn");
    assert_eq!((get.target.consistency.to_string(), get.target.min_checks), ("97%".into(), 7));
    let places: Vec<&str> = get.rules.specs().iter().map(|spec| spec.at.as_str()).collect();
    assert_eq!(places, ["$.body.a", "$.body.b", "$.body.c"]);
    assert_eq!(operation("getLabel").target.consistency.to_string(), "98%");
    assert_eq!(operation("getLabel").rules.specs().len(), 1);
    assert_eq!(operation("listReturns").matcher.to_string(), "GET /elsewhere");
    assert_eq!(operation("ownOne").target.min_checks, 5);
    assert_eq!(settings.operations.len(), 8);
}

#[test]
fn bad_documents_are_named_with_their_place_and_remedy() {
    let cases: Vec<&str> = include_str!("bad_documents.txt").split("----\n").skip(1).collect();
    assert!(cases.len() > 25, "the table is read in pieces: {}", cases.len());
    for case in cases {
        let (document, expected) = case.split_once("====\n").expect("a text, a line of ====, what is said");
        let (config, document) = document.split_once("::::\n").unwrap_or(("", document));
        assert_eq!(told(config, document), expected.trim_end(), "{document}");
    }
}

#[test]
fn a_document_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("parallax.yaml");
    std::fs::write(&path, CONFIG).expect("a file");
    let told_of_none = load(&path).unwrap_err().to_string();
    assert!(told_of_none.contains("parallax.yaml:3:10: the OpenAPI document "), "{told_of_none}");
    assert!(told_of_none.contains("cannot read it"), "{told_of_none}");
    assert!(told("", b"openapi: 3.0.0\npaths: {\xff\xfe: 1}").contains("it is not UTF-8 (byte 23 is not)"));
    let large = format!("openapi: 3.0.0\nx: {}", "y".repeat(65 << 20));
    assert!(told("", large).contains("it is larger than 64 MiB"));
}

#[test]
fn hostile_documents_are_refused_and_never_a_panic() {
    let deep = |open: &str, count: usize| format!("openapi: 3.0.0\npaths: {}", open.repeat(count));
    for document in [
        deep("[", 100_000),
        deep("{\"a\": ", 100_000),
        deep("{'/a': {get: {x-parallax: {a: ", 1),
        deep("&a ", 1000),
    ] {
        assert!(read("", &document).is_err(), "{}", &document[..40]);
    }
    let nested = format!(
        "openapi: 3.0.0\npaths: {{/a: {{get: {{x-parallax: {{target: {}{}}}}}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    assert!(told("", nested).contains("not readable as YAML"), "an extension has its own depth");
    let bomb: String = (1..30).fold("openapi: 3.0.0\npaths: {}\n".to_owned(), |mut text, level| {
        let before = if level == 1 { "x".to_owned() } else { format!("*a{}", level - 1) };
        writeln!(text, "a{level}: &a{level} [{}]", [before.as_str(); 10].join(", ")).expect("a text");
        text
    });
    assert!(told("", bomb).contains("it has no operation"));
    let circle =
        "openapi: 3.0.0\npaths: &p {/a: *p, /b: {get: *p}, /c: {get: {servers: *p, x-parallax: *p}}}\n";
    assert!(read("", circle).is_err());
}

/// Half a document is no document.
#[test]
fn no_slip_of_the_pen_is_a_panic() {
    let document = include_str!("returns.yaml");
    let at = |position: usize| document.is_char_boundary(position);
    for position in (0..document.len()).step_by(29).filter(|&position| at(position) && at(position + 1)) {
        let (before, after) = (&document[..position], &document[position + 1..]);
        for slip in ["", "\n", ":", "{", "é", "- "] {
            if let Err(errors) = read("", format!("{before}{slip}{after}")) {
                assert!(!errors.list.is_empty(), "refused without a reason");
            }
        }
    }
}
