//! The documents that a request asks for (GraphQL over HTTP, draft of 2025): in its URL, in a JSON body, or several in
//! a JSON array, each as a text or by the hash of one that the service has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use sha2::{Digest as _, Sha256};

use super::definitions::name_of;
use super::{Kind, kind_of};
use crate::document::{Document, NodeId, NodeKind, read};
use crate::exchange::Request;
use crate::query::decoded;

/// Longest body that is looked at, in bytes; of a longer one nobody knows what it does. It is looked at on a thread
/// that has clients to serve.
pub const MOST_BYTES: usize = 128 << 10;
/// Values and names of one body, at most.
const MOST_NODES: usize = 20_000;
/// Requests in one body, at most.
const MOST_IN_BATCH: usize = 100;

/// What a request is made of. No other key is known, so that with any other nobody knows what is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Query,
    OperationName,
    Variables,
    Extensions,
    /// The name of a document that the service has.
    Id,
}

const KEYS: [(&str, Key); 7] = [
    ("query", Key::Query),
    ("operationName", Key::OperationName),
    ("variables", Key::Variables),
    ("extensions", Key::Extensions),
    ("id", Key::Id),
    ("documentId", Key::Id),
    ("doc_id", Key::Id),
];

fn key(name: &str) -> Option<Key> {
    KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| *key)
}

/// What one request asks for.
#[derive(Default)]
struct Asked<'r> {
    document: Option<Cow<'r, str>>,
    operation: Option<Cow<'r, str>>,
    /// The names of a document that the service has.
    persisted: Vec<Cow<'r, str>>,
}

/// Whether a request asks for queries alone.
pub(super) fn all_are_queries(request: &Request, persisted: &BTreeMap<String, Kind>) -> bool {
    let query = request.target.query();
    if !is_post_without_document(&request.method, query) {
        return request.body.is_empty() && asks_for_a_query(&request.method, query, persisted);
    }
    request.body.len() <= MOST_BYTES && of_body(request, persisted).unwrap_or(false)
}

/// The name of the one operation that a request executes, as its document has it.
pub(super) fn name_executed(request: &Request) -> Option<String> {
    let of =
        |asked: &Asked<'_>| Some(name_of(asked.document.as_deref()?, asked.operation.as_deref())?.to_owned());
    let query = request.target.query();
    if !is_post_without_document(&request.method, query) {
        return of(&in_url(query)?);
    }
    if request.body.len() > MOST_BYTES {
        return None;
    }
    if essence(&request.headers)? == "application/graphql" {
        return Some(name_of(std::str::from_utf8(&request.body).ok()?, None)?.to_owned());
    }
    let document = json(request.body.clone())?;
    of(&in_object(&document, document.root())?)
}

/// Whether it is a GET whose URL asks for a query.
pub(super) fn asks_for_a_query(
    method: &Method,
    query: Option<&str>,
    persisted: &BTreeMap<String, Kind>,
) -> bool {
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    is_get && in_url(query).is_some_and(|asked| asked.is_query(persisted))
}

/// Whether it is a POST that says nothing of the document in its URL: services differ in what goes first.
pub(super) fn is_post_without_document(method: &Method, query: Option<&str>) -> bool {
    let says_nothing =
        |query: &str| pairs(query).is_some_and(|pairs| pairs.iter().all(|(name, _)| !is_like_a_key(name)));
    *method == Method::POST && query.is_none_or(says_nothing)
}

impl Asked<'_> {
    fn is_query(&self, persisted: &BTreeMap<String, Kind>) -> bool {
        let is_known = |name: &Cow<'_, str>| persisted.get(&**name) == Some(&Kind::Query);
        let Some(document) = &self.document else {
            return !self.persisted.is_empty() && self.persisted.iter().all(is_known);
        };
        // A hash beside its document is how a service learns it. Of another document, nobody knows which is executed.
        let own = || hex(&Sha256::digest(document.as_bytes()));
        let is_own = |name: &Cow<'_, str>| name.eq_ignore_ascii_case(&own());
        self.persisted.iter().all(is_own) && kind_of(document, self.operation.as_deref()) == Some(Kind::Query)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// None where it cannot be told.
fn of_body(request: &Request, persisted: &BTreeMap<String, Kind>) -> Option<bool> {
    match essence(&request.headers)?.as_str() {
        "application/json" => {}
        "application/graphql" => {
            let document = std::str::from_utf8(&request.body).ok()?;
            return Some(kind_of(document, None) == Some(Kind::Query));
        }
        _ => return None,
    }
    let document = json(request.body.clone())?;
    let root = document.root();
    if document.kind(root) == NodeKind::Object {
        return Some(in_object(&document, root)?.is_query(persisted));
    }
    let batch: Vec<NodeId> = document.elements(root).take(MOST_IN_BATCH + 1).collect();
    let is_query = |one: &NodeId| in_object(&document, *one).is_some_and(|asked| asked.is_query(persisted));
    Some(!batch.is_empty() && batch.len() <= MOST_IN_BATCH && batch.iter().all(is_query))
}

/// The media type of a body that is there as it stands.
fn essence(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    let text = value.to_str().ok()?.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next()?.to_owned();
    let is_plain =
        |part: &str| !part.starts_with("charset") || matches!(part, "charset=utf-8" | "charset=\"utf-8\"");
    let is_coded = headers.contains_key(header::CONTENT_ENCODING);
    (!is_coded && parts.all(is_plain)).then_some(essence)
}

/// JSON that everybody reads alike as far as its bytes go: UTF-8 without a mark at its start.
fn json(bytes: Bytes) -> Option<Document> {
    std::str::from_utf8(&bytes).ok()?;
    read(bytes, MOST_NODES).ok()
}

fn in_object(document: &Document, object: NodeId) -> Option<Asked<'_>> {
    if document.kind(object) != NodeKind::Object {
        return None;
    }
    let mut asked = Asked::default();
    let mut seen = Vec::new();
    for (name, value) in document.members(object) {
        let key = key(&text(document, name)?)?;
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        if document.kind(value) == NodeKind::Null {
            continue;
        }
        match key {
            Key::Query => asked.document = Some(string(document, value)?),
            Key::OperationName => asked.operation = Some(string(document, value)?),
            Key::Id => asked.persisted.push(string(document, value)?),
            Key::Extensions => asked.persisted.extend(hash_in(document, value)?),
            Key::Variables => {}
        }
    }
    Some(asked)
}

/// `{"persistedQuery": {"version": 1, "sha256Hash": "…"}}`, beside whatever else there is. None where there could be
/// two of it.
fn hash_in(document: &Document, extensions: NodeId) -> Option<Option<Cow<'_, str>>> {
    // Written as a text, it may be read all the same by some.
    if !matches!(document.kind(extensions), NodeKind::Object | NodeKind::Null) {
        return None;
    }
    let Found::One(persisted) = member(document, extensions, "persistedQuery") else {
        return (member(document, extensions, "persistedQuery") == Found::None).then_some(None);
    };
    match member(document, persisted, "sha256Hash") {
        Found::One(hash) => string(document, hash).map(Some),
        Found::None | Found::Several => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    None,
    One(NodeId),
    Several,
}

/// The member of this name; one in other capitals is another one of it.
fn member(document: &Document, object: NodeId, wanted: &str) -> Found {
    let mut found = Found::None;
    for (name, value) in document.members(object) {
        match text(document, name) {
            Some(name) if name == wanted && found == Found::None => found = Found::One(value),
            Some(name) if !name.eq_ignore_ascii_case(wanted) => {}
            Some(_) | None => return Found::Several,
        }
    }
    found
}

fn string(document: &Document, node: NodeId) -> Option<Cow<'_, str>> {
    if document.kind(node) == NodeKind::String { text(document, node) } else { None }
}

/// None where it holds half of a character, which is read in several ways.
fn text(document: &Document, node: NodeId) -> Option<Cow<'_, str>> {
    match document.content(node) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// What a URL asks for.
fn in_url(query: Option<&str>) -> Option<Asked<'_>> {
    let mut asked = Asked::default();
    let mut seen = Vec::new();
    for (name, value) in pairs(query?)? {
        let Some(key) = key(&name) else {
            if is_like_a_key(&name) {
                return None;
            }
            continue;
        };
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        match key {
            Key::Query => asked.document = Some(value.into()),
            Key::OperationName => asked.operation = Some(value.into()),
            Key::Id => asked.persisted.push(value.into()),
            Key::Extensions => {
                let document = json(value.into_bytes().into())?;
                let hash = hash_in(&document, document.root())?;
                asked.persisted.extend(hash.map(|hash| Cow::Owned(hash.into_owned())));
            }
            Key::Variables => {}
        }
    }
    Some(asked)
}

/// Whether some service could take a name for one of the keys: in other capitals, or as one of several.
fn is_like_a_key(name: &str) -> bool {
    let bare = name.split('[').next().unwrap_or_default().trim();
    KEYS.iter().any(|(known, _)| bare.eq_ignore_ascii_case(known))
}

/// The names and values of a URL's query. None where they are cut or coded in a way that is not read alike
/// everywhere.
fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    if query.contains(';') {
        return None;
    }
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    query.split('&').map(pair).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::graphql::GraphQl;

    const HASH: &str = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";

    fn graphql() -> GraphQl {
        let persisted = [("read", Kind::Query), ("write", Kind::Mutation)];
        GraphQl {
            persisted: persisted.map(|(name, kind)| (name.to_owned(), kind)).into(),
            ..GraphQl::default()
        }
    }

    fn request(method: &Method, target: &str, media_type: &str, body: &str) -> Request {
        let mut headers = HeaderMap::new();
        if !media_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media_type).expect("a value"));
        }
        let (method, target) = (method.clone(), target.parse().expect("a target"));
        Request { method, target, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn posted(body: &str) -> bool {
        graphql().only_reads(&request(&Method::POST, "/graphql", "application/json", body))
    }

    fn got(query: &str) -> bool {
        graphql().only_reads(&request(&Method::GET, &format!("/graphql?{query}"), "", ""))
    }

    #[test]
    fn queries_may_be_copied() {
        for body in [
            r#"{"query": "{ a }"}"#,
            r#"{"query": "query A { a }", "operationName": "A", "variables": {"x": [1, null]}, "extensions": {}}"#,
            r#"{"query": "query A { a } mutation B { b }", "operationName": "A"}"#,
            r#"{"query": "\u007b a }", "operationName": null, "variables": null, "extensions": null}"#,
            r#"[{"query": "{ a }"}, {"query": "query { b }"}]"#,
            r#"{"id": "read"}"#,
            r#"{"documentId": "read", "query": null}"#,
            r#"{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "read"}, "x": 1}}"#,
            &format!(
                r#"{{"query": "{{__typename}}", "extensions": {{"persistedQuery": {{"sha256Hash": "{HASH}"}}}}}}"#
            ),
        ] {
            assert!(posted(body), "{body}");
        }
        assert!(graphql().only_reads(&request(
            &Method::POST,
            "/g?tenant=7",
            "application/json; charset=UTF-8",
            r#"{"query":"{a}"}"#
        )));
        assert!(graphql().only_reads(&request(&Method::POST, "/g", "application/graphql", "{ a }")));
        assert!(got("query=%7B+a+%7D&variables=%7B%7D&key=x"));
        assert!(got("extensions=%7B%22persistedQuery%22:%7B%22sha256Hash%22:%22read%22%7D%7D"));
    }

    #[test]
    fn whatever_else_may_not() {
        for body in [
            r#"{"query": "mutation { a }"}"#,
            r#"{"query": "mutation query { a }", "operationName": "query"}"#,
            r#"{"query": "subscription { a }"}"#,
            r#"{"query": "query A { a } mutation B { b }", "operationName": "B"}"#,
            r#"{"query": "query A { a } mutation B { b }"}"#,
            r#"{"query": "query A { a } query B { b }"}"#,
            r#"{"query": "{ a }", "query": "mutation { b }"}"#,
            r#"{"query": "{ a }", "Query": "mutation { b }"}"#,
            r#"{"query": "{ a }", "mutation": "x"}"#,
            r#"{"query": "{ a }", "id": "read"}"#,
            r#"{"query": "{ a }", "extensions": {"persistedQuery": {"sha256Hash": "read"}}}"#,
            r#"{"query": ["{ a }"]}"#,
            r#"{"query": "{ a"}"#,
            r#"{"query": ""}"#,
            r#"{"query": null}"#,
            r#"{"query": "{ a }", "operationName": ""}"#,
            r#"{"query": "{ a(b: \"\ud800\") }"}"#,
            r#"[{"query": "{ a }"}, {"query": "mutation { b }"}]"#,
            r#"[{"query": "{ a }"}, 1]"#,
            r#"[{"id": "read"}, {"id": "write"}]"#,
            "[]",
            "{}",
            "1",
            "",
            "query { a }",
            r#"{"id": "write"}"#,
            r#"{"id": "unknown"}"#,
            r#"{"id": "read", "documentId": "read"}"#,
            r#"{"extensions": {"persistedQuery": {"sha256Hash": "read", "SHA256hash": "write"}}}"#,
            r#"{"extensions": {"persistedQuery": {"sha256Hash": "write"}}}"#,
            r#"{"extensions": {"persistedQuery": {}}}"#,
        ] {
            assert!(!posted(body), "{body}");
        }
        for query in [
            "",
            "query=mutation+%7Ba%7D",
            "query=%7Ba%7D&query=mutation%7Ba%7D",
            "query=%7Ba%7D&QUERY=x",
            "query[]=%7Ba%7D",
            "query=%7Ba%7D;x=y",
            "query=%7",
            "query=%ff",
            "operationName=A",
            "id=write",
        ] {
            assert!(!got(query), "{query}");
        }
    }

    #[test]
    fn a_request_that_could_be_read_in_two_ways_may_not() {
        let body = r#"{"query":"{a}"}"#;
        let post = |target: &str, media_type: &str| request(&Method::POST, target, media_type, body);
        for request in [
            post("/g?query=mutation%7Ba%7D", "application/json"),
            post("/g?operationName=A", "application/json"),
            post("/g", ""),
            post("/g", "text/plain"),
            post("/g", "application/json; charset=utf-16"),
            post("/g", "application/x-www-form-urlencoded"),
            post("/g", "multipart/form-data; boundary=x"),
            request(&Method::PUT, "/g", "application/json", body),
            request(&Method::GET, "/g?query=%7Ba%7D", "application/json", body),
            request(
                &Method::POST,
                "/g",
                "application/json",
                &format!("\u{feff}{}", body.replace("{a}", "mutation{a}")),
            ),
            request(
                &Method::POST,
                "/g",
                "application/json",
                &format!("{{\"query\":\"{{a}}\",\"variables\":\"{}\"}}", "x".repeat(MOST_BYTES)),
            ),
        ] {
            assert!(!graphql().only_reads(&request), "{request:?}");
        }
        let mut coded = post("/g", "application/json");
        coded.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!graphql().only_reads(&coded));
        let mut twice = post("/g", "application/json");
        twice.headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/graphql"));
        assert!(!graphql().only_reads(&twice));
    }

    fn may_only_read(request: &Request) -> bool {
        graphql().may_only_read(&request.method, request.target.query())
    }

    #[test]
    fn a_head_says_whether_it_is_worth_keeping_the_body() {
        assert!(may_only_read(&request(&Method::POST, "/g", "application/json", "")));
        assert!(may_only_read(&request(&Method::GET, "/g?query=%7Ba%7D", "", "")));
        assert!(!may_only_read(&request(&Method::GET, "/g?query=mutation%7Ba%7D", "", "")));
        assert!(!may_only_read(&request(&Method::POST, "/g?query=%7Ba%7D", "application/json", "")));
        assert!(!may_only_read(&request(&Method::DELETE, "/g", "", "")));
    }
}
