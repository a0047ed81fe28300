//! Two answers and rules, whatever they hold: comparing never panics, says the same every time, finds
//! nothing in an answer beside itself, and takes nothing for equal that it finds different the other way
//! round. That it ends in time is for the fuzzer's own limit.
//!
//! The bytes are three sections with a line `--` between: rules, one JSON object a line; legacy's answer;
//! the candidate's. An answer is lines `name: value`, an empty line, and the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::{RuleSpec, Rules};
use parallax_core::verdict::{Differences, Equality};

/// Comparing what these bytes say keeps its promises.
pub fn holds(data: &[u8]) {
    let mut sections = sections(data);
    let rules = rules(sections.next().unwrap_or_default());
    let legacy = answer(sections.next().unwrap_or_default());
    let candidate = answer(sections.next().unwrap_or_default());

    let forth = compare(&legacy, &candidate, &rules);
    assert!(forth == compare(&legacy, &candidate, &rules), "another result the second time");
    assert_eq!(forth.masked.len(), rules.specs().len());
    if let Comparison::Different(differences) = &forth.comparison {
        are_presentable(differences);
    }
    let back = compare(&candidate, &legacy, &rules);
    let is_equal = |comparison: &Comparison| matches!(comparison, Comparison::Equal(_));
    assert!(is_equal(&forth.comparison) == is_equal(&back.comparison), "equal one way only");
    for one in [&legacy, &candidate] {
        let alone = compare(one, one, &rules).comparison;
        assert!(alone == Comparison::Equal(Equality::Identical), "differs from itself");
    }
}

fn are_presentable(differences: &Differences) {
    assert!(!differences.kept.is_empty() && differences.kept.len() <= 200);
    for one in &differences.kept {
        assert!(one.path.to_string().len() < 4096, "an endless path");
        assert!(one.legacy.is_some() || one.candidate.is_some(), "a difference of nothing");
    }
}

fn sections(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BETWEEN: &[u8] = b"\n--\n";
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let whole = rest?;
        let at = whole.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        rest = at.map(|at| &whole[at + BETWEEN.len()..]);
        Some(&whole[..at.unwrap_or(whole.len())])
    })
}

/// The rules that can be read and stand together; without sense, none.
fn rules(section: &[u8]) -> Rules {
    let specs: Vec<RuleSpec> = section
        .split(|&byte| byte == b'\n')
        .take(16)
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    Rules::compile(&specs).unwrap_or_default()
}

fn answer(section: &[u8]) -> Answer {
    let (mut headers, mut rest) = (HeaderMap::new(), section);
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = field(line).filter(|_| headers.len() < 1000) {
            headers.append(name, value);
        }
    }
    Answer {
        status: StatusCode::OK,
        headers,
        body: Body::Whole(Bytes::copy_from_slice(rest)),
        trailers: None,
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let value = line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]);
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(value).ok()?))
}
