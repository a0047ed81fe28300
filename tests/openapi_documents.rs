//! OpenAPI documents as companies publish them: taken whole, every operation by the name that the document gives it,
//! and every path leads to its own operation. The documents are no part of this repository; without
//! `scripts/fetch-test-data` the tests are ignored. How many operations there are is counted here by
//! another reader, serde's.

#[path = "../crates/core/tests/harness/mod.rs"]
mod harness;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use harness::Test;
use parallax::config;
use parallax_core::operation::Operation;
use parallax_core::router::Router;
use serde_json::Value;

const TESTS: [Test<Path>; 3] = [
    Test { name: "github_is_taken_whole", run: |directory| whole(directory, "github.json", 600) },
    Test { name: "directus_is_taken_whole", run: |directory| whole(directory, "directus.json", 100) },
    Test { name: "blockfrost_is_taken_whole", run: |directory| whole(directory, "blockfrost.yaml", 80) },
];

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "patch", "trace"];

fn main() -> ExitCode {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-data/openapi");
    let is_there = directory.join(".version").exists();
    let data =
        if is_there { Ok(directory) } else { Err("scripts/fetch-test-data has not been run".to_owned()) };
    harness::main(&TESTS, &data)
}

fn whole(directory: &Path, name: &str, at_least: usize) -> Result<(), String> {
    let operations = imported(&directory.join(name))?;
    let expected = counted(&directory.join(name))?;
    if operations.len() != expected.len() || expected.len() < at_least {
        return Err(format!("{} operations of {}, at least {at_least}", operations.len(), expected.len()));
    }
    let found: BTreeSet<String> = operations.iter().map(|operation| operation.id.to_string()).collect();
    let lost: Vec<&String> = expected.iter().filter(|id| !found.contains(*id)).collect();
    if !lost.is_empty() {
        return Err(format!("no operation is called {lost:?}"));
    }
    each_leads_to_its_own(&operations)
}

fn imported(document: &Path) -> Result<Vec<Arc<Operation>>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = directory.path().join("parallax.yaml");
    let text = format!(
        "legacy: http://127.0.0.1:1\ncandidate: http://127.0.0.1:2\nopenapi: '{}'\n",
        document.display()
    );
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    Ok(config::load(&file).map_err(|errors| errors.to_string())?.operations)
}

/// The operationIds of a document.
fn counted(document: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(document).map_err(|error| error.to_string())?;
    let value: Value = if document.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|error| error.to_string())?
    } else {
        serde_saphyr::from_str(&text).map_err(|error| error.to_string())?
    };
    let paths = value["paths"].as_object().ok_or("no paths")?;
    let operations = paths.iter().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((path, method, item.get(method)?)))
    });
    Ok(operations
        .map(|(path, method, operation)| {
            // Blockfrost names none of its operations.
            let path = if path == "/" { "root" } else { path };
            let words = format!("{method}_{}", path.replace(['/', '{', '}', '.', '-'], "_"));
            let made: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
            operation["operationId"].as_str().map_or_else(|| made.join("_"), str::to_owned)
        })
        .collect())
}

fn each_leads_to_its_own(operations: &[Arc<Operation>]) -> Result<(), String> {
    let mut router = Router::default();
    for (index, operation) in operations.iter().enumerate() {
        let matcher = &operation.matcher;
        router.insert(matcher.method.clone(), &matcher.template, index).map_err(|error| error.to_string())?;
    }
    for (index, operation) in operations.iter().enumerate() {
        let matcher = &operation.matcher;
        for value in ["17", "a%2Fb", "0193d1f2-7e6b-7c10-b1c4-5f2f0a7be1d0"] {
            let path = matcher.template.fill(|_| Some(value));
            let found = router.find(&matcher.method, &path).map(|found| &operations[found].id);
            if found != Some(&operations[index].id) {
                return Err(format!("{} {path} of {} leads to {found:?}", matcher.method, operation.id));
            }
        }
    }
    Ok(())
}
