//! What is kept of a body while it passes: its pieces, within the operation's limit and the
//! budget. Over the limit a request's body is given up; an answer's is hashed as it passes, so
//! that two large answers can still be found equal.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, header};
use parallax_core::format::DigestStream;
use parallax_core::verdict::Skip;

use crate::queue::{CapturedBody, Chunks, Reservation};

/// A request's body while it passes.
#[derive(Debug)]
pub(crate) struct RequestCapture {
    kept: Result<Chunks, Skip>,
    limit: usize,
    reservation: Reservation,
    sent: Option<Instant>,
    length: u64,
}

impl RequestCapture {
    pub(crate) fn new(limit: usize, reservation: Reservation) -> Self {
        Self { kept: Ok(Chunks::default()), limit, reservation, sent: None, length: 0 }
    }

    /// Keeps nothing and only notes when the body was sent.
    pub(crate) fn of_nothing(reason: Skip, reservation: Reservation) -> Self {
        Self { kept: Err(reason), limit: 0, reservation, sent: None, length: 0 }
    }

    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.length += piece.len() as u64;
        let Ok(chunks) = &mut self.kept else { return };
        if chunks.length() + piece.len() > self.limit {
            self.give_up(Skip::BodyTooLarge);
        } else if self.reservation.grow(piece.len()) {
            chunks.push(piece.clone());
        } else {
            self.give_up(Skip::Overload);
        }
    }

    fn give_up(&mut self, reason: Skip) {
        self.kept = Err(reason);
        self.reservation.release();
    }

    /// Bytes that have passed, kept or not.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The body was sent to its end.
    pub(crate) fn complete(&mut self, now: Instant) {
        self.sent = Some(now);
    }

    /// When the body was sent to its end, if it was.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.sent
    }

    /// The whole body, unless it was given up. A side may answer before it has read the request
    /// to its end; then there is no complete request to ask the other side.
    pub(crate) fn take(&mut self) -> Result<(Chunks, Reservation), Skip> {
        let kept = std::mem::replace(&mut self.kept, Err(Skip::ClientAborted));
        let chunks = kept?;
        if self.sent.is_none() {
            return Err(Skip::ClientAborted);
        }
        let empty = self.reservation.empty();
        Ok((chunks, std::mem::replace(&mut self.reservation, empty)))
    }
}

/// An answer's body while it passes.
pub(crate) struct AnswerCapture {
    state: AnswerState,
    limit: usize,
    reservation: Reservation,
}

enum AnswerState {
    Keeping(Chunks),
    /// The hash of what was hashed, and the pieces that are not yet.
    Hashing(Box<DigestStream>, VecDeque<Bytes>),
    GivenUp(Skip),
}

/// Pieces that are hashed for each that comes. More than one, so that the pieces that were kept
/// until the limit was passed are worked off; not all at once, because clients wait meanwhile. The
/// runner hashes what is left at the end.
const HASHED_AT_ONCE: usize = 2;

impl AnswerCapture {
    pub(crate) fn new(limit: usize, reservation: Reservation) -> Self {
        Self { state: AnswerState::Keeping(Chunks::default()), limit, reservation }
    }

    pub(crate) fn push(&mut self, piece: &Bytes, headers: &HeaderMap) {
        match &mut self.state {
            AnswerState::Keeping(chunks) if chunks.length() + piece.len() > self.limit => {
                let digest = Box::new(DigestStream::new(headers.get_all(header::CONTENT_ENCODING)));
                let mut rest: VecDeque<Bytes> = std::mem::take(chunks).into_pieces().collect();
                rest.push_back(piece.clone());
                self.state = AnswerState::Hashing(digest, rest);
            }
            AnswerState::Keeping(chunks) if self.reservation.grow(piece.len()) => chunks.push(piece.clone()),
            AnswerState::Keeping(_) => {
                self.state = AnswerState::GivenUp(Skip::Overload);
                self.reservation.release();
            }
            AnswerState::Hashing(digest, rest) => {
                rest.push_back(piece.clone());
                for piece in rest.drain(..HASHED_AT_ONCE.min(rest.len())) {
                    digest.update(&piece);
                }
                if rest.is_empty() {
                    self.reservation.release();
                }
            }
            AnswerState::GivenUp(_) => {}
        }
    }

    /// What was captured of a complete body.
    pub(crate) fn finish(self) -> Result<(CapturedBody, Reservation), Skip> {
        let body = match self.state {
            AnswerState::Keeping(chunks) => CapturedBody::Whole(chunks),
            AnswerState::Hashing(digest, rest) => CapturedBody::Hashing(digest, rest),
            AnswerState::GivenUp(reason) => return Err(reason),
        };
        Ok((body, self.reservation))
    }
}
