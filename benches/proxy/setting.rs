//! What the contenders of one part stand in: a directory, the two sides, and a certificate.

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::sides::Sides;

/// What the contenders stand in.
pub(crate) struct Setting {
    pub(crate) certificate: Certificate,
    pub(crate) sides: Sides,
    pub(crate) directory: TempDir,
}

impl Setting {
    /// Starts the sides and makes the certificate.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let certificate = Certificate::make(directory.path());
        let sides = Sides::start(directory.path());
        Self { certificate, sides, directory }
    }
}
