//! Which certificate a client is shown: the one for the name that it asks for (SNI, RFC 6066
//! section 3), and the first one when it asks for none or for one that nobody has, because a
//! client that is shown the wrong certificate can at least say so.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, CertificateFiles};
use super::error::TlsError;

/// All certificates, by the names that stand in them.
pub(super) struct Shown {
    all: Vec<Arc<CertifiedKey>>,
    /// Several of one name have keys of different kinds.
    by_name: HashMap<String, Vec<usize>>,
}

impl Shown {
    /// Reads all files, or none of them counts.
    pub(super) fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let mut shown = Self { all: Vec::new(), by_name: HashMap::new() };
        for (index, files) in files.iter().enumerate() {
            let Certificate { certified, names } = files.load()?;
            shown.all.push(certified);
            for name in names {
                shown.by_name.entry(name).or_default().push(index);
            }
        }
        Ok(shown)
    }

    /// The certificate for a client that asks for this name and understands these signatures.
    pub(super) fn find(&self, name: Option<&str>, known: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = name.map(|name| self.named(&name.to_ascii_lowercase())).unwrap_or_default();
        let mut fitting = named.iter().filter_map(|&index| self.all.get(index));
        let understood = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(known).is_some();
        fitting.find(understood).or_else(|| self.all.first()).cloned()
    }

    /// A name in full goes before one with a star, which stands for the first label alone
    /// (RFC 9525 section 6.3).
    fn named(&self, name: &str) -> &[usize] {
        let with_star = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        self.by_name.get(name).or_else(with_star).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("certificates", &self.all.len()).finish_non_exhaustive()
    }
}
