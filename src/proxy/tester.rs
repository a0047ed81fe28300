//! A request whose sender has chosen the side that answers, and has proven that they may.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Response};
use parallax_core::exchange::Side;
use subtle::ConstantTimeEq as _;

use crate::config::Tester;

/// The side that a request is pinned to; none where it is not, or its secret is not the right one.
pub(super) fn pinned(tester: Option<&Tester>, headers: &HeaderMap) -> Option<Side> {
    let Tester { header, secret } = tester?;
    let value = headers.get(header)?.as_bytes();
    let at = value.iter().rposition(|&byte| byte == b' ')?;
    let (given, side) = (value.get(..at)?.trim_ascii_end(), value.get(at + 1..)?);
    let side = Side::ALL.iter().copied().find(|known| known.as_str().as_bytes() == side)?;
    bool::from(given.ct_eq(secret.expose().as_bytes())).then_some(side)
}

/// Keeps the answer to a tester from everybody else's caches.
pub(super) fn keep_private<B>(response: &mut Response<B>) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_pins_and_only_to_a_side() {
        let tester = Tester {
            header: http::HeaderName::from_static("x-tester"),
            secret: "s3cret-s3cret-s3cret".into(),
        };
        let of = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([(tester.header.clone(), http::HeaderValue::from_static(value))]);
            pinned(Some(&tester), &headers)
        };
        assert_eq!(of("s3cret-s3cret-s3cret candidate"), Some(Side::Candidate));
        assert_eq!(of("s3cret-s3cret-s3cret legacy"), Some(Side::Legacy));
        for wrong in [
            "candidate",
            " candidate",
            "s3cret-s3cret-s3creT candidate",
            "s3cret-s3cret-s3cret",
            "s3cret-s3cret-s3cret other",
            "s3cret-s3cret-s3cret ",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(pinned(Some(&tester), &HeaderMap::new()), None);
        let headers =
            HeaderMap::from_iter([(tester.header.clone(), http::HeaderValue::from_static("a legacy"))]);
        assert_eq!(pinned(None, &headers), None);
    }
}
