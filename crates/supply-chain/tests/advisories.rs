//! The locked dependencies against the advisory database in `$PARALLAX_CORPORA/advisory-db`.
//!
//! A runner of its own, because the usual one cannot say at run time that a test was left out:
//! without the database this one is reported as ignored, never as passed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use parallax_supply_chain::advisories::{self, Audit, REVIEWED, Reviewed};
use rustsec::Lockfile;

type Test = (&'static str, fn() -> Result<Outcome, String>);

enum Outcome {
    Passed,
    Ignored(&'static str),
}

const TESTS: &[Test] =
    &[("a_known_advisory_is_found", a_known_advisory_is_found), ("no_advisory_is_open", no_advisory_is_open)];

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.as_deref().is_none_or(|part| name.contains(part));
    let tests: Vec<&Test> = TESTS.iter().filter(|(name, _)| wanted(name)).collect();
    run(&tests, TESTS.len() - tests.len())
}

/// Runs and reports as the usual runner does, so that whoever reads its lines can read these.
fn run(tests: &[&Test], filtered_out: usize) -> ExitCode {
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    println!("\nrunning {} tests", tests.len());
    for (name, test) in tests {
        match test() {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Ok(Outcome::Ignored(why)) => {
                ignored += 1;
                println!("test {name} ... ignored, {why}");
            }
            Err(complaint) => {
                failed += 1;
                println!("test {name} ... FAILED\n{complaint}");
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
         {filtered_out} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn no_advisory_is_open() -> Result<Outcome, String> {
    let Some(corpora) = std::env::var_os("PARALLAX_CORPORA") else {
        return Ok(Outcome::Ignored("PARALLAX_CORPORA is not set"));
    };
    let audit = Audit::of(&advisories::locked()?, &PathBuf::from(corpora).join("advisory-db"))?;
    println!("{} packages against {} advisories", audit.packages, audit.advisories);
    no_complaints(&audit.complaints(REVIEWED))
}

/// Proves that the check can fail: a database made for it, and packages that do not exist.
fn a_known_advisory_is_found() -> Result<Outcome, String> {
    let packages = locked_as(&[("fine", "1.0.1"), ("leaky", "1.0.0"), ("left-alone", "2.1.0")])?;
    let audit = Audit::of(&packages, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/made-db"))?;
    let kinds: Vec<_> = audit.findings.iter().map(|found| (found.kind.as_str(), &*found.package)).collect();
    let expected = [("vulnerability", "leaky 1.0.0"), ("unmaintained", "left-alone 2.1.0")];
    if kinds != expected {
        return Err(format!("found {kinds:?}, expected {expected:?}"));
    }
    let reviewed = |id| Reviewed { id, reason: "made for the test" };
    let open = audit.complaints(&[reviewed("RUSTSEC-2026-9001"), reviewed("RUSTSEC-2026-9003")]);
    let about: Vec<_> = open.iter().map(|complaint| &complaint[..17]).collect();
    if about != ["RUSTSEC-2026-9002", "RUSTSEC-2026-9003"] {
        return Err(format!("complained about {about:?}"));
    }
    Ok(Outcome::Passed)
}

/// A lock file with these packages instead of our own, from where our own come.
fn locked_as(packages: &[(&str, &str)]) -> Result<Lockfile, String> {
    let mut locked = advisories::locked()?;
    locked.packages.retain(|package| package.source.is_some());
    locked.packages.truncate(packages.len());
    for (package, (name, version)) in locked.packages.iter_mut().zip(packages) {
        package.name = name.parse().map_err(|error| format!("{name}: {error}"))?;
        package.version = version.parse().map_err(|error| format!("{version}: {error}"))?;
    }
    Ok(locked)
}

fn no_complaints(complaints: &[String]) -> Result<Outcome, String> {
    if complaints.is_empty() { Ok(Outcome::Passed) } else { Err(complaints.join("\n")) }
}
