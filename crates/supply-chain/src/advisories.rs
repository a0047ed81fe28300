//! The dependencies against a copy of the RustSec advisory database.
//!
//! A finding is a vulnerability, or a crate that is unsound, unmaintained or has a notice. Each
//! fails the check unless a person has looked at it and written down why it does not concern
//! parallax; and a reason whose finding is gone fails too, so the list cannot rot.

use std::path::Path;

use rustsec::advisory::Informational;
use rustsec::report::{Report, Settings};
use rustsec::{Database, Lockfile};

/// An advisory that was looked at and does not concern parallax.
#[derive(Clone, Copy, Debug)]
pub struct Reviewed {
    /// The advisory, as in `RUSTSEC-2026-0001`.
    pub id: &'static str,
    /// Why it does not concern parallax, and what would change that.
    pub reason: &'static str,
}

/// Every advisory that was looked at. Empty is best.
pub const REVIEWED: &[Reviewed] = &[];

/// What the database says about one locked package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The advisory, as in `RUSTSEC-2026-0001`.
    pub id: String,
    /// `vulnerability`, `unsound`, `unmaintained` or `notice`.
    pub kind: String,
    /// The package and its locked version.
    pub package: String,
    /// The advisory's title.
    pub title: String,
}

/// The packages that this repository has locked.
///
/// # Errors
/// When the lock file cannot be read.
pub fn locked() -> Result<Lockfile, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    Lockfile::load(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// What was checked and what was found.
#[derive(Debug)]
pub struct Audit {
    /// Advisories in the database.
    pub advisories: usize,
    /// Packages in the lock file.
    pub packages: usize,
    /// What the database says about them, in order.
    pub findings: Vec<Finding>,
}

impl Audit {
    /// Holds locked packages against the database in a directory.
    ///
    /// # Errors
    /// When the database cannot be read, or is empty and so would find nothing.
    pub fn of(packages: &Lockfile, database: &Path) -> Result<Self, String> {
        let place = database.display();
        let database = Database::open(database)
            .map_err(|error| format!("the advisory database {place} cannot be read: {error}"))?;
        let advisories = database.iter().count();
        if advisories == 0 {
            return Err(format!("the advisory database {place} is empty, so nothing was checked"));
        }
        let findings = findings(&Report::generate(&database, packages, &settings()));
        Ok(Self { advisories, packages: packages.packages.len(), findings })
    }

    /// What has to be done, one line each; nothing when all is well.
    #[must_use]
    pub fn complaints(&self, reviewed: &[Reviewed]) -> Vec<String> {
        let known = |finding: &&Finding| reviewed.iter().any(|known| known.id == finding.id);
        let open = self.findings.iter().filter(|finding| !known(finding)).map(|finding| {
            let Finding { id, kind, package, title } = finding;
            format!("{id} ({kind}) {package}: {title}; update it, replace it, or review it in REVIEWED")
        });
        let gone = |known: &&Reviewed| !self.findings.iter().any(|finding| finding.id == known.id);
        let stale = reviewed.iter().filter(gone).map(|known| {
            format!(
                "{} is reviewed ({}) but is found no more; remove it from REVIEWED",
                known.id, known.reason
            )
        });
        open.chain(stale).collect()
    }
}

fn settings() -> Settings {
    let informational_warnings =
        vec![Informational::Unsound, Informational::Unmaintained, Informational::Notice];
    Settings { informational_warnings, ..Settings::default() }
}

fn findings(report: &Report) -> Vec<Finding> {
    let vulnerable = report.vulnerabilities.list.iter().map(|found| Finding {
        id: found.advisory.id.to_string(),
        kind: "vulnerability".to_owned(),
        package: format!("{} {}", found.package.name, found.package.version),
        title: found.advisory.title.clone(),
    });
    let warned = report.warnings.values().flatten().map(|found| Finding {
        id: found.advisory.as_ref().map_or_else(String::new, |advisory| advisory.id.to_string()),
        kind: found.kind.as_str().to_owned(),
        package: format!("{} {}", found.package.name, found.package.version),
        title: found.advisory.as_ref().map_or_else(String::new, |advisory| advisory.title.clone()),
    });
    let mut findings: Vec<_> = vulnerable.chain(warned).collect();
    findings.sort();
    findings
}
