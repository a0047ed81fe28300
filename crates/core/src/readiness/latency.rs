//! How much slower the candidate may answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Answers of a side from which its 99th percentile is told, at least. Of fewer than a hundred it would
/// be their slowest, which is the first connection's.
pub const MIN_SAMPLES: u64 = 100;

/// The limit of the candidate's 99th percentile: legacy's times a factor, or legacy's and some slack, the
/// larger one. The slack is for what is fast: two milliseconds in place of one are no reason to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyLimit {
    /// How many times legacy's.
    pub p99: Factor,
    /// How much more than legacy's.
    pub slack: Duration,
}

impl LatencyLimit {
    /// `{p99: 2x, slack: 50ms}`.
    pub const DEFAULT: Self = Self { p99: Factor(2_000), slack: Duration::from_millis(50) };

    /// The candidate's 99th percentile, at most.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallax_core::readiness::LatencyLimit;
    /// let limit = |ms| LatencyLimit::DEFAULT.of(Duration::from_millis(ms)).as_millis();
    /// assert_eq!((limit(3), limit(200)), (53, 400));
    /// ```
    #[must_use]
    pub fn of(self, legacy: Duration) -> Duration {
        let Factor(thousandths) = self.p99;
        let times = legacy.saturating_mul(thousandths) / 1_000;
        times.max(legacy.saturating_add(self.slack))
    }
}

impl fmt::Display for LatencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or {} ms more", self.p99, self.slack.as_millis())
    }
}

/// The 99th percentiles of both sides' latencies, where there are answers enough to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Of legacy.
    pub legacy: Option<Duration>,
    /// Of the candidate.
    pub candidate: Option<Duration>,
}

/// A factor of at least one, exact to a thousandth: `2x`, `1.5x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(u32);

/// Why a text is no factor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no factor from 1x to 1000x; write it like `2x` or `1.5x`")]
pub struct FactorError(String);

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Self, FactorError> {
        let error = || FactorError(text.to_owned());
        let digits = text.trim().strip_suffix('x').ok_or_else(error)?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() > 4 || fraction.len() > 3 {
            return Err(error());
        }
        let whole: u32 = whole.parse().map_err(|_| error())?;
        let rest: u32 = format!("{fraction:0<3}").parse().map_err(|_| error())?;
        let thousandths = whole * 1_000 + rest;
        (1_000..=1_000_000).contains(&thousandths).then_some(Self(thousandths)).ok_or_else(error)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        let fraction =
            if rest == 0 { String::new() } else { format!(".{rest:03}").trim_end_matches('0').to_owned() };
        f.pad(&format!("{whole}{fraction}x"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_read_as_they_are_written() {
        for text in ["1x", "2x", "1.5x", "1.125x", "1000x"] {
            assert_eq!(text.parse::<Factor>().map(|factor| factor.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "x", "2", "0.9x", "-2x", "1001x", "1.x", ".5x", "1.0001x", "2 x", "1e3x", "99999999999x"]
        {
            assert!(text.parse::<Factor>().is_err(), "{text}");
        }
    }
}
