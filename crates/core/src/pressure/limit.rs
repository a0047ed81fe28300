//! How many copies may be in flight to a side: all that are allowed while the side is well, half of
//! what was in use each time that it is not, down to one for each runner.
//!
//! It is judged in windows, and only by copies that were sent after the last change: those that
//! were on their way before tell of the limit before, and would cut once more for the same reason.
//! So the windows last as long as the side takes, without anybody measuring that. More than half
//! of a window must be slow or lost; see [`Usual`](super::Usual) for why a healthy side does not
//! get there, whatever mixture it answers.
//!
//! It begins at 64, which is thousands of copies a second to a side that answers in milliseconds,
//! and doubles with every good window until the first bad one. Were it to begin at the most that is
//! allowed, a side that cannot bear that would be known from the start only with a queue in it, and
//! the queue would pass for usual.

use std::time::Duration;

use super::Signal;

/// A window has at least so many copies,
const ENOUGH: u32 = 16;
/// and lasts at least so long, so that one stall of a few milliseconds is no reason.
const AT_LEAST: Duration = Duration::from_millis(100);

/// Where it begins.
const START: usize = 64;

/// How many copies may be in flight to a side, all runners together.
#[derive(Clone, Debug)]
pub struct Limit {
    floor: usize,
    ceiling: usize,
    copies: usize,
    /// What was too much the last time, none while nothing was.
    knee: Option<usize>,
    window: Window,
    gave_way: bool,
}

/// What the copies since the last change told.
#[derive(Clone, Debug, Default)]
struct Window {
    since: Duration,
    ended: u32,
    strained: u32,
    most_in_flight: usize,
}

/// A change that is worth to be told. A limit that merely breathes makes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// The limit has fallen below half of what is allowed.
    GaveWay,
    /// It is where it was before.
    Recovered,
}

impl Limit {
    /// A limit between these two; each of the runners must get one copy, so `floor` is their
    /// number.
    #[must_use]
    pub fn new(floor: usize, ceiling: usize) -> Self {
        let floor = floor.max(1);
        let ceiling = ceiling.max(floor);
        let copies = START.clamp(floor, ceiling);
        Self { floor, ceiling, copies, knee: None, window: Window::default(), gave_way: false }
    }

    /// Copies that may be in flight.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// The same between the floor and another ceiling.
    pub fn set_ceiling(&mut self, ceiling: usize) {
        self.ceiling = ceiling.max(self.floor);
        self.copies = self.copies.min(self.ceiling);
    }

    /// Takes in the end of a copy that was sent at `sent`, with so many in flight, itself included.
    pub fn observe(
        &mut self,
        now: Duration,
        sent: Duration,
        in_flight: usize,
        signal: Signal,
    ) -> Option<Shift> {
        let window = &mut self.window;
        if sent < window.since {
            return None;
        }
        window.ended = window.ended.saturating_add(1);
        window.most_in_flight = window.most_in_flight.max(in_flight);
        window.strained += match signal {
            Signal::Usual => 0,
            Signal::Slow | Signal::Lost => 1,
        };
        if window.ended < ENOUGH || now.saturating_sub(window.since) < AT_LEAST {
            return None;
        }
        let window = std::mem::replace(&mut self.window, Window { since: now, ..Window::default() });
        if window.strained > window.ended / 2 { self.give_way(window.most_in_flight) } else { self.grow() }
    }

    /// From what was really in use: halving a limit that nobody reaches would change nothing.
    fn give_way(&mut self, in_use: usize) -> Option<Shift> {
        let too_much = self.copies.min(in_use);
        self.knee = Some(too_much);
        self.copies = (too_much / 2).max(self.floor);
        let is_news = !self.gave_way && self.copies < self.ceiling.div_ceil(2);
        self.gave_way |= is_news;
        is_news.then_some(Shift::GaveWay)
    }

    /// One by one near to what was too much, quickly when that is far behind: then the side is not
    /// what it was.
    fn grow(&mut self) -> Option<Shift> {
        let step = match self.knee {
            None => self.copies,
            Some(knee) if self.copies < knee.saturating_mul(2) => 1,
            Some(_) => self.copies.isqrt().max(1),
        };
        self.copies = self.copies.saturating_add(step).min(self.ceiling);
        let is_news = self.gave_way && self.copies == self.ceiling;
        self.gave_way &= !is_news;
        is_news.then_some(Shift::Recovered)
    }
}
