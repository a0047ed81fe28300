//! Whether files have changed, told without reading them.
//!
//! Links are followed, so that a directory which is swapped as a whole, as Kubernetes does with
//! mounted secrets, shows as other files. Asking costs one system call for each file, which is
//! cheap enough for every second and, unlike a watch on directories, works on every file system
//! and misses nothing when a link far up is swapped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What changes when a file is written or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The state of several files; those that cannot be found have one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p Path>) -> Self {
        Self(paths.map(stamp).collect())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some(Stamp {
        device: file.dev(),
        inode: file.ino(),
        length: file.len(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
    })
}
