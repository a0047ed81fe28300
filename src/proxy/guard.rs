//! Stands between a client's connection and the library that reads it, and lets through what is in
//! order. A head that is not is kept from the library, which is given a harmless one in its place:
//! so the refusal is answered in its turn, after the answers to the requests before it.
//!
//! Bytes are read straight into the library's buffer. They are copied only where a head comes in
//! pieces, or where more was read than may be read on. It also keeps the times that the library
//! does not know: for a connection at rest, for a head, and for a client that does not read.

mod timer;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use parallax_core::wire::{Fed, HeadLimits, Refusal, Requests, Then};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::client::Client;
use timer::Timer;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a head, from its first byte, and for the first byte of a connection.
    pub(crate) head: Duration,
    /// Between requests; and to read what it is sent, between two bytes.
    pub(crate) idle: Duration,
}

/// What the library is given in the place of a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";
/// Bytes read at once where they cannot go straight to the library.
const PIECE: usize = 4096;
/// Bytes that wait while it is not decided whether the client leaves HTTP.
const UNDECIDED: usize = 64 * 1024;
/// How long, and how many bytes, a client that was refused in the middle may go on sending. To close
/// at once would reset the connection, and the answer with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// A guarded connection.
pub(crate) struct Guard<IO> {
    io: IO,
    client: Arc<Client>,
    patience: Patience,
    mode: Mode,
    /// Bytes that were read and not read on; the first `cleared` of them may be.
    held: BytesMut,
    cleared: usize,
    /// Interim answers that are being written.
    interim: BytesMut,
    /// Since when the present head is coming.
    head_began: Option<Instant>,
    /// Since when the client has not read anything of what it is sent.
    stalled: Option<Instant>,
    timer: Timer,
    /// Whether the end of what is sent is on its way.
    closing: bool,
    lingered: usize,
}

enum Mode {
    /// HTTP/1: every head and chunk is looked at.
    Strict(Requests),
    /// A head was refused; nothing more is read on.
    Refused,
    /// A body was not in order.
    Broken,
    /// Not HTTP/1: everything passes.
    Open,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Guard<IO> {
    /// A guard that expects HTTP/1.
    pub(crate) fn new(io: IO, client: Arc<Client>, limits: HeadLimits, patience: Patience) -> Self {
        let now = Instant::now();
        Self {
            io,
            client,
            patience,
            mode: Mode::Strict(Requests::new(limits)),
            held: BytesMut::new(),
            cleared: 0,
            interim: BytesMut::new(),
            head_began: Some(now),
            stalled: None,
            timer: Timer::at(now + patience.head),
            closing: false,
            lingered: 0,
        }
    }

    /// Waits for the first bytes and tells whether they begin as `start` does. Then everything
    /// passes; otherwise the connection is guarded as before.
    ///
    /// # Errors
    /// When the connection breaks off, or nothing comes in time.
    pub(crate) async fn opens_with(&mut self, start: &[u8]) -> io::Result<bool> {
        loop {
            let compared = start.len().min(self.held.len());
            if self.held[..compared] != start[..compared] {
                self.judge_held();
                return Ok(false);
            }
            if compared == start.len() {
                self.mode = Mode::Open;
                self.cleared = self.held.len();
                return Ok(true);
            }
            let read = std::future::poll_fn(|context| match self.poll_more(context) {
                Poll::Pending if self.timer.poll(context).is_ready() => {
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                other => other,
            });
            if read.await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for bytes with nothing but the guard's own memory; false when none come any more.
    ///
    /// # Errors
    /// When the connection breaks off.
    pub(crate) async fn awakens(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|context| {
            if !self.held.is_empty() {
                return Poll::Ready(Ok(true));
            }
            match self.poll_more(context) {
                Poll::Ready(Ok(read)) => {
                    self.judge_held();
                    Poll::Ready(Ok(read > 0))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => self.poll_late(context).map(|_| Ok(false)),
            }
        })
        .await
    }

    /// Takes back bytes that were read on and not used.
    pub(crate) fn take_back(&mut self, unused: &[u8]) {
        if !unused.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.held.extend_from_slice(unused);
            self.held.extend_from_slice(&held);
            self.cleared += unused.len();
        }
    }

    /// Lets everything pass from now on.
    pub(crate) fn open(&mut self) {
        self.mode = Mode::Open;
        self.cleared = self.held.len();
    }

    /// Reads behind what is held.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Judges what is held; whether any of it, or an end, can be read on.
    fn judge_held(&mut self) {
        let Mode::Strict(requests) = &mut self.mode else { return };
        let Fed { cleared, then } = requests.feed(&self.held);
        self.cleared = cleared;
        self.follow(then);
    }

    fn follow(&mut self, then: Then) {
        let between = matches!(&self.mode, Mode::Strict(requests) if requests.is_between());
        self.client.set_unsettled(!between || then != Then::More || self.held.len() > self.cleared);
        match (then, &self.mode) {
            (Then::More, Mode::Strict(requests)) => {
                let waits = requests.is_between() && self.held.len() > self.cleared;
                self.head_began = if waits { self.head_began.or_else(|| Some(Instant::now())) } else { None };
                if let Some(began) = self.head_began {
                    self.timer.set(began + self.patience.head);
                } else if self.patience.idle < self.patience.head {
                    // Set for a head, the timer would come too late for a connection that rests.
                    self.timer.set(Instant::now() + self.patience.idle);
                }
            }
            (Then::More | Then::Wait, _) => {}
            (Then::Refused(refusal), _) => self.refuse(refusal),
            (Then::Broken(refusal), _) => {
                self.client.break_off(refusal);
                self.held.truncate(self.cleared);
                self.mode = Mode::Broken;
            }
        }
    }

    /// Looks anew whether anything is under way here.
    fn settle(&self) {
        let between = matches!(&self.mode, Mode::Strict(requests) if requests.is_between());
        self.client.set_unsettled(!between || !self.held.is_empty() || self.stalled.is_some());
    }

    fn refuse(&mut self, refusal: Refusal) {
        let Mode::Strict(requests) = &self.mode else { return };
        self.client.refuse(requests.heads() + 1, refusal);
        self.held.truncate(self.cleared);
        self.held.extend_from_slice(STAND_IN);
        self.cleared = self.held.len();
        self.mode = Mode::Refused;
    }

    /// Hands over what may be read on.
    fn deliver(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.cleared.min(buffer.remaining());
        buffer.put_slice(&self.held[..length]);
        self.held.advance(length);
        self.cleared -= length;
        if self.held.is_empty() {
            // An idle connection holds no memory for it.
            self.held = BytesMut::new();
        }
    }

    /// Reads straight into the library's buffer and takes back what may not be read on.
    fn poll_straight(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let Mode::Strict(requests) = &mut self.mode else {
            return Poll::Ready(Ok(buffer.filled().len() - before));
        };
        let new = &buffer.filled()[before..];
        let read = new.len();
        if read > 0 {
            let Fed { cleared, then } = requests.feed(new);
            if cleared < read {
                self.held.extend_from_slice(&new[cleared..]);
                buffer.set_filled(before + cleared);
            }
            self.follow(then);
        }
        Poll::Ready(Ok(read))
    }

    /// Nothing has come: whether it is too late for it.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Late> {
        while self.timer.poll(context).is_ready() {
            let now = Instant::now();
            let deadline = match (self.head_began, self.client.idle_for()) {
                (Some(began), _) if now < began + self.patience.head => began + self.patience.head,
                (Some(_), _) if self.held.is_empty() => return Poll::Ready(Late::Idle),
                (Some(_), _) => return Poll::Ready(Late::Head),
                (None, Some(idle)) if idle >= self.patience.idle => return Poll::Ready(Late::Idle),
                (None, Some(idle)) => now + (self.patience.idle - idle),
                (None, None) => now + self.patience.idle,
            };
            self.timer.set(deadline);
        }
        Poll::Pending
    }

    /// Writes interim answers; what was begun is finished before anything else.
    fn poll_interim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty() {
            self.client.watch(context);
            let Some(interim) = self.client.take_interim() else { return Poll::Ready(Ok(())) };
            self.interim.extend_from_slice(&interim);
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(written);
        }
        self.interim = BytesMut::new();
        self.client.interim_written();
        Poll::Ready(Ok(()))
    }

    /// Notes whether the client takes what it is sent, and gives up when it does not for long.
    fn watch_writing(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.stalled.take().is_some() {
                self.settle();
            }
            return written;
        }
        self.client.set_unsettled(true);
        let stalled = *self.stalled.get_or_insert_with(Instant::now);
        while self.timer.poll(context).is_ready() {
            let deadline = stalled + self.patience.idle;
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.set(deadline);
        }
        Poll::Pending
    }
}

enum Late {
    /// Nothing has been asked for long.
    Idle,
    /// A head has begun and does not end.
    Head,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        loop {
            if this.cleared > 0 {
                this.deliver(buffer);
            }
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match &mut this.mode {
                Mode::Refused => return Poll::Pending,
                Mode::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Mode::Open => {}
                Mode::Strict(requests) => {
                    if requests.is_undecided()
                        && let Some(has_left) = this.client.take_decision()
                    {
                        requests.decide(has_left);
                        this.judge_held();
                        continue;
                    }
                    if requests.is_undecided() && this.held.len() >= UNDECIDED {
                        return Poll::Pending;
                    }
                }
            }
            let read = if this.held.is_empty() {
                this.poll_straight(context, buffer)
            } else {
                this.poll_more(context).map_ok(|read| {
                    this.judge_held();
                    read
                })
            };
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if matches!(this.mode, Mode::Open) => return Poll::Pending,
                Poll::Pending => match ready!(this.poll_late(context)) {
                    Late::Idle => return Poll::Ready(Ok(())),
                    Late::Head => this.refuse(Refusal::LateHead),
                },
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.interim.is_empty() && this.poll_interim(context)?.is_pending() {
            return this.watch_writing(context, Poll::Pending);
        }
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.watch_writing(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.interim.is_empty() && this.poll_interim(context)?.is_pending() {
            return this.watch_writing(context, Poll::Pending);
        }
        let written = Pin::new(&mut this.io).poll_write_vectored(context, pieces);
        this.watch_writing(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Only here: the library flushes when all that it had to write before is written.
        let is_open = matches!(this.mode, Mode::Open);
        if !is_open && this.poll_interim(context)?.is_pending() {
            return this.watch_writing(context, Poll::Pending).map_ok(|_| ());
        }
        // With TLS, what was written may still be held here.
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        if flushed.is_pending() {
            return this.watch_writing(context, Poll::Pending).map_ok(|_| ());
        }
        if this.stalled.take().is_some() || !is_open {
            this.settle();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingered == 0 {
            if !std::mem::replace(&mut this.closing, true) {
                this.timer.set(Instant::now() + LINGER);
            }
            if Pin::new(&mut this.io).poll_shutdown(context)?.is_pending() {
                // The client does not read what it is sent last.
                return this.timer.poll(context).map(Ok);
            }
            let between = matches!(&this.mode, Mode::Strict(requests) if requests.is_between());
            if matches!(this.mode, Mode::Open) || (between && this.held.is_empty()) {
                return Poll::Ready(Ok(()));
            }
            this.timer.set(Instant::now() + LINGER);
            this.lingered = 1;
        }
        while this.lingered < LINGER_BYTES {
            this.held.clear();
            if this.timer.poll(context).is_ready() {
                break;
            }
            match ready!(this.poll_more(context)) {
                Ok(0) | Err(_) => break,
                Ok(read) => this.lingered += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
