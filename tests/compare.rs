//! `parallax compare`, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn compare(directory: &Path, legacy: &str, candidate: &str, words: &[&str]) -> Output {
    std::fs::write(directory.join("legacy.json"), legacy).expect("it works");
    std::fs::write(directory.join("candidate.json"), candidate).expect("it works");
    Command::new(env!("CARGO_BIN_EXE_parallax"))
        .args(["compare", "legacy.json", "candidate.json"])
        .args(words)
        .current_dir(directory)
        .output()
        .expect("it works")
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("it works")
}

#[test]
fn equal_is_0_and_different_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let run = |legacy, candidate| {
        let output = compare(directory.path(), legacy, candidate, &["--json"]);
        (output.status.code(), json_of(&output)["equality"].as_str().unwrap().to_owned())
    };
    assert_eq!(run("{\"a\":1}", "{\"a\":1}"), (Some(0), "identical".into()));
    assert_eq!(run("{\"a\":1,\"b\":2}", "{\"b\":2.0, \"a\":1}"), (Some(0), "equal".into()));
    assert_eq!(run("{\"a\":1}", "{\"a\":2}"), (Some(1), "different".into()));
    assert_eq!(run("{\"a\":18446744073709551617}", "{\"a\":1}"), (Some(1), "different".into()));
}

#[test]
fn json_is_the_contracts_object() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), "{\"price\":12.345}", "{\"price\":12.35}", &["--json"]);
    assert_eq!(
        json_of(&output),
        json!({
            "outcome": "unmatched",
            "equality": "different",
            "differences": [{
                "part": "body", "path": "$.body.price", "kind": "value",
                "legacy": 12.345, "candidate": 12.35, "explanation": "rounded to 2 decimals",
            }],
            "more": 0,
        })
    );
}

#[test]
fn rules_make_it_equivalent() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yaml"), "- {at: $.body.tags, unordered: true}\n").unwrap();
    let words = ["--rules", "rules.yaml", "--json"];
    let output = compare(directory.path(), "{\"tags\":[1,2]}", "{\"tags\":[2,1]}", &words);
    assert_eq!((output.status.code(), json_of(&output)["equality"].as_str()), (Some(0), Some("equivalent")));
}

#[test]
fn a_listing_for_people() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), "{\"a\":\"x\",\"b\":1}", "{\"a\":\"X\"}", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "$.body.a: another value (equal but for case)
  - \"x\"
  + \"X\"
$.body.b: the candidate leaves it out
  - 1
different: 2 differences
";
    assert_eq!(text, expected);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let said = |words: &[&str]| {
        let output = compare(directory.path(), "{}", "{}", words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(
        directory.path().join("rules.yaml"),
        "- {at: $.bdy, ignore: true}\n- {at: $.body, ingore: true}\n",
    )
    .unwrap();
    let text = said(&["--rules", "rules.yaml"]);
    assert!(text.contains("rules.yaml:1:3") && text.contains("did you mean `body`?"), "{text}");
    assert!(text.contains("rules.yaml:2:3") && text.contains("did you mean `ignore`?"), "{text}");
    assert!(said(&["--rules", "none.yaml"]).contains("none.yaml"));
    std::fs::write(directory.path().join("list.yaml"), "at: $.body\n").unwrap();
    assert!(said(&["--rules", "list.yaml"]).contains("list.yaml:1"));
}

#[test]
fn broken_on_both_sides_is_incomparable_and_on_one_side_different() {
    let directory = tempfile::tempdir().unwrap();
    let words = ["--json", "--content-type", "application/json"];
    let both = compare(directory.path(), "{\"a\":", "{\"b\":", &words);
    assert_eq!((both.status.code(), json_of(&both)["equality"].as_str()), (Some(2), Some("incomparable")));
    let one = compare(directory.path(), "{\"a\":1}", "{\"a\":", &words);
    assert_eq!(
        (one.status.code(), json_of(&one)["differences"][0]["kind"].as_str()),
        (Some(1), Some("syntax"))
    );
}
