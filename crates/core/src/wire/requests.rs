//! The requests of one connection, one after the other: which of the bytes that have come may be
//! read on. A head is released when it is complete and in order, a body as it comes.

use super::chunked::Chunked;
use super::refusal::Refusal;
use super::request::{self, Framing};

/// Bounds on what one request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest head, and longest trailers, in bytes.
    pub head: usize,
    /// Longest target, in bytes.
    pub uri: usize,
    /// Most header fields.
    pub headers: usize,
    /// Longest body, in bytes.
    pub body: u64,
}

/// The requests of one connection.
///
/// ```
/// use parallax_core::wire::{HeadLimits, Requests, Then};
///
/// let limits = HeadLimits { head: 32 << 10, uri: 8 << 10, headers: 100, body: u64::MAX };
/// let request = b"GET /returns/7 HTTP/1.1\r\nHost: shop\r\n\r\n";
/// let mut requests = Requests::new(limits);
/// assert_eq!(requests.feed(&request[..10]).cleared, 0, "half a head is not read on");
/// assert_eq!(requests.feed(request).cleared, request.len());
///
/// let two_lengths = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
/// let Then::Refused(refusal) = requests.feed(two_lengths).then else { panic!("it is ambiguous") };
/// assert_eq!(refusal.status(), 400);
/// ```
#[derive(Debug)]
pub struct Requests {
    state: State,
    limits: HeadLimits,
    heads: u64,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the head were looked at in vain.
    Head {
        looked: usize,
    },
    Body(u64),
    Chunks(Box<Chunked>),
    /// The client has asked to leave HTTP; what follows is HTTP or not, as the answer says.
    Undecided,
    /// It has left.
    Opaque,
}

/// What has become of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// So many from the start are in order and may be read on.
    pub cleared: usize,
    /// What of the rest.
    pub then: Then,
}

/// What of the bytes that are not cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More have to come before they can be judged; or there are none.
    More,
    /// They wait for the answer to a request to leave HTTP.
    Wait,
    /// They begin with a head that is refused.
    Refused(Refusal),
    /// A body goes on with something that none does.
    Broken(Refusal),
}

impl Requests {
    /// None has come yet.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self { state: HEAD, limits, heads: 0 }
    }

    /// Judges bytes that follow those that were cleared before. Bytes that were not cleared come
    /// again, with more behind them.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut cleared = 0;
        loop {
            let rest = &bytes[cleared..];
            if rest.is_empty() {
                return Fed { cleared, then: Then::More };
            }
            match &mut self.state {
                State::Head { looked } => match read_head(rest, *looked, &self.limits) {
                    Ok(Some(head)) => {
                        cleared += head.length;
                        self.heads += 1;
                        self.state = State::after(head);
                    }
                    Ok(None) => {
                        *looked = rest.len();
                        return Fed { cleared, then: Then::More };
                    }
                    Err(refusal) => return Fed { cleared, then: Then::Refused(refusal) },
                },
                State::Body(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    cleared += taken;
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = HEAD;
                    }
                }
                State::Chunks(chunked) => match chunked.feed(rest, &self.limits) {
                    Ok((taken, ended)) => {
                        cleared += taken;
                        if ended {
                            self.state = HEAD;
                        }
                    }
                    Err((taken, refusal)) => {
                        return Fed { cleared: cleared + taken, then: Then::Broken(refusal) };
                    }
                },
                State::Undecided => return Fed { cleared, then: Then::Wait },
                State::Opaque => return Fed { cleared: bytes.len(), then: Then::More },
            }
        }
    }

    /// Heads that were cleared.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether no body is under way: what comes next is a head.
    #[must_use]
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    /// Whether what follows waits for the answer to a request to leave HTTP.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// The request to leave HTTP was answered.
    pub fn decide(&mut self, has_left: bool) {
        if self.is_undecided() {
            self.state = if has_left { State::Opaque } else { HEAD };
        }
    }
}

const HEAD: State = State::Head { looked: 0 };

/// A head that comes in many pieces is read anew only when another line of it has ended, or when
/// it grows too long: a client that sends it byte by byte must not make us read it as often.
fn read_head(rest: &[u8], looked: usize, limits: &HeadLimits) -> Result<Option<request::Head>, Refusal> {
    let is_new = looked == 0 || rest.len() > limits.head;
    if is_new || rest.get(looked..).is_some_and(|new| new.contains(&b'\n')) {
        request::read(rest, limits)
    } else {
        Ok(None)
    }
}

impl State {
    fn after(head: request::Head) -> Self {
        match head.framing {
            // A body comes first, and with it the client can hardly mean it.
            Framing::Length(0) if head.upgrade => Self::Undecided,
            Framing::Length(0) => HEAD,
            Framing::Length(length) => Self::Body(length),
            Framing::Chunked => Self::Chunks(Box::default()),
        }
    }
}

#[cfg(test)]
mod tests;
