//! An entry of an HTTP archive (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>).
//!
//! Only what a check needs is read; everything else, such as timings, comments and the fields of one
//! browser (`_initiator`), is passed over. The URL names the host that the browser asked: it is taken
//! off, since the one to ask comes from elsewhere. Bodies are written down decoded, so that
//! `Content-Encoding` says nothing any more.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use super::split::Piece;
use super::{Found, Recorded, Unusable};
use crate::document::{Document, NodeId, NodeKind};
use crate::exchange::{Answer, Body, Request};
use crate::format;
use crate::posted::fields::{must, required, text, wrong_kind};
use crate::posted::headers::Collected;
use crate::posted::malformed::wrong;
use crate::posted::{Malformed, Posted, from_base64, method_of, parsed, target};

/// What is wrong with an entry, or why it is none.
enum Not {
    Usable(Unusable),
    InOrder(Malformed),
}

impl From<Malformed> for Not {
    fn from(error: Malformed) -> Self {
        Self::InOrder(error)
    }
}

pub(super) fn entry(piece: &Piece) -> Found {
    let read = parsed(&piece.bytes).map_err(Not::from).and_then(|document| exchange(&document));
    match read {
        Ok((host, posted)) => Found::Check(Box::new(Recorded { line: piece.line, host: Some(host), posted })),
        Err(Not::Usable(why)) => Found::Unusable { line: piece.line, why },
        Err(Not::InOrder(error)) => Found::Broken(piece.placed(error)),
    }
}

fn exchange(document: &Document) -> Result<(String, Posted), Not> {
    let root = document.root();
    must(document, root, NodeKind::Object, "an entry with request and response")?;
    let request = object(document, root, "request")?;
    let response = object(document, root, "response")?;
    let (host, request) = read_request(document, request)?;
    let answer = read_answer(document, response, &request.method)?;
    Ok((host, Posted { id: None, operation_id: None, request, answer }))
}

fn read_request(document: &Document, node: NodeId) -> Result<(String, Request), Not> {
    let name = required(document, node, "method", member(document, node, "method"))?;
    let method = method_of(&text(document, name)?)
        .map_err(|remedy| wrong(document, name, "this is no method that can be asked", remedy))?;
    let url = required(document, node, "url", member(document, node, "url"))?;
    let (host, path) = {
        let url = text(document, url)?;
        let parts = host_and_path(&url).ok_or(Not::Usable(Unusable::NoHttp))?;
        (parts.0.to_owned(), parts.1.to_owned())
    };
    let target = target(&path).map_err(|error| wrong(document, url, error.to_string(), error.remedy()))?;
    let mut headers = headers(document, node)?.of_a_request();
    let post_data = member(document, node, "postData");
    let body = post_data.map(|data| body(document, data, &mut headers)).transpose()?.flatten();
    let has_body = member(document, node, "bodySize").is_some_and(|size| is_positive(document, size));
    let params = post_data.and_then(|data| member(document, data, "params"));
    let has_params = params.is_some_and(|params| document.elements(params).next().is_some());
    let body = body.unwrap_or_default();
    if body.is_empty() && (has_body || has_params) {
        return Err(Not::Usable(Unusable::NoBody));
    }
    Ok((host, Request { method, target, headers, body }))
}

fn read_answer(document: &Document, node: NodeId, method: &Method) -> Result<Answer, Not> {
    let number = required(document, node, "status", member(document, node, "status"))?;
    must(document, number, NodeKind::Number, "a number")?;
    let status = match document.text(number).parse::<u16>() {
        // Browsers write 0 where there was no answer.
        Ok(0) | Err(_) => return Err(Not::Usable(Unusable::Aborted)),
        Ok(101) => return Err(Not::Usable(Unusable::Upgrade)),
        Ok(status) => Some(status).filter(|status| (200..=599).contains(status)),
    };
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| {
        wrong(document, number, "this is no status of an answer", "record the final answer, from 200 to 599")
    })?;
    let mut headers = headers(document, node)?.of_an_answer();
    let content = member(document, node, "content");
    let body = content.map(|content| body(document, content, &mut headers)).transpose()?.flatten();
    let has_body = content
        .and_then(|content| member(document, content, "size"))
        .is_some_and(|size| is_positive(document, size));
    let bodiless = *method == Method::HEAD || matches!(status.as_u16(), 204 | 304);
    let body = body.unwrap_or_default();
    if body.is_empty() && has_body && !bodiless {
        return Err(Not::Usable(Unusable::NoBody));
    }
    Ok(Answer { status, headers, body: Body::Whole(body), trailers: None })
}

/// Host and path of a URL in http or https, without its fragment.
pub(super) fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some((authority.rsplit('@').next().unwrap_or_default(), path))
}

/// The headers of a message, without the pseudo-headers of HTTP/2.
fn headers(document: &Document, message: NodeId) -> Result<Collected, Malformed> {
    let mut collected = Collected::default();
    let Some(list) = member(document, message, "headers") else { return Ok(collected) };
    for pair in document.elements(list) {
        let name = required(document, pair, "name", member(document, pair, "name"))?;
        let value = required(document, pair, "value", member(document, pair, "value"))?;
        let (name_text, values) = (text(document, name)?, text(document, value)?);
        if name_text.starts_with(':') {
            continue;
        }
        // Some browsers write several lines of a name as one.
        for line in values.split('\n') {
            let added = collected.add(name_text.as_bytes(), line.as_bytes());
            added.map_err(|_| {
                wrong(document, value, "this header could not be sent", "leave it out of the recording")
            })?;
        }
    }
    Ok(collected)
}

/// The bytes of a body that is written down as text, or nothing where it is not. Some recorders write
/// an empty text where they have none; whether that is so, its size says.
fn body(document: &Document, node: NodeId, headers: &mut HeaderMap) -> Result<Option<Bytes>, Malformed> {
    let Some(written) = member(document, node, "text") else { return Ok(None) };
    let encoding = member(document, node, "encoding").map(|encoding| text(document, encoding)).transpose()?;
    let words = text(document, written)?;
    let bytes = if encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
        from_base64(&words).ok_or_else(|| wrong(document, written, "this is no base64", "record it again"))?
    } else {
        let problem = "this has a character that the charset of its `Content-Type` has not";
        format::bytes_of(headers, &words)
            .ok_or_else(|| wrong(document, written, problem, "record it as base64"))?
    };
    if headers.remove(header::CONTENT_ENCODING).is_some() {
        headers.remove(header::CONTENT_LENGTH);
    }
    Ok(Some(bytes))
}

fn is_positive(document: &Document, node: NodeId) -> bool {
    document.kind(node) == NodeKind::Number && document.text(node).parse::<f64>().is_ok_and(|size| size > 0.0)
}

fn object(document: &Document, node: NodeId, name: &str) -> Result<NodeId, Malformed> {
    let found = required(document, node, name, member(document, node, name))?;
    if document.kind(found) != NodeKind::Object {
        return Err(wrong_kind(document, found, "an object"));
    }
    Ok(found)
}

/// A member by its name; `null` is the same as nothing.
fn member(document: &Document, node: NodeId, name: &str) -> Option<NodeId> {
    let found = document.members(node).find(|&(known, _)| document.text(known) == name);
    found.map(|(_, value)| value).filter(|&value| document.kind(value) != NodeKind::Null)
}
