//! Consistency against its target, on a scale that spreads the nines: 90 %, 99 %, 99.9 % and
//! 99.99 % stand at equal distances, because that is where the question is decided.

use maud::{Markup, html};
use parallax_core::ratio::Ratio;

/// The bar's length in its own units.
const LENGTH: f64 = 100.0;
/// Nines on the scale.
const NINES: f64 = 4.0;

/// The bar; empty before the first check.
pub(super) fn bar(consistency: Option<Ratio>, target: Ratio) -> Markup {
    let is_met = consistency.is_some_and(|consistency| consistency >= target);
    let words = match consistency {
        Some(consistency) => format!("{consistency} consistent, the target is {target}"),
        None => format!("no check yet, the target is {target}"),
    };
    let class = if is_met { "bar met" } else { "bar below" };
    html! {
        svg class=(class) viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) ". Each quarter of the bar is one more nine: 90%, 99%, 99.9%, 99.99%" }
            rect.track x="0" y="3" width="100" height="4" {}
            @if let Some(consistency) = consistency {
                rect.value x="0" y="3" width=(length(consistency)) height="4" {}
            }
            @for tick in [25, 50, 75] {
                rect.tick x=(tick) y="3" width="0.4" height="4" {}
            }
            rect.target x=(place(target)) y="0" width="1" height="10" {}
        }
        div.bar-scale aria-hidden="true" {
            @for nines in ["90", "99", "99.9", "99.99%"] { span { (nines) } }
        }
    }
}

fn length(ratio: Ratio) -> String {
    let part = if ratio == Ratio::ONE { 1.0 } else { (-(1.0 - ratio.as_f64()).log10() / NINES).min(1.0) };
    format!("{:.1}", part.abs() * LENGTH)
}

/// Where the mark of the target begins; it must not stick out at the end.
fn place(target: Ratio) -> String {
    let place: f64 = length(target).parse().unwrap_or(LENGTH);
    format!("{:.1}", place.min(LENGTH - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_stand_at_equal_distances() {
        let lengths = ["0%", "90%", "99%", "99.9%", "99.99%", "99.9999%", "100%"]
            .map(|text| length(text.parse().expect("a ratio")));
        assert_eq!(lengths, ["0.0", "25.0", "50.0", "75.0", "100.0", "100.0", "100.0"]);
        assert_eq!(place(Ratio::ONE), "99.0");
    }
}
