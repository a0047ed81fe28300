//! The key that seals what waits: from the environment, or in a file beside the store that only its
//! owner can read. It is made on first use and never shown.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The variable that holds the key.
const VARIABLE: &str = "PARALLAX_STORE_KEY";
const LENGTH: usize = 32;

/// 256 random bits.
#[derive(Clone)]
pub struct StoreKey(pub(super) [u8; LENGTH]);

/// Why there is no key. No message holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The variable holds something else.
    #[error(
        "{VARIABLE} is no key; set it to 32 random bytes in base64 or hexadecimal (`openssl rand -base64 32`)"
    )]
    Variable,
    /// The file holds something else.
    #[error("{} is no key of a store; put the file back, or set {VARIABLE}", .0.display())]
    NoKey(PathBuf),
    /// Others may read the file.
    #[error("{} may be read by others than its owner; `chmod 600` it", .0.display())]
    Open(PathBuf),
    /// The file cannot be read or made.
    #[error("the key file {} cannot be used: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Random(#[from] getrandom::Error),
}

impl StoreKey {
    /// The key in the environment, else the one in the file, which is made where it is absent. A
    /// store without a file has a key that is gone with the process.
    ///
    /// # Errors
    /// When there is none, and none can be made.
    pub fn find(file: Option<&Path>) -> Result<Self, KeyError> {
        if let Some(text) = std::env::var_os(VARIABLE) {
            return text.to_str().and_then(Self::read).ok_or(KeyError::Variable);
        }
        match file {
            Some(file) => Self::from_file(file),
            None => Self::make(),
        }
    }

    fn make() -> Result<Self, KeyError> {
        let mut key = [0; LENGTH];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    fn from_file(path: &Path) -> Result<Self, KeyError> {
        let failed = |error| KeyError::File { path: path.to_owned(), error };
        match fs::metadata(path) {
            Ok(known) if known.permissions().mode() & 0o077 != 0 => Err(KeyError::Open(path.to_owned())),
            Ok(_) => {
                let text = fs::read_to_string(path).map_err(failed)?;
                Self::read(text.trim()).ok_or_else(|| KeyError::NoKey(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::make()?;
                key.write(path).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Under another name first: a file of this name is always a whole key.
    fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("key.new");
        // What an earlier start has left there may be readable by others.
        fs::remove_file(&beside).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(file, "{}", STANDARD.encode(self.0))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = if text.len() == 2 * LENGTH { from_hex(text) } else { STANDARD.decode(text).ok() };
        bytes?.try_into().ok().map(Self)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    text.as_bytes().chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_found_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("parallax.key");
        let made = StoreKey::from_file(&path).expect("a new key");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(StoreKey::from_file(&path).expect("the same").0, made.0);
        assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its mode");
        assert!(matches!(StoreKey::from_file(&path), Err(KeyError::Open(_))));
        fs::remove_file(&path).expect("it is removed");
        fs::write(&path, "short").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        assert!(matches!(StoreKey::from_file(&path), Err(KeyError::NoKey(_))));
    }

    #[test]
    fn a_key_is_written_in_base64_or_hexadecimal() {
        let hex = "00ff".repeat(16);
        let base64 = STANDARD.encode(from_hex(&hex).expect("bytes"));
        assert_eq!(StoreKey::read(&hex).expect("a key").0, StoreKey::read(&base64).expect("a key").0);
        for bad in ["", "00ff", &"00ff".repeat(17), &"zz".repeat(32), "AAAA"] {
            assert!(StoreKey::read(bad).is_none(), "{bad}");
        }
    }
}
