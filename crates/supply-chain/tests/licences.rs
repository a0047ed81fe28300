//! The licence of every package in use.

use std::path::Path;
use std::process::Command;

use parallax_supply_chain::licences;

#[test]
fn every_licence_is_allowed() {
    // What is being tested has been built, so cargo has everything at hand and needs no network.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version=1", "--filter-platform=host-tuple"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let licences = licences::check(&output.stdout).unwrap();
    assert!(licences.packages > 50, "only {} packages were looked at", licences.packages);
    assert!(licences.complaints.is_empty(), "{}", licences.complaints.join("\n"));
}
