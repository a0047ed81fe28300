//! Operations from an OpenAPI document: operationId, method and path template of each, and what its extension
//! `x-parallax` says. Teams have such a document; writing the same down once more is work, and goes stale.
//!
//! The document is taken as a whole or not at all: a path that cannot be matched, a reference that leads nowhere or
//! an operationId that stands twice is an error with its place, because what is left out silently is an operation
//! that nobody checks. Only the one file is read; a reference out of it is not followed.

mod described;
mod extension;
mod names;
mod paths;
mod reference;
mod servers;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parallax_core::coverage::Documented;
use parallax_core::operation::{Matcher, OperationId};

use self::names::Wanted;
use self::paths::Found;
use self::tree::Tree;
use super::error::{At, Problems, Source};
use super::file::OperationFile;
use super::scalar::{Raw, Text};

/// Largest document that is read, in bytes. GitHub's, with a thousand operations, has 13 MB.
const MAX_BYTES: u64 = 64 << 20;

/// An operation of a document.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) id: OperationId,
    /// Where it stands.
    pub(super) at: At,
    pub(super) matcher: Matcher,
    /// What is described of it.
    pub(super) documented: Documented,
    /// Its extension; empty where it has none.
    pub(super) keys: Box<OperationFile>,
}

/// The operations of the document that a configuration names; none where it names none.
pub(super) fn import(key: Option<&Raw<Text>>, directory: &Path, problems: &mut Problems) -> Vec<Imported> {
    let Some(Text(file)) = key.and_then(|raw| raw.get(problems)) else { return Vec::new() };
    let path = directory.join(file);
    problems.openapi = Some(path.display().to_string());
    match (read_file(&path), key) {
        (Ok(text), _) => operations(&text, problems),
        (Err(message), Some(raw)) => {
            problems.is_unreadable = true;
            problems.add(raw.at, format!("the OpenAPI document {}: {message}", path.display()));
            Vec::new()
        }
        (Err(_), None) => Vec::new(),
    }
}

/// The path of the document that a configuration names.
pub(super) fn path(key: Option<&Raw<Text>>, directory: &Path) -> Option<PathBuf> {
    let Text(file) = key?.get(&mut Problems::default())?;
    Some(directory.join(file))
}

fn read_file(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!(
            "it is larger than {} MiB; references need not be resolved in it, and schemas are not needed",
            MAX_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 (byte {at} is not); save it as UTF-8")
    })
}

/// The operations of a document.
pub(super) fn operations(text: &str, problems: &mut Problems) -> Vec<Imported> {
    let tree = match Tree::read(text) {
        Ok(tree) => tree,
        Err(error) => {
            problems.add(error.at, error.message);
            return Vec::new();
        }
    };
    if let Err((at, message)) = is_known_version(&tree) {
        problems.add(at, message);
        return Vec::new();
    }
    let found = paths::read(&tree, problems);
    if found.is_empty() && problems.is_empty() {
        problems.add(At::start_of(Source::OpenApi), "it has no operation; name a document that has one");
    }
    named(found, problems)
}

fn is_known_version(tree: &Tree<'_>) -> Result<(), (At, String)> {
    let root = tree.root();
    if let Some(version) = tree.get(root, "swagger") {
        let message = "this is Swagger 2.0; convert it to OpenAPI 3 (`npx swagger2openapi`) and name that";
        return Err((tree.at(version), message.to_owned()));
    }
    let Some(version) = tree.get(root, "openapi") else {
        let message = "this is no OpenAPI document: it has no key `openapi` with a version like `3.1.0`";
        return Err((tree.at(root), message.to_owned()));
    };
    let text = tree.text(version).unwrap_or_default();
    let is_known = ["3.0", "3.1"].iter().any(|known| {
        text.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    });
    if is_known {
        return Ok(());
    }
    Err((tree.at(version), format!("OpenAPI `{text}` is not known here; 3.0 and 3.1 are")))
}

fn named(mut found: Vec<Found>, problems: &mut Problems) -> Vec<Imported> {
    let mut first_of: HashMap<String, At> = HashMap::new();
    found.retain(|found| {
        let Some((id, at)) = &found.operation_id else { return true };
        let first = *first_of.entry(id.clone()).or_insert(*at);
        if first != *at {
            let message = format!(
                "the operationId `{id}` stands in line {} already, and names one operation; choose another",
                first.line
            );
            problems.add(*at, message);
        }
        first == *at
    });
    let wanted: Vec<Wanted> = found
        .iter()
        .map(|found| {
            let operation_id = found.operation_id.as_ref().map(|(id, _)| id.as_str());
            Wanted::of(operation_id, &found.method, &found.path)
        })
        .collect();
    let mut imported = Vec::with_capacity(found.len());
    for (found, id) in found.into_iter().zip(names::give(&wanted)) {
        let Some(id) = id else {
            problems.add(
                found.at,
                "this operation cannot be named; give it an operationId of letters and digits",
            );
            continue;
        };
        let matcher = Matcher { method: found.method, template: found.template };
        let keys = found.extension.unwrap_or_default();
        let documented = found.documented;
        imported.push(Imported { id, at: found.at, matcher, documented, keys });
    }
    imported
}
