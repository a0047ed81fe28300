//! How far apart two numbers are, as powers of ten.

use serde::{Deserialize, Serialize};

use crate::document::Decimal;

/// An upper bound of the distance of two numbers. Powers of ten only, so that neither number can be
/// read from it; where one is the other rounded, half a unit of its last place is known, which the
/// explanation of such a difference says too.
///
/// ```
/// use parallax_core::document::Decimal;
/// use parallax_core::relation::Distance;
/// let distance = Distance::between(Decimal::of(b"12.345"), Decimal::of(b"12.35")).unwrap();
/// assert_eq!(distance, Distance { abs: -2, rel: -3, rounded_to: Some(2) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distance {
    /// At most ten to this power.
    pub abs: i32,
    /// At most ten to this power of the larger magnitude.
    pub rel: i32,
    /// How many decimals the one has that is the other, rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded_to: Option<i32>,
}

/// Powers of ten that a rule's amount may have.
const MAX_POWER: i32 = 30;

impl Distance {
    /// The distance of two numbers that are not equal; none when they are beyond the arithmetic of a
    /// rule that anybody would write.
    #[must_use]
    pub fn between(left: Decimal<'_>, right: Decimal<'_>) -> Option<Self> {
        let (left, right) = (left.small()?, right.small()?);
        let unit = left.1.min(right.1);
        let (ours, theirs) = (scaled(left, unit)?, scaled(right, unit)?);
        let apart = ours.checked_sub(theirs)?.unsigned_abs();
        if apart == 0 {
            return None;
        }
        let abs = unit.checked_add(power_above(apart))?;
        let larger = ours.unsigned_abs().max(theirs.unsigned_abs());
        let within = |power: &i32| abs.abs() <= MAX_POWER && power.abs() <= MAX_POWER;
        let rel = Some(share_above(apart, larger)).filter(within)?;
        Some(Self { abs, rel, rounded_to: rounded_to(left, right, apart, unit) })
    }

    /// The least round amount that bounds the distance: ten to a power, or five times it.
    pub(crate) fn amount(self) -> Amount {
        let whole = Amount::power(self.abs);
        self.half_of_place().map_or(whole, |half| half.min(whole))
    }

    /// Half a unit of the place that is rounded to.
    pub(crate) fn half_of_place(self) -> Option<Amount> {
        self.rounded_to.map(|places| Amount::half(-places))
    }
}

/// A round amount: ten to a power, or half of that. In the order of their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount {
    /// 10^power, or half of it.
    power: i32,
    is_whole: bool,
}

impl Amount {
    pub(crate) fn power(power: i32) -> Self {
        Self { power, is_whole: true }
    }

    fn half(power: i32) -> Self {
        Self { power, is_whole: false }
    }

    /// Whether it is at most ten times as much as a smaller one.
    pub(crate) fn is_near(self, smaller: Self) -> bool {
        self.power <= smaller.power + 1
    }

    /// As a JSON number that a tolerance may have.
    pub(crate) fn lexeme(self) -> String {
        if self.is_whole { power_of_ten(self.power) } else { at_power('5', self.power - 1) }
    }
}

/// Ten to a power as a decimal.
pub(crate) fn power_of_ten(power: i32) -> String {
    at_power('1', power)
}

fn at_power(digit: char, power: i32) -> String {
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if power >= 0 { format!("{digit}{}", zeros(power)) } else { format!("0.{}{digit}", zeros(-power - 1)) }
}

fn scaled((value, exponent): (i128, i32), unit: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let places = u32::try_from(exponent.checked_sub(unit)?).ok()?;
    value.checked_mul(10_i128.checked_pow(places)?)
}

/// The least power of ten that is not below a number of at least 1.
fn power_above(number: u128) -> i32 {
    (number - 1).checked_ilog10().map_or(0, |digits| digits as i32 + 1)
}

/// The least power of ten `p` with `part ≤ 10^p × whole`; two numbers are never further apart than
/// twice the larger magnitude.
fn share_above(part: u128, whole: u128) -> i32 {
    if part > whole {
        return 1;
    }
    let (mut power, mut part) = (0, part);
    while let Some(next) = part.checked_mul(10).filter(|&next| next <= whole) {
        part = next;
        power -= 1;
    }
    power
}

/// The decimals of the one that has fewer, where it is at most half a unit of its last place away.
fn rounded_to(left: (i128, i32), right: (i128, i32), apart: u128, unit: i32) -> Option<i32> {
    let coarse = left.1.max(right.1).min(0);
    let lost = u32::try_from(coarse.checked_sub(unit)?).ok().filter(|&lost| lost > 0)?;
    let last_place = 10_u128.checked_pow(lost)?;
    (apart.checked_mul(2)? <= last_place).then_some(-coarse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(left: &str, right: &str) -> Option<(i32, i32, Option<i32>)> {
        let distance = |left: &str, right: &str| {
            Distance::between(Decimal::of(left.as_bytes()), Decimal::of(right.as_bytes()))
        };
        assert_eq!(distance(left, right), distance(right, left));
        distance(left, right).map(|one| (one.abs, one.rel, one.rounded_to))
    }

    #[test]
    fn distances_are_rounded_up_to_powers_of_ten() {
        assert_eq!(between("100", "101"), Some((0, -2, None)));
        assert_eq!(between("100", "110"), Some((1, -1, None)));
        assert_eq!(between("100", "111"), Some((2, -1, None)));
        assert_eq!(between("0", "7"), Some((1, 0, None)));
        assert_eq!(between("-5", "5"), Some((1, 1, None)));
        assert_eq!(between("1", "1.0"), None);
        assert_eq!(between("1e99", "1"), None);
        assert_eq!(between("100000000000000000000000000000000000001", "1"), None);
    }

    #[test]
    fn rounding_is_known_to_half_a_unit() {
        assert_eq!(between("19.94", "19.9"), Some((-1, -2, Some(1))));
        assert_eq!(between("19.95", "20"), Some((-1, -2, Some(0))));
        assert_eq!(between("12.345", "12.36"), Some((-1, -2, None)));
        let amount = |left: &str, right: &str| {
            let distance = Distance::between(Decimal::of(left.as_bytes()), Decimal::of(right.as_bytes()));
            distance.unwrap().amount().lexeme()
        };
        assert_eq!(amount("19.94", "19.9"), "0.05");
        assert_eq!(amount("19.901", "19.9"), "0.001");
        assert_eq!(amount("12.345", "12.36"), "0.1");
        assert_eq!(amount("12", "12.5"), "0.5");
        assert_eq!(amount("120", "12"), "1000");
    }

    #[test]
    fn amounts_are_in_the_order_of_their_sizes() {
        let amounts =
            [Amount::power(-2), Amount::half(-1), Amount::power(-1), Amount::half(0), Amount::power(0)];
        assert!(amounts.is_sorted());
        assert_eq!(amounts.map(Amount::lexeme), ["0.01", "0.05", "0.1", "0.5", "1"]);
    }
}
