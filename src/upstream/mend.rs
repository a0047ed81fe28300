//! The connection to a side as the HTTP library reads it: each head of an answer is looked at
//! before it, and mended where it has to be; bodies pass untouched.
//!
//! A clean head that arrives in one piece, which is the usual one, is read straight into the
//! library's buffer and looked over there. Only a head in pieces or one to be mended goes through
//! a buffer of its own, which is bounded and given back with the head's last byte.
//!
//! Where a body ends only the library knows. So whoever sends a request says that an answer is to
//! come ([`Watch::expect_answer`]); from then on the first bytes are a head, and what follows the
//! final one is a body until the next request.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use parallax_core::wire::{Ambiguous, Glance, Judged, end_of_head, glance, judge};

use super::interim::{self, Interim};
use crate::telemetry::CountRepair;

/// What the one who sends requests and the connection tell each other.
#[derive(Default)]
pub(super) struct Watch {
    expecting: AtomicBool,
    spent: AtomicBool,
    /// Who is told of interim answers to the present request.
    interim: Mutex<Interim>,
}

impl Watch {
    /// A request is about to be sent: what comes next is the head of its answer, after interim ones
    /// that are told.
    pub(super) fn expect_answer(&self, interim: Interim) {
        *self.interim.lock().unwrap_or_else(PoisonError::into_inner) = interim;
        self.expecting.store(true, Ordering::Release);
    }

    fn tell(&self, head: &[u8]) {
        let interim = self.interim.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interim) = interim {
            interim::tell(&*interim, head);
        }
    }

    /// Whether the connection must not carry another request.
    #[must_use]
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    fn is_expecting(&self) -> bool {
        self.expecting.load(Ordering::Acquire)
    }

    fn head_has_come(&self) {
        self.expecting.store(false, Ordering::Release);
        *self.interim.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A connection whose answers' heads are mended.
pub(super) struct Mended<S> {
    inner: S,
    watch: Arc<Watch>,
    count: CountRepair,
    /// The part of a head that has come, when it did not come whole and clean.
    gathered: Vec<u8>,
    /// How much of it was searched for an end.
    searched: usize,
    /// What is to be read before the connection is.
    ready: Bytes,
    /// Interim answers since the last final one.
    interim: u32,
}

/// Interim answers before a final one, at most. While they come without a pause nothing else of the
/// thread is done, timeouts included.
const MAX_INTERIM: u32 = 64;
/// Read at once while a head is gathered.
const PIECE: usize = 8 * 1024;

impl<S> Mended<S> {
    /// Mends the answers that come over a connection, and counts each kind of repair once an
    /// answer.
    pub(super) fn new(inner: S, watch: Arc<Watch>, count: CountRepair) -> Self {
        Self { inner, watch, count, gathered: Vec::new(), searched: 0, ready: Bytes::new(), interim: 0 }
    }

    /// Looks at what came straight into the caller's buffer; gives how much of it may stay there.
    fn pass(&mut self, fresh: &[u8]) -> usize {
        if let Glance::Clean { interim: false, .. } = glance(fresh) {
            self.interim = 0;
            self.watch.head_has_come();
            return fresh.len();
        }
        self.gathered.extend_from_slice(fresh);
        0
    }

    /// Takes the heads that are complete out of what was gathered.
    fn settle(&mut self) -> Result<(), Ambiguous> {
        while let Some(end) = end_of_head(&self.gathered, self.searched)? {
            let Judged { head, repairs, interim, closes } = judge(&self.gathered[..end])?;
            repairs.iter().for_each(|repair| self.count.count(repair));
            if closes {
                self.watch.spent.store(true, Ordering::Release);
            }
            self.gathered.drain(..end);
            self.searched = 0;
            if interim {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Ambiguous::OnlyInterim);
                }
                self.watch.tell(&head);
                continue;
            }
            self.interim = 0;
            self.watch.head_has_come();
            let mut ready = head;
            ready.append(&mut self.gathered);
            self.gathered = Vec::new();
            self.ready = ready.into();
            break;
        }
        self.searched = self.gathered.len();
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> Mended<S> {
    /// Reads straight into the caller's buffer. Nothing stays there when all of it was gathered.
    fn poll_fresh(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let passed = self.pass(&buffer.filled()[before..]);
        buffer.set_filled(before + passed);
        Poll::Ready(Ok(passed > 0 || self.gathered.is_empty()))
    }

    /// Reads on in a head that has begun.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut piece))?;
        self.gathered.extend_from_slice(piece.filled());
        if piece.filled().is_empty() {
            // The side has closed: the library finds a head without an end, and says so.
            self.watch.head_has_come();
            self.ready = std::mem::take(&mut self.gathered).into();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                if this.ready.is_empty() {
                    this.ready = Bytes::new();
                }
                return Poll::Ready(Ok(()));
            }
            if !this.watch.is_expecting() {
                return Pin::new(&mut this.inner).poll_read(context, buffer);
            }
            if this.gathered.is_empty() {
                let passed = ready!(this.poll_fresh(context, buffer))?;
                if passed {
                    return Poll::Ready(Ok(()));
                }
            } else if this.searched == this.gathered.len() {
                ready!(this.poll_more(context))?;
            }
            if !this.gathered.is_empty() {
                this.settle().map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use parallax_core::wire::Repair;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What the library reads when these pieces come, and what was counted.
    async fn read(pieces: &[&str]) -> (io::Result<String>, Vec<Repair>, Arc<Watch>) {
        let mut side = pieces_of(pieces);
        let (watch, counted) = (Arc::new(Watch::default()), Arc::new(Mutex::new(Vec::new())));
        watch.expect_answer(None);
        let count = {
            let counted = Arc::clone(&counted);
            CountRepair::new(move |repair| counted.lock().expect("a lock").push(repair))
        };
        let mut mended = Mended::new(&mut side, Arc::clone(&watch), count);
        let mut all = String::new();
        let read = mended.read_to_string(&mut all).await.map(|_| all);
        let counted = counted.lock().expect("a lock").clone();
        (read, counted, watch)
    }

    /// A connection on which these pieces come, one each read.
    fn pieces_of(pieces: &[&str]) -> Pieces {
        Pieces(pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect())
    }

    struct Pieces(std::collections::VecDeque<Bytes>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let fits = piece.split_to(piece.len().min(buffer.remaining()));
                buffer.put_slice(&fits);
                if !piece.is_empty() {
                    self.0.push_front(piece);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn interim_answers_come_to_an_end() {
        let (hints, end) = ("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
        let (odd, most) = ("HTTP/1.1 103 Early Hints\r\nX: y\n\r\n", MAX_INTERIM as usize);
        for piece in [hints, odd] {
            assert!(read(&[&piece.repeat(most), end]).await.0.is_ok());
            let (read, ..) = read(&[&piece.repeat(most + 1), end]).await;
            assert!(read.is_err_and(|error| error.to_string().contains("interim")), "{piece:?}");
        }
    }

    #[tokio::test]
    async fn clean_answers_pass_however_they_are_cut() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nb : \n\nody";
        for cut in 0..answer.len() {
            let (read, counted, watch) = read(&[&answer[..cut], &answer[cut..]]).await;
            if cut == 0 {
                // An empty read is the end of a connection.
                assert_eq!(read.expect("an end"), "");
                continue;
            }
            assert_eq!(read.expect("an answer"), answer, "{cut}");
            assert!(counted.is_empty() && !watch.is_expecting() && !watch.is_spent());
        }
    }

    #[tokio::test]
    async fn a_head_is_mended_and_its_body_is_not() {
        let answer =
            "HTTP/1.1 100 Go\n\nHTTP/1.1 200 OK\nA : b\r\n c\r\nContent-Length: 8, 8\r\n\r\nb : \n\n c";
        let mended = "HTTP/1.1 200 OK\r\nA: b c\r\nContent-Length: 8\r\n\r\nb : \n\n c";
        for cut in 1..answer.len() {
            let (read, counted, _) = read(&[&answer[..cut], &answer[cut..]]).await;
            assert_eq!(read.expect("an answer"), mended, "{cut}");
            assert_eq!(counted.len(), 5, "{counted:?}");
        }
    }

    /// What was said before the answer.
    #[derive(Default)]
    struct Told(Mutex<Vec<(http::StatusCode, http::HeaderMap)>>);

    impl interim::HearInterim for Told {
        fn hear(&self, status: http::StatusCode, headers: http::HeaderMap) {
            self.0.lock().expect("a lock").push((status, headers));
        }
    }

    #[tokio::test]
    async fn interim_answers_are_told_and_go_no_further() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nlink : </b>\r\nbad name: x\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\n\r\n";
        let all = format!("HTTP/1.1 102 Processing\r\n\r\n{hints}{answer}");
        for cut in 1..all.len() {
            let told = Arc::new(Told::default());
            let watch = Arc::new(Watch::default());
            watch.expect_answer(Some(told.clone()));
            let (first, rest) = all.split_at(cut);
            let side = pieces_of(&[first, rest]);
            let mut mended = Mended::new(side, Arc::clone(&watch), CountRepair::new(|_| {}));
            let mut read = String::new();
            mended.read_to_string(&mut read).await.expect("an answer");
            assert_eq!(read, answer, "{cut}");
            let told = told.0.lock().expect("a lock");
            assert_eq!(told.iter().map(|(status, _)| status.as_u16()).collect::<Vec<_>>(), [102, 103]);
            assert_eq!(told[1].1.get_all("link").iter().collect::<Vec<_>>(), ["</a>", "</b>"]);
            assert_eq!(told[1].1.len(), 2);
        }
    }

    #[tokio::test]
    async fn an_ambiguous_head_is_an_error_that_says_why() {
        let (differ, ..) =
            read(&["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 1\r\nContent-Length: 2\r\n\r\n"]).await;
        let error = differ.expect_err("an error");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("differ"), "{error}");
        let (no_http, ..) = read(&["220 mail"]).await;
        assert!(no_http.expect_err("an error").to_string().contains("status line"));
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_left_to_the_library() {
        let (read, ..) = read(&["HTTP/1.1 200 OK\r\nA: b\r\n"]).await;
        assert_eq!(read.expect("what came"), "HTTP/1.1 200 OK\r\nA: b\r\n");
    }

    #[tokio::test]
    async fn a_length_beside_a_coding_spends_the_connection() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let (read, counted, watch) = read(&[answer]).await;
        assert!(!read.expect("an answer").contains("Length"));
        assert_eq!(counted, [Repair::LengthBesideCoding]);
        assert!(watch.is_spent());
    }
}
