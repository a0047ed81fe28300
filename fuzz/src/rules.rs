//! The texts of rules: whatever is written, it is read or refused with a message. The first line is a
//! path and also, with the rest, a list of rules; the rest is a document that the path selects from.

use bytes::Bytes;
use parallax_core::document::read;
use parallax_core::rule::{RuleSpec, Rules, select};

/// Every word with an argument that is good.
const ARGUMENTS: &[(&str, &str)] = &[
    ("ignore", "true"),
    ("only", r#"["a"]"#),
    ("text-only", "true"),
    ("unordered", "true"),
    ("key", r#""id""#),
    ("tolerance", r#"{"abs": 1}"#),
    ("within", r#""2s""#),
    ("format", r#""uuid""#),
    ("fold", r#""case""#),
    ("absent", r#""null""#),
    ("decode", r#""json""#),
    ("ref", r#"{"to": "$.body.b"}"#),
    ("origin", "true"),
];

/// These bytes are read as rules, or refused with a message.
pub fn holds(data: &[u8]) {
    if let Ok(specs) = serde_json::from_slice::<Vec<RuleSpec>>(data) {
        is_compiled_or_refused(&specs);
    }
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (first, rest) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let Ok(path) = std::str::from_utf8(first) else { return };
    for (word, argument) in ARGUMENTS {
        let argument: serde_json::Value = serde_json::from_str(argument).expect("JSON");
        let spec = serde_json::json!({ "at": path, *word: argument });
        let spec: RuleSpec = serde_json::from_value(spec).expect("a rule of a known shape");
        is_compiled_or_refused(std::slice::from_ref(&spec));
        is_compiled_or_refused(&[spec.clone(), spec]);
    }
    if let Ok(document) = read(Bytes::copy_from_slice(rest), 10_000) {
        match select(path, &document) {
            Ok(nodes) => {
                assert!(nodes.is_sorted_by(|one, next| one < next), "twice, or out of order");
                assert!(nodes.iter().all(|&node| (node as usize) < document.len()));
            }
            Err(error) => {
                assert!(!error.message.is_empty());
                assert!((1..=path.chars().count() + 1).contains(&error.column), "no column of the path");
            }
        }
    }
}

fn is_compiled_or_refused(specs: &[RuleSpec]) {
    match Rules::compile(specs) {
        Ok(rules) => assert_eq!(rules.specs(), specs),
        Err(error) => assert!(error.index < specs.len() && !error.message.is_empty()),
    }
}
