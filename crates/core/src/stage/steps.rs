//! The way through canary as a plan: which shares, one after the other, and for how long each is held.

use std::time::Duration;

use super::{Share, Stage};

/// The steps of an operation's canary.
///
/// ```
/// use parallax_core::stage::{Share, Stage, Steps};
/// let share = |text: &str| Share::new(text.parse().unwrap()).unwrap();
/// let steps = Steps { shares: vec![share("1%"), share("25%")], ..Steps::default() };
/// assert_eq!(steps.next(Stage::Shadow), Some(Stage::Canary(share("1%"))));
/// assert_eq!(steps.next(Stage::Canary(share("5%"))), Some(Stage::Canary(share("25%"))));
/// assert_eq!(steps.next(Stage::Canary(share("25%"))), Some(Stage::Switched));
/// assert_eq!(steps.next(Stage::Switched), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The shares, each larger than the one before.
    pub shares: Vec<Share>,
    /// How long each is held before the next, where they are taken automatically.
    pub hold: Duration,
    /// Whether the next step is taken by itself, once the one before was held and the operation is ready.
    pub auto: bool,
}

impl Steps {
    /// Where the plan goes from a stage: on to the next share, and after the last one to switched. What
    /// is switched goes nowhere by plan.
    #[must_use]
    pub fn next(&self, from: Stage) -> Option<Stage> {
        let after = match from {
            Stage::Legacy | Stage::Shadow => None,
            Stage::Canary(share) => Some(share),
            Stage::Switched | Stage::Complete => return None,
        };
        let next = self.shares.iter().copied().find(|&share| after.is_none_or(|after| share > after));
        Some(next.map_or(Stage::Switched, Stage::Canary))
    }

    /// Which step of how many a stage is; none outside of the plan.
    #[must_use]
    pub fn position(&self, stage: Stage) -> Option<(usize, usize)> {
        let share = stage.share()?;
        let at = self.shares.iter().position(|&step| step == share)?;
        Some((at + 1, self.shares.len()))
    }

    /// Whether an operation that has been in a stage for so long goes on by itself, and where.
    #[must_use]
    pub fn due(&self, stage: Stage, held: Duration) -> Option<Stage> {
        // Whether to begin with clients at all is for people to decide.
        let is_due = self.auto && stage.share().is_some() && held >= self.hold;
        if is_due { self.next(stage) } else { None }
    }
}

impl Default for Steps {
    fn default() -> Self {
        let shares = [10_000, 50_000, 250_000].map(crate::ratio::Ratio::from_ppm);
        let shares = shares.into_iter().filter_map(|share| Share::new(share).ok()).collect();
        Self { shares, hold: Duration::from_secs(30 * 60), auto: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_goes_step_by_step_and_begins_and_ends_by_hand() {
        let steps = Steps { auto: true, ..Steps::default() };
        let mut stage = Stage::Shadow;
        let mut way = vec![stage.to_string()];
        while let Some(next) = steps.next(stage) {
            stage = next;
            way.push(stage.to_string());
        }
        assert_eq!(way, ["shadow", "canary 1%", "canary 5%", "canary 25%", "switched"]);
        let canary = steps.next(Stage::Shadow).expect("a step");
        assert_eq!(steps.position(canary), Some((1, 3)));
        assert_eq!(steps.due(canary, steps.hold - Duration::from_secs(1)), None);
        assert_eq!(steps.due(canary, steps.hold), steps.next(canary));
        for stage in [Stage::Legacy, Stage::Shadow, Stage::Switched, Stage::Complete] {
            assert_eq!(steps.due(stage, Duration::MAX), None, "{stage}");
        }
        assert_eq!(Steps { auto: false, ..steps }.due(canary, Duration::MAX), None);
    }
}
