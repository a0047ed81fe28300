//! The JSON object in the body of a request, taken apart field by field, so that whatever is
//! wrong is said with the name of the field. A field that nobody took is a mistake of the sender.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use http::{StatusCode, header};
use serde_json::{Map, Value};

use super::Problem;

/// Longest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// How long a request's body may take.
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);

/// The fields of a request that are not yet taken.
pub(super) struct Fields {
    object: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Reads a request's body.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body has to be JSON: send `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = read_body(request.into_body()).await?;
        let value = serde_json::from_slice(&body).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}"))
        })?;
        match value {
            Value::Object(object) => Ok(Self { object, known: Vec::new() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "the body has to be a JSON object"))
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.take(name, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// true or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.take(name, "true or false", |value| value.as_bool())
    }

    /// A number of something.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u64>, Problem> {
        self.take(name, "a whole number of 0 or more", |value| value.as_u64())
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some(unknown) = self.object.keys().next() else { return Ok(()) };
        let detail = format!("unknown field `{unknown}`; known are {}", self.known.join(", "));
        Err(Problem::field(unknown, detail))
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        kind: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        match self.object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let read =
                    read(value).ok_or_else(|| Problem::field(name, format!("`{name}` has to be {kind}")))?;
                Ok(Some(read))
            }
        }
    }
}

/// Whether a body claims to be JSON.
pub(super) fn is_json(headers: &http::HeaderMap) -> bool {
    essence(headers).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

/// The content type without its parameters, in lower case.
pub(super) fn essence(headers: &http::HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    kind.split(';').next().map(|essence| essence.trim().to_ascii_lowercase())
}

/// A body within the limits of size and time.
pub(super) async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let reading = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_BODY));
    match reading.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_large(&error) => {
            let detail = format!("the body is larger than {MAX_BODY} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error)
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}
