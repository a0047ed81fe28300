//! Numbers, shares and times for readers.

use jiff::Timestamp;
use maud::{Markup, html};
use parallax_core::ratio::Ratio;

/// A count with its thousands apart: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part / whole`, cut rather than rounded, so that it never reads as more than it is.
pub(super) fn ratio(part: u64, whole: u64) -> Option<Ratio> {
    let ppm = (u128::from(part) * 1_000_000).checked_div(u128::from(whole))?;
    Some(Ratio::from_ppm(u32::try_from(ppm).unwrap_or(u32::MAX)))
}

/// A time in milliseconds, with as many digits as matter.
pub(super) fn milliseconds(time_ms: Option<f64>) -> String {
    match time_ms {
        None => "–".to_owned(),
        Some(time_ms) if time_ms >= 10_000.0 => format!("{:.1} s", time_ms / 1000.0),
        Some(time_ms) if time_ms >= 10.0 => format!("{time_ms:.0} ms"),
        Some(time_ms) => format!("{time_ms:.1} ms"),
    }
}

/// An instant, as the time that has passed since; the instant itself is in the tooltip.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let exact = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.to_string()) title=(exact) { (elapsed(now.as_second() - at.as_second())) } }
}

fn elapsed(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..=1 => return "just now".to_owned(),
        2..=119 => (seconds, "s"),
        120..=7_199 => (seconds / 60, "min"),
        7_200..=172_799 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{number} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn a_ratio_is_never_rounded_up() {
        let shown = |part, whole| ratio(part, whole).map(|ratio| ratio.to_string());
        assert_eq!(shown(999_999, 1_000_001).as_deref(), Some("99.9998%"));
        assert_eq!(shown(1, 1).as_deref(), Some("100%"));
        assert_eq!(shown(0, 0), None);
        assert_eq!(shown(u64::MAX, u64::MAX).as_deref(), Some("100%"));
    }

    #[test]
    fn times_are_short() {
        let shown = [None, Some(0.25), Some(9.94), Some(31.4), Some(12_340.0)].map(milliseconds);
        assert_eq!(shown, ["–", "0.2 ms", "9.9 ms", "31 ms", "12.3 s"]);
        let shown = [-5, 0, 59, 119, 120, 7_199, 7_200, 172_800].map(elapsed);
        assert_eq!(
            shown,
            [
                "just now",
                "just now",
                "59 s ago",
                "119 s ago",
                "2 min ago",
                "119 min ago",
                "2 h ago",
                "2 days ago"
            ]
        );
    }
}
