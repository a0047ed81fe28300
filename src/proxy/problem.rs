//! What the client is told when the answering side gave no answer: RFC 9457 problem details that
//! name the side and the cause.

use http::{HeaderValue, Response, StatusCode, header};
use parallax_core::exchange::Side;
use parallax_core::verdict::Cause;
use parallax_core::wire::Refusal;

use super::body::AnswerBody;
use crate::upstream::Fault;

/// The answer for a side that gave none: 504 when it took too long, otherwise 502.
pub(crate) fn no_answer(side: Side, fault: &Fault) -> Response<AnswerBody> {
    let status =
        if fault.cause == Cause::Timeout { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    let more = serde_json::json!({ "side": side, "cause": fault.cause });
    details(status, &format!("{side} gave no answer: {}", meaning(fault.cause)), more)
}

/// The answer to a connection beyond `limits.connections`.
pub(crate) const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The answer to a request that is not taken. The connection ends with it: what follows a message
/// that breaks the grammar may be anything.
pub(crate) fn refused(refusal: Refusal) -> Response<AnswerBody> {
    let mut response = details(refusal.status(), refusal.detail(), serde_json::Value::Null);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if refusal == Refusal::Method {
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A problem of the proxy's own, with members beside the usual ones.
pub(crate) fn details(status: StatusCode, detail: &str, more: serde_json::Value) -> Response<AnswerBody> {
    let mut problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(problem), serde_json::Value::Object(more)) = (problem.as_object_mut(), more) {
        problem.extend(more);
    }
    let mut response = Response::new(AnswerBody::own(problem.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The cause in words. Addresses and library messages go to the log, not to the client.
fn meaning(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused => "the connection was refused",
        Cause::Timeout => "it took too long",
        Cause::Reset => "the connection broke off",
        Cause::Dns => "its name could not be resolved",
        Cause::Tls => "the TLS handshake failed",
        Cause::Protocol => "it does not speak HTTP",
        Cause::Both5xx
        | Cause::TooLarge
        | Cause::Undecodable
        | Cause::Budget
        | Cause::Stale
        | Cause::Flaky
        | Cause::DeadLetter => "the exchange failed",
    }
}
