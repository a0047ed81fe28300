//! Bodies on their way through. They stream in both directions; what the check needs is kept on
//! the side, without copying and without ever making anyone wait.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::capture::RequestCapture;
use super::pending::PendingCheck;
use super::watched::WatchedAnswer;

/// A request's capture, shared between its body (owned by the upstream connection) and the check
/// that is made when the answer is complete. Locked by one thread only, never for long.
pub(crate) type SharedCapture = Arc<Mutex<RequestCapture>>;

/// A request's body that is kept while it passes.
pub(crate) struct KeptRequest {
    inner: Incoming,
    capture: SharedCapture,
}

impl KeptRequest {
    pub(crate) fn new(inner: Incoming, capture: SharedCapture) -> Self {
        Self { inner, capture }
    }
}

impl Body for KeptRequest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    capture.push(data);
                }
                if self.inner.is_end_stream() {
                    capture.complete(Instant::now());
                }
            }
            Some(Err(_)) => {}
            None => capture.complete(Instant::now()),
        }
        drop(capture);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer on its way to the client.
pub(super) enum AnswerBody {
    /// Passed through.
    Passed(Incoming),
    /// Passed through and kept for a check.
    Kept(Box<KeptAnswer>),
    /// Passed through, and told of at its end.
    Watched(Box<WatchedAnswer>),
    /// The proxy's own.
    Own(Option<Bytes>),
}

/// An answer's body that is kept while it passes. When it is dropped, the exchange is over: hyper
/// does not poll for the end of a body whose length it knows, so that the end is found here.
pub(super) struct KeptAnswer {
    inner: Incoming,
    pending: Option<PendingCheck>,
    ended: bool,
    broken: bool,
}

impl KeptAnswer {
    pub(crate) fn new(inner: Incoming, pending: PendingCheck) -> Self {
        Self { inner, pending: Some(pending), ended: false, broken: false }
    }
}

impl Drop for KeptAnswer {
    fn drop(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        if self.ended || self.inner.is_end_stream() {
            pending.complete();
        } else if self.broken {
            pending.side_broke_off();
        } else {
            pending.client_went_away();
        }
    }
}

impl AnswerBody {
    /// The proxy's own text.
    pub(crate) fn own(text: impl Into<Bytes>) -> Self {
        Self::Own(Some(text.into()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Passed(inner) => Pin::new(inner).poll_frame(context),
            Self::Kept(kept) => kept.poll(context),
            Self::Watched(watched) => watched.poll(context),
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed(inner) => inner.is_end_stream(),
            Self::Kept(kept) => kept.inner.is_end_stream(),
            Self::Watched(watched) => watched.is_end_stream(),
            Self::Own(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed(inner) => inner.size_hint(),
            Self::Kept(kept) => kept.inner.size_hint(),
            Self::Watched(watched) => watched.size_hint(),
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

impl KeptAnswer {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match (&frame, &mut self.pending) {
            (Some(Ok(frame)), Some(pending)) => {
                if let Some(data) = frame.data_ref() {
                    pending.keep(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    pending.keep_trailers(trailers);
                    self.ended = true;
                }
            }
            (Some(Err(_)), _) => self.broken = true,
            (None, _) => self.ended = true,
            (Some(Ok(_)), None) => {}
        }
        Poll::Ready(frame)
    }
}

/// Service errors do not exist: whatever goes wrong becomes an answer.
pub(crate) type Never = Infallible;
