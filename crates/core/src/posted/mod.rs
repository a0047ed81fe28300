//! The article's payload: a request that a monolith has answered, with its answer, posted to
//! `POST /consistency-checks` or written down in a file.
//!
//! It comes from another program, so it is data and nothing else: it says *what* was asked, never
//! *where*. Its path becomes a target in origin form and its `Host` is dropped, because the authority
//! comes from the configuration alone; what belongs to one connection is dropped, because the payload
//! is none. What is not understood is refused with its place, in the text and in the tree, and never
//! guessed: a check that asks for something else than the client did proves nothing. No message
//! repeats a value of the payload; names it does, shortened.

mod batch;
mod body;
pub(crate) mod fields;
pub(crate) mod headers;
mod id;
pub(crate) mod malformed;
mod path;

use bytes::Bytes;
use http::{Method, StatusCode};

pub use batch::{Batch, read_batch};
pub(crate) use body::from_base64;
pub use id::{PostedId, PostedIdError};
pub use malformed::Malformed;
pub use path::{MAX_TARGET, TargetError, target};

use crate::document::{self, Document, NodeId, NodeKind, ReadError};
use crate::exchange::{Answer, Body, Request};
use crate::operation::OperationId;
use fields::{members, must, required, text};
use malformed::wrong;

/// Most values and names of one payload, those of a JSON body with them.
pub const MAX_NODES: usize = 2_000_000;

/// A request with the answer that it got, read from a payload.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The poster's own name for it: what is posted again under the same one is the same check.
    pub id: Option<PostedId>,
    /// The operation, where the payload names it; otherwise the request tells.
    pub operation_id: Option<OperationId>,
    /// What was asked: end-to-end headers only, no `Host`, nothing that frames the body.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
}

/// Reads one payload: a JSON object.
///
/// ```
/// let article = br#"{
///   "request":  {"method": "GET", "url": {"path": "api/example?param=something"},
///                "headers": {"Accept-Language": "de-DE", "Host": "monolith"}, "body": null},
///   "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": "{\"a\":1}"}
/// }"#;
/// let posted = parallax_core::posted::read(article).unwrap();
/// assert_eq!(posted.request.target, "/api/example?param=something");
/// assert_eq!(posted.request.headers.len(), 1);
/// assert_eq!(posted.answer.body.held_bytes(), 7);
/// ```
///
/// # Errors
/// The first place that is not in order, and what to do about it.
pub fn read(bytes: &[u8]) -> Result<Posted, Malformed> {
    let document = parsed(bytes)?;
    payload(&document, document.root())
}

/// The tree of a JSON text.
pub(crate) fn parsed(bytes: &[u8]) -> Result<Document, Malformed> {
    document::read(Bytes::copy_from_slice(bytes), MAX_NODES).map_err(|error| unread(bytes, error))
}

fn unread(bytes: &[u8], error: ReadError) -> Malformed {
    match error {
        ReadError::Syntax { offset } if std::str::from_utf8(bytes).is_err() => Malformed::at(
            bytes,
            offset,
            "this is no UTF-8",
            "encode the payload in UTF-8, and bytes as base64",
        ),
        ReadError::Syntax { offset } if offset >= bytes.len() => {
            Malformed::at(bytes, offset, "the JSON ends too early", "post one complete JSON object")
        }
        ReadError::Syntax { offset } => {
            Malformed::at(bytes, offset, "this is no JSON from here on", "post one JSON object (RFC 8259)")
        }
        ReadError::Depth { offset } => {
            let problem = format!("this is nested more than {} deep", document::DEPTH_LIMIT);
            Malformed::at(bytes, offset, problem, "give a body that is nested so deeply as a string")
        }
        ReadError::Nodes { offset } => {
            let problem = format!("there are more than {MAX_NODES} values");
            Malformed::at(bytes, offset, problem, "give a body that is so large as a string")
        }
    }
}

/// The payload at a node of a document.
fn payload(document: &Document, node: NodeId) -> Result<Posted, Malformed> {
    const KEYS: [&str; 4] = ["request", "response", "id", "operation_id"];
    let [request, response, id, operation_id] = members(document, node, KEYS)?;
    let request = required(document, node, "request", request)?;
    let response = required(document, node, "response", response)?;
    Ok(Posted {
        id: id.map(|id| named(document, id)).transpose()?,
        operation_id: operation_id.map(|id| named(document, id)).transpose()?,
        request: read_request(document, request)?,
        answer: read_answer(document, response)?,
    })
}

fn named<T>(document: &Document, node: NodeId) -> Result<T, Malformed>
where
    T: std::str::FromStr<Err: Remedied>,
{
    let text = text(document, node)?;
    text.parse().map_err(|error: T::Err| wrong(document, node, error.problem(), error.remedy()))
}

/// An error that says what is wrong without the text that it is about.
trait Remedied {
    fn problem(&self) -> &'static str;
    fn remedy(&self) -> &'static str;
}

impl Remedied for PostedIdError {
    fn problem(&self) -> &'static str {
        "this is no id"
    }
    fn remedy(&self) -> &'static str {
        "use 1 to 128 printable ASCII characters without spaces, such as a UUID"
    }
}

impl Remedied for crate::operation::OperationIdError {
    fn problem(&self) -> &'static str {
        "this is no operation id"
    }
    fn remedy(&self) -> &'static str {
        "give the `id` of an operation in the configuration, or leave it out: method and path tell"
    }
}

fn read_request(document: &Document, node: NodeId) -> Result<Request, Malformed> {
    const KEYS: [&str; 5] = ["method", "url", "headers", "body", "body_encoding"];
    let [method, url, headers, body, encoding] = members(document, node, KEYS)?;
    let method = read_method(document, required(document, node, "method", method)?)?;
    let url = required(document, node, "url", url)?;
    let [path] = members(document, url, ["path"])?;
    let path = required(document, url, "path", path)?;
    let target = target(&text(document, path)?)
        .map_err(|error| wrong(document, path, error.to_string(), error.remedy()))?;
    let mut headers = headers::read(document, headers)?.of_a_request();
    let body = body::read(document, body, encoding, &mut headers)?;
    Ok(Request { method, target, headers, body })
}

fn read_answer(document: &Document, node: NodeId) -> Result<Answer, Malformed> {
    const KEYS: [&str; 4] = ["status", "headers", "body", "body_encoding"];
    let [status, headers, body, encoding] = members(document, node, KEYS)?;
    let status = read_status(document, required(document, node, "status", status)?)?;
    let mut headers = headers::read(document, headers)?.of_an_answer();
    let body = Body::Whole(body::read(document, body, encoding, &mut headers)?);
    Ok(Answer { status, headers, body, trailers: None })
}

fn read_method(document: &Document, node: NodeId) -> Result<Method, Malformed> {
    method_of(&text(document, node)?).map_err(|remedy| {
        wrong(document, node, "this is no method that can be asked of the other side", remedy)
    })
}

/// The method of this name. Methods know case (RFC 9110 section 9.1), but nobody who writes `get`
/// means another one, and the usual clients send it as `GET`.
pub(crate) fn method_of(name: &str) -> Result<Method, &'static str> {
    const USUAL: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ];
    const LONGEST: usize = 32;
    if let Some(usual) = USUAL.iter().find(|usual| usual.as_str().eq_ignore_ascii_case(name)) {
        return Ok(usual.clone());
    }
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| name.eq_ignore_ascii_case(refused)) {
        return Err("leave such requests out: they are about the connection and have no answer to compare");
    }
    let method = (name.len() <= LONGEST).then(|| Method::from_bytes(name.as_bytes()).ok()).flatten();
    method.ok_or("use a method such as `GET`: a token of at most 32 characters (RFC 9110 section 9.1)")
}

fn read_status(document: &Document, node: NodeId) -> Result<StatusCode, Malformed> {
    must(document, node, NodeKind::Number, "a number")?;
    let digits = document.text(node);
    let status = (digits.len() == 3).then(|| digits.parse::<u16>().ok()).flatten();
    let status = status.filter(|status| (200..=599).contains(status));
    status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(|| {
        let remedy = "give the status of the final answer, a whole number from 200 to 599";
        wrong(document, node, "this is no status of an answer", remedy)
    })
}

#[cfg(test)]
mod tests;
