//! TLS: towards the sides, whose certificates are verified, and for clients, who are shown the
//! certificate that fits the name they ask for.
//!
//! rustls does the cryptography, with `ring` beneath it: memory-safe, without a C library of the
//! system's, and with nothing to configure that would weaken it. The provider is handed over
//! explicitly wherever one is needed, because one that is installed for the whole process would
//! be decided by whoever comes first.
//!
//! This module stands at the bottom: the configuration uses it to look at files while their place
//! in the configuration is still known, and everyone above gets what is ready for a handshake. It
//! never switches verification off, and no key appears in a message or in `{:?}`.

mod certificate;
mod client;
mod error;
mod pem;
mod server;
mod shown;
mod stamp;
mod stream;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use certificate::CertificateFiles;
pub use client::{ClientTls, SideTls};
pub use error::TlsError;
pub use rustls::pki_types::ServerName;
pub use server::ServerTls;
pub use stream::MaybeTls;

/// HTTP/2 in ALPN (RFC 9113 section 3.1).
pub const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301 section 6).
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
