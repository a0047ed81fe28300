//! How long an operation takes when the side is well: the best that was seen lately.
//!
//! Of every 32 answers the ninth decile is taken, and of these the best of about the last minute.
//! The decile makes it hold for any mixture: where a tenth or half of the answers take a hundred
//! times as long as the others, because a cache has them or has not, the slow ones are usual as
//! well. The best keeps out what a side under pressure takes. And since only the last minute
//! counts, a side that has become slower for good is taken as it is after that: waiting for it to
//! be as fast as before would mean to wait for ever.

use std::collections::VecDeque;
use std::time::Duration;

use super::Signal;

/// Answers of which one decile is taken: the latest of a window.
const WINDOW: usize = 32;
/// The first window is shorter: until its end nothing is known of the operation.
const FIRST: usize = 8;
/// How long a window lasts at least. When copies begin to be sent, the quick answers come first,
/// and alone they would pass for the usual.
const AT_LEAST: Duration = Duration::from_secs(1);
/// How long an age lasts at least; it has at least one full window.
const AGE: Duration = Duration::from_secs(10);
/// Ages that are remembered beside the present one.
const AGES: usize = 5;
/// What is never called slow: within this much of the usual, the waiting is as likely ours, on a
/// busy machine, as the side's.
const SLACK: Duration = Duration::from_millis(50);

/// How long one operation takes when the side is well.
#[derive(Clone, Debug, Default)]
pub struct Usual {
    window: VecDeque<Duration>,
    window_since: Duration,
    /// The best of the present age, and since when the age lasts.
    best: Option<Duration>,
    since: Duration,
    /// The best of each age before, the latest last.
    past: VecDeque<Duration>,
}

impl Usual {
    /// Whether an answer that took so long is slow, by what came before it, none where too little
    /// did; then learns from it.
    pub fn judge(&mut self, now: Duration, took: Duration) -> Option<Signal> {
        let signal =
            self.bearable().map(|bearable| if took > bearable { Signal::Slow } else { Signal::Usual });
        self.learn(now, took);
        signal
    }

    /// Above this an answer is slow; none before enough was seen. A quarter above the usual and not
    /// twice: when this is passed, the limit is halved, and the usual is measured again on the way
    /// back, at about three quarters. Three quarters of one and a quarter is less than one, so a
    /// queue of our own making does not become the usual on which the next, longer one is built.
    fn bearable(&self) -> Option<Duration> {
        let usual = self.past.iter().copied().chain(self.best).min()?;
        Some(usual + usual / 4 + SLACK)
    }

    fn learn(&mut self, now: Duration, took: Duration) {
        if self.window.is_empty() {
            self.window_since = now;
        }
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(took);
        let is_first = self.best.is_none() && self.past.is_empty();
        let enough = if is_first { FIRST } else { WINDOW };
        if self.window.len() < enough || now.saturating_sub(self.window_since) < AT_LEAST {
            return;
        }
        let window = self.window.make_contiguous();
        window.sort_unstable();
        let decile = window[window.len() * 9 / 10];
        self.window.clear();
        if let Some(best) = self.best
            && now.saturating_sub(self.since) > AGE
        {
            if self.past.len() == AGES {
                self.past.pop_front();
            }
            self.past.push_back(best);
            self.best = None;
        }
        if self.best.is_none() {
            self.since = now;
        }
        self.best = Some(self.best.map_or(decile, |best| best.min(decile)));
    }
}
