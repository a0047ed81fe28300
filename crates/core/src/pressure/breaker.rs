//! Whether copies are sent to a side at all: not while it is certain that they would come to
//! nothing.
//!
//! A check that was sent and failed says more than one that was skipped, so the breaker is slow to
//! open: a run without one answer, long in number and long in time. What a restart of the side
//! costs is still counted one by one, as `failed` with its reason. Once it is open, nothing is
//! sent until a pause is over, then a few copies as probes. One answer closes it; one probe without
//! an answer opens it again, for twice as long.

use std::time::Duration;

/// A run is long when so many copies in a row got no answer,
const LONG_RUN: u32 = 50;
/// and this long no answer has come.
const LONG_TIME: Duration = Duration::from_secs(2);
/// The first pause; each one after that is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Probes that may be on their way at once.
const PROBES: u32 = 3;

/// Whether copies are sent to a side.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Copies are sent. When the side answered last, and how many got no answer since.
    Closed { answered: Duration, run: Option<Run> },
    /// None is sent before `until`; so many times in a row it was tried in vain.
    Open { until: Duration, tries: u32 },
    /// A few are sent, of which so many are on their way.
    HalfOpen { probes: u32, tries: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Run {
    began: Duration,
    length: u32,
}

/// A copy's leave to be sent; it comes back with the copy's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// One of many.
    Copy,
    /// It finds out whether the side is back; of this try, so that a late end of an earlier one is
    /// not taken for it.
    Probe {
        /// The tries before it.
        tries: u32,
    },
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After this many copies, in this time, without an answer; the next is sent after the pause.
    Opened {
        /// Copies that got no answer, one after another.
        lost: u32,
        /// Since the first of them was sent, or since the last answer.
        lasted: Duration,
        /// Until the next is sent.
        pause: Duration,
    },
    /// A probe got no answer; the next is sent after the pause.
    StillOpen {
        /// Until the next is sent.
        pause: Duration,
    },
    /// The side has answered; copies are sent again.
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { answered: Duration::ZERO, run: None } }
    }
}

impl Breaker {
    /// Whether copies are held back, but for probes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { .. } | State::HalfOpen { .. } => true,
        }
    }

    /// Leave for one copy, or none.
    pub fn leave(&mut self, now: Duration) -> Option<Leave> {
        match &mut self.state {
            State::Closed { .. } => Some(Leave::Copy),
            State::Open { until, .. } if now < *until => None,
            State::Open { tries, .. } => {
                let tries = *tries;
                self.state = State::HalfOpen { probes: 1, tries };
                Some(Leave::Probe { tries })
            }
            State::HalfOpen { probes, .. } if *probes >= PROBES => None,
            State::HalfOpen { probes, tries } => {
                *probes += 1;
                Some(Leave::Probe { tries: *tries })
            }
        }
    }

    /// The side has answered, whatever it said, and whichever copy it was.
    pub fn answered(&mut self, now: Duration) -> Option<Turn> {
        let was_open = self.is_open();
        self.state = State::Closed { answered: now, run: None };
        was_open.then_some(Turn::Closed)
    }

    /// A copy that was sent at `sent` got no complete answer. `jitter` is a random number, so that
    /// several proxies do not come back all at once.
    pub fn lost(&mut self, now: Duration, sent: Duration, leave: Leave, jitter: u16) -> Option<Turn> {
        match (&mut self.state, leave) {
            (State::Closed { answered, run }, Leave::Copy | Leave::Probe { .. }) => {
                let run = run.get_or_insert(Run { began: sent.max(*answered), length: 0 });
                run.length = run.length.saturating_add(1);
                let (lost, lasted) = (run.length, now.saturating_sub(run.began));
                if lost < LONG_RUN || lasted < LONG_TIME {
                    return None;
                }
                let pause = self.open(now, 0, jitter);
                Some(Turn::Opened { lost, lasted, pause })
            }
            (State::HalfOpen { tries, .. }, Leave::Probe { tries: of }) if *tries == of => {
                let tries = tries.saturating_add(1);
                let pause = self.open(now, tries, jitter);
                Some(Turn::StillOpen { pause })
            }
            // Sent before the breaker opened, or another probe of a try that has failed already.
            (State::HalfOpen { .. } | State::Open { .. }, Leave::Copy | Leave::Probe { .. }) => None,
        }
    }

    /// A copy ended for a reason of our own, which tells nothing of the side.
    pub fn given_up(&mut self, leave: Leave) {
        match (&mut self.state, leave) {
            (State::HalfOpen { probes, tries }, Leave::Probe { tries: of }) if *tries == of => {
                *probes = probes.saturating_sub(1);
            }
            (
                State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. },
                Leave::Copy | Leave::Probe { .. },
            ) => {}
        }
    }

    fn open(&mut self, now: Duration, tries: u32, jitter: u16) -> Duration {
        let whole = FIRST_PAUSE.saturating_mul(1 << tries.min(5)).min(LONGEST_PAUSE);
        // Up to a quarter less.
        let pause = whole - whole * u32::from(jitter) / (4 * u32::from(u16::MAX));
        self.state = State::Open { until: now + pause, tries };
        pause
    }
}
