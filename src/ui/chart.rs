//! The last hour, minute by minute: matched upwards, unmatched downwards. Each has its own scale,
//! or a few mismatches among thousands of matches could not be seen; the numbers stand beside it.

use maud::{Markup, html};
use parallax_core::tally::Tally;

use super::numbers;
use crate::store::Minute;

/// Minutes on the chart.
pub(super) const MINUTES: i64 = 60;
const STEP: i64 = 10;
const UP: u64 = 60;
const DOWN: u64 = 36;

/// The chart of the hour that ends with the minute `now`.
pub(super) fn chart(minutes: &[(Minute, Tally)], now: Minute) -> Markup {
    let bars = bars(minutes, now);
    let most = |side: fn(&Bar) -> u64| bars.iter().map(side).max().unwrap_or(0);
    let (most_up, most_down) = (most(|bar| bar.matched), most(|bar| bar.unmatched));
    let sum = |side: fn(&Bar) -> u64| bars.iter().map(side).sum::<u64>();
    let words = format!(
        "In the last hour {} checks matched and {} did not",
        numbers::count(sum(|bar| bar.matched)),
        numbers::count(sum(|bar| bar.unmatched))
    );
    html! {
        figure.chart {
            figcaption { (words) "." }
            svg viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label=(words) {
                @for bar in &bars { (drawn(bar, most_up, most_down)) }
                rect.axis x="0" y=(UP) width="600" height="1" {}
            }
            div.scale aria-hidden="true" { span { "60 min ago" } span { "now" } }
            ul.key {
                li { span.swatch.matched {} "matched, at most " (numbers::count(most_up)) " a minute" }
                li { span.swatch.unmatched {} "unmatched, at most " (numbers::count(most_down)) " a minute" }
            }
        }
    }
}

struct Bar {
    place: i64,
    matched: u64,
    unmatched: u64,
}

fn bars(minutes: &[(Minute, Tally)], now: Minute) -> Vec<Bar> {
    let first = now.0 - MINUTES + 1;
    let within = minutes.iter().filter(|(minute, _)| (first..=now.0).contains(&minute.0));
    let bar = |(minute, tally): &(Minute, Tally)| Bar {
        place: minute.0 - first,
        matched: tally.matched,
        unmatched: tally.unmatched,
    };
    within.map(bar).collect()
}

fn drawn(bar: &Bar, most_up: u64, most_down: u64) -> Markup {
    let x = bar.place * STEP + 1;
    let (up, down) = (height(bar.matched, most_up, UP), height(bar.unmatched, most_down, DOWN));
    html! {
        g {
            title {
                (MINUTES - 1 - bar.place) " min ago: " (numbers::count(bar.matched)) " matched, "
                (numbers::count(bar.unmatched)) " unmatched"
            }
            @if up > 0 { rect.matched x=(x) y=(UP - up) width="8" height=(up) {} }
            @if down > 0 { rect.unmatched x=(x) y=(UP + 2) width="8" height=(down) {} }
        }
    }
}

/// In proportion, but what is there is seen.
fn height(number: u64, most: u64, full: u64) -> u64 {
    if number == 0 || most == 0 {
        return 0;
    }
    let height = u128::from(number) * u128::from(full) / u128::from(most);
    u64::try_from(height).unwrap_or(full).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64, matched: u64, unmatched: u64) -> (Minute, Tally) {
        (Minute(minute), Tally { matched, unmatched, ..Tally::default() })
    }

    #[test]
    fn only_the_last_hour_is_shown_and_one_mismatch_is_seen() {
        let minutes = [minute(40, 7, 7), minute(41, 1_000, 0), minute(100, 500, 1), minute(101, 9, 9)];
        let shown = chart(&minutes, Minute(100)).into_string();
        assert!(shown.contains("In the last hour 1,500 checks matched and 1 did not"), "{shown}");
        assert_eq!(shown.matches("class=\"matched\"").count(), 2, "{shown}");
        assert_eq!(shown.matches("class=\"unmatched\"").count(), 1, "{shown}");
    }

    #[test]
    fn heights_are_in_proportion_and_never_overflow() {
        assert_eq!(height(0, 10, 60), 0);
        assert_eq!(height(1, 1_000_000, 60), 2);
        assert_eq!(height(5, 10, 60), 30);
        assert_eq!(height(u64::MAX, u64::MAX, 60), 60);
    }
}
