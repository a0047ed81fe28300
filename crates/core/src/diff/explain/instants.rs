//! How two instants are related.

use super::Explanation;
use crate::rule::instant;

/// What the candidate made of legacy's instant; nothing where either is none.
pub(super) fn explain(legacy: &str, candidate: &str) -> Explanation {
    const SECOND: i128 = 1_000_000_000;
    let (left, right) = (instant(legacy)?, instant(candidate)?);
    let wall = |text: &str| text.get(..19).map(|wall| wall.replace(['t', ' '], "T"));
    let same_wall = wall(legacy) == wall(candidate);
    if left.has_offset != right.has_offset {
        let lost = if left.has_offset { "without its offset" } else { "with an offset" };
        return Some(if same_wall { format!("same wall time, {lost}").into() } else { lost.into() });
    }
    let apart = right.nanoseconds - left.nanoseconds;
    if apart == 0 {
        return Some(
            if same_wall { "same instant, other spelling" } else { "same instant, other offset" }.into(),
        );
    }
    if left.nanoseconds.div_euclid(SECOND) == right.nanoseconds.div_euclid(SECOND) {
        return Some("same second, other fraction".into());
    }
    // Legacy's offset less the candidate's is how far the instants lie apart.
    if same_wall && apart % (60 * SECOND) == 0 {
        return Some(format!("{}: same wall time, other offset", span(apart)).into());
    }
    let whole_quarters = apart % (900 * SECOND) == 0 && apart.abs() <= 26 * 3_600 * SECOND;
    whole_quarters.then(|| format!("{}: a whole offset apart", span(apart)).into())
}

/// A span of whole minutes with its sign: `+2h`, `-30m`.
fn span(nanoseconds: i128) -> String {
    let minutes = nanoseconds.abs() / 60_000_000_000;
    let sign = if nanoseconds < 0 { '-' } else { '+' };
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{sign}{minutes}m"),
        (hours, 0) => format!("{sign}{hours}h"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_instants_are_related() {
        let texts =
            |legacy: &str, candidate: &str| explain(legacy, candidate).unwrap_or_default().into_owned();
        let at = "2026-01-02T03:04:05Z";
        assert_eq!(texts(at, "2026-01-02T05:04:05+02:00"), "same instant, other offset");
        assert_eq!(texts(at, "2026-01-02T03:04:05.000+00:00"), "same instant, other spelling");
        assert_eq!(texts(at, "2026-01-02T03:04:05+02:00"), "-2h: same wall time, other offset");
        assert_eq!(texts(at, "2026-01-02T05:34:05Z"), "+2h30m: a whole offset apart");
        assert_eq!(texts("2026-01-02T03:04:05.123Z", at), "same second, other fraction");
        assert_eq!(texts(at, "2026-01-02T03:04:05"), "same wall time, without its offset");
        assert_eq!(texts(at, "2026-01-02T03:04:06Z"), "");
        assert_eq!(texts(at, "soon"), "");
    }
}
