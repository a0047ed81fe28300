//! Sealing what waits on disk: XChaCha20-Poly1305 with a random nonce of 192 bits, so that any
//! number of checks may be sealed with one key. The name of the check and of its operation are
//! bound to it: what is sealed for one check opens as no other.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parallax_core::check::CheckId;
use parallax_core::operation::OperationId;
use sha2::Sha256;

use super::StoreKey;
use crate::store::Fingerprint;

/// Says how the bytes are sealed; another way would have another number.
const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// Seals and opens.
#[derive(Clone)]
pub struct Seal {
    cipher: XChaCha20Poly1305,
    fingerprints: Hmac<Sha256>,
    key_id: [u8; 8],
}

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// It was sealed with another key, for another check, or was changed.
    #[error("it was sealed with another key or for another check, or it is damaged")]
    Broken,
}

impl Seal {
    /// With this key. Keys for other uses are derived from it, so that none is used twice.
    #[must_use]
    pub fn new(key: &StoreKey) -> Self {
        let derive = |use_: &[u8]| -> [u8; 32] {
            let mut mac = keyed(&key.0);
            mac.update(use_);
            mac.finalize().into_bytes().into()
        };
        let id = derive(b"parallax key id");
        Self {
            cipher: XChaCha20Poly1305::new(&derive(b"parallax seal").into()),
            fingerprints: keyed(&derive(b"parallax fingerprint")),
            key_id: [id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]],
        }
    }

    /// Tells one key from another, and nothing else.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// Tells two contents apart. Without the key, nobody can try guesses on it.
    #[must_use]
    pub fn fingerprint(&self, operation_id: &OperationId, content: &[u8]) -> Fingerprint {
        let mut mac = self.fingerprints.clone();
        mac.update(operation_id.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(content);
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = Fingerprint::default();
        short.copy_from_slice(&whole[..16]);
        short
    }

    /// Seals the content of a check.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn seal(
        &self,
        id: CheckId,
        operation_id: &OperationId,
        content: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let aad = bound_to(id, operation_id);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: content, aad: &aad })
            .map_err(|_| SealError::Broken)?;
        let mut whole = Vec::with_capacity(1 + NONCE + sealed.len());
        whole.push(FORMAT);
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&sealed);
        Ok(whole)
    }

    /// Opens what was sealed for this check.
    ///
    /// # Errors
    /// When it was not, or not with this key.
    pub fn open(&self, id: CheckId, operation_id: &OperationId, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&[FORMAT], rest) = sealed.split_at_checked(1).ok_or(SealError::Broken)? else {
            return Err(SealError::Broken);
        };
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Broken)?;
        let aad = bound_to(id, operation_id);
        self.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: &aad })
            .map_err(|_| SealError::Broken)
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104: a shorter key is filled up with zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

fn bound_to(id: CheckId, operation_id: &OperationId) -> Vec<u8> {
    [&id.0.to_be_bytes(), operation_id.as_str().as_bytes()].concat()
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::new(&StoreKey([byte; 32]))
    }

    fn operation(name: &str) -> OperationId {
        name.parse().expect("an id")
    }

    #[test]
    fn what_is_sealed_opens_as_itself_only() {
        let (id, own) = (CheckId(7), operation("a"));
        let sealed = seal(1).seal(id, &own, b"authorization: secret").expect("sealed");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(seal(1).open(id, &own, &sealed).as_deref(), Ok(&b"authorization: secret"[..]));
        assert_eq!(seal(2).open(id, &own, &sealed), Err(SealError::Broken), "another key");
        assert_eq!(seal(1).open(CheckId(8), &own, &sealed), Err(SealError::Broken), "another check");
        assert_eq!(seal(1).open(id, &operation("b"), &sealed), Err(SealError::Broken), "another operation");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal(1).open(id, &own, &changed), Err(SealError::Broken), "byte {at}");
            assert_eq!(seal(1).open(id, &own, &sealed[..at]), Err(SealError::Broken), "{at} bytes");
        }
    }

    #[test]
    fn the_same_content_is_sealed_differently_and_has_one_fingerprint() {
        let (id, own) = (CheckId(7), operation("a"));
        assert_ne!(seal(1).seal(id, &own, b"x"), seal(1).seal(id, &own, b"x"));
        assert_eq!(seal(1).fingerprint(&own, b"x"), seal(1).fingerprint(&own, b"x"));
        assert_ne!(seal(1).fingerprint(&own, b"x"), seal(1).fingerprint(&own, b"y"));
        assert_ne!(seal(1).fingerprint(&own, b"x"), seal(2).fingerprint(&own, b"x"));
        assert_ne!(seal(1).fingerprint(&own, b"x"), seal(1).fingerprint(&operation("b"), b"x"));
        assert_eq!(seal(1).key_id(), seal(1).key_id());
        assert_ne!(seal(1).key_id(), seal(2).key_id());
    }
}
