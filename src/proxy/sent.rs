//! What is known of a request's body on its way to the answering side.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::client::Client;
use super::upload::{Gate, SharedCapture, Upload, UploadLimits};
use crate::upstream::RequestBody;

/// What is known of a request's body on its way.
#[derive(Default)]
pub(super) struct Sent {
    /// What is kept of it; none where there is no body.
    pub(super) capture: Option<SharedCapture>,
    /// Holds it back, where the client waits to be told that it is wanted.
    pub(super) gate: Option<Arc<Gate>>,
    /// Whether the client can be told something before the answer.
    pub(super) hears_interim: bool,
}

impl Sent {
    /// The body, as the side is sent it.
    pub(super) fn body(
        &self,
        incoming: Incoming,
        client: &Arc<Client>,
        mut limits: UploadLimits,
        headers: &HeaderMap,
    ) -> RequestBody {
        let Some(capture) = &self.capture else { return RequestBody::Empty };
        if is_grpc(headers) {
            // A call may rest for as long as both ends like.
            limits.rate = 0;
        }
        let upload = Upload::new(incoming, Arc::clone(client), Arc::clone(capture), limits);
        RequestBody::Streamed(Box::pin(upload.behind(self.gate.clone())))
    }

    /// Says how a body of unknown length is framed, and that it waits to be wanted. Without the
    /// first, the body of a GET would be taken for none (RFC 9112 section 6.3).
    pub(super) fn frame(&self, headers: &mut HeaderMap, body: &RequestBody) {
        let streamed = matches!(body, RequestBody::Streamed(_));
        if streamed && body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if self.gate.is_some() {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
    }

    /// When it was sent to its end, if it was; none where there is no body.
    pub(super) fn at(&self) -> Option<Option<Instant>> {
        self.capture.as_ref().map(sent_at)
    }

    /// From the request fully sent to now. Where the answer came before the request was fully sent,
    /// the side took no time.
    pub(super) fn latency_since(&self, began: Instant) -> Duration {
        match self.at() {
            None => began.elapsed(),
            Some(sent) => sent.map_or(Duration::ZERO, |sent| sent.max(began).elapsed()),
        }
    }
}

fn sent_at(capture: &SharedCapture) -> Option<Instant> {
    capture.lock().unwrap_or_else(PoisonError::into_inner).sent()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
