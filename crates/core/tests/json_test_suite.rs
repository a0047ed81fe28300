//! The reader against JSONTestSuite: every `y_` is accepted, every `n_` is rejected, and whatever is
//! undefined (`i_`) neither panics nor hangs.
//!
//! The suite is no part of this repository. `PARALLAX_CORPORA` names the folder that holds
//! `json-test-suite`; without it the tests are ignored.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use harness::Test;
use parallax_core::document::read;

const TESTS: [Test<Path>; 3] = [
    Test { name: "accepts_what_is_json", run: |suite| check(suite, "y_", 95, is_accepted) },
    Test { name: "rejects_what_is_not", run: |suite| check(suite, "n_", 188, |bytes| !is_accepted(bytes)) },
    Test { name: "survives_what_is_undefined", run: |suite| check(suite, "i_", 35, survives) },
];

fn main() -> ExitCode {
    let corpora = std::env::var_os("PARALLAX_CORPORA").ok_or("PARALLAX_CORPORA is not set".to_owned());
    harness::main(&TESTS, &corpora.map(|corpora| PathBuf::from(corpora).join("json-test-suite/test_parsing")))
}

/// Accepted or rejected, but neither a panic nor a hang.
fn survives(bytes: &[u8]) -> bool {
    is_accepted(bytes);
    true
}

fn is_accepted(bytes: &[u8]) -> bool {
    read(bytes.to_vec().into(), 1_000_000).is_ok()
}

/// What must hold for every file whose name begins with the prefix; of these there are so many. Fails
/// with the names of the files for which it does not hold.
fn check(folder: &Path, prefix: &str, files: usize, holds: fn(&[u8]) -> bool) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(prefix) {
            continue;
        }
        seen += 1;
        if !holds(&fs::read(entry.path()).map_err(unreadable)?) {
            wrong.push(name);
        }
    }
    if seen != files {
        wrong.push(format!("{seen} files begin with {prefix}, expected {files}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
