//! The article's payload over data: hostile paths, and payloads that are not in order.

use std::fmt::Write as _;

use http::uri::PathAndQuery;
use parallax_core::posted::{MAX_TARGET, TargetError, read, target};

#[test]
fn a_path_leads_nowhere_but_to_its_own_place() {
    let mut complaints = String::new();
    let (mut refused, mut taken) = (0, 0);
    for line in include_str!("posted/paths.txt").lines() {
        let strings = |text: &str| -> Vec<String> {
            serde_json::Deserializer::from_str(text).into_iter().map(|text| text.expect("a string")).collect()
        };
        match line.split_once(' ') {
            Some(("refused", text)) => {
                refused += 1;
                let path = &strings(text)[0];
                if let Ok(target) = target(path) {
                    writeln!(complaints, "taken as {target}: {text}").unwrap();
                }
                if through_a_payload(path).is_some() {
                    writeln!(complaints, "a payload with it is taken: {text}").unwrap();
                }
            }
            Some(("taken", text)) => {
                taken += 1;
                let [path, wanted] = strings(text).try_into().unwrap();
                match target(&path) {
                    Ok(target) if target == wanted.as_str() && is_in_origin_form(&target) => {}
                    Ok(target) => writeln!(complaints, "{target} and not {wanted}: {text}").unwrap(),
                    Err(error) => writeln!(complaints, "refused ({error}): {text}").unwrap(),
                }
                assert_eq!(through_a_payload(&path), target(&path).ok());
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
    assert!(refused >= 300 && taken >= 80, "{refused} and {taken}");
}

fn is_in_origin_form(target: &PathAndQuery) -> bool {
    let text = target.as_str();
    text.starts_with('/') && !text.starts_with("//") && text.is_ascii()
}

fn through_a_payload(path: &str) -> Option<PathAndQuery> {
    let payload = serde_json::json!({
        "request": {"method": "GET", "url": {"path": path}},
        "response": {"status": 200},
    });
    match read(payload.to_string().as_bytes()) {
        Ok(posted) => Some(posted.request.target),
        Err(error) => {
            assert_eq!(error.field, "$.request.url.path");
            None
        }
    }
}

#[test]
fn a_long_path_is_refused_as_it_would_be_sent() {
    let long = |piece: &str, times: usize| target(&format!("/{}", piece.repeat(times)));
    assert!(long("a", MAX_TARGET - 1).is_ok());
    assert_eq!(long("a", MAX_TARGET), Err(TargetError::TooLong));
    // Three bytes each, once encoded.
    assert_eq!(long("ü", MAX_TARGET / 4), Err(TargetError::TooLong));
    assert_eq!(long("%2525252525252525252525", 1), Err(TargetError::TooOftenEncoded));
}
