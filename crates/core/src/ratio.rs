//! Shares and thresholds, kept in parts per million so that `99.9%` is exact and comparisons
//! never meet a floating-point surprise.

use std::fmt;
use std::str::FromStr;

const WHOLE_PPM: u32 = 1_000_000;

/// A fraction between 0 % and 100 %, exact to 0.0001 %.
///
/// ```
/// use parallax_core::ratio::Ratio;
/// let target: Ratio = "99.9%".parse().unwrap();
/// assert!(target.is_met_by(999, 1000));
/// assert!(!target.is_met_by(998, 1000));
/// assert_eq!(target.to_string(), "99.9%");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u32);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Everything.
    pub const ONE: Self = Self(WHOLE_PPM);

    /// From parts per million; more than a million is the whole.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Self {
        Self(if ppm > WHOLE_PPM { WHOLE_PPM } else { ppm })
    }

    /// In parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// As a number between 0 and 1, for display and metrics only.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE_PPM)
    }

    /// Whether `part / whole` is at least this ratio, in exact integer arithmetic. An empty
    /// whole meets only zero.
    #[must_use]
    pub fn is_met_by(self, part: u64, whole: u64) -> bool {
        if whole == 0 {
            return self.0 == 0;
        }
        u128::from(part) * u128::from(WHOLE_PPM) >= u128::from(self.0) * u128::from(whole)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (percent, rest) = (self.0 / 10_000, self.0 % 10_000);
        let text = if rest == 0 {
            format!("{percent}%")
        } else {
            format!("{percent}.{}%", format!("{rest:04}").trim_end_matches('0'))
        };
        f.pad(&text)
    }
}

/// Why a text is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a percentage between 0% and 100%; write it like `99.9%`")]
pub struct RatioError(String);

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let error = || RatioError(text.to_owned());
        let digits = text.trim().strip_suffix('%').ok_or_else(error)?.trim_end();
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 4 {
            return Err(error());
        }
        let percent: u32 = whole.parse().map_err(|_| error())?;
        let rest: u32 = format!("{fraction:0<4}").parse().map_err(|_| error())?;
        let ppm = percent.checked_mul(10_000).and_then(|ppm| ppm.checked_add(rest)).ok_or_else(error)?;
        if ppm > WHOLE_PPM { Err(error()) } else { Ok(Self(ppm)) }
    }
}

impl serde::Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Ratio {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_percentages() {
        for text in ["0%", "1%", "99.9%", "99.9999%", "100%", "0.0001%"] {
            assert_eq!(text.parse::<Ratio>().map(|ratio| ratio.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("50 %".parse(), Ok(Ratio::from_ppm(500_000)));
    }

    #[test]
    fn refuses_what_is_no_percentage() {
        for text in ["", "%", "5", "101%", "-1%", "1.23456%", "5 percent", "1e1%", "99999999999%", "100.1%"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_whole_meets_only_zero() {
        assert!(Ratio::ZERO.is_met_by(0, 0));
        assert!(!Ratio::from_ppm(1).is_met_by(0, 0));
    }
}
