//! A file that is replaced as a whole, and the one that Skipper watches.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parallax_core::export;
use tokio::sync::watch;

use crate::routing::SharedRouting;

/// How long until a file that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Replaces a file: whoever reads it sees the old text or the new one, also after a power cut. Blocks.
///
/// # Errors
/// When the directory or the disk does not allow it; the old file is still there then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    let mut beside = path.as_os_str().to_owned();
    // Two processes may write it while one takes over from the other.
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, text, path).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // It may not even have been made.
        std::fs::remove_file(&beside).ok();
    }
    written?;
    File::open(directory)?.sync_all()
}

/// Writes the new text, for those who may read the old one.
fn write(beside: &Path, text: &str, old: &Path) -> io::Result<()> {
    let mut file = File::create(beside)?;
    if let Ok(metadata) = std::fs::metadata(old) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Keeps the routes for Skipper in the file that the configuration names (`export.skipper`).
pub struct RoutesFile {
    routing: SharedRouting,
    changes: watch::Receiver<u64>,
    /// What was written last, and where.
    written: Option<(PathBuf, String)>,
    /// Why it could not be written, as it was logged last.
    failed: Option<String>,
}

impl RoutesFile {
    /// For the routing in force, whose changes are told.
    #[must_use]
    pub fn new(routing: SharedRouting, changes: watch::Receiver<u64>) -> Self {
        Self { routing, changes, written: None, failed: None }
    }

    /// Writes it now and after every change, until nobody tells of changes any more.
    pub async fn run(mut self) {
        loop {
            self.changes.mark_unchanged();
            let is_written = self.write().await;
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(AGAIN), if !is_written => {}
            }
        }
    }

    /// Whether the file is as it should be.
    async fn write(&mut self) -> bool {
        let routing = self.routing.load_full();
        let Some(path) = routing.in_force().settings.routes_file.clone() else { return true };
        let plan = match super::in_force(&routing) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(%error, "`export.skipper`: the routes were not written");
                return true;
            }
        };
        let wanted = (path, export::skipper(&plan).text);
        if self.written.as_ref() == Some(&wanted) {
            return true;
        }
        let (path, text) = wanted.clone();
        let done = tokio::task::spawn_blocking(move || replace(&path, &text)).await;
        let failed = match done {
            Ok(Ok(())) => {
                (self.written, self.failed) = (Some(wanted), None);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // It is tried every second, and told once.
        if self.failed.as_ref() != Some(&failed) {
            let path = wanted.0.display();
            tracing::error!(%path, error = failed, "`export.skipper`: the routes were not written yet");
            self.failed = Some(failed);
        }
        false
    }
}
