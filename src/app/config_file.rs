//! The configuration file and the OpenAPI document that it names, watched: looked at once a second, by what the system says of it and not by its
//! content. Looking needs no help of the file system, follows symbolic links as they are at that
//! moment (Kubernetes swaps a link to publish a new version), and notices what an editor's rename does.
//!
//! A file that has just changed is left alone until it looks the same twice, so that nobody's half-written
//! file is read.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{self, ConfigErrors, Settings};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The configuration file, with the document that it names.
pub struct ConfigFile {
    path: PathBuf,
    /// The OpenAPI document that it named when it was read last.
    openapi: Option<PathBuf>,
    /// What they looked like when they were read last.
    read: [Look; 2],
    /// What they looked like a moment ago.
    seen: [Look; 2],
}

/// What a file looks like from outside: device, inode, length, and time of its last change in seconds and
/// nanoseconds. None where there is no file.
type Look = Option<(u64, u64, u64, i64, i64)>;

impl ConfigFile {
    /// The file at this path, as it is now.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let read = [look(path), None];
        Self { path: path.to_owned(), openapi: None, read, seen: read }
    }

    /// Reads it.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn load(&mut self) -> Result<Settings, ConfigErrors> {
        // Looked at before they are read: a change in between is noticed the next time.
        let before = self.look();
        let loaded = config::load(&self.path);
        let openapi = match &loaded {
            Ok(settings) => settings.openapi.clone(),
            Err(errors) => errors.openapi.as_ref().map(PathBuf::from).or(self.openapi.clone()),
        };
        self.read =
            if openapi == self.openapi { before } else { [before[0], openapi.as_deref().and_then(look)] };
        self.seen = self.read;
        self.openapi = openapi;
        loaded
    }

    /// Waits until one of them has changed, and has settled.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if self.has_changed(self.look()) {
                return;
            }
        }
    }

    fn look(&self) -> [Look; 2] {
        [look(&self.path), self.openapi.as_deref().and_then(look)]
    }

    fn has_changed(&mut self, now: [Look; 2]) -> bool {
        let is_settled = now == self.seen;
        self.seen = now;
        is_settled && now != self.read
    }
}

fn look(path: &Path) -> Look {
    let file = path.metadata().ok()?;
    Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    impl ConfigFile {
        fn looked_at(&mut self) -> bool {
            self.has_changed(self.look())
        }
    }

    #[test]
    fn a_change_is_reported_once_it_has_settled() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("parallax.yaml");
        fs::write(&path, "a").expect("a file");
        let mut file = ConfigFile::at(&path);
        assert!(!file.looked_at());
        fs::write(&path, "ab").expect("a file");
        assert!(!file.looked_at(), "it may be half-written");
        fs::write(&path, "abc").expect("a file");
        assert!(!file.looked_at(), "it was");
        assert!(file.looked_at());
        assert!(file.looked_at(), "until it is read");
        file.load().expect_err("no configuration");
        assert!(!file.looked_at(), "a bad file is not read again and again");
        fs::remove_file(&path).expect("a file");
        assert!(!file.looked_at() && file.looked_at(), "a file that is gone has changed");
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        for version in ["one", "two"] {
            fs::create_dir(place(version)).expect("a directory");
            fs::write(place(version).join("parallax.yaml"), "same").expect("a file");
        }
        symlink("one", place("data")).expect("a link");
        symlink("data/parallax.yaml", place("parallax.yaml")).expect("a link");
        let mut file = ConfigFile::at(&place("parallax.yaml"));
        symlink("two", place("new")).expect("a link");
        fs::rename(place("new"), place("data")).expect("the link is swapped");
        assert!(!file.looked_at() && file.looked_at());
    }

    #[test]
    fn a_change_of_the_openapi_document_is_a_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        let document = |path: &str| format!("openapi: 3.0.0\npaths: {{{path}: {{get: {{}}}}}}\n");
        fs::write(place("parallax.yaml"), "legacy: http://a\ncandidate: http://b\nopenapi: api.yaml\n")
            .expect("a file");
        fs::write(place("api.yaml"), document("/a")).expect("a file");
        let mut file = ConfigFile::at(&place("parallax.yaml"));
        file.load().expect("a configuration");
        assert!(!file.looked_at());
        for (content, operations) in
            [(document("/bb"), Some(1)), ("paths".to_owned(), None), (document("/c"), Some(1))]
        {
            fs::write(place("api.yaml"), content).expect("a file");
            assert!(!file.looked_at() && file.looked_at());
            assert_eq!(file.load().ok().map(|settings| settings.operations.len()), operations);
            assert!(!file.looked_at(), "it was read as it is");
        }
        fs::remove_file(place("api.yaml")).expect("a file");
        assert!(!file.looked_at() && file.looked_at());
        file.load().expect_err("no document");
        fs::write(place("api.yaml"), document("/d")).expect("a file");
        assert!(!file.looked_at() && file.looked_at(), "it is there again");
    }
}
