//! Secrets are references: `env:NAME` or `file:PATH`. What they refer to is read once, when the
//! configuration is loaded, and is never printed, not even by `{:?}`.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::scalar::Scalar;

/// Longest secret that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A value that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The value itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text of a file, without the line end that editors add.
    ///
    /// # Errors
    /// When it cannot be read or is empty.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        match read {
            Err(error) => Err(format!("cannot read the secret in `{}`: {error}", path.display())),
            Ok(read) if read as u64 > MAX_BYTES => {
                Err(format!("`{}` is larger than {MAX_BYTES} bytes and no secret", path.display()))
            }
            Ok(_) => match text.trim_end_matches(['\r', '\n']) {
                "" => Err(format!("`{}` is empty", path.display())),
                secret => Ok(secret.into()),
            },
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a value comes from.
#[derive(Clone)]
pub(super) enum Source {
    /// A variable of the environment.
    Env(String),
    /// A file, relative to the configuration's own.
    File(PathBuf),
    /// It was typed in.
    Plain(Secret),
}

impl Scalar for Source {
    fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(allowed) {
                return Err(
                    "`env:` is followed by the name of a variable, like `env:CANDIDATE_TOKEN`".to_owned()
                );
            }
            return Ok(Self::Env(name.to_owned()));
        }
        match text.strip_prefix("file:") {
            Some("") => Err("`file:` is followed by a path, like `file:/run/secrets/token`".to_owned()),
            Some(path) => Ok(Self::File(path.into())),
            None => Ok(Self::Plain(text.into())),
        }
    }
}

/// Where references lead: the environment, and the directory of the configuration file.
pub(super) struct Vault<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) directory: &'a Path,
}

impl Vault<'_> {
    /// The value that a source leads to.
    pub(super) fn open(&self, source: &Source) -> Result<Secret, String> {
        let secret = match source {
            Source::Env(name) => self.variable(name)?,
            Source::File(path) => Secret::from_file(&self.directory.join(path))?,
            Source::Plain(secret) => secret.clone(),
        };
        if secret.expose().is_empty() { Err(format!("{} is empty", describe(source))) } else { Ok(secret) }
    }

    fn variable(&self, name: &str) -> Result<Secret, String> {
        let value = (self.env)(name);
        value.map(|value| value.as_str().into()).ok_or_else(|| {
            format!(
                "the environment has no variable `{name}` (or it is no text); set it before parallax starts"
            )
        })
    }
}

fn describe(source: &Source) -> String {
    match source {
        Source::Env(name) => format!("the variable `{name}`"),
        Source::File(path) => format!("the file `{}`", path.display()),
        Source::Plain(_) => "the value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, directory: &Path) -> Result<String, String> {
        let env = |name: &str| match name {
            "TOKEN" => Some("from-env".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let vault = Vault { env: &env, directory };
        vault.open(&Source::read(text)?).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn references_lead_to_variables_and_files() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("token"), "from-file\n").expect("a file");
        assert_eq!(open("env:TOKEN", directory.path()), Ok("from-env".into()));
        assert_eq!(open("file:token", directory.path()), Ok("from-file".into()));
        assert_eq!(open("typed", directory.path()), Ok("typed".into()));
        assert!(open("env:NO_SUCH", directory.path()).unwrap_err().contains("no variable `NO_SUCH`"));
        assert_eq!(open("env:EMPTY", directory.path()), Err("the variable `EMPTY` is empty".into()));
        assert!(open("file:none", directory.path()).unwrap_err().contains("none`: "));
        assert!(open("env:", directory.path()).is_err());
        assert!(open("env:A B", directory.path()).is_err());
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let large = "x".repeat(64 * 1024 + 1);
        std::fs::write(directory.path().join("large"), large).expect("a file");
        assert!(open("file:large", directory.path()).unwrap_err().contains("larger than"));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(…)");
    }
}
