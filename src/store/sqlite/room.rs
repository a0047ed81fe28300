//! The room that is left on the disk.

use std::path::Path;

/// Bytes that the file may not grow into: the log needs them, in which others are completed.
const RESERVE: u64 = 1 << 20;
/// Bytes of them that are left when the log takes checks for which the file has room already. A small
/// commit needs a part of it.
const LEAST: u64 = 256 << 10;

/// Whether so many bytes of new checks may be written: once in the log and once in the file, and what
/// is in the log by now has to fit into the file as well. `unused` are bytes in the file that hold
/// nothing. Where the system does not tell, the write will.
pub(super) fn is_enough(path: &Path, bytes: u64, unused: u64) -> bool {
    let Ok(system) = rustix::fs::statvfs(path) else { return true };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = std::fs::metadata(log).map_or(0, |log| log.len());
    if unused >= bytes.saturating_mul(2) {
        return free >= log.saturating_add(LEAST).saturating_add(bytes);
    }
    free >= log.saturating_add(RESERVE).saturating_add(bytes.saturating_mul(2))
}
