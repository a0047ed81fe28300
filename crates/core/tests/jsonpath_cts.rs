//! Paths against the JSONPath compliance test suite: a selector of the subset selects what the suite
//! says, and every other one is refused, never half understood.
//!
//! `jsonpath_unsupported.txt` lists by name what RFC 9535 allows and rules do not. A path selects a set of
//! places, so the suite's lists are compared as sets; `jsonpath_sets.txt` names those whose nodes repeat or
//! come in an order other than the document's.
//!
//! The suite is no part of this repository. `PARALLAX_CORPORA` names the folder that holds
//! `jsonpath-cts.json`; without it the tests are ignored.

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use harness::Test;
use parallax_core::document::{Document, NodeId, read};
use parallax_core::path::{Path, Step};
use parallax_core::rule::select;
use serde_json::Value;

const TESTS: [Test<[Case]>; 4] = [
    Test { name: "the_subset_selects_what_the_suite_says", run: selects },
    Test { name: "what_is_unsupported_is_refused", run: refuses_the_unsupported },
    Test { name: "what_is_invalid_is_refused", run: refuses_the_invalid },
    Test { name: "a_path_selects_a_set_in_the_order_of_the_document", run: sets },
];

struct Case {
    name: String,
    selector: String,
    /// What is selected from which document, in any of these orders; nothing where it is invalid.
    valid: Option<(String, Vec<Vec<String>>)>,
}

fn main() -> ExitCode {
    let corpora = std::env::var_os("PARALLAX_CORPORA").ok_or("PARALLAX_CORPORA is not set".to_owned());
    let file = |corpora| std::path::Path::new(&corpora).join("jsonpath-cts.json");
    harness::main(&TESTS, &corpora.map(|corpora| cases(&file(corpora))))
}

fn cases(file: &std::path::Path) -> Vec<Case> {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let suite: Value = serde_json::from_slice(&text).expect("the suite is JSON");
    let cases = suite["tests"].as_array().expect("the suite has tests");
    assert!(cases.len() >= 700, "only {} tests", cases.len());
    cases.iter().map(case).collect()
}

fn case(test: &Value) -> Case {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |paths: &Value| paths.as_array().expect("paths").iter().map(text).collect::<Vec<_>>();
    let lists = match (&test["result_paths"], &test["results_paths"]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, several) => Some(several.as_array().expect("lists").iter().map(list).collect()),
        (one, _) => Some(vec![list(one)]),
    };
    let valid = lists.map(|lists| (test["document"].to_string(), lists));
    assert!(valid.is_some() != (test["invalid_selector"] == true), "valid or not");
    Case { name: text(&test["name"]), selector: text(&test["selector"]), valid }
}

/// The cases of the subset's limits, by name.
fn unsupported() -> BTreeSet<&'static str> {
    names(include_str!("jsonpath_unsupported.txt"))
}

fn names(list: &'static str) -> BTreeSet<&'static str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Every case for which something is said to be wrong, a line each.
fn all(cases: &[Case], wrong: impl Fn(&Case) -> Option<String>) -> Result<(), String> {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            wrong(case).map(|message| format!("{}: `{}`: {message}", case.name, case.selector))
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn selects(cases: &[Case]) -> Result<(), String> {
    let unsupported = unsupported();
    let supported = |case: &&Case| case.valid.is_some() && !unsupported.contains(case.name.as_str());
    let count = cases.iter().filter(supported).count();
    if count < 200 {
        return Err(format!("only {count} cases are of the subset"));
    }
    all(cases, |case| {
        let (document, lists) = case.valid.as_ref().filter(|_| supported(&case))?;
        let found = match found(&case.selector, document) {
            Ok(found) => BTreeSet::from_iter(found),
            Err(message) => return Some(message),
        };
        let expected: BTreeSet<_> = lists[0].iter().cloned().collect();
        (found != expected).then(|| format!("selected {found:?}, expected {expected:?}"))
    })
}

fn refuses_the_unsupported(cases: &[Case]) -> Result<(), String> {
    let unsupported = unsupported();
    let valid: BTreeSet<&str> =
        cases.iter().filter(|case| case.valid.is_some()).map(|case| case.name.as_str()).collect();
    if let Some(name) = unsupported.difference(&valid).next() {
        return Err(format!("`{name}` is listed as unsupported and is no valid case of the suite"));
    }
    all(cases, |case| {
        let (document, _) = case.valid.as_ref().filter(|_| unsupported.contains(case.name.as_str()))?;
        found(&case.selector, document).is_ok().then(|| "listed as unsupported, but accepted".to_owned())
    })
}

fn refuses_the_invalid(cases: &[Case]) -> Result<(), String> {
    all(cases, |case| {
        let accepted = case.valid.is_none() && found(&case.selector, "{}").is_ok();
        accepted.then(|| "invalid, but accepted".to_owned())
    })
}

fn sets(cases: &[Case]) -> Result<(), String> {
    let is_no_set = |case: &&Case| {
        let Some((document, lists)) = &case.valid else { return false };
        found(&case.selector, document).is_ok_and(|found| !lists.contains(&found))
    };
    let found: BTreeSet<&str> = cases.iter().filter(is_no_set).map(|case| case.name.as_str()).collect();
    let listed = names(include_str!("jsonpath_sets.txt"));
    let wrong: Vec<_> = found.symmetric_difference(&listed).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("listed and not so, or so and not listed: {wrong:#?}"))
    }
}

/// The normalized paths of what a path selects.
fn found(selector: &str, text: &str) -> Result<Vec<String>, String> {
    let document = read(text.to_owned().into(), 10_000).map_err(|error| error.to_string())?;
    let nodes = select(selector, &document).map_err(|error| format!("refused: {error}"))?;
    Ok(nodes.into_iter().map(|node| normalized(&document, node)).collect())
}

/// RFC 9535 section 2.7: every name in brackets and single quotes.
fn normalized(document: &Document, node: NodeId) -> String {
    let mut path = String::from("$");
    for step in steps(document, node) {
        match step {
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Name { name, .. } => path.push_str(&quoted(&name)),
        }
    }
    path
}

fn quoted(name: &str) -> String {
    // What our paths print in quotes is printed as the RFC asks; an identifier needs them here only.
    let printed = Path::from(vec![Step::name(name)]).to_string();
    match printed.strip_prefix("$.") {
        Some(identifier) => format!("['{identifier}']"),
        None => printed.trim_start_matches('$').replace("\\u0008", "\\b").replace("\\u000c", "\\f"),
    }
}

/// The way from the root down to a node.
fn steps(document: &Document, node: NodeId) -> Vec<Step> {
    let (mut steps, mut at) = (Vec::new(), document.root());
    while at != node {
        let holds = |child: NodeId| child <= node && node < document.end(child);
        let member = document.members(at).find(|&(_, value)| holds(value));
        let element = document.elements(at).enumerate().find(|&(_, element)| holds(element));
        at = match (member, element) {
            (Some((name, value)), _) => {
                steps.push(Step::name(document.text(name)));
                value
            }
            (None, Some((index, element))) => {
                steps.push(Step::Index(index));
                element
            }
            (None, None) => unreachable!("a selected node is below the root"),
        };
    }
    steps
}
