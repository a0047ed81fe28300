//! Requests that are refused before anybody is asked. Those of HTTP/1 were held against the grammar
//! byte by byte already; of HTTP/2 the library keeps the frames, and what remains is what a request
//! may say (RFC 9113 section 8.3.1, RFC 9110).

use http::{Method, Request, header};
use parallax_core::wire::{Refusal, is_host};

use super::limits::Limits;

/// The refusal of an HTTP/2 request, when there is a reason for one.
pub(crate) fn refuse<B>(request: &Request<B>, limits: &Limits) -> Option<Refusal> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Some(Refusal::Method);
    }
    if target > limits.message.uri {
        return Some(Refusal::Target);
    }
    if request.uri().path() == "*" && request.method() != Method::OPTIONS {
        return Some(Refusal::Malformed("`*` is a target of OPTIONS alone"));
    }
    let headers = request.headers();
    if headers.len() > limits.message.headers {
        return Some(Refusal::Fields);
    }
    if headers
        .get(header::EXPECT)
        .is_some_and(|expected| !expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Some(Refusal::Expectation);
    }
    if length_of(request).is_some_and(|length| length > limits.message.body) {
        return Some(Refusal::Body);
    }
    host_problem(request).map(Refusal::Malformed)
}

fn length_of<B>(request: &Request<B>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Two names for one thing are one too many, unless they are the same.
fn host_problem<B>(request: &Request<B>) -> Option<&'static str> {
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Some("there is more than one `Host`");
    }
    match (authority, first.map(http::HeaderValue::as_bytes)) {
        (None, None) => Some("there is neither `:authority` nor `Host`"),
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Some("`:authority` and `Host` name different hosts")
        }
        (authority, host) => {
            (!authority.or(host).is_some_and(is_host)).then_some("`:authority` names no host")
        }
    }
}
