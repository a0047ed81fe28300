//! Our end of a connection to a side.
//!
//! The side's certificate is always verified: against the system's authorities, or against those
//! in `ca` alone, which may as well be the side's own self-signed certificate (one that is not
//! marked as an authority's, which no client of this library takes for a server's). There is no
//! way to switch verification off, and none is missing: a comparison with whoever happened to
//! answer proves nothing about the candidate, and a switch that is meant for a test is found in
//! production years later.
//!
//! Nothing is sent before the handshake is over (no early data): a request in it could be
//! repeated by whoever recorded it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

use super::certificate::CertificateFiles;
use super::error::TlsError;
use super::{pem, provider};

/// Whom we take for a side, and as whom we come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideTls {
    /// The certificates that vouch for the side; none: the system's authorities do.
    pub ca: Option<PathBuf>,
    /// What we show when the side asks who we are.
    pub certificate: Option<CertificateFiles>,
    /// The name that the side's certificate must have, and that the side is told (SNI).
    pub server_name: ServerName<'static>,
}

impl SideTls {
    /// Everything that is wrong with the files. The system's authorities are not looked at: they
    /// may be others where the configuration is checked.
    #[must_use]
    pub fn check(&self) -> Vec<TlsError> {
        let mut errors: Vec<TlsError> =
            self.ca.as_deref().and_then(|path| given_roots(path).err()).into_iter().collect();
        errors.extend(self.certificate.iter().flat_map(CertificateFiles::check));
        errors
    }
}

/// What it takes to begin TLS with a side. Cheap to clone; sessions are resumed among clones.
#[derive(Clone)]
pub struct ClientTls {
    /// For `tokio_rustls::TlsConnector`.
    pub config: Arc<ClientConfig>,
    /// The name to ask for.
    pub name: ServerName<'static>,
}

impl ClientTls {
    /// Reads the files. `alpn` is what is offered, best first; nothing is offered when it is empty.
    ///
    /// # Errors
    /// When a file or the system's store is of no use.
    pub fn new(side: &SideTls, alpn: &[&[u8]]) -> Result<Self, TlsError> {
        let roots = match &side.ca {
            Some(path) => given_roots(path)?,
            None => system_roots(rustls_native_certs::load_native_certs())?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(roots);
        let mut config = match &side.certificate {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let resolver = rustls::sign::SingleCertAndKey::from(files.load()?.certified);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { config: Arc::new(config), name: side.server_name.clone() })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The certificates of a file, all of which must be of use: one that is passed over in silence is
/// missed much later.
fn given_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (nth, certificate) in (1..).zip(pem::certificates(path)?) {
        roots.add(certificate).map_err(|error| TlsError::Certificate {
            path: path.to_owned(),
            nth,
            reason: match error {
                rustls::Error::InvalidCertificate(error) => error.to_string(),
                error => error.to_string(),
            },
        })?;
    }
    Ok(roots)
}

/// The system's authorities. Those that are of no use are passed over, as every client does.
fn system_roots(found: CertificateResult) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsError::NoSystemRoots(found.errors.iter().map(ToString::to_string).collect()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_authorities_is_told_with_the_remedy() {
        let told = system_roots(CertificateResult::default()).expect_err("nobody").to_string();
        assert!(told.contains("no certificates of authorities; install them"), "{told}");
        assert!(told.contains("SSL_CERT_FILE") && told.contains("`tls.ca`"), "{told}");
    }
}
