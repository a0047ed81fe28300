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
    let expected = "$.body.a  value: equal but for case
  - \"x\"
  + \"X\"
$.body.b  missing: the candidate leaves it out
  - 1
different: 2 differences
";
    assert_eq!(text, expected);
}

#[test]
fn what_rules_masked_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let rules = "- {at: $.body.tags, unordered: true}\n- {at: $.body.b, ignore: true}\n";
    std::fs::write(directory.path().join("rules.yaml"), rules).unwrap();
    let words = ["--rules", "rules.yaml"];
    let output = compare(directory.path(), "{\"tags\":[1,2],\"a\":1}", "{\"tags\":[2,1],\"a\":12.5}", &words);
    let expected = "$.body.a  value: another value
  -  1
  + 12.5
different: 1 difference
  rule 1, `unordered` at $.body.tags, masked 1 place
  rule 2, `ignore` at $.body.b, masked nothing
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let output = compare(directory.path(), "{\"a\":1}", "{\"a\":2}", &["--color", "always"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\u{1b}[31m  - 1\u{1b}[0m\n\u{1b}[32m  + 2\u{1b}[0m"), "{text}");
    for words in [&["--color", "never"][..], &["--color", "auto"], &[], &["--color", "always", "--json"]] {
        let output = compare(directory.path(), "{\"a\":1}", "{\"a\":2}", words);
        assert!(!output.stdout.contains(&0x1b), "{words:?}");
    }
    let wrong = compare(directory.path(), "{}", "{}", &["--color", "sometimes"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// Runs the program with a text on its standard input.
fn run(directory: &Path, words: &[&str], stdin: &str) -> Output {
    use std::io::Write as _;

    let mut child = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .arg("compare")
        .args(words)
        .current_dir(directory)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    // Whoever does not read it may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_dash_is_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("legacy.json"), "{\"a\": 1}").unwrap();
    let same = run(directory.path(), &["legacy.json", "-", "--json"], "{\"a\":1.0}");
    assert_eq!((same.status.code(), json_of(&same)["equality"].as_str()), (Some(0), Some("equal")));
    let other = run(directory.path(), &["-", "legacy.json"], "{\"a\":2}");
    assert_eq!(other.status.code(), Some(1));
    let both = run(directory.path(), &["-", "-"], "{}");
    assert_eq!(both.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&both.stderr).contains("not both"));
}

#[test]
fn a_files_name_says_what_it_is_and_is_no_difference_itself() {
    let directory = tempfile::tempdir().unwrap();
    let files = [("a.json", "{\"a\":1}"), ("b.txt", "{\"a\": 1}"), ("c.txt", "{\"a\":1}"), ("d", "{\"a\":")];
    for (file, text) in files {
        std::fs::write(directory.path().join(file), text).unwrap();
    }
    let equality = |words: &[&str]| {
        let output = run(directory.path(), &[words, &["--json"]].concat(), "");
        json_of(&output)["equality"].as_str().unwrap().to_owned()
    };
    assert_eq!(equality(&["a.json", "b.txt"]), "equal");
    assert_eq!(equality(&["b.txt", "a.json"]), "different");
    assert_eq!(equality(&["b.txt", "c.txt", "--content-type", "application/json"]), "equal");
    let broken = run(directory.path(), &["a.json", "d", "--json"], "");
    assert_eq!(json_of(&broken)["differences"][0]["kind"], "syntax");
}

#[test]
fn hosts_that_a_side_calls_its_own_can_be_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yaml"), "- {at: $.body.next, origin: true}\n").unwrap();
    let (legacy, candidate) = ("{\"next\":\"http://old:81/a\"}", "{\"next\":\"https://new/a\"}");
    let code = |words: &[&str]| {
        let words = [&["--rules", "rules.yaml"], words].concat();
        compare(directory.path(), legacy, candidate, &words).status.code()
    };
    assert_eq!(code(&[]), Some(0));
    assert_eq!(
        code(&["--legacy-origin", "http://old:81", "--candidate-origin", "https://new:443/"]),
        Some(0)
    );
    assert_eq!(code(&["--legacy-origin", "http://old:82"]), Some(1));
    assert_eq!(code(&["--legacy-origin", "http://a b"]), Some(2));
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
    assert!(text.contains("rules.yaml:1:8") && text.contains("did you mean `body`?"), "{text}");
    assert!(text.contains("rules.yaml:2:16") && text.contains("did you mean `ignore`?"), "{text}");
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
    assert!(String::from_utf8_lossy(&both.stderr).contains("incomparable: undecodable, neither body"));
    let listed = compare(directory.path(), "{\"a\":", "{\"b\":", &words[1..]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with("incomparable: undecodable, neither body"));
    let one = compare(directory.path(), "{\"a\":1}", "{\"a\":", &words);
    assert_eq!(
        (one.status.code(), json_of(&one)["differences"][0]["kind"].as_str()),
        (Some(1), Some("syntax"))
    );
}
