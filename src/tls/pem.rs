//! Certificates and keys from files. They are PEM (RFC 7468), several sections one after the
//! other, with text in between that means nothing; what is not asked for is passed over.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{InsteadOfKey, TlsError};

/// Longest file that is read, in bytes. The bundle of all public authorities has some 250 KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, Error> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| TlsError::Damaged(path.to_owned()))?;
    if found.is_empty() {
        let has_key = PrivateKeyDer::from_pem_slice(&text).is_ok();
        return Err(TlsError::NoCertificate { path: path.to_owned(), has_key });
    }
    Ok(found)
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    // The old form of an encrypted key has the header of a plain one, and would pass for damaged.
    if is_encrypted(&text) {
        return Err(TlsError::NoKey { path: path.to_owned(), found: InsteadOfKey::Encrypted });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        Error::NoItemsFound => {
            let is_certificate = CertificateDer::from_pem_slice(&text).is_ok();
            let found = if is_certificate { InsteadOfKey::Certificate } else { InsteadOfKey::Nothing };
            TlsError::NoKey { path: path.to_owned(), found }
        }
        _ => TlsError::Damaged(path.to_owned()),
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY") || line.starts_with(b"Proc-Type: 4,ENCRYPTED")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read { path: path.to_owned(), error };
    // Asked before it is opened: opening a pipe waits for whoever writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(TlsError::NotAFile(path.to_owned()));
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text));
    match read {
        Err(error) => Err(failed(error)),
        Ok(read) if read as u64 > MAX_BYTES => Err(TlsError::TooLarge(path.to_owned())),
        Ok(_) => Ok(text),
    }
}
