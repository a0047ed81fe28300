//! The body of an answer on its way to the client. It streams; what the check needs is kept on the
//! side, without copying and without ever making anyone wait.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::client::UnderWay;
use super::met::OnBreak;
use super::pending::PendingCheck;
use super::upload::Gate;
use super::watched::WatchedAnswer;
use crate::upstream::ResponseBody;

/// The body of an answer on its way to the client.
pub(super) struct AnswerBody {
    content: Content,
    /// The request is under way until its answer is sent, or given up.
    under_way: Option<UnderWay>,
    /// A body that its side has not asked for is not sent any more once it has answered.
    gate: Option<Arc<Gate>>,
    /// Told when the side breaks off.
    breaks: Option<OnBreak>,
}

enum Content {
    /// Passed through.
    Passed(ResponseBody),
    /// Passed through and kept for a check.
    Kept(Box<KeptAnswer>),
    /// Passed through, and told of at its end.
    Watched(Box<WatchedAnswer>),
    /// The proxy's own.
    Own(Option<Bytes>),
}

/// An answer's body that is kept while it passes. When it is dropped, the exchange is over: hyper
/// does not poll for the end of a body whose length it knows, so that the end is found here.
struct KeptAnswer {
    inner: ResponseBody,
    pending: Option<PendingCheck>,
    ended: bool,
    broken: bool,
}

impl KeptAnswer {
    fn new(inner: ResponseBody, pending: PendingCheck) -> Self {
        // Noted as soon as it is so: a side that answers before it has read the request may reset the stream
        // right afterwards, and then the end is forgotten.
        let ended = inner.is_end_stream();
        Self { inner, pending: Some(pending), ended, broken: false }
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
    fn of(content: Content) -> Self {
        Self { content, under_way: None, gate: None, breaks: None }
    }

    /// The side's, passed through.
    pub(crate) fn passed(inner: ResponseBody) -> Self {
        Self::of(Content::Passed(inner))
    }

    /// The side's, kept for a check while it passes.
    pub(crate) fn kept(inner: ResponseBody, pending: PendingCheck) -> Self {
        Self::of(Content::Kept(Box::new(KeptAnswer::new(inner, pending))))
    }

    /// The same, watched to its end.
    pub(super) fn watched(watched: WatchedAnswer) -> Self {
        Self::of(Content::Watched(Box::new(watched)))
    }

    /// The proxy's own text.
    pub(crate) fn own(text: impl Into<Bytes>) -> Self {
        Self::of(Content::Own(Some(text.into())))
    }

    /// The same, with the request under way until it is sent.
    pub(crate) fn while_under_way(mut self, under_way: UnderWay) -> Self {
        self.under_way = Some(under_way);
        self
    }

    /// The same; this is told when the side breaks off.
    pub(super) fn or_break(mut self, told: Option<OnBreak>) -> Self {
        self.breaks = told;
        self
    }

    /// The same; with its end the request's body is not wanted any more.
    pub(crate) fn closing(mut self, gate: Option<Arc<Gate>>) -> Self {
        self.gate = gate;
        self
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.not_wanted();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(match &mut self.content {
            Content::Passed(inner) => Pin::new(inner).poll_frame(context),
            Content::Kept(kept) => kept.poll(context),
            Content::Watched(watched) => watched.poll(context),
            Content::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        });
        if matches!(frame, Some(Err(_)))
            && let Some(told) = self.breaks.take()
        {
            told.tell();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Passed(inner) => inner.is_end_stream(),
            Content::Kept(kept) => kept.inner.is_end_stream(),
            Content::Watched(watched) => watched.is_end_stream(),
            Content::Own(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Passed(inner) => inner.size_hint(),
            Content::Kept(kept) => kept.inner.size_hint(),
            Content::Watched(watched) => watched.size_hint(),
            Content::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
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
        self.ended |= self.inner.is_end_stream();
        Poll::Ready(frame)
    }
}

/// Service errors do not exist: whatever goes wrong becomes an answer.
pub(crate) type Never = Infallible;
