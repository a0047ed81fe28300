//! How often something may be done: so many times in any stretch of time, and never more.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So many times in so long: `10/s`, `30/m`, `100/h`.
///
/// ```
/// use parallax_core::recheck::Rate;
/// let rate: Rate = "10/s".parse().unwrap();
/// assert_eq!(rate.to_string(), "10/s");
/// assert!("10".parse::<Rate>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u16,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no rate; write a whole number from 1 to {max} and a unit: `10/s`, `30/m` or `100/h`",
    max = Rate::MAX
)]
pub struct RateError(String);

impl Rate {
    /// Most times in a unit.
    pub const MAX: u16 = 1_000;

    /// So many times a second; at least once, and at most [`Rate::MAX`] times.
    #[must_use]
    pub const fn per_second(count: u16) -> Self {
        let count = match count {
            0 => 1,
            count if count > Self::MAX => Self::MAX,
            count => count,
        };
        Self { count, unit: Unit::Second }
    }

    fn window(self) -> Duration {
        match self.unit {
            Unit::Second => Duration::from_secs(1),
            Unit::Minute => Duration::from_secs(60),
            Unit::Hour => Duration::from_secs(3_600),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let (count, unit) = text.split_once('/').ok_or_else(error)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(error()),
        };
        let is_plain = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count| is_plain && (1..=Self::MAX).contains(count));
        Ok(Self { count: count.ok_or_else(error)?, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// A bucket whose tokens each come back one window after they were taken, so that no window, wherever
/// it begins, holds more than the rate. A bucket that fills steadily would let twice as many through
/// around the moment when it was full.
///
/// ```
/// use std::time::Duration;
/// use parallax_core::recheck::{Allowance, Rate};
/// let (mut allowance, rate) = (Allowance::default(), Rate::per_second(2));
/// let taken = [0, 900, 950, 1000, 1100].map(|ms| allowance.take(Duration::from_millis(ms), rate));
/// assert_eq!(taken, [true, true, false, true, false]);
/// ```
#[derive(Debug, Default)]
pub struct Allowance {
    /// When those tokens were taken that are not back yet, the oldest first.
    taken: VecDeque<Duration>,
}

impl Allowance {
    /// Takes a token, if there is one. `now` counts from any fixed moment; the rate may be another
    /// each time.
    #[must_use]
    pub fn take(&mut self, now: Duration, rate: Rate) -> bool {
        while self.taken.front().is_some_and(|&taken| taken.saturating_add(rate.window()) <= now) {
            self.taken.pop_front();
        }
        let is_allowed = self.taken.len() < usize::from(rate.count);
        if is_allowed {
            self.taken.push_back(now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_than_the_rate() {
        let rate: Rate = "5/s".parse().unwrap();
        let mut allowance = Allowance::default();
        let taken: Vec<u64> =
            (0..10_000).step_by(7).filter(|&ms| allowance.take(Duration::from_millis(ms), rate)).collect();
        for (at, &from) in taken.iter().enumerate() {
            assert!(taken[at..].iter().filter(|&&ms| ms < from + 1000).count() <= 5);
        }
        assert!(taken.len() >= 45, "and it is used up: {}", taken.len());
    }

    #[test]
    fn a_rate_has_a_number_and_a_unit() {
        for good in ["1/s", "30/m", "1000/h"] {
            assert_eq!(good.parse::<Rate>().unwrap().to_string(), good);
        }
        for bad in ["", "10", "0/s", "1001/s", "1.5/s", "-1/s", "+1/s", "1/d", "1/ s", "/s", "99999999/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!(Rate::per_second(10), "10/s".parse().unwrap());
        assert_eq!(Rate::per_second(0).to_string(), "1/s");
    }
}
