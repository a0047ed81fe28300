//! The keys of TLS: what clients are shown, whom we take for a side. The files that they name are
//! looked at while the configuration is read, as secrets are, so that `config check` finds what
//! is missing or does not belong together; they are read again by whoever uses them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::error::{At, Problems};
use super::scalar::{Raw, Scalar};
use super::secret::Vault;
use super::side::{Scheme, UpstreamUrl};
use crate::tls::{CertificateFiles, ServerName, SideTls, TlsError};

/// TLS for clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Tls", deny_unknown_fields)]
pub(super) struct TlsFile {
    /// A file with the certificate, and those between it and an authority, as PEM.
    cert: Raw<FilePath>,
    /// A file with its private key, as PEM.
    key: Raw<FilePath>,
    /// More certificates, each for the names that stand in it; the one above is for all others.
    certificates: Option<Vec<CertificateFile>>,
}

/// A certificate with its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Certificate", deny_unknown_fields)]
struct CertificateFile {
    /// A file with the certificate, and those between it and an authority, as PEM.
    cert: Raw<FilePath>,
    /// A file with its private key, as PEM.
    key: Raw<FilePath>,
}

/// Who a side must be, and as whom we come.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SideTls", deny_unknown_fields)]
pub(super) struct SideTlsFile {
    /// A file with the certificates that vouch for the side, as PEM; the system's by default.
    ca: Option<Raw<FilePath>>,
    /// A file with the certificate that we show to the side, as PEM.
    cert: Option<Raw<FilePath>>,
    /// A file with its private key, as PEM.
    key: Option<Raw<FilePath>>,
    /// The name in the side's certificate; the host of its URL by default.
    server_name: Option<Raw<ServerName<'static>>>,
}

/// A path as it was typed, relative to the configuration's own directory.
struct FilePath(PathBuf);

impl Scalar for FilePath {
    fn read(text: &str) -> Result<Self, String> {
        // Not echoed: it may be the key itself.
        if text.contains("-----BEGIN") || text.chars().any(char::is_control) {
            return Err("this is a path, not the PEM itself; write it to a file and name that".to_owned());
        }
        if text.starts_with("env:") || text.starts_with("file:") {
            return Err("this is a path, without `file:` or `env:` before it".to_owned());
        }
        if text.is_empty() { Err("this must not be empty".to_owned()) } else { Ok(Self(text.into())) }
    }
}

impl Scalar for ServerName<'static> {
    fn read(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned()).map_err(|_| {
            format!("`{text}` is no name that a certificate can have; write one like `returns.internal`")
        })
    }
}

/// What clients are shown; the first one is for those whom none fits.
pub(super) fn for_clients(
    file: Option<&TlsFile>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Vec<CertificateFiles> {
    let Some(file) = file else { return Vec::new() };
    let more = file.certificates.as_deref().unwrap_or_default();
    let all = std::iter::once((&file.cert, &file.key)).chain(more.iter().map(|more| (&more.cert, &more.key)));
    all.filter_map(|(cert, key)| {
        let files = certificate(cert, key, vault, problems)?;
        tell(files.check(), (&files, cert.at, key.at), problems);
        Some(files)
    })
    .collect()
}

/// How TLS is spoken with a side; none where its URL is `http://`, and when it is wrong.
pub(super) fn for_side(
    (url, at): (&UpstreamUrl, At),
    file: Option<&Spanned<SideTlsFile>>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<SideTls> {
    if url.scheme == Scheme::Http {
        if let Some(file) = file {
            let message = "`tls` is for a side at `https://`; write that into `url`, or remove `tls`";
            problems.add(file.referenced.into(), message);
        }
        return None;
    }
    let file = file.map(|file| &file.value);
    let server_name = match file.and_then(|file| file.server_name.as_ref()) {
        Some(raw) => raw.get(problems),
        None => problems.take(at, name_of(url)),
    };
    let ca = file.and_then(|file| file.ca.as_ref());
    let certificate = file.and_then(|file| own_certificate(file, vault, problems));
    let side = SideTls {
        ca: ca.and_then(|raw| path(raw, vault, problems)),
        certificate: certificate.as_ref().map(|(files, ..)| files.clone()),
        server_name: server_name?,
    };
    for error in side.check() {
        match (&side.ca, ca, &certificate) {
            (Some(path), Some(raw), _) if error.concerns(path) => problems.add(raw.at, error.to_string()),
            (.., Some((files, cert, key))) => tell(vec![error], (files, *cert, *key), problems),
            (.., None) => problems.add(at, error.to_string()),
        }
    }
    Some(side)
}

fn name_of(url: &UpstreamUrl) -> Result<ServerName<'static>, String> {
    ServerName::try_from(url.host.clone()).map_err(|_| {
        format!("`{}` is no name that a certificate can have; add `tls: {{server_name: NAME}}`", url.host)
    })
}

/// What we show to a side, with the places of its two files.
fn own_certificate(
    file: &SideTlsFile,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<(CertificateFiles, At, At)> {
    match (&file.cert, &file.key) {
        (Some(cert), Some(key)) => Some((certificate(cert, key, vault, problems)?, cert.at, key.at)),
        (Some(cert), None) => {
            problems.add(cert.at, "a certificate needs its private key; add `key`");
            None
        }
        (None, Some(key)) => {
            problems.add(key.at, "a private key needs its certificate; add `cert`");
            None
        }
        (None, None) => None,
    }
}

fn certificate(
    cert: &Raw<FilePath>,
    key: &Raw<FilePath>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<CertificateFiles> {
    let (cert, key) = (path(cert, vault, problems), path(key, vault, problems));
    Some(CertificateFiles { cert: cert?, key: key? })
}

fn path(raw: &Raw<FilePath>, vault: &Vault<'_>, problems: &mut Problems) -> Option<PathBuf> {
    raw.get(problems).map(|FilePath(path)| vault.directory.join(path))
}

/// Each error at the key that names its file.
fn tell(errors: Vec<TlsError>, (files, cert, key): (&CertificateFiles, At, At), problems: &mut Problems) {
    for error in errors {
        let is_about_key = error.concerns(&files.key) && files.key != files.cert;
        problems.add(if is_about_key { key } else { cert }, error.to_string());
    }
}
