//! A certificate with its key: what this end proves itself with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::error::TlsError;
use super::{pem, provider};

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those between it and an authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate that is ready for use.
pub(super) struct Certificate {
    /// The chain and the key.
    pub(super) certified: Arc<CertifiedKey>,
    /// The names that it is good for, in small letters; `*.` stands for one label.
    pub(super) names: Vec<String>,
}

impl CertificateFiles {
    /// Everything that is wrong with the two files.
    #[must_use]
    pub fn check(&self) -> Vec<TlsError> {
        let parts = [pem::certificates(&self.cert).err(), pem::key(&self.key).err()];
        let mut errors: Vec<TlsError> = parts.into_iter().flatten().collect();
        if errors.is_empty() {
            errors.extend(self.load().err());
        }
        errors
    }

    pub(super) fn load(&self) -> Result<Certificate, TlsError> {
        let chain = pem::certificates(&self.cert)?;
        let names = names(&chain[0]).map_err(|error| TlsError::Certificate {
            path: self.cert.clone(),
            nth: 1,
            reason: error.to_string(),
        })?;
        let key = provider().key_provider.load_private_key(pem::key(&self.key)?);
        let certified = CertifiedKey::new(chain, key.map_err(|_| TlsError::Key(self.key.clone()))?);
        // Every kind of key that the provider knows has a public half to compare.
        certified
            .keys_match()
            .map_err(|_| TlsError::Mismatch { cert: self.cert.clone(), key: self.key.clone() })?;
        Ok(Certificate { certified: Arc::new(certified), names })
    }
}

/// The names of a certificate (RFC 5280 section 4.2.1.6). Its subject's common name is none:
/// clients have not looked at it for years (RFC 9525 section 2).
fn names(certificate: &rustls::pki_types::CertificateDer<'_>) -> Result<Vec<String>, webpki::Error> {
    let parsed = EndEntityCert::try_from(certificate)?;
    Ok(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
}
