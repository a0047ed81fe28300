//! The plan file: the stage of every operation, and whether it is retired, in a small JSON file beside the store, so that a
//! change of stage is durable at once even when the store is down, and a human can read and, with
//! the program stopped, mend it.
//!
//! ```json
//! {"version":1,"operations":{"getReturn":{"stage":"canary","share":"5%","revision":7}}}
//! ```
//!
//! It is replaced by rename, never written in place: a reader or a crash sees the old file or the
//! new one. It holds no counts and no samples.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;
use parallax_core::stage::{Share, Stage, StageName};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::backend::StoredStage;
use super::sqlite::sync_directory;

/// The plan file of a store. One process has it at a time: whoever holds the store.
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
}

/// For each operation the later of what the store and the plan file say; the store on a tie.
#[must_use]
pub fn merge(stored: Vec<StoredStage>, planned: Vec<StoredStage>) -> BTreeMap<OperationId, StoredStage> {
    let mut merged: BTreeMap<OperationId, StoredStage> = BTreeMap::new();
    for stage in stored.into_iter().chain(planned) {
        let is_later = merged.get(&stage.operation_id).is_none_or(|known| known.revision < stage.revision);
        if is_later {
            merged.insert(stage.operation_id.clone(), stage);
        }
    }
    merged
}

impl PlanFile {
    const VERSION: u32 = 1;

    /// More is no plan file: ten thousand operations are below a megabyte.
    const MAX_BYTES: u64 = 16 << 20;

    /// The plan file at `path`, which need not be there yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stages in it; none when there is no file.
    ///
    /// # Errors
    /// When it cannot be read or is no plan file. It is left as it is.
    pub fn read(&self) -> Result<Vec<StoredStage>, StoreError> {
        let mut text = String::new();
        match File::open(&self.path).and_then(|file| file.take(Self::MAX_BYTES).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unreadable(&error)),
        }
        let content: Content = serde_json::from_str(&text).map_err(|error| self.unreadable(&error))?;
        if content.version != Self::VERSION {
            return Err(self.unreadable(&format!(
                "its version is {}, not {}",
                content.version,
                Self::VERSION
            )));
        }
        let stages = content.operations.into_iter().map(|(operation_id, planned)| {
            let stage =
                planned.stage().map_err(|error| self.unreadable(&format!("{operation_id}: {error}")))?;
            Ok(StoredStage { operation_id, stage, revision: planned.revision, retired: planned.retired })
        });
        stages.collect()
    }

    /// Replaces it; the new one is durable when this returns. Blocks.
    ///
    /// # Errors
    /// When the directory or the disk does not allow it; the old file is still there then.
    pub fn write<'a>(&mut self, stages: impl IntoIterator<Item = &'a StoredStage>) -> Result<(), StoreError> {
        let planned = |stored: &StoredStage| (stored.operation_id.clone(), Planned::of(stored));
        let operations = stages.into_iter().map(planned).collect();
        let content = Content { version: Self::VERSION, operations };
        let failed = |error: &io::Error| StoreError::of_io(self.path.display().to_string(), "write", error);
        let mut text = serde_json::to_vec(&content).map_err(|error| failed(&error.into()))?;
        text.push(b'\n');
        self.replace(&text).map_err(|error| failed(&error))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        rename(&beside, &self.path)?;
        sync_directory(&self.path)
    }

    fn unreadable(&self, detail: &impl ToString) -> StoreError {
        StoreError::PlanFile { place: self.path.display().to_string(), detail: detail.to_string() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    operations: BTreeMap<OperationId, Planned>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    stage: StageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Ratio>,
    revision: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
}

impl Planned {
    fn of(stored: &StoredStage) -> Self {
        let share = stored.stage.share().map(Share::ratio);
        Self { stage: stored.stage.name(), share, revision: stored.revision, retired: stored.retired }
    }

    fn stage(&self) -> Result<Stage, String> {
        let share = self.share.map(Share::new).transpose().map_err(|error| error.to_string())?;
        Stage::from_parts(self.stage, share).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::contract::operation;

    fn stored(name: &str, stage: Stage, revision: u64) -> StoredStage {
        StoredStage { operation_id: operation(name), stage, revision, retired: false }
    }

    fn canary(share: &str) -> Stage {
        Stage::Canary(Share::new(share.parse().expect("a ratio")).expect("a share"))
    }

    fn plan_file(text: &str) -> (tempfile::TempDir, PlanFile) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = PlanFile::at(directory.path().join("x.plan.json"));
        fs::write(file.path(), text).expect("a file");
        (directory, file)
    }

    #[test]
    fn it_reads_what_it_wrote_and_leaves_nothing_beside_it() {
        let (directory, mut file) = plan_file("{");
        let stages = [
            stored("a", Stage::Legacy, 1),
            stored("b", Stage::Shadow, 2),
            stored("c", canary("0.5%"), 3),
            stored("d", Stage::Switched, u64::MAX),
            StoredStage { retired: true, ..stored("e", Stage::Complete, 5) },
        ];
        file.write(&stages).expect("a plan file");
        assert_eq!(file.read(), Ok(stages.to_vec()));
        assert_eq!(fs::read_dir(directory.path()).expect("the directory").count(), 1);
    }

    #[test]
    fn its_format_is_the_one_that_is_documented() {
        let (_directory, mut file) = plan_file("");
        file.write(&[stored("getReturn", canary("5%"), 7), stored("list", Stage::Shadow, 1)])
            .expect("a plan file");
        assert_eq!(
            fs::read_to_string(file.path()).expect("a file"),
            r#"{"version":1,"operations":{"getReturn":{"stage":"canary","share":"5%","revision":7},"list":{"stage":"shadow","revision":1}}}"#
                .to_owned()
                + "\n"
        );
    }

    #[test]
    fn no_file_is_no_stage() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(PlanFile::at(directory.path().join("x.plan.json")).read(), Ok(vec![]));
    }

    #[test]
    fn what_is_no_plan_file_is_refused_with_the_place_and_the_remedy() {
        let cases = [
            ("", "EOF"),
            ("{\"version\":1,\"operations\":{", "EOF"),
            ("\u{0}\u{0}\u{0}", "expected value"),
            (r#"{"version":2,"operations":{}}"#, "version is 2"),
            (
                r#"{"version":1,"operations":{"a":{"stage":"canary","revision":1}}}"#,
                "a: canary needs a share",
            ),
            (
                r#"{"version":1,"operations":{"a":{"stage":"canary","share":"0%","revision":1}}}"#,
                "more than 0%",
            ),
            (
                r#"{"version":1,"operations":{"a":{"stage":"shadow","share":"5%","revision":1}}}"#,
                "only canary",
            ),
            (r#"{"version":1,"operations":{"a":{"stage":"mirrored","revision":1}}}"#, "mirrored"),
            (r#"{"version":1,"operations":{"a":{"stage":"shadow","revision":-1}}}"#, "-1"),
            (r#"{"version":1,"operations":{"a b":{"stage":"shadow","revision":1}}}"#, "a b"),
        ];
        for (text, expected) in cases {
            let (_directory, file) = plan_file(text);
            let error = file.read().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("x.plan.json") && error.contains("remove it"), "{error}");
            assert_eq!(fs::read_to_string(file.path()).expect("a file"), text);
        }
    }

    #[test]
    fn when_it_cannot_be_written_the_old_one_stays() {
        let (directory, mut file) = plan_file("");
        file.write(&[stored("a", Stage::Shadow, 1)]).expect("a plan file");
        fs::create_dir(directory.path().join("x.plan.json.new")).expect("something in the way");
        let error = file.write(&[stored("a", Stage::Switched, 2)]).expect_err("something is in the way");
        assert!(error.to_string().contains("x.plan.json"), "{error}");
        assert_eq!(file.read(), Ok(vec![stored("a", Stage::Shadow, 1)]));
    }

    #[test]
    fn the_later_revision_counts_and_the_store_on_a_tie() {
        let of_store =
            vec![stored("a", Stage::Shadow, 3), stored("b", Stage::Shadow, 3), stored("c", Stage::Shadow, 3)];
        let of_file = vec![
            stored("a", Stage::Switched, 2),
            stored("b", Stage::Switched, 3),
            stored("c", Stage::Switched, 4),
            stored("d", Stage::Complete, 1),
        ];
        let merged: Vec<_> = merge(of_store, of_file).into_values().collect();
        let expected = [
            stored("a", Stage::Shadow, 3),
            stored("b", Stage::Shadow, 3),
            stored("c", Stage::Switched, 4),
            stored("d", Stage::Complete, 1),
        ];
        assert_eq!(merged, expected);
    }
}
