//! A client's connection that lets others have their turn.
//!
//! Many connections share a thread, and what reads one of them goes on for as long as there is something
//! to read. A flood of small HTTP/2 frames, each of which costs more to handle than to send, is always
//! there to read: it would hold its thread for seconds. So after so many bytes the connection says that it
//! has nothing yet and asks to be called again, behind the others that wait. No byte is held back for
//! longer than that, and nothing is judged: it works the same for a large upload. HTTP/1 needs it not: its
//! next request is read when the last one was answered.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at a stretch; one read may give more. Little enough for some hundred frames; an
/// upload, which is read in larger pieces, has a turn for each of them.
const STRETCH: usize = 8 * 1024;

/// A connection that lets others have their turn.
pub(super) struct Fair<S> {
    stream: S,
    read: usize,
}

impl<S> Fair<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fair<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= STRETCH {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() {
            self.read = 0;
        }
        ready!(polled)?;
        self.read += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fair<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// How often a future that always asks to be called again is polled until it is ready.
    fn polls<F: Future>(future: F) -> (usize, F::Output) {
        let mut future = pin!(future);
        let mut polls = 1;
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => return (polls, output),
                Poll::Pending => polls += 1,
            }
        }
    }

    #[test]
    fn others_have_their_turn_after_every_stretch() {
        let bytes = vec![7; 10 * STRETCH];
        let mut connection = Fair::new(bytes.as_slice());
        let mut all = Vec::new();
        let (polls, read) = polls(connection.read_to_end(&mut all));
        assert_eq!((read.unwrap(), all.len()), (10 * STRETCH, 10 * STRETCH));
        assert!((3..=12).contains(&polls), "{polls}");
    }
}
