//! The body of an answer on its way from a side.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http2::Stream;

/// The body of an answer on its way from a side. Dropping it before its end closes an HTTP/1.1
/// connection, and cancels the one stream of an HTTP/2 connection.
#[derive(Debug)]
pub struct ResponseBody {
    inner: Incoming,
    /// The stream's place on its connection, which is free once the body is read or dropped.
    _stream: Option<Stream>,
}

impl ResponseBody {
    pub(super) fn alone(inner: Incoming) -> Self {
        Self { inner, _stream: None }
    }

    pub(super) fn on(stream: Stream, inner: Incoming) -> Self {
        Self { inner, _stream: Some(stream) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
