//! The reader against JSONTestSuite: every `y_` is accepted, every `n_` is rejected, and whatever is
//! undefined (`i_`) neither panics nor hangs.
//!
//! The suite is no part of this repository. `PARALLAX_CORPORA` names the folder that holds
//! `json-test-suite`; without it the tests are *ignored*, which the harness of the standard library
//! cannot say at run time, so that this file speaks its format itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use parallax_core::document::read;

/// What must hold for every file whose name begins with the prefix.
struct Test {
    name: &'static str,
    prefix: &'static str,
    files: usize,
    holds: fn(&[u8]) -> bool,
}

const TESTS: [Test; 3] = [
    Test { name: "accepts_what_is_json", prefix: "y_", files: 95, holds: is_accepted },
    Test { name: "rejects_what_is_not", prefix: "n_", files: 188, holds: |bytes| !is_accepted(bytes) },
    Test { name: "survives_what_is_undefined", prefix: "i_", files: 35, holds: survives },
];

/// Accepted or rejected, but neither a panic nor a hang.
fn survives(bytes: &[u8]) -> bool {
    is_accepted(bytes);
    true
}

fn is_accepted(bytes: &[u8]) -> bool {
    read(bytes.to_vec().into(), 1_000_000).is_ok()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listing = arguments.iter().any(|argument| argument == "--list");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let selected = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let chosen: Vec<_> = TESTS.iter().filter(|test| selected(test.name)).collect();
    if listing {
        chosen.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    run(&chosen)
}

fn run(chosen: &[&Test]) -> ExitCode {
    println!("\nrunning {} tests", chosen.len());
    let corpora = std::env::var_os("PARALLAX_CORPORA").map(PathBuf::from);
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for test in chosen {
        let word = match &corpora {
            None => {
                ignored += 1;
                "ignored, PARALLAX_CORPORA is not set".to_owned()
            }
            Some(corpora) => match check(corpora, test) {
                Ok(()) => {
                    passed += 1;
                    "ok".to_owned()
                }
                Err(wrong) => {
                    failed += 1;
                    format!("FAILED\n{wrong}")
                }
            },
        };
        println!("test {} ... {word}", test.name);
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    let left_out = TESTS.len() - chosen.len();
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {left_out} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// The names of the files for which it does not hold.
fn check(corpora: &Path, test: &Test) -> Result<(), String> {
    let Test { prefix, files, holds, .. } = test;
    let folder = corpora.join("json-test-suite/test_parsing");
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(*prefix) {
            continue;
        }
        seen += 1;
        if !holds(&fs::read(entry.path()).map_err(unreadable)?) {
            wrong.push(name);
        }
    }
    if seen != *files {
        wrong.push(format!("{seen} files begin with {prefix}, expected {files}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
