//! The program as it was started, so that it can be started again: the same path, where a new version may
//! lie by then, and the same arguments.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The program as it was started.
pub(in crate::app) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// This process's own. To be asked at the start: once the file is replaced, the system no longer
    /// knows what it was called.
    pub(in crate::app) fn of_this_process() -> std::io::Result<Self> {
        let mut words = env::args_os();
        let name = words.next().map(PathBuf::from);
        let own = env::current_exe()?;
        // The name by which it was called, because a link in it may lead to a newer version later.
        let called = name.and_then(|name| called(&name)).filter(|path| is_same(path, &own));
        Ok(Self { path: called.unwrap_or(own), arguments: words.collect() })
    }
}

/// Where a program is that was called by this name.
fn called(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return std::path::absolute(name).ok();
    }
    let directories = env::var_os("PATH")?;
    env::split_paths(&directories).map(|directory| directory.join(name)).find(|path| path.is_file())
}

fn is_same(path: &Path, own: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| own.canonicalize().is_ok_and(|own| path == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_directory_is_a_path_and_another_is_looked_for() {
        assert_eq!(called(Path::new("/a/b")), Some("/a/b".into()));
        assert!(called(Path::new("./b")).is_some_and(|path| path.is_absolute()));
        assert!(called(Path::new("sh")).is_some_and(|path| path.is_file()));
        assert_eq!(called(Path::new("no-such-program-anywhere")), None);
    }

    #[test]
    fn a_link_is_kept_as_it_was_called() {
        let directory = tempfile::tempdir().expect("a directory");
        let own = env::current_exe().expect("this program");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&own, &link).expect("a link");
        assert!(is_same(&link, &own));
        assert!(!is_same(Path::new("/bin/sh"), &own));
    }
}
