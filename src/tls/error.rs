//! What is wrong with a certificate, a key or a name, in which file, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system does not give the file.
    #[error("cannot read `{}`: {error}; {}", path.display(), readable(error))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("`{}` is no regular file; name a file, which can be read again when it changes", .0.display())]
    NotAFile(PathBuf),
    /// More than any chain of certificates needs.
    #[error("`{}` is too large to be a certificate or a key", .0.display())]
    TooLarge(PathBuf),
    /// A section does not end, or is no base64.
    #[error("`{}` is damaged: it begins like PEM and cannot be decoded; write the file again", .0.display())]
    Damaged(PathBuf),
    /// A file of certificates without any.
    #[error("`{}` holds no certificate{}", path.display(), instead_of_certificate(*has_key))]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether there is a private key in it.
        has_key: bool,
    },
    /// A file of a key without any.
    #[error("`{}` holds no private key{}", path.display(), found.remedy())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: InsteadOfKey,
    },
    /// What stands in a certificate's place is none.
    #[error("`{}`: certificate {nth} in it cannot be used: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        nth: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of a kind that is not supported, or a damaged one. What exactly is not told, because
    /// it would be told about the key.
    #[error("`{}` holds a private key that cannot be used; use RSA (2048 to 4096 bits), ECDSA (P-256, P-384) or Ed25519", .0.display())]
    Key(PathBuf),
    /// A key that belongs to another certificate.
    #[error("the key in `{}` does not belong to the certificate in `{}`; give the two that were made together", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Nobody vouches for anybody.
    #[error("this system has no certificates of authorities{}; install them (often a package named `ca-certificates`), set SSL_CERT_FILE, or give the side's authority with `tls.ca`", because(.0))]
    NoSystemRoots(Vec<String>),
    /// The library refuses the parameters.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// What a file of a key holds in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsteadOfKey {
    /// Nothing that is known.
    Nothing,
    /// A certificate.
    Certificate,
    /// A key under a passphrase.
    Encrypted,
}

impl InsteadOfKey {
    fn remedy(self) -> &'static str {
        match self {
            Self::Nothing => "; it must be PEM with a section `PRIVATE KEY`",
            Self::Certificate => " but a certificate; are `cert` and `key` swapped?",
            Self::Encrypted => {
                " that is readable without a passphrase; store it unencrypted (`openssl pkey -in OLD -out NEW`), readable for parallax only"
            }
        }
    }
}

impl TlsError {
    /// Whether this file is at fault.
    #[must_use]
    pub fn concerns(&self, file: &Path) -> bool {
        match self {
            Self::Read { path, .. }
            | Self::NotAFile(path)
            | Self::TooLarge(path)
            | Self::Damaged(path)
            | Self::NoCertificate { path, .. }
            | Self::NoKey { path, .. }
            | Self::Certificate { path, .. }
            | Self::Key(path) => path == file,
            Self::Mismatch { cert, key } => cert == file || key == file,
            Self::NoSystemRoots(_) | Self::Setup(_) => false,
        }
    }
}

fn readable(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "put it there or name another (paths start from the configuration's directory)"
        }
        io::ErrorKind::PermissionDenied => "let the user that runs parallax read it",
        _ => "see to it that it can be read",
    }
}

fn instead_of_certificate(has_key: bool) -> &'static str {
    if has_key {
        " but a private key; are `cert` and `key` swapped?"
    } else {
        "; it must be PEM with a section `CERTIFICATE`"
    }
}

fn because(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) }
}
