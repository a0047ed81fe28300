//! How long a cookie lives (RFC 6265 sections 4.1.2.1, 4.1.2.2 and 5.3), which each side says in its
//! own way and from its own moment on.

use std::cmp::Ordering;

use super::instant::{SURELY_PAST, cookie_date};

/// Two lifetimes that are no further apart than this, in seconds, are the same: the sides answer one
/// after the other, and clocks and rounding add to that.
const TOLERANCE: u64 = 5;

/// Until when a cookie is kept. The order of the variants only makes sorting possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lifetime {
    /// Until the session ends.
    Session,
    /// Not at all: the cookie is deleted.
    Deleted,
    /// So many seconds from the answer on.
    For(i64),
    /// Until this instant, of an answer that does not say when it was made.
    Until(i64),
}

impl Lifetime {
    /// What the attributes `Max-Age` and `Expires` come to, of which the first has precedence, for
    /// an answer of this `Date`.
    pub(super) fn of(max_age: Option<i64>, expires: Option<i64>, date: Option<i64>) -> Self {
        match (max_age, expires, date) {
            (Some(seconds), _, _) => Self::lasting(seconds),
            (None, Some(until), Some(date)) => Self::lasting(until.saturating_sub(date)),
            (None, Some(until), None) if until <= SURELY_PAST => Self::Deleted,
            (None, Some(until), None) => Self::Until(until),
            (None, None, _) => Self::Session,
        }
    }

    fn lasting(seconds: i64) -> Self {
        if seconds <= 0 { Self::Deleted } else { Self::For(seconds) }
    }

    /// The order in which what is the same within the tolerance is equal. It is no order of more
    /// than two, and must not be used to sort.
    pub(super) fn about(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::For(a), Self::For(b)) | (Self::Until(a), Self::Until(b)) if a.abs_diff(b) <= TOLERANCE => {
                Ordering::Equal
            }
            _ => self.cmp(&other),
        }
    }

    /// What the candidate made of legacy's lifetime, where they differ.
    pub(super) fn explain(legacy: Self, candidate: Self) -> &'static str {
        match (legacy, candidate) {
            (Self::Deleted, _) => "set instead of deleted",
            (_, Self::Deleted) => "deleted instead of set",
            (Self::Session, _) => "persistent instead of for the session",
            (_, Self::Session) => "for the session instead of persistent",
            (Self::For(_) | Self::Until(_), Self::For(_) | Self::Until(_)) => "lifetime differs",
        }
    }
}

/// `Max-Age` in seconds, if a user agent would take it (RFC 6265 section 5.2.2).
pub(super) fn max_age(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More than fits is forever.
    Some(if negative { -1 } else { digits.parse().unwrap_or(i64::MAX) })
}

/// `Expires` as an instant, if a user agent would take it (RFC 6265 section 5.2.1).
pub(super) fn expires(text: &str) -> Option<i64> {
    cookie_date(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_what_user_agents_take() {
        assert_eq!(max_age("60"), Some(60));
        assert_eq!(max_age("-5"), Some(-1));
        assert_eq!(max_age("99999999999999999999999"), Some(i64::MAX));
        for text in ["", "-", "+1", "1s", "1.5"] {
            assert_eq!(max_age(text), None, "{text}");
        }
    }

    #[test]
    fn the_ways_to_say_one_lifetime() {
        let date = Some(2_000_000_000);
        assert_eq!(Lifetime::of(Some(60), None, None), Lifetime::For(60));
        assert_eq!(Lifetime::of(Some(60), Some(0), date), Lifetime::For(60));
        assert_eq!(Lifetime::of(None, Some(2_000_000_060), date), Lifetime::For(60));
        assert_eq!(Lifetime::of(None, Some(2_000_000_060), None), Lifetime::Until(2_000_000_060));
        assert_eq!(Lifetime::of(None, None, date), Lifetime::Session);
        for deleted in [
            Lifetime::of(Some(0), None, None),
            Lifetime::of(Some(-1), None, date),
            Lifetime::of(None, Some(1_999_999_999), date),
            Lifetime::of(None, Some(0), None),
        ] {
            assert_eq!(deleted, Lifetime::Deleted);
        }
        assert_eq!(Lifetime::of(None, Some(i64::MAX), Some(-1)), Lifetime::For(i64::MAX));
    }

    #[test]
    fn five_seconds_are_the_same() {
        assert_eq!(Lifetime::For(60).about(Lifetime::For(65)), Ordering::Equal);
        assert_eq!(Lifetime::For(60).about(Lifetime::For(66)), Ordering::Less);
        assert_eq!(Lifetime::Until(60).about(Lifetime::For(60)), Ordering::Greater);
        assert_eq!(Lifetime::For(1).about(Lifetime::Deleted), Ordering::Greater);
        assert_eq!(Lifetime::For(i64::MAX).about(Lifetime::For(1)), Ordering::Greater);
    }
}
