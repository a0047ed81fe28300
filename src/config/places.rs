//! Where an operation stands in a file, for whoever takes it out. Everything else in the file may be as it
//! likes: it is shown, and not put in force.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::shape::Node;
use super::{error, from_yaml, read};

/// What a file says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationPlace {
    /// Under `operations`: its first and its last line, counted from 1.
    Block(u64, u64),
    /// Nowhere under `operations`, but there is an `openapi` in this line from which it may come.
    OpenApi(u64),
    /// Nowhere.
    Absent,
}

/// Finds an operation in a file; none where the file cannot be read.
#[must_use]
pub fn operation_place(path: &Path, id: &str) -> Option<OperationPlace> {
    find(&read(path, "-c").ok()?, id)
}

#[derive(Deserialize)]
struct Named {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    id: Option<Value>,
}

fn find(text: &str, id: &str) -> Option<OperationPlace> {
    let mut problems = error::Problems::default();
    let root: Spanned<Node> = from_yaml(text, &mut problems)?;
    let Node::Mapping(keys) = root.value else { return None };
    let line = |node: &Spanned<Node>| node.defined.line();
    let operations = keys.iter().find(|(key, _)| key.value == "operations").map(|(_, value)| value);
    if let Some(Spanned { value: Node::List(items), .. }) = operations
        && let Some(named) = from_yaml::<Named>(text, &mut problems)
        && let Some(at) =
            named.operations.iter().position(|one| one.id.as_ref().and_then(Value::as_str) == Some(id))
    {
        let first = line(items.get(at)?);
        // What begins next ends it: another operation, or another key of the file.
        let others = keys.iter().map(|(key, _)| key.defined.line());
        let next = items.iter().map(line).chain(others).filter(|line| *line > first).min();
        return Some(OperationPlace::Block(first, last_line(text, first, next)));
    }
    let openapi = keys.iter().find(|(key, _)| key.value == "openapi");
    Some(openapi.map_or(OperationPlace::Absent, |(key, _)| OperationPlace::OpenApi(key.defined.line())))
}

/// The last line before `next` that says anything: a comment before what comes next belongs to that.
fn last_line(text: &str, first: u64, next: Option<u64>) -> u64 {
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ']', '}']);
    let lines = text.lines().zip(1..).skip_while(|(_, number)| *number < first);
    let own = lines.take_while(|(_, number)| next.is_none_or(|next| *number < next));
    own.filter(|(line, _)| says(line)).map(|(_, number)| number).last().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_its_first_and_last_line() {
        let block = "legacy: a\noperations:\n  - id: a\n    match: GET /a\n  # of b\n  - match: GET /b\n    id: b\n    compare:\n      - {at: $.x, ignore: true}\n\n# later\nretention: 7d\n";
        let flow = "operations: [{id: a, match: GET /a}, {id: b,\n  match: GET /b}]\n";
        for (text, id, expected) in [
            (block, "a", OperationPlace::Block(3, 4)),
            (block, "b", OperationPlace::Block(6, 9)),
            (block, "c", OperationPlace::Absent),
            (flow, "a", OperationPlace::Block(1, 1)),
            (flow, "b", OperationPlace::Block(1, 2)),
            ("openapi: x.yaml\n", "a", OperationPlace::OpenApi(1)),
            ("operations: []\nopenapi: x.yaml\n", "a", OperationPlace::OpenApi(2)),
        ] {
            assert_eq!(find(text, id), Some(expected), "{id} in {text}");
        }
        for text in ["", "[", "- a", "a: &x [*x]"] {
            find(text, "a");
        }
    }
}
