//! The body of a request on its way to the answering side. It streams; what a check needs is kept on
//! the side. It is held back while the side is still to say whether it wants the body at all
//! (`Expect: 100-continue`), and given up when it is too long or comes too slowly.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parallax_core::wire::Refusal;
use tokio::time::Sleep;

use super::capture::RequestCapture;
use super::client::Client;
use crate::upstream::BodyError;

/// A request's capture, shared between its body (owned by the upstream connection) and the check
/// that is made when the answer is complete. Locked by one thread only, never for long.
pub(crate) type SharedCapture = Arc<Mutex<RequestCapture>>;

/// What a client's body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadLimits {
    /// Bytes, at most.
    pub(crate) length: u64,
    /// Bytes per second, at least, while it is waited for; 0 for any.
    pub(crate) rate: u64,
}

/// Over how much waiting the rate is taken: a pause in between is nobody's fault.
const WINDOW: Duration = Duration::from_secs(10);
/// How long a side may take to say that it wants the body. Then it is sent unasked
/// (RFC 9110 section 10.1.1).
const EXPECTATION: Duration = Duration::from_secs(1);

/// A request's body while it passes.
pub(crate) struct Upload {
    inner: Incoming,
    client: Arc<Client>,
    capture: SharedCapture,
    limits: UploadLimits,
    length: u64,
    pace: Pace,
    gate: Option<Arc<Gate>>,
}

impl Upload {
    pub(crate) fn new(
        inner: Incoming,
        client: Arc<Client>,
        capture: SharedCapture,
        limits: UploadLimits,
    ) -> Self {
        Self { inner, client, capture, limits, length: 0, pace: Pace::default(), gate: None }
    }

    /// The same, held back until the gate opens.
    pub(crate) fn behind(mut self, gate: Option<Arc<Gate>>) -> Self {
        self.gate = gate;
        self
    }

    fn keep(&mut self, frame: Option<&Frame<Bytes>>) -> Result<(), Refusal> {
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(frame) = frame else {
            capture.complete(Instant::now());
            return Ok(());
        };
        if let Some(data) = frame.data_ref() {
            self.length += data.len() as u64;
            if self.length > self.limits.length {
                return Err(Refusal::Body);
            }
            capture.push(data);
        }
        if self.inner.is_end_stream() {
            capture.complete(Instant::now());
        }
        Ok(())
    }

    fn refuse(&self, refusal: Refusal) -> BrokenBody {
        self.client.break_off(refusal);
        BrokenBody(None)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(gate) = &this.gate {
            match ready!(gate.poll_opened(context)) {
                Opened::Send => this.gate = None,
                Opened::NotWanted => return Poll::Ready(Some(Err(BrokenBody(None).into()))),
            }
        }
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) else {
            return match ready!(this.pace.poll_waiting(context, this.limits.rate)) {
                TooSlow => Poll::Ready(Some(Err(this.refuse(Refusal::SlowBody).into()))),
            };
        };
        this.pace
            .came(frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len));
        let kept = match &frame {
            Some(Err(_)) => Ok(()),
            Some(Ok(frame)) => this.keep(Some(frame)),
            None => this.keep(None),
        };
        Poll::Ready(match kept {
            Ok(()) => frame.map(|frame| frame.map_err(|error| BrokenBody(Some(error)).into())),
            Err(refusal) => Some(Err(this.refuse(refusal).into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A client's body that ends before its end.
#[derive(Debug)]
struct BrokenBody(Option<hyper::Error>);

impl fmt::Display for BrokenBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's body broke off")
    }
}

impl Error for BrokenBody {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

/// How fast a body comes while it is waited for. Time in which nobody asks for more, because the
/// side takes it slowly, does not count.
#[derive(Default)]
struct Pace {
    waited: Duration,
    came: u64,
    waits_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct TooSlow;

impl Pace {
    fn came(&mut self, bytes: usize) {
        self.came += bytes as u64;
        if let Some(since) = self.waits_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Nothing has come; ready when too little has for too long.
    fn poll_waiting(&mut self, context: &mut Context<'_>, rate: u64) -> Poll<TooSlow> {
        if rate == 0 {
            return Poll::Pending;
        }
        let began = self.waits_since.is_none();
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        if began {
            self.arm(since + WINDOW.saturating_sub(self.waited));
        }
        loop {
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            ready!(timer.as_mut().poll(context));
            if self.waited + since.elapsed() >= WINDOW {
                if self.came < rate * WINDOW.as_secs() {
                    return Poll::Ready(TooSlow);
                }
                (self.came, self.waited) = (0, Duration::ZERO);
                self.waits_since = Some(Instant::now());
            }
            self.arm(Instant::now() + WINDOW);
        }
    }

    fn arm(&mut self, deadline: Instant) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(deadline.into()),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline.into()))),
        }
    }
}

/// Holds a body back until its side has said that it wants it.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Gated>);

#[derive(Debug, Default)]
struct Gated {
    opened: Option<Opened>,
    waker: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    Send,
    NotWanted,
}

impl Gate {
    /// The side wants the body.
    pub(crate) fn send(&self) {
        self.open(Opened::Send);
    }

    /// The exchange is over, and the body was not wanted.
    pub(crate) fn not_wanted(&self) {
        self.open(Opened::NotWanted);
    }

    fn open(&self, how: Opened) {
        let waker = {
            let mut gated = self.gated();
            gated.opened.get_or_insert(how);
            gated.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_opened(&self, context: &mut Context<'_>) -> Poll<Opened> {
        let mut gated = self.gated();
        if let Some(opened) = gated.opened {
            return Poll::Ready(opened);
        }
        gated.waker = Some(context.waker().clone());
        let timer = gated.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(EXPECTATION)));
        ready!(timer.as_mut().poll(context));
        gated.opened = Some(Opened::Send);
        Poll::Ready(Opened::Send)
    }

    fn gated(&self) -> std::sync::MutexGuard<'_, Gated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Waits for the body, a second at a time, for so long; whether it was given up.
    async fn waits(pace: &mut Pace, seconds: u64, rate: u64) -> bool {
        for _ in 0..seconds {
            let mut context = Context::from_waker(Waker::noop());
            if pace.poll_waiting(&mut context, rate).is_ready() {
                return true;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        false
    }

    #[test]
    fn the_first_word_about_a_body_counts() {
        let gate = Gate::default();
        gate.not_wanted();
        gate.send();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(gate.poll_opened(&mut context), Poll::Ready(Opened::NotWanted));
    }

    #[tokio::test(start_paused = true)]
    async fn any_rate_will_do_where_none_is_demanded() {
        assert!(!waits(&mut Pace::default(), 100, 0).await);
    }
}
