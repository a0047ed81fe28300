//! A client of the made-up control listener, in the process itself.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use parallax::config::{Role, Secret, Token};
use tower::ServiceExt as _;

/// The address at which the listener believes to be reached.
pub(crate) const HOST: &str = "127.0.0.1:9900";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header, empty when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }
}

/// Sends a request with these headers; `Host` is the listener's own unless it is among them.
pub(crate) async fn send(
    router: &axum::Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", HOST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 16 * 1024 * 1024).await.expect("a body");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    Answer { status: parts.status, headers: parts.headers, text }
}

/// Reads a path.
pub(crate) async fn get(router: &axum::Router, path: &str) -> Answer {
    send(router, "GET", path, &[], "").await
}

/// Reads a path as a browser does.
pub(crate) async fn browse(router: &axum::Router, path: &str, cookie: &str) -> Answer {
    send(router, "GET", path, &[("accept", "text/html,*/*"), ("cookie", cookie)], "").await
}

/// Posts JSON as a program does.
pub(crate) async fn post(router: &axum::Router, path: &str, body: &str) -> Answer {
    send(router, "POST", path, &[("content-type", "application/json")], body).await
}

/// Posts a form as a page of ours does.
pub(crate) async fn submit(router: &axum::Router, path: &str, cookie: &str, form: &str) -> Answer {
    let headers = [
        ("accept", "text/html,*/*"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "http://127.0.0.1:9900"),
        ("cookie", cookie),
    ];
    send(router, "POST", path, &headers, form).await
}

/// The form token in a page.
pub(crate) fn form_token(page: &str) -> String {
    let rest = page.split("name=\"form_token\" value=\"").nth(1).expect("a form with its token");
    rest.split('"').next().expect("a value").to_owned()
}

/// A token for each role; the secret is `secret of` and the name.
pub(crate) fn tokens() -> Vec<Token> {
    let token = |name: &str, role| Token {
        name: name.to_owned(),
        role,
        secret: Secret::from(format!("secret of {name}").as_str()),
    };
    vec![token("grafana", Role::Viewer), token("anna", Role::Operator), token("monolith", Role::Intake)]
}
