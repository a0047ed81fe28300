//! Requests that are refused before anybody is asked: methods that a reverse proxy does not pass
//! on, and heads beyond the configured limits (RFC 9110 sections 9.3.6, 9.3.8 and 15.5).

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::body::AnswerBody;
use super::problem;
use crate::config::Limits;

/// The refusal, when there is a reason for one.
pub(crate) fn refuse<B>(request: &Request<B>, limits: &Limits) -> Option<Response<AnswerBody>> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        let mut response =
            refusal(StatusCode::METHOD_NOT_ALLOWED, "this proxy passes on neither CONNECT nor TRACE");
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(header::ALLOW, allowed);
        return Some(response);
    }
    if target > limits.uri_bytes {
        return Some(refusal(StatusCode::URI_TOO_LONG, "the request's target is longer than `limits.uri`"));
    }
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    if target + fields.sum::<usize>() > limits.head_bytes {
        let detail = "the request's head is longer than `limits.head`";
        return Some(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    None
}

fn refusal(status: StatusCode, detail: &str) -> Response<AnswerBody> {
    problem::details(status, detail, serde_json::Value::Null)
}
