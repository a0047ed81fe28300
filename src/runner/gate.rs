//! The gate to a side: a copy goes through it before it is sent, and tells it how it ended. All
//! runners share one gate for each side, because they meet the same side: one learns from another,
//! the breaker opens once, and the log says so once. What is learned together is spent apart: each
//! runner has a fixed part of the limit, at least one copy, so that none waits for another's copies
//! to end.
//!
//! A copy costs two short locks. Its time is taken from sending to the last byte and not to the
//! head: for so long the side is busy with it, and a body that drips is as slow as a late head.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parallax_core::exchange::Side;
use parallax_core::operation::OperationId;
use parallax_core::pressure::{Breaker, Leave, Limit, Shift, Signal, Turn, Usual};

use super::rechecks::Allowances;
use crate::telemetry::{CopyGauges, Telemetry};

/// Operations of which the usual is known. They come from the configuration, so there are fewer; a
/// process that is reloaded a thousand times with other names forgets them now and then.
pub(super) const OPERATIONS: usize = 10_000;

/// The gates to both sides, shared by all runners.
pub struct Gates {
    legacy: Arc<Gate>,
    candidate: Arc<Gate>,
    pub(super) rechecks: Allowances,
}

/// One runner's place at the gates.
pub struct Seat {
    pub(super) gates: Arc<Gates>,
    pub(super) number: usize,
}

/// The gate to one side.
pub(super) struct Gate {
    side: Side,
    runners: usize,
    began: Instant,
    /// The limit once more, to be read without the lock.
    copies: AtomicUsize,
    state: Mutex<State>,
    gauges: CopyGauges,
}

struct State {
    limit: Limit,
    breaker: Breaker,
    usual: HashMap<OperationId, Usual>,
    in_flight: usize,
}

/// A copy that was let through. Dropped without a word, it tells nothing about the side.
pub(super) struct Pass {
    gate: Arc<Gate>,
    leave: Leave,
    sent: Duration,
    is_over: bool,
}

impl Gates {
    /// Gates for so many runners, with at most `max_in_flight` copies to each side at a time.
    #[must_use]
    pub fn new(runners: usize, max_in_flight: usize, telemetry: &Telemetry) -> Arc<Self> {
        let gate = |side| Arc::new(Gate::new(side, runners, max_in_flight, telemetry.copies(side)));
        Arc::new(Self {
            legacy: gate(Side::Legacy),
            candidate: gate(Side::Candidate),
            rechecks: Allowances::new(),
        })
    }

    /// The place of one of the runners, counted from 0.
    #[must_use]
    pub fn seat(self: &Arc<Self>, number: usize) -> Seat {
        Seat { gates: Arc::clone(self), number }
    }

    /// So many copies to each side at a time from now on, at most.
    pub(super) fn resize(&self, max_in_flight: usize) {
        for gate in [&self.legacy, &self.candidate] {
            let mut state = gate.lock();
            state.limit.set_ceiling(max_in_flight);
            gate.show(&state);
        }
    }

    pub(super) fn of(&self, side: Side) -> &Arc<Gate> {
        match side {
            Side::Legacy => &self.legacy,
            Side::Candidate => &self.candidate,
        }
    }
}

impl Gate {
    fn new(side: Side, runners: usize, max_in_flight: usize, gauges: CopyGauges) -> Self {
        let runners = runners.max(1);
        let limit = Limit::new(runners, max_in_flight);
        let copies = AtomicUsize::new(limit.copies());
        let state = State { limit, breaker: Breaker::default(), usual: HashMap::new(), in_flight: 0 };
        let gate = Self { side, runners, began: Instant::now(), copies, state: Mutex::new(state), gauges };
        gate.show(&gate.lock());
        gate
    }

    /// How many copies this one of the runners may have in flight.
    pub(super) fn share(&self, number: usize) -> usize {
        let copies = self.copies.load(Ordering::Relaxed);
        copies / self.runners + usize::from(number < copies % self.runners)
    }

    /// Lets one copy through, or none while the breaker is open.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Option<Pass> {
        let now = self.since_began(now);
        let mut state = self.lock();
        let leave = state.breaker.leave(now)?;
        state.in_flight += 1;
        drop(state);
        self.gauges.in_flight.inc();
        Some(Pass { gate: Arc::clone(self), leave, sent: now, is_over: false })
    }

    fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: &State) {
        let copies = state.limit.copies();
        self.copies.store(copies, Ordering::Relaxed);
        self.gauges.limit.set(i64::try_from(copies).unwrap_or(i64::MAX));
        self.gauges.breaker_open.set(i64::from(state.breaker.is_open()));
    }

    /// One line for each change, which says what is done now; a probe in vain changes nothing.
    fn tell(&self, shift: Option<Shift>, turn: Option<Turn>) {
        let (side, copies) = (self.side, self.copies.load(Ordering::Relaxed));
        match shift {
            None => {}
            Some(Shift::GaveWay) => {
                tracing::warn!(%side, copies, "slow, or loses requests: fewer copies at a time until it recovers");
            }
            Some(Shift::Recovered) => {
                tracing::info!(%side, copies, "recovered: as many copies at a time as before");
            }
        }
        match turn {
            None => {}
            Some(Turn::Opened { lost, lasted, pause }) => {
                tracing::warn!(
                    %side, lost, ?lasted, retry_in = ?pause,
                    "no answer: copies are held back and checks skipped as overload, but for probes"
                );
            }
            Some(Turn::StillOpen { pause }) => {
                tracing::debug!(%side, retry_in = ?pause, "still no answer");
            }
            Some(Turn::Closed) => tracing::info!(%side, "answers again: copies are sent"),
        }
    }
}

impl Pass {
    /// It is sent now.
    pub(super) fn sent(&mut self, now: Instant) {
        self.sent = self.gate.since_began(now);
    }

    /// It was answered to the last byte. `lag` is what our own thread may have added to that.
    pub(super) fn answered(mut self, operation: &OperationId, lag: Duration) {
        let now = self.gate.since_began(Instant::now());
        let took = now.saturating_sub(self.sent).saturating_sub(lag);
        self.end(|state, _, in_flight, sent| {
            let signal = state.usual_of(operation).judge(now, took);
            let shift = signal.and_then(|signal| state.limit.observe(now, sent, in_flight, signal));
            (shift, state.breaker.answered(now))
        });
    }

    /// It got no complete answer.
    pub(super) fn lost(mut self) {
        let now = self.gate.since_began(Instant::now());
        self.end(|state, leave, in_flight, sent| {
            let shift = state.limit.observe(now, sent, in_flight, Signal::Lost);
            (shift, state.breaker.lost(now, sent, leave, fastrand::u16(..)))
        });
    }

    fn end(
        &mut self,
        learn: impl FnOnce(&mut State, Leave, usize, Duration) -> (Option<Shift>, Option<Turn>),
    ) {
        self.is_over = true;
        let gate = &self.gate;
        gate.gauges.in_flight.dec();
        let mut state = gate.lock();
        let in_flight = state.in_flight;
        state.in_flight = in_flight.saturating_sub(1);
        let before = (state.limit.copies(), state.breaker.is_open());
        let (shift, turn) = learn(&mut state, self.leave, in_flight, self.sent);
        if before != (state.limit.copies(), state.breaker.is_open()) {
            gate.show(&state);
        }
        drop(state);
        gate.tell(shift, turn);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(|state, leave, _, _| {
                state.breaker.given_up(leave);
                (None, None)
            });
        }
    }
}

impl State {
    fn usual_of(&mut self, operation: &OperationId) -> &mut Usual {
        if self.usual.len() >= OPERATIONS && !self.usual.contains_key(operation) {
            self.usual.clear();
        }
        self.usual.entry(operation.clone()).or_default()
    }
}
