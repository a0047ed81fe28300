//! Length and hash of a body's decoded bytes, taken while it passes: an answer over `body_limit` is
//! compared by these instead of being kept.
//!
//! A body that cannot be decoded is hashed as it came, behind a marker: it equals a body with the
//! same bytes and never one that decodes. Nothing is kept but the state of decoder and hash.

use std::io::{self, Write};

use http::HeaderValue;
use http::header::GetAll;
use sha2::{Digest as _, Sha256};

use super::coding::{Codings, Sink, Stage};
use crate::exchange::{Answer, Body, Digest};

/// Decoded bytes that any coded body may have; beyond them no more than [`RATIO`] times what came,
/// so that a bomb costs the thread that reads it no more than a large body would.
const FREE: u64 = 64 * 1024 * 1024;
const RATIO: u64 = 1100;
const MARKER: &[u8] = b"parallax: undecodable\0";

/// Hashes a body while it passes.
///
/// ```
/// use http::{HeaderMap, header};
/// use parallax_core::format::DigestStream;
/// let mut stream = DigestStream::new(HeaderMap::new().get_all(header::CONTENT_ENCODING));
/// stream.update(b"hello ");
/// stream.update(b"world");
/// assert_eq!(stream.decoded(), 11);
/// assert_eq!(stream.finish().length, 11);
/// ```
pub struct DigestStream {
    /// Nothing when the body cannot be decoded, or not any more.
    chain: Option<Box<dyn Stage<Hashing>>>,
    /// The hash of what came, unless that is what the chain hashes.
    raw: Option<Sha256>,
    raw_length: u64,
    decoded: u64,
}

struct Hashing {
    hash: Sha256,
    length: u64,
    /// Counted beside the bytes that are hashed.
    passed: u64,
    allowed: u64,
}

impl Hashing {
    fn new() -> Self {
        Self { hash: Sha256::new(), length: 0, passed: 0, allowed: u64::MAX }
    }

    fn check(&self) -> io::Result<()> {
        let within = self.length.saturating_add(self.passed) <= self.allowed;
        if within { Ok(()) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }
}

impl Sink for Hashing {
    fn take(&mut self, decoded: &[u8]) -> io::Result<()> {
        self.length += decoded.len() as u64;
        self.check()?;
        self.hash.update(decoded);
        Ok(())
    }

    fn pass(&mut self, bytes: usize) -> io::Result<()> {
        self.passed = self.passed.saturating_add(bytes as u64);
        self.check()
    }
}

/// The length of an answer's body, decoded.
#[must_use]
pub fn decoded_length(answer: &Answer) -> u64 {
    match &answer.body {
        Body::Digest(Digest { length, .. }) => *length,
        Body::Whole(bytes) => {
            let mut stream = DigestStream::new(answer.headers.get_all(http::header::CONTENT_ENCODING));
            stream.update(bytes);
            stream.finish().length
        }
    }
}

impl DigestStream {
    /// For a body with these `Content-Encoding` fields.
    #[must_use]
    pub fn new(codings: GetAll<'_, HeaderValue>) -> Self {
        let codings = Codings::of_values(codings);
        let is_identity = codings.as_ref().is_ok_and(Codings::is_identity);
        let chain = codings.ok().and_then(|codings| codings.chain_to(Hashing::new()).ok());
        let raw = if is_identity { None } else { Some(Sha256::new().chain_update(MARKER)) };
        Self { chain, raw, raw_length: 0, decoded: 0 }
    }

    /// Takes the next piece of the body as it came.
    pub fn update(&mut self, piece: &[u8]) {
        self.raw_length += piece.len() as u64;
        if let Some(raw) = &mut self.raw {
            raw.update(piece);
        }
        let Some(chain) = &mut self.chain else { return };
        if self.raw.is_some() {
            chain.sink().allowed = FREE.max(self.raw_length.saturating_mul(RATIO));
        }
        let written = chain.write_all(piece);
        self.decoded = chain.sink().length;
        if written.is_err() {
            self.chain = None;
        }
    }

    /// Decoded bytes seen so far; where nothing can be decoded, the bytes that came.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        if self.chain.is_some() { self.decoded } else { self.raw_length }
    }

    /// The digest of the whole body.
    #[must_use]
    pub fn finish(self) -> Digest {
        // No bytes at all are an empty body in any coding.
        let decoded = match self.chain {
            Some(_) if self.raw_length == 0 => Some(Hashing::new()),
            Some(chain) => chain.finish().ok(),
            None => None,
        };
        match (decoded, self.raw) {
            (Some(hashing), _) => Digest { length: hashing.length, sha256: hashing.hash.finalize().into() },
            (None, raw) => {
                Digest { length: self.raw_length, sha256: raw.unwrap_or_default().finalize().into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::coding::tests::{encode, headers};
    use super::*;
    use http::header;

    fn digest(codings: &[&'static str], bytes: &[u8], piece: usize) -> Digest {
        let headers = headers(codings);
        let mut stream = DigestStream::new(headers.get_all(header::CONTENT_ENCODING));
        bytes.chunks(piece).for_each(|piece| stream.update(piece));
        stream.finish()
    }

    #[test]
    fn equal_contents_have_equal_digests_in_any_coding_and_cut() {
        let body: Vec<u8> = (0..100_000_u32).flat_map(|number| (number % 7_919).to_le_bytes()).collect();
        let plain = digest(&[], &body, 1 << 20);
        assert_eq!(plain.length, 400_000);
        for (name, coding) in
            [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")]
        {
            for piece in [1, 7, 1 << 20] {
                assert_eq!(digest(&[name], &encode(coding, &body), piece), plain, "{coding} {piece}");
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded_equals_only_itself() {
        let whole = encode("gzip", b"some body");
        let cut = &whole[..whole.len() - 3];
        assert_eq!(digest(&["gzip"], cut, 5), digest(&["gzip"], cut, 100));
        assert_ne!(digest(&["gzip"], cut, 5), digest(&[], cut, 5));
        assert_ne!(digest(&["gzip"], cut, 5), digest(&["gzip"], &whole, 5));
        assert_ne!(digest(&["odd"], b"x", 5), digest(&[], b"x", 5));
        assert_eq!(digest(&["gzip"], b"", 5), digest(&[], b"", 5));
    }

    #[test]
    fn a_bomb_is_given_up() {
        let zeros = vec![0; 8 << 20];
        let bomb = encode("zstd", &zeros).repeat(32);
        assert!(bomb.len() < 64 * 1024);
        let headers = headers(&["zstd"]);
        let mut stream = DigestStream::new(headers.get_all(header::CONTENT_ENCODING));
        stream.update(&bomb);
        assert!(stream.chain.is_none());
        assert_eq!(stream.decoded(), bomb.len() as u64);
    }

    #[test]
    fn a_bomb_that_never_arrives_is_given_up() {
        let empty = encode("gzip", b"");
        let bomb = encode("zstd", &empty.repeat(100_000)).repeat(2);
        let headers = headers(&["gzip, zstd"]);
        let mut stream = DigestStream::new(headers.get_all(header::CONTENT_ENCODING));
        stream.update(&bomb);
        assert!(stream.chain.is_none());
    }
}
