//! A GraphQL document: nothing panics, and what means nothing (white space, comments, commas) changes nothing of what
//! kind it is. What is a query stays one whatever stands in its strings, and a request that holds it is one that
//! only reads.

use http::{HeaderMap, HeaderValue, Method, header};
use parallax_core::exchange::Request;
use parallax_core::graphql::{GraphQl, Kind, kind_of};

/// The first line is the name of the operation, or empty for none; the rest is the document.
pub fn holds(data: &[u8]) {
    whole_request(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, document) = text.split_once('\n').unwrap_or(("", text));
    let name = Some(name).filter(|name| !name.is_empty());
    let kind = kind_of(document, name);
    for around in [format!("#mutation {{\n{document}\n# }}"), format!(",\u{feff}\t{document} ,\r\n")] {
        assert_eq!(kind_of(&around, name), kind, "{around}");
    }
    if kind.is_some() {
        let with_fragment = format!("fragment mutation on T @a(b: \"}} query {{\") {{ c }}\n{document}");
        assert_eq!(kind_of(&with_fragment, name), kind);
        assert_eq!(kind_of(&format!("{document}\n}}"), name), None);
        // A second operation hides the first where nobody says which one is meant.
        assert_eq!(kind_of(&format!("{document}\nmutation Zz9 {{ a }}"), None), None);
    }
    let body = serde_json::json!({"query": document, "operationName": name}).to_string();
    // A longer body is not looked at, and a NUL is no character of a document.
    if body.len() <= parallax_core::graphql::MOST_BYTES {
        assert_eq!(only_reads(body.as_bytes()), kind == Some(Kind::Query), "{body}");
    }
}

/// Any bytes as a body.
fn whole_request(data: &[u8]) {
    if only_reads(data) {
        let text = std::str::from_utf8(data).expect("what only reads is text");
        let value: serde_json::Value = serde_json::from_str(text).expect("and JSON");
        assert!(value.is_object() || value.as_array().is_some_and(|batch| !batch.is_empty()));
    }
}

fn only_reads(body: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let target = http::uri::PathAndQuery::from_static("/graphql");
    GraphQl::default().only_reads(&Request {
        method: Method::POST,
        target,
        headers,
        body: body.to_vec().into(),
    })
}
