//! The licence of every package that is built into parallax or used to build and test it, from
//! what `cargo metadata` prints.

use std::collections::BTreeSet;

use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

/// The licences that parallax may stand on: permissive, and known to go with MIT OR Apache-2.0.
pub const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that may have one more licence each, by name: (package, licence).
pub const NAMED: &[(&str, &str)] = &[];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Option<Resolve>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

/// How many packages are in use, and a line for each whose licence is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct Licences {
    /// Packages in use.
    pub packages: usize,
    /// What has to be done, one line each.
    pub complaints: Vec<String>,
}

/// Reads what `cargo metadata --format-version 1` printed.
///
/// # Errors
/// When it is not what cargo prints.
pub fn check(metadata: &[u8]) -> Result<Licences, String> {
    let metadata: Metadata = serde_json::from_slice(metadata)
        .map_err(|error| format!("this is not what `cargo metadata` prints: {error}"))?;
    let resolve = metadata.resolve.ok_or("run `cargo metadata` without --no-deps")?;
    let used: BTreeSet<&str> = resolve.nodes.iter().map(|node| node.id.as_str()).collect();
    let used = metadata.packages.iter().filter(|package| used.contains(package.id.as_str()));
    let packages: Vec<&Package> = used.collect();
    let complaints = packages.iter().filter_map(|package| complaint(package)).collect();
    Ok(Licences { packages: packages.len(), complaints })
}

fn complaint(package: &Package) -> Option<String> {
    let Package { name, version, license, .. } = package;
    let Some(license) = license else {
        return Some(format!("{name} {version} names no licence"));
    };
    match Expression::parse_mode(license, ParseMode::LAX) {
        Err(error) => Some(format!("{name} {version}: `{license}` is no SPDX expression: {}", error.reason)),
        Ok(expression) if expression.evaluate(|licence| allowed(name, licence)) => None,
        Ok(_) => Some(format!("{name} {version}: `{license}` is not allowed")),
    }
}

fn allowed(package: &str, licence: &LicenseReq) -> bool {
    let licence = licence.to_string();
    ALLOWED.contains(&licence.as_str()) || NAMED.contains(&(package, licence.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint_of(license: Option<&str>) -> Option<String> {
        complaint(&Package {
            id: String::new(),
            name: "some".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
        })
    }

    #[test]
    fn every_part_that_binds_must_be_allowed() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(complaint_of(Some(fine)), None, "{fine}");
        }
        for (bad, why) in [
            (Some("GPL-3.0-only"), "is not allowed"),
            (Some("MIT AND GPL-3.0-only"), "is not allowed"),
            (Some("MPL-2.0"), "is not allowed"),
            (Some("GPL-2.0-only WITH Classpath-exception-2.0"), "is not allowed"),
            (Some("ours alone"), "is no SPDX expression"),
            (None, "names no licence"),
        ] {
            let complaint = complaint_of(bad).unwrap_or_default();
            assert!(complaint.contains(why), "{bad:?}: {complaint}");
        }
    }

    #[test]
    fn what_cargo_does_not_print_is_an_error() {
        for text in ["", "{}", r#"{"packages":[],"resolve":null}"#] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
    }
}
