//! Numbers by value, at any size and precision, never through a float.
//!
//! A lexeme is taken as sign, significant digits and a power of ten; two lexemes are the same
//! number when these three are equal. Nothing is expanded, so `1e999999999` costs what its eleven
//! bytes cost. An exponent of more than 36 digits is beyond arithmetic here: such numbers are equal
//! only when they are spelt alike.

use std::cmp::Ordering;

/// A number as sign, significant digits and exponent; borrowed from its lexeme.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'l> {
    lexeme: &'l [u8],
    negative: bool,
    /// The mantissa from its first to its last significant digit, perhaps with a point between.
    digits: &'l [u8],
    /// The power of ten of the last significant digit; nothing when it is beyond arithmetic.
    exponent: Option<i128>,
}

impl<'l> Decimal<'l> {
    /// Takes a JSON number apart. Anything else gives some number or other, but never a panic.
    #[must_use]
    pub fn of(lexeme: &'l [u8]) -> Self {
        let (negative, rest) = match lexeme.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, lexeme),
        };
        let (mantissa, power) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])),
            None => (rest, Some(0)),
        };
        let significant = |byte: &u8| matches!(byte, b'1'..=b'9');
        let Some(first) = mantissa.iter().position(significant) else {
            return Self { lexeme, negative: false, digits: b"", exponent: Some(0) };
        };
        let last = mantissa.iter().rposition(significant).unwrap_or(first);
        Self {
            lexeme,
            negative,
            digits: &mantissa[first..=last],
            exponent: power.map(|power| power + place_of(mantissa, last)),
        }
    }

    /// Takes a text apart that is exactly a JSON number; nothing when it is not.
    #[must_use]
    pub fn parse(lexeme: &'l [u8]) -> Option<Self> {
        let document = super::read(bytes::Bytes::copy_from_slice(lexeme), 1).ok()?;
        let is_number = document.kind(0) == super::NodeKind::Number && document.raw(0).len() == lexeme.len();
        is_number.then(|| Self::of(lexeme))
    }

    /// Whether the number is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The power of ten of the last significant digit; nothing when it is beyond arithmetic.
    #[must_use]
    pub fn exponent(&self) -> Option<i128> {
        self.exponent
    }

    /// The power of ten of the first significant digit; nothing when it is beyond arithmetic.
    #[must_use]
    pub fn leading(&self) -> Option<i128> {
        let places = i128::try_from(self.significant().count().saturating_sub(1)).ok()?;
        Some(self.exponent? + places)
    }

    /// The order of two numbers by value, exactly. Beyond arithmetic it is some order or other.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.is_zero(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let magnitudes = self
                .leading()
                .cmp(&other.leading())
                .then_with(|| self.significant().cmp(other.significant()));
            if self.negative { magnitudes.reverse() } else { magnitudes }
        })
    }

    /// Whether the number is zero, in any spelling.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Equal numbers have equal hashes; the reverse must be confirmed.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let Some(exponent) = self.exponent else {
            return xxhash_rust::xxh3::xxh3_64(self.lexeme);
        };
        let mut hash = mix(exponent as u64, u64::from(self.negative));
        let mut chunk = 0_u64;
        for (count, digit) in self.significant().enumerate() {
            chunk = chunk * 10 + u64::from(digit - b'0');
            if count % 18 == 17 {
                hash = mix(hash, chunk);
                chunk = 0;
            }
        }
        mix(hash, chunk)
    }

    /// Sign, digits and exponent where all fit; enough for prices and timestamps.
    #[must_use]
    pub fn small(&self) -> Option<(i128, i32)> {
        if self.digits.len() > 30 {
            return None;
        }
        let value = self.significant().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let exponent = i32::try_from(self.exponent?).ok()?;
        Some((if self.negative { -value } else { value }, exponent))
    }

    /// The significant digits, as ASCII.
    pub(crate) fn significant(&self) -> impl Iterator<Item = u8> + 'l {
        self.digits.iter().copied().filter(u8::is_ascii_digit)
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.exponent, other.exponent) {
            (Some(left), Some(right)) => {
                left == right
                    && self.negative == other.negative
                    && self.significant().cmp(other.significant()) == Ordering::Equal
            }
            (None, None) => self.lexeme == other.lexeme,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// The power of ten of the digit at `index` of a mantissa.
fn place_of(mantissa: &[u8], index: usize) -> i128 {
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let place = if index < point { point - index - 1 } else { index - point };
    let place = i128::try_from(place).unwrap_or(i128::MAX);
    if index < point { place } else { -place }
}

fn parse_exponent(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    let digits = &digits[zeros..];
    if digits.len() > 36 {
        return None;
    }
    let value = digits.iter().fold(0_i128, |value, digit| value * 10 + i128::from(digit.wrapping_sub(b'0')));
    Some(if negative { -value } else { value })
}

/// Mixes two words into one: a wide product folded, as in the wyhash family.
pub(super) fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left ^ 0x9e37_79b9_7f4a_7c15) * u128::from(right ^ 0xe703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Decimal::of(left.as_bytes()), Decimal::of(right.as_bytes()));
        assert!(left != right || left.hash() == right.hash(), "equal numbers hash alike");
        left == right
    }

    #[test]
    fn spelling_does_not_matter() {
        for (left, right) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1E+2"),
            ("1.50", "15e-1"),
            ("0", "-0.0e5"),
            ("0.001", "1e-3"),
            ("123456789012345678901234567890", "12345678901234567890123456789e1"),
            ("1e999999999", "10e999999998"),
            ("1e0000000000000000000000000000000000000000000007", "10000000"),
            ("0e99999999999999999999999999999999999999999999999", "0"),
        ] {
            assert!(same(left, right), "{left} = {right}");
        }
    }

    #[test]
    fn value_matters_to_the_last_digit() {
        for (left, right) in [
            ("18446744073709551617", "1"),
            ("0.1", "0.10000000000000000001"),
            ("1", "-1"),
            ("1e999999999", "1e999999998"),
            ("10", "1"),
            ("1.05", "1.5"),
            ("1e99999999999999999999999999999999999999999", "1e99999999999999999999999999999999999999998"),
        ] {
            assert!(!same(left, right), "{left} != {right}");
        }
    }

    #[test]
    fn small_numbers_come_apart() {
        assert_eq!(Decimal::of(b"-12.50").small(), Some((-125, -1)));
        assert_eq!(Decimal::of(b"0.000").small(), Some((0, 0)));
        assert_eq!(Decimal::of(b"1e99999999999").small(), None);
    }
}
