//! Every folder of `tests/compare` is a pair: `legacy` and `candidate` (a JSON body, or an answer that
//! begins with `HTTP/1.1`, its trailer fields in `legacy.trailers` and `candidate.trailers`), `rules.yaml`
//! where there are rules, and what is expected in the form of `parallax compare --json`.
//! `PARALLAX_UPDATE_PAIRS=1` writes down what is found instead, to be read in the diff before it is
//! committed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::{RuleSpec, Rules};
use parallax_core::verdict::{Difference, Differences, Kind, Value};
use serde_json::json;

fn answer(folder: &Path, side: &str) -> Answer {
    let bytes = fs::read(folder.join(side)).unwrap();
    if !bytes.starts_with(b"HTTP/1.1 ") {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        return Answer { status: StatusCode::OK, headers, body: Body::Whole(bytes.into()), trailers: None };
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap()[9..].parse().unwrap();
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    let trailers = fs::read_to_string(folder.join(format!("{side}.trailers"))).ok();
    let trailers = trailers.map(|text| text.lines().map(field).collect());
    Answer { status, headers: lines.map(field).collect(), body: Body::Whole(body), trailers }
}

fn field(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(": ").unwrap();
    (name.parse().unwrap(), value.parse().unwrap())
}

fn rules(folder: &Path) -> Rules {
    let Ok(text) = fs::read_to_string(folder.join("rules.yaml")) else { return Rules::default() };
    let specs: Vec<RuleSpec> = serde_saphyr::from_str(&text).unwrap();
    Rules::compile(&specs).unwrap()
}

fn shown(comparison: &Comparison) -> serde_json::Value {
    let none = Differences::default();
    let (outcome, equality, differences) = match comparison {
        Comparison::Equal(equality) => ("matched", equality.as_str(), &none),
        Comparison::Different(differences) => ("unmatched", "different", differences),
        Comparison::Incomparable(_) => ("failed", "incomparable", &none),
    };
    let value = |value: &Option<Value>| value.as_ref().map(|value| value.text.clone());
    let difference = |one: &Difference| {
        json!({
            "part": one.part, "path": one.path.to_string(), "kind": one.kind,
            "legacy": value(&one.legacy), "candidate": value(&one.candidate), "explanation": one.explanation,
        })
    };
    let differences_shown: Vec<_> = differences.kept.iter().map(difference).collect();
    json!({ "outcome": outcome, "equality": equality, "differences": differences_shown, "more": differences.more })
}

fn folders() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_pair_compares_as_expected() {
    let mut wrong = String::new();
    let folders = folders();
    for folder in &folders {
        let expected: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let (legacy, candidate) = (answer(folder, "legacy"), answer(folder, "candidate"));
        let found = shown(&compare(&legacy, &candidate, &rules(folder)).comparison);
        if found != expected && std::env::var_os("PARALLAX_UPDATE_PAIRS").is_some() {
            fs::write(folder.join("expected.json"), format!("{found:#}\n")).unwrap();
        } else if found != expected {
            writeln!(wrong, "{}\nexpected {expected:#}\nfound {found:#}\n", folder.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(folders.len() >= 300, "only {} pairs were found", folders.len());
}

/// A pair that proves nothing says so in its name, so that none becomes one unseen.
#[test]
fn pairs_that_fail_are_named_so() {
    for folder in folders() {
        let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
        let fails = expected.contains(r#""outcome": "failed""#);
        let says_so = folder.to_string_lossy().ends_with("-failed");
        assert_eq!(fails, says_so, "{}", folder.display());
    }
}

/// What the candidate lacks seen one way is what it has too much seen the other way.
#[test]
fn every_pair_mirrors() {
    let mirrored = |kind: Kind| match kind {
        Kind::Missing => Kind::Extra,
        Kind::Extra => Kind::Missing,
        same
        @ (Kind::Type | Kind::Value | Kind::Order | Kind::Length | Kind::DuplicateKey | Kind::Syntax) => same,
    };
    for folder in folders() {
        let (legacy, candidate, rules) =
            (answer(&folder, "legacy"), answer(&folder, "candidate"), rules(&folder));
        let forth = compare(&legacy, &candidate, &rules);
        let back = compare(&candidate, &legacy, &rules);
        assert_eq!(forth.masked, back.masked, "{}", folder.display());
        match (forth.comparison, back.comparison) {
            (Comparison::Different(forth), Comparison::Different(back)) => {
                let mut seen: Vec<_> =
                    forth.kept.iter().map(|one| (mirrored(one.kind), &one.candidate, &one.legacy)).collect();
                let mut expected: Vec<_> =
                    back.kept.iter().map(|one| (one.kind, &one.legacy, &one.candidate)).collect();
                let key = |one: &(Kind, &Option<Value>, &Option<Value>)| {
                    let text = |value: &Option<Value>| value.as_ref().map(|value| value.text.clone());
                    (one.0, text(one.1), text(one.2))
                };
                seen.sort_by_key(key);
                expected.sort_by_key(key);
                assert_eq!(seen, expected, "{}", folder.display());
                assert_eq!(forth.more, back.more);
            }
            (forth, back) => assert_eq!(forth, back, "{}", folder.display()),
        }
    }
}

#[test]
fn every_answer_is_identical_to_itself() {
    for folder in folders() {
        for side in ["legacy", "candidate"] {
            let answer = answer(&folder, side);
            let compared = compare(&answer, &answer, &rules(&folder));
            assert_eq!(compared.comparison, Comparison::Equal(parallax_core::verdict::Equality::Identical));
            assert!(compared.masked.iter().all(|&count| count == 0));
        }
    }
}
