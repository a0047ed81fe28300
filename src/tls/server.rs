//! Our end of a client's connection.
//!
//! Certificates are replaced while connections go on: a handshake takes what is in force when it
//! begins, and connections that are made keep what they have. All files are read and checked
//! before any of them counts, so that a certificate that is already new beside a key that is
//! still old changes nothing; what was in force stays, and the next look finds the key too.
//!
//! A client comes back with a ticket and saves the long half of the handshake. The keys of
//! tickets are this process's own and change by themselves; they outlive a reload, which for a
//! client that comes back means that it trusts the certificate it saw when it was first here.
//! There is no early data: a request in it could be repeated by whoever recorded it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::certificate::CertificateFiles;
use super::error::TlsError;
use super::shown::Shown;
use super::stamp::Stamps;
use super::{ALPN_H2, ALPN_HTTP1, provider};

/// What it takes to begin TLS with clients.
pub struct ServerTls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    sources: Mutex<Sources>,
}

/// Where the certificates come from.
struct Sources {
    files: Vec<CertificateFiles>,
    /// As the files were before they were last read, whether that went well or not.
    seen: Stamps,
}

/// What is in force.
#[derive(Debug)]
struct Current(ArcSwap<Shown>);

impl ServerTls {
    /// Reads the certificates. The first one is shown to clients whom no other fits.
    ///
    /// # Errors
    /// When a file is of no use.
    pub fn open(files: Vec<CertificateFiles>) -> Result<Self, TlsError> {
        let seen = stamps(&files);
        let current = Arc::new(Current(ArcSwap::from_pointee(Shown::load(&files)?)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        config.ticketer = Ticketer::new()?;
        Ok(Self { config: Arc::new(config), current, sources: Mutex::new(Sources { files, seen }) })
    }

    /// For `tokio_rustls::TlsAcceptor`. It stays the same when certificates are replaced.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Whether a file has changed since the files were last read. Cheap, but it asks the disk.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let sources = self.sources();
        stamps(&sources.files) != sources.seen
    }

    /// Reads all files again. It asks the disk.
    ///
    /// # Errors
    /// When one of them is of no use: then nothing changes, and [`Self::has_changed`] says no
    /// until a file changes again.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut sources = self.sources();
        let files = sources.files.clone();
        self.read(files, &mut sources)
    }

    /// Shows the certificates of other files from now on.
    ///
    /// # Errors
    /// When one of them is of no use: then nothing changes.
    pub fn replace(&self, files: Vec<CertificateFiles>) -> Result<(), TlsError> {
        self.read(files, &mut self.sources())
    }

    fn read(&self, files: Vec<CertificateFiles>, sources: &mut Sources) -> Result<(), TlsError> {
        // Before they are read: what is written meanwhile is a change.
        let seen = stamps(&files);
        let shown = Shown::load(&files);
        if files == sources.files || shown.is_ok() {
            *sources = Sources { files, seen };
        }
        self.current.0.store(Arc::new(shown?));
        Ok(())
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("current", &self.current).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(client.server_name(), client.signature_schemes())
    }
}

fn stamps(files: &[CertificateFiles]) -> Stamps {
    let paths = files.iter().flat_map(|files| [&files.cert, &files.key]);
    Stamps::of(paths.map(|path| -> &Path { path }))
}
