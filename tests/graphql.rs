//! GraphQL through the proxy: a query is asked of both sides, a mutation of one, whatever the client calls it, and
//! nobody waits until that is known.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parallax_testkit::{HttpService, RawClient, Reached, whole};
use serde_json::{Value, json};
use support::{House, assert_conserved, post, same};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const OPERATIONS: &str = "operations:
- {id: api, match: POST /graphql, graphql: {persisted: {abc: query, def: mutation}}, body_limit: 2KiB}
- {id: read, match: GET /graphql, graphql: true, when: concurrent}
";
const READ: &str = r#"{"query": "query Q($id: ID!) { return(id: $id) { id } }", "variables": {"id": "R-1"}}"#;

async fn ask(client: &mut RawClient, body: &str) {
    let fields = [("Content-Type", "application/json")];
    let response = client.ask("POST", "/graphql", &fields, body.as_bytes()).await.expect("an answer");
    assert_eq!((response.status, response.text()), (200, "{\"data\":{}}"));
}

async fn house() -> House {
    House::new(same("{\"data\":{}}"), same("{\"data\":{}}"), OPERATIONS).await
}

fn counted(operation: &Value) -> (u64, Value) {
    assert_conserved(operation);
    (operation["counts"]["matched"].as_u64().expect("a count"), operation["counts"]["skipped"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_asked_of_both_sides_and_mutations_of_one() {
    let house = house().await;
    let mut client = house.client().await;
    let queries = [
        READ,
        r#"[{"query": "{ a }"}, {"query": "{ b }"}]"#,
        r#"{"extensions": {"persistedQuery": {"sha256Hash": "abc"}}}"#,
    ];
    for query in queries {
        ask(&mut client, query).await;
    }
    assert_eq!(counted(&house.at_rest("api").await), (3, json!({})));
    let others = [
        r#"{"query": "mutation query { cancel }", "operationName": "query"}"#,
        r#"{"query": "query A { a } mutation B { b }", "operationName": "B"}"#,
        r#"{"query": "query A { a } query B { b }"}"#,
        r#"[{"query": "{ a }"}, {"query": "mutation { b }"}]"#,
        r#"{"query": "subscription { a }"}"#,
        r#"{"query": "{ a"}"#,
        r#"{"extensions": {"persistedQuery": {"sha256Hash": "def"}}}"#,
        r#"{"extensions": {"persistedQuery": {"sha256Hash": "unknown"}}}"#,
        "garbage",
    ];
    for other in others {
        ask(&mut client, other).await;
    }
    assert_eq!(counted(&house.at_rest("api").await), (3, json!({"not_idempotent": others.len()})));
    assert_eq!((house.legacy.count(), house.candidate.count()), (12, 3));
    assert_eq!(house.candidate.requests()[0].body, READ.as_bytes());

    let long = format!("{{\"query\": \"{{ a }}\", \"variables\": {{\"x\": \"{}\"}}}}", "x".repeat(3000));
    ask(&mut client, &long).await;
    assert_eq!(house.at_rest("api").await["counts"]["skipped"]["body_too_large"], 1);
    assert_eq!(house.candidate.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_says_in_its_url_what_it_asks_for() {
    let house = house().await;
    let mut client = house.client().await;
    for query in ["query=%7Ba%7D", "query=mutation%7Ba%7D", "query=%7Ba%7D&query=mutation%7Ba%7D", ""] {
        client.get(&format!("/graphql?{query}")).await.expect("an answer");
    }
    assert_eq!(counted(&house.at_rest("read").await), (1, json!({"not_idempotent": 3})));
    assert_eq!(house.candidate.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_mutation_is_accepted_and_not_run() {
    let house = house().await;
    for (body, matched) in [(json!({"query": "{ a }"}), 1), (json!({"query": "mutation { a }"}), 1)] {
        let request = json!({"method": "POST", "url": {"path": "graphql"}, "headers": {"Content-Type": "application/json"}, "body": body.to_string()});
        let response =
            json!({"status": 200, "headers": {"Content-Type": "application/json"}, "body": "{\"data\":{}}"});
        let accepted = post(
            house.running.control,
            "/consistency-checks",
            &json!({"request": request, "response": response}),
        )
        .await;
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        assert_eq!(house.at_rest("api").await["counts"]["matched"], matched);
    }
    assert_eq!(counted(&house.at_rest("api").await), (1, json!({"not_idempotent": 1})));
    assert_eq!(house.candidate.count(), 1);
}

/// The side sees the first half before the client has sent the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_streams_to_the_answering_side_before_it_is_known_what_it_asks() {
    let came = Arc::new(Notify::new());
    let told = Arc::clone(&came);
    let legacy = HttpService::start(Reached::default(), move |request: Request<Incoming>| {
        let told = Arc::clone(&told);
        async move {
            let mut body = request.into_body();
            let mut seen = Vec::new();
            while let Some(frame) = body.frame().await {
                seen.extend_from_slice(&frame.expect("a frame").into_data().unwrap_or_else(|_| Bytes::new()));
                told.notify_one();
            }
            assert_eq!(seen, READ.as_bytes());
            Response::new(whole("{}"))
        }
    });
    let candidate = HttpService::start(Reached::default(), |_| async { Response::new(whole("{}")) });
    let running =
        support::start(&legacy.url(), &candidate.url(), &format!("store: 'memory://'\n{OPERATIONS}")).await;
    let mut stream = TcpStream::connect(running.proxy).await.expect("the proxy listens");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        READ.len()
    );
    let (first, second) = READ.as_bytes().split_at(20);
    stream.write_all(&[head.as_bytes(), first].concat()).await.expect("the proxy reads");
    tokio::time::timeout(support::DEADLINE, came.notified())
        .await
        .expect("the first half, while the second is not sent");
    assert_eq!(candidate.asked().len(), 0);
    stream.write_all(second).await.expect("the proxy reads");
    let mut answer = Vec::new();
    tokio::time::timeout(support::DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let operation = support::at_rest(running.control, "api").await;
    assert_eq!(operation["counts"]["matched"], 1, "{operation}");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_counted_by_the_names_that_are_configured_and_the_document_has() {
    let operations = "operations: [{id: api, match: POST /graphql, graphql: {names: [Q, Read]}}]\n";
    let house = House::new(same("{\"data\":{}}"), same("{\"data\":{}}"), operations).await;
    let named = async |name: &str| {
        let metrics = house.metrics().await;
        let labels = [("operation_id", "api"), ("name", name), ("outcome", "matched")];
        support::sample(&metrics, "parallax_graphql_checks_total", &labels)
    };
    assert_eq!((named("Q").await, named("Read").await, named("other").await), (Some(0.0), Some(0.0), None));
    let mut client = house.client().await;
    ask(&mut client, READ).await;
    ask(&mut client, r#"{"query": "query Read { a } query Secret { b }", "operationName": "Read"}"#).await;
    ask(&mut client, r#"{"query": "query Secret { b }", "operationName": "Secret"}"#).await;
    ask(&mut client, r#"{"query": "{ b }"}"#).await;
    house.at_rest("api").await;
    assert_eq!(
        (named("Q").await, named("Read").await, named("other").await),
        (Some(1.0), Some(1.0), Some(2.0))
    );
    assert!(!house.metrics().await.contains("Secret"), "no label comes from traffic");
}
