//! What the fuzzer holds against any bytes, held against the inputs that are kept: seeds, and whatever once
//! broke something. It needs neither the fuzzer nor its toolchain; see `fuzz/README.md`.

#[expect(unreachable_pub, reason = "public for the fuzzer, where it is a crate")]
#[path = "../../../fuzz/src/lib.rs"]
mod properties;

use std::fs;
use std::path::Path;

/// Runs every input of a target, and tells how many there were. A panic's message names the input.
fn replay(target: &str, holds: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus-regressions").join(target);
    let inputs = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for input in inputs {
        let path = input.expect("an input").path();
        let data = fs::read(&path).expect("an input");
        println!("{}", path.display());
        holds(&data);
        count += 1;
    }
    count
}

#[test]
fn json_is_read_as_serde_json_reads_it() {
    assert!(replay("json", properties::json::holds) >= 10);
}

#[test]
fn comparing_keeps_its_promises() {
    assert!(replay("compare", properties::compare::holds) >= 15);
}

#[test]
fn rules_are_read_or_refused() {
    assert!(replay("rules", properties::rules::holds) >= 6);
}

#[test]
fn requests_are_read_alike_in_any_cut() {
    assert!(replay("wire", properties::wire::holds) >= 10);
}

#[test]
fn codings_are_decoded_or_refused() {
    assert!(replay("codings", properties::codings::holds) >= 7);
}

#[test]
fn payloads_are_read_or_refused() {
    assert!(replay("posted", properties::posted::holds) >= 12);
}

#[test]
fn recordings_are_read_alike_in_any_cut() {
    assert!(replay("recorded", properties::recorded::holds) >= 12);
}

#[test]
fn documents_of_graphql_are_of_one_kind_or_none() {
    assert!(replay("graphql", properties::graphql::holds) >= 12);
}
