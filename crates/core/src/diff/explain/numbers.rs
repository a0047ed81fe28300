//! How two numbers are related.

use super::Explanation;
use crate::document::Decimal;

/// What the candidate made of legacy's number.
pub(super) fn explain(legacy: &str, candidate: &str) -> Explanation {
    let (left, right) = (Decimal::of(legacy.as_bytes()), Decimal::of(candidate.as_bytes()));
    let (left, right) = (left.small()?, right.small()?);
    if left.0 == -right.0 && left.1 == right.1 {
        return Some("opposite sign".into());
    }
    if let Some(places) = rounded(left, right, candidate) {
        return Some(format!("rounded to {}", decimals(places)).into());
    }
    if let Some(places) = rounded(right, left, legacy) {
        return Some(format!("was rounded to {}", decimals(places)).into());
    }
    if let Some(places) = cut(left, right, candidate) {
        return Some(format!("cut to {}", decimals(places)).into());
    }
    scaled(left, right)
}

fn decimals(places: i32) -> String {
    format!("{places} decimal{}", if places == 1 { "" } else { "s" })
}

/// Digits after the point, as written; nothing where there is an exponent.
fn written_decimals(lexeme: &str) -> Option<i32> {
    if lexeme.contains(['e', 'E']) {
        return None;
    }
    let places = lexeme.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    i32::try_from(places).ok()
}

/// To how many decimals `coarse` is `fine` rounded: half a unit of its last written place away at most.
fn rounded(fine: (i128, i32), coarse: (i128, i32), lexeme: &str) -> Option<i32> {
    let places = written_decimals(lexeme)?;
    let (distance, unit) = distance(fine, coarse, places)?;
    (distance.checked_mul(2)? <= unit).then_some(places)
}

/// To how many decimals `coarse` is `fine` cut off.
fn cut(fine: (i128, i32), coarse: (i128, i32), lexeme: &str) -> Option<i32> {
    let places = written_decimals(lexeme)?;
    let (distance, unit) = distance(fine, coarse, places)?;
    let towards_zero = coarse.0 == 0 || fine.0.signum() == coarse.0.signum() && is_larger(fine, coarse)?;
    (towards_zero && distance < unit).then_some(places)
}

fn is_larger(fine: (i128, i32), coarse: (i128, i32)) -> Option<bool> {
    let scale = u32::try_from(coarse.1.checked_sub(fine.1)?).ok().filter(|&scale| scale <= 30)?;
    Some(fine.0.checked_abs()? > coarse.0.checked_abs()?.checked_mul(10_i128.checked_pow(scale)?)?)
}

/// How far the two lie apart, and one unit of the place after so many decimals, both in units of
/// the finer one's last place; nothing unless that is beyond the decimals.
fn distance(fine: (i128, i32), coarse: (i128, i32), places: i32) -> Option<(i128, i128)> {
    let lost = u32::try_from((-places).checked_sub(fine.1)?).ok().filter(|&lost| (1..=30).contains(&lost))?;
    let unit = 10_i128.checked_pow(lost)?;
    let scale = u32::try_from(coarse.1.checked_sub(fine.1)?).ok().filter(|&scale| scale <= 30)?;
    let coarse_value = coarse.0.checked_mul(10_i128.checked_pow(scale)?)?;
    Some((fine.0.checked_sub(coarse_value)?.checked_abs()?, unit))
}

/// The same digits in another unit: cents, milliseconds, per cent.
fn scaled(left: (i128, i32), right: (i128, i32)) -> Explanation {
    if left.0 != right.0 || left.0 == 0 {
        return None;
    }
    let (shift, verb) = match right.1.checked_sub(left.1)? {
        shift @ 1..=9 => (shift, "times"),
        shift @ -9..=-1 => (-shift, "divided by"),
        _ => return None,
    };
    Some(format!("{verb} {}", 10_i64.pow(shift.unsigned_abs())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(legacy: &str, candidate: &str) -> String {
        explain(legacy, candidate).unwrap_or_default().into_owned()
    }

    #[test]
    fn says_what_was_rounded() {
        assert_eq!(numbers("12.345", "12.35"), "rounded to 2 decimals");
        assert_eq!(numbers("12.345", "12.34"), "rounded to 2 decimals");
        assert_eq!(numbers("19.99", "20.0"), "rounded to 1 decimal");
        assert_eq!(numbers("12.3", "12"), "rounded to 0 decimals");
        assert_eq!(numbers("99.96", "100"), "rounded to 0 decimals");
        assert_eq!(numbers("12", "12.3"), "was rounded to 0 decimals");
        assert_eq!(numbers("1.000", "1.0051"), "");
        assert_eq!(numbers("12.345", "12.36"), "");
    }

    #[test]
    fn says_what_was_cut_or_scaled() {
        assert_eq!(numbers("12.349", "12.34"), "cut to 2 decimals");
        assert_eq!(numbers("-0.9", "0"), "cut to 0 decimals");
        assert_eq!(numbers("12.34", "1234"), "times 100");
        assert_eq!(numbers("1500", "1.5"), "divided by 1000");
        assert_eq!(numbers("5", "-5"), "opposite sign");
        assert_eq!(numbers("5", "6"), "");
    }

    #[test]
    fn numbers_of_any_size_are_left_alone() {
        assert_eq!(numbers("1e999999999", "1"), "");
        assert_eq!(numbers("100000000000000000000000000000000000001", "1"), "");
        assert_eq!(numbers("1e-2147483648", "1e2147483647"), "");
        assert_eq!(numbers("1e-30", "9e30"), "");
    }
}
