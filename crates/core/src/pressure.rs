//! How much the side that is asked for comparison can bear, judged from what its answers tell. The
//! copies are ours, not its clients': when the side has trouble, they are the first that must go.
//!
//! Three things, each of which decides one question:
//! - [`Usual`], one for each operation: was this answer *slow*, held against the operation's own
//!   best? Several operations share a side, and some take a hundred times as long as others; a
//!   common yardstick would take a change of the mix for a change of the side.
//! - [`Limit`], one for each side: how many copies may be in flight. It halves when most of what
//!   was sent lately was slow or lost, and grows back by itself.
//! - [`Breaker`], one for each side: whether copies are sent at all. It opens after a long run
//!   without one answer, and tries again by itself.
//!
//! What a side *says* plays no part: a 500 is an answer, and comparing it is what we are here for.
//! Nothing here waits, and nothing has a clock: times are durations since one moment that the
//! caller keeps.

mod breaker;
mod limit;
#[cfg(test)]
mod tests;
mod usual;

pub use breaker::{Breaker, Leave, Turn};
pub use limit::{Limit, Shift};
pub use usual::Usual;

/// What the end of one copy says about the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An answer in about the time that the operation usually takes.
    Usual,
    /// An answer that took clearly longer than that.
    Slow,
    /// No complete answer.
    Lost,
}
