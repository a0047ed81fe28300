//! Markers: how parallax recognises a request that it has sent itself.
//!
//! A side may call back through parallax: it is configured with a name that leads here, or two
//! parallaxes lead to each other. Such a request must not be checked again, because each check asks
//! a side that comes round once more, and it must not go round for ever. So every request that
//! leaves, to either side, says how many times it has passed, in `parallax-hop: N.T.MAC`: the
//! number, the minute, and a signature over both (HMAC-SHA256, cut to 128 bits) with the
//! deployment's key. What is not signed by that key is a client's claim and is taken off.
//!
//! A marker that leaks, because a side shows the headers that it got, is worth little: its holder
//! can have requests proxied without being checked, which is counted as `loop`, and only for the
//! few minutes until it is too old. A marker never holds anything about the request.
//!
//! The marker of a request that comes for the first time is the same for a whole minute; each
//! thread signs it once, so that the usual request costs no hash.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::config::Secret;

/// Says how many times a request has passed.
pub const HOP: HeaderName = HeaderName::from_static("parallax-hop");
/// Marks the copy, and only the copy, so that a side can tell it apart.
pub const SHADOW: HeaderName = HeaderName::from_static("parallax-shadow");

/// Marks a copy that is sent to look at a mismatch again.
pub const RECHECK: HeaderName = HeaderName::from_static("parallax-recheck");

/// A request that has passed so many times is refused.
pub const MOST_HOPS: u8 = 8;

/// How old a marker may be, and how far ahead the clock of the node that made it.
const TOLERANCE_MINUTES: u64 = 5;
/// Bytes of a signature: nobody guesses 128 bits in a few minutes.
const SIGNATURE_BYTES: usize = 16;
/// Lines of the header that are looked at. We send one; a proxy in between may have made more.
const MOST_LINES: usize = 4;
/// What is signed begins with this, so that the key signs nothing else that looks the same.
const PURPOSE: &[u8] = b"parallax-hop ";

type Signer = Hmac<Sha256>;

/// Makes and recognises the markers of one deployment.
pub struct Markers {
    signer: Signer,
    /// Tells this one from others of the process, whose threads may be the same.
    id: u64,
}

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    hops: u8,
    minute: u64,
}

/// The marker of first-time requests, as a thread has made it last.
struct First {
    id: u64,
    minute: u64,
    value: HeaderValue,
}

thread_local! {
    static FIRST: RefCell<Option<First>> = const { RefCell::new(None) };
}

impl Markers {
    /// With the deployment's key, or with one that only this process knows.
    ///
    /// # Errors
    /// When the operating system gives no randomness for one.
    pub fn new(key: Option<&Secret>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut own = [0; 32];
        let key = if let Some(key) = key {
            key.expose().as_bytes()
        } else {
            getrandom::fill(&mut own).map_err(io::Error::other)?;
            &own
        };
        // HMAC takes a key of any length (RFC 2104).
        let signer = Signer::new_from_slice(key).map_err(io::Error::other)?;
        Ok(Self { signer, id: NEXT.fetch_add(1, Ordering::Relaxed) })
    }

    /// How many times a request has passed this deployment, by its valid markers; most have none.
    #[must_use]
    pub fn hops(&self, headers: &HeaderMap) -> u8 {
        if !headers.contains_key(HOP) {
            return 0;
        }
        self.hops_at(headers, this_minute())
    }

    fn hops_at(&self, headers: &HeaderMap, now: u64) -> u8 {
        let valid = self.claims(headers).filter(|claim| claim.minute.abs_diff(now) <= TOLERANCE_MINUTES);
        valid.map(|claim| claim.hops).max().unwrap_or(0)
    }

    /// The marker of a request that has passed so many times, this one included.
    #[must_use]
    pub fn mark(&self, hops: u8) -> HeaderValue {
        let now = this_minute();
        if hops > 1 {
            return self.sign(Claim { hops, minute: now });
        }
        FIRST.with_borrow_mut(|first| match first {
            Some(first) if first.id == self.id && first.minute == now => first.value.clone(),
            _ => {
                let value = self.sign(Claim { hops: 1, minute: now });
                *first = Some(First { id: self.id, minute: now, value: value.clone() });
                value
            }
        })
    }

    /// Makes sure that a request that has waited, or that never came through the proxy, leaves with
    /// a marker that is young enough to be recognised when it comes round. A young one stays as it
    /// is: both sides are told the same.
    pub fn renew(&self, headers: &mut HeaderMap) {
        let first = self.mark(1);
        if headers.get(HOP) == Some(&first) {
            return;
        }
        let now = this_minute();
        let claim = self.claims(headers).max_by_key(|claim| claim.hops);
        let value = match claim {
            Some(claim) if claim.minute.abs_diff(now) <= TOLERANCE_MINUTES / 2 => return,
            Some(claim) if claim.hops > 1 => self.mark(claim.hops),
            Some(_) | None => first,
        };
        headers.insert(HOP, value);
    }

    /// What the markers say that are signed by us, however old.
    fn claims<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = Claim> + 'h {
        headers.get_all(HOP).iter().take(MOST_LINES).filter_map(|value| self.read(value.as_bytes()))
    }

    fn read(&self, marker: &[u8]) -> Option<Claim> {
        let marker = std::str::from_utf8(marker).ok()?;
        let (claim, signature) = marker.rsplit_once('.')?;
        let (hops, minute) = claim.split_once('.')?;
        let is_number =
            |text: &str| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(hops) || !is_number(minute) {
            return None;
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        if signature.len() != SIGNATURE_BYTES {
            return None;
        }
        // Compares in constant time.
        self.signed(claim).verify_truncated_left(&signature).ok()?;
        Some(Claim { hops: hops.parse().ok()?, minute: minute.parse().ok()? })
    }

    fn sign(&self, Claim { hops, minute }: Claim) -> HeaderValue {
        let claim = format!("{hops}.{minute}");
        let signature = self.signed(&claim).finalize().into_bytes();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(&signature[..SIGNATURE_BYTES]);
        // Digits, dots and the letters of base64 are always a value.
        HeaderValue::try_from(format!("{claim}.{signature}")).unwrap_or(HeaderValue::from_static("0"))
    }

    fn signed(&self, claim: &str) -> Signer {
        let mut signer = self.signer.clone();
        signer.update(PURPOSE);
        signer.update(claim.as_bytes());
        signer
    }
}

fn this_minute() -> u64 {
    // A clock before 1970 is a broken one; markers are then all of the same age.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(key: &str) -> Markers {
        Markers::new(Some(&key.into())).expect("markers")
    }

    fn with(values: &[HeaderValue]) -> HeaderMap {
        values.iter().map(|value| (HOP, value.clone())).collect()
    }

    const NOW: u64 = 30_000_000;

    #[test]
    fn a_marker_is_recognised_by_whoever_has_the_key() {
        let (one, same, other) = (markers("a key"), markers("a key"), markers("another"));
        for hops in [1, 2, 8] {
            let marked = with(&[one.mark(hops)]);
            assert_eq!(same.hops(&marked), hops);
            assert_eq!(other.hops(&marked), 0);
        }
        let own = Markers::new(None).expect("markers");
        assert_eq!(own.hops(&with(&[own.mark(1)])), 1);
        assert_eq!(Markers::new(None).expect("markers").hops(&with(&[own.mark(1)])), 0);
    }

    #[test]
    fn a_marker_ages() {
        let markers = markers("a key");
        let marked = with(&[markers.sign(Claim { hops: 3, minute: NOW })]);
        for (now, hops) in [(NOW, 3), (NOW + 5, 3), (NOW - 5, 3), (NOW + 6, 0), (NOW - 6, 0)] {
            assert_eq!(markers.hops_at(&marked, now), hops, "{now}");
        }
    }

    #[test]
    fn what_was_changed_is_no_marker() {
        let markers = markers("a key");
        let good = markers.sign(Claim { hops: 1, minute: NOW });
        let good = good.to_str().expect("a text");
        assert!(markers.read(good.as_bytes()).is_some());
        let changed = |from: &str, to: &str| good.replacen(from, to, 1);
        let last = good.len() - 1;
        for bad in [
            changed("1.", "2."),
            changed("30000000", "30000001"),
            changed("1.", "01."),
            good[..last].to_owned(),
            format!("{good}A"),
            good.replace('.', ","),
            "1".to_owned(),
            "1.2".to_owned(),
            "..".to_owned(),
            String::new(),
            format!("{}.{}", "9".repeat(400), good),
            "1.30000000.".to_owned(),
            "1.30000000.AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ] {
            assert_eq!(markers.read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(markers.read(b"1.\xff.\x80"), None);
    }

    #[test]
    fn among_several_the_highest_valid_one_counts() {
        let markers = markers("a key");
        let forged = HeaderValue::from_static("8.30000000.AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(markers.hops(&with(&[forged, markers.mark(2), markers.mark(1)])), 2);
    }

    #[test]
    fn the_first_marker_is_made_once_a_minute_by_each_owner() {
        let (one, other) = (markers("a key"), markers("another"));
        assert_ne!(one.mark(1), other.mark(1));
        assert_eq!(one.hops(&with(&[one.mark(1)])), 1);
        assert_eq!(other.hops(&with(&[other.mark(1)])), 1);
    }

    #[test]
    fn renewing_keeps_the_number_and_what_is_young() {
        let markers = markers("a key");
        let renewed = |value: HeaderValue| {
            let mut headers = with(&[value]);
            markers.renew(&mut headers);
            headers
        };
        let young = markers.sign(Claim { hops: 4, minute: this_minute() - 1 });
        assert_eq!(renewed(young.clone()), with(&[young]));
        assert_eq!(markers.hops(&renewed(markers.sign(Claim { hops: 4, minute: NOW }))), 4);
        assert_eq!(markers.hops(&renewed(HeaderValue::from_static("forged"))), 1);
        let mut none = HeaderMap::new();
        markers.renew(&mut none);
        assert_eq!(markers.hops(&none), 1);
    }
}
