//! Where an operation stands in a file, for whoever takes it out. Everything else in the file may be as it
//! likes: it is shown, and not put in force.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::shape::Node;
use super::{error, from_yaml, read};

/// Where an operation stands. Lines are counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationPlace {
    /// Its first and its last line under `operations`.
    pub block: Option<(u64, u64)>,
    /// The document under `openapi`, and the line there with its operationId; none where it is not seen there.
    pub document: Option<(PathBuf, Option<u64>)>,
}

/// Finds an operation in a file; none where the file cannot be read.
#[must_use]
pub fn operation_place(path: &Path, id: &str) -> Option<OperationPlace> {
    let (block, document) = find(&read(path, "-c").ok()?, id)?;
    let document = document.map(|name| path.parent().unwrap_or(Path::new("")).join(name));
    let document = document.map(|document| {
        let text = read(&document, "openapi").unwrap_or_default();
        (document, operation_id_line(&text, id))
    });
    Some(OperationPlace { block, document })
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    operations: Vec<Operation>,
    openapi: Option<String>,
}

#[derive(Deserialize)]
struct Operation {
    id: Option<Value>,
}

/// The lines of the block, and the name of the document.
type Found = (Option<(u64, u64)>, Option<String>);

fn find(text: &str, id: &str) -> Option<Found> {
    let mut problems = error::Problems::default();
    let root: Spanned<Node> = from_yaml(text, &mut problems)?;
    let named: Named = from_yaml(text, &mut problems)?;
    let Node::Mapping(keys) = root.value else { return None };
    let line = |node: &Spanned<Node>| node.defined.line();
    let operations = keys.iter().find(|(key, _)| key.value == "operations").map(|(_, value)| value);
    let items = match operations {
        Some(Spanned { value: Node::List(items), .. }) => items.as_slice(),
        _ => &[],
    };
    let is_it = |one: &Operation| one.id.as_ref().and_then(Value::as_str) == Some(id);
    let at = named.operations.iter().position(is_it);
    let block = at.and_then(|at| {
        let first = line(items.get(at)?);
        // What begins next ends it: another operation, or another key of the file.
        let keys = keys.iter().map(|(key, _)| key.defined.line());
        let next = items.get(at + 1).map(line).or_else(|| keys.filter(|line| *line > first).min());
        Some((first, last_line(text, first, next)))
    });
    Some((block, named.openapi))
}

/// The last line before `next` that says anything: a comment before what comes next belongs to that.
fn last_line(text: &str, first: u64, next: Option<u64>) -> u64 {
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ']', '}']);
    let lines = text.lines().zip(1..).skip_while(|(_, number)| *number < first);
    let own = lines.take_while(|(_, number)| next.is_none_or(|next| *number < next));
    own.filter(|(line, _)| says(line)).map(|(_, number)| number).last().unwrap_or(first)
}

/// Where `operationId: ID` stands in YAML or JSON.
fn operation_id_line(text: &str, id: &str) -> Option<u64> {
    let names_it = |rest: &str| {
        let value = rest.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?;
        let value = value.trim_start_matches(['"', '\'', ' ']).strip_prefix(id)?;
        let is_end = |c: char| c.is_whitespace() || "\"',}#".contains(c);
        Some(value.is_empty() || value.starts_with(is_end))
    };
    let has = |line: &str| line.split("operationId").skip(1).any(|rest| names_it(rest) == Some(true));
    text.lines().zip(1..).find(|(line, _)| has(line)).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_its_first_and_last_line() {
        let block = "legacy: a\noperations:\n  - id: a\n    match: GET /a\n  # of b\n  - match: GET /b\n    id: b\n    compare:\n      - {at: $.x, ignore: true}\n\n# later\nretention: 7d\n";
        let flow = "operations: [{id: a, match: GET /a}, {id: b,\n  match: GET /b}]\n";
        for (text, id, expected) in [
            (block, "a", Some((3, 4))),
            (block, "b", Some((6, 9))),
            (block, "c", None),
            (flow, "a", Some((1, 1))),
            (flow, "b", Some((1, 2))),
            ("retention: 7d\n", "a", None),
        ] {
            assert_eq!(find(text, id), Some((expected, None)), "{id} in {text}");
        }
        for text in ["", "[", "- a", "a: &x [*x]", "operations: {}"] {
            assert_eq!(find(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn an_operation_of_a_document_is_found_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, document) = (directory.path().join("p.yaml"), directory.path().join("d.yaml"));
        std::fs::write(&path, "openapi: d.yaml\noperations: [{id: a}]\n").expect("a file");
        for (text, line) in [
            ("paths:\n  /a: {get: {operationId: ab}}\n  /b: {get: {operationId: a}}\n", Some(3)),
            ("{\n\"operationId\": \"a\",\n", Some(2)),
            ("  operationId: 'a'\n", Some(1)),
            ("operationId: b # a\n", None),
        ] {
            std::fs::write(&document, text).expect("a file");
            let place = operation_place(&path, "a").expect("a place");
            assert_eq!(place.block, Some((2, 2)));
            assert_eq!(place.document, Some((document.clone(), line)), "{text}");
        }
        assert_eq!(operation_place(&directory.path().join("none"), "a"), None);
    }
}
