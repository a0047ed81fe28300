//! The certificate that all contenders show, made anew for each run: P-256, which is what most
//! servers on the web have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A certificate and its key, in files.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub(crate) both: PathBuf,
}

impl Certificate {
    /// Makes one in this directory.
    pub(crate) fn make(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        let made = Self { certificate: path("cert.pem"), key: path("key.pem"), both: path("both.pem") };
        let status = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("openssl: {error}; scripts/install-tools installs it"));
        assert!(status.success(), "openssl made no certificate");
        let read = |path: &Path| std::fs::read_to_string(path).expect("what openssl has written");
        let both = read(&made.certificate) + &read(&made.key);
        crate::process::write(&made.both, &both);
        made
    }
}
