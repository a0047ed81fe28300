//! The body of an answer that somebody wants to know of: counted while it passes, and its account
//! closed when it is gone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Method;
use http_body::{Body as _, Frame, SizeHint};

use super::account::Account;
use super::body::AnswerBody;
use crate::access_log::Outcome;

/// An answer's body with its account.
pub(super) struct WatchedAnswer {
    inner: AnswerBody,
    account: Box<Account>,
    ended: bool,
    broken: bool,
}

impl WatchedAnswer {
    pub(super) fn new(inner: AnswerBody, account: Box<Account>) -> Self {
        let ended = inner.is_end_stream();
        Self { inner, account, ended, broken: false }
    }

    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => self.account.bytes_out += data.len() as u64,
                None => self.ended = true,
            },
            Some(Err(_)) => self.broken = true,
            None => self.ended = true,
        }
        self.ended |= self.inner.is_end_stream();
        Poll::Ready(frame)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// hyper does not poll for the end of a body whose length it knows, nor at all where the answer has
/// none, so that the end is found here.
impl Drop for WatchedAnswer {
    fn drop(&mut self) {
        self.account.outcome = if self.broken {
            Outcome::SideBrokeOff
        } else if self.ended || self.inner.is_end_stream() || self.account.method == Method::HEAD {
            Outcome::Complete
        } else {
            Outcome::ClientAborted
        };
        // What is kept for a check finds its fate now, before the account tells of it.
        self.inner = AnswerBody::own(Bytes::new());
    }
}
