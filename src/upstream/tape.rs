//! A request's body that can be sent again from its beginning, as long as it is short: what was
//! read of it is kept beside the stream that the rest comes from.
//!
//! Over HTTP/2 a side may say of a request that it never looked at it (RFC 9113 section 8.7),
//! after part of its body was sent. Such a request may go elsewhere, and with this it can.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::BodyError;

/// Bytes of a body that are kept, at most.
const LONGEST_BYTES: usize = 64 * 1024;

/// A body that is streamed from a client.
pub(super) type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>;

/// What was read of a body, and where the rest comes from.
#[derive(Clone)]
pub(super) struct Tape(Arc<Mutex<State>>);

struct State {
    source: Streamed,
    hint: SizeHint,
    played: VecDeque<Piece>,
    bytes: usize,
    /// How many of the pieces the present reader has had.
    at: usize,
    keeps: bool,
    failed: bool,
    reader: u64,
}

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// Reads a tape from its beginning. Only the latest reader gets anything.
pub struct Reader {
    tape: Tape,
    number: u64,
}

impl Tape {
    /// A tape of a body, and its first reader.
    pub(super) fn of(source: Streamed) -> (Self, Reader) {
        let hint = source.size_hint();
        let state = State {
            source,
            hint,
            played: VecDeque::new(),
            bytes: 0,
            at: 0,
            keeps: true,
            failed: false,
            reader: 0,
        };
        let tape = Self(Arc::new(Mutex::new(state)));
        let reader = Reader { tape: tape.clone(), number: 0 };
        (tape, reader)
    }

    /// A reader from the beginning; none when that is not kept any more.
    pub(super) fn rewind(&self) -> Option<Reader> {
        let mut state = self.state();
        if !state.keeps || state.failed {
            return None;
        }
        state.at = 0;
        state.reader += 1;
        Some(Reader { tape: self.clone(), number: state.reader })
    }

    /// It will not be read again from the beginning.
    pub(super) fn forget(&self) {
        self.state().forget();
    }

    /// Whether the client's own stream broke off.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self) {
        self.keeps = false;
        self.played.drain(..self.at);
        self.at = 0;
    }

    fn replay(&mut self) -> Option<Frame<Bytes>> {
        let frame = match self.played.get(self.at)? {
            Piece::Data(bytes) => Frame::data(bytes.clone()),
            Piece::Trailers(trailers) => Frame::trailers(trailers.clone()),
        };
        self.at += 1;
        if !self.keeps {
            self.forget();
        }
        Some(frame)
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        if !self.keeps {
            return;
        }
        if let Some(bytes) = frame.data_ref() {
            self.bytes += bytes.len();
            self.played.push_back(Piece::Data(bytes.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            self.played.push_back(Piece::Trailers(trailers.clone()));
        }
        self.at = self.played.len();
        if self.bytes > LONGEST_BYTES {
            self.forget();
        }
    }
}

impl Reader {
    pub(super) fn tape(&self) -> &Tape {
        &self.tape
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.tape.state();
        if self.number != state.reader {
            return Poll::Ready(None);
        }
        if let Some(frame) = state.replay() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let frame = ready!(state.source.as_mut().poll_frame(context));
        match &frame {
            Some(Ok(frame)) => state.note(frame),
            Some(Err(_)) => state.failed = true,
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.tape.state();
        self.number != state.reader || state.at == state.played.len() && state.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.tape.state();
        if state.at == 0 && state.keeps { state.hint } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// These pieces, one after the other.
    struct Source(VecDeque<&'static [u8]>);

    impl Body for Source {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    fn tape(pieces: &[&'static [u8]]) -> (Tape, Reader) {
        Tape::of(Box::pin(Source(pieces.iter().copied().collect())))
    }

    async fn piece(reader: &mut Reader) -> Option<Bytes> {
        reader.frame().await.map(|frame| frame.expect("a frame").into_data().expect("data"))
    }

    #[tokio::test]
    async fn a_short_body_can_be_read_again_and_goes_on_where_it_was() {
        let (tape, mut first) = tape(&[b"a", b"b", b"c"]);
        assert_eq!(piece(&mut first).await.as_deref(), Some(&b"a"[..]));
        assert_eq!(piece(&mut first).await.as_deref(), Some(&b"b"[..]));
        let second = tape.rewind().expect("it is short");
        assert_eq!(piece(&mut first).await, None, "the first reader is not served any more");
        assert_eq!(second.collect().await.expect("a body").to_bytes(), "abc");
    }

    #[tokio::test]
    async fn what_was_forgotten_in_the_middle_of_reading_again_is_still_read_once() {
        let (tape, mut first) = tape(&[b"a", b"b", b"c"]);
        piece(&mut first).await;
        piece(&mut first).await;
        let mut second = tape.rewind().expect("it is short");
        assert_eq!(piece(&mut second).await.as_deref(), Some(&b"a"[..]));
        tape.forget();
        assert!(tape.rewind().is_none());
        assert_eq!(second.collect().await.expect("a body").to_bytes(), "bc");
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        static LONG: [u8; LONGEST_BYTES] = [b'x'; LONGEST_BYTES];
        let (tape, mut reader) = tape(&[&LONG, b"y", b"z"]);
        piece(&mut reader).await;
        assert!(tape.rewind().is_some());
        let mut reader = tape.rewind().expect("at the limit");
        piece(&mut reader).await;
        piece(&mut reader).await;
        assert!(tape.rewind().is_none());
        assert_eq!(tape.state().played.len(), 0);
        assert_eq!(piece(&mut reader).await.as_deref(), Some(&b"z"[..]));
    }
}
