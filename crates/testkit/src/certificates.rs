//! Certificates that are made as a test needs them: an authority of the test's own, and what it
//! vouches for. Nothing outlives the test, and nothing is good anywhere else.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};

/// Someone who vouches for others.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct TestCertificate {
    /// The certificate.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new authority of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its own certificate to `NAME.crt` in a directory.
    #[must_use]
    pub fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.crt"));
        fs::write(&path, self.pem()).expect("a file");
        path
    }

    /// For a server of these names and addresses; `*.` stands for one label.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> TestCertificate {
        self.sign(&server_params(names))
    }

    /// For a server, with a key of another kind: Ed25519 in place of ECDSA.
    #[must_use]
    pub fn server_ed25519(&self, names: &[&str]) -> TestCertificate {
        self.sign_for(&server_params(names), &KeyPair::generate_for(&PKCS_ED25519).expect("a key"))
    }

    /// For a server, and no longer valid for years.
    #[must_use]
    pub fn expired(&self, names: &[&str]) -> TestCertificate {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// For a client of this name.
    #[must_use]
    pub fn client(&self, name: &str) -> TestCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> TestCertificate {
        self.sign_for(params, &KeyPair::generate().expect("a key"))
    }

    fn sign_for(&self, params: &CertificateParams, key: &KeyPair) -> TestCertificate {
        let cert = params.signed_by(key, &self.issuer).expect("a certificate");
        TestCertificate { cert: cert.pem(), key: key.serialize_pem() }
    }
}

impl TestCertificate {
    /// One that nobody but itself vouches for.
    #[must_use]
    pub fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let cert = server_params(names).self_signed(&key).expect("a certificate");
        Self { cert: cert.pem(), key: key.serialize_pem() }
    }

    /// Puts `NAME.crt` and `NAME.key` into a directory, in place of what was there.
    #[must_use]
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        replace(&paths.0, &self.cert);
        replace(&paths.1, &self.key);
        paths
    }
}

/// By a new file, because two writes to the same one within a tick of the clock may look alike.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("a file");
    fs::rename(new, path).expect("a file in its place");
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}
