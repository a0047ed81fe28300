//! What is wrong with a payload, and where. It holds no value of the payload: who may read the answer
//! or the log is not always who may read the data.

use crate::document::{Document, NodeId, NodeKind, steps_to};
use crate::path::{Path, Step};

/// A payload that is not in order: the first place that is not.
///
/// ```
/// let error = parallax_core::posted::read(br#"{"request": {"methd": "GET"}, "response": {}}"#).unwrap_err();
/// assert_eq!(error.field, "$.request.methd");
/// assert_eq!((error.line, error.column), (1, 14));
/// assert_eq!(error.remedy, "did you mean `method`? known here: method, url, headers, body, body_encoding");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} (line {line}, column {column}): {problem}; {remedy}")]
pub struct Malformed {
    /// Where in the tree, as `$.request.url.path`; `$` where there is no tree.
    pub field: String,
    /// Where in the text: the line, from 1.
    pub line: usize,
    /// Where in the line: characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Malformed {
    /// Something at a byte of a text that has no tree.
    pub(crate) fn at(
        source: &[u8],
        offset: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (line, column) = position(source, offset);
        Self { field: "$".to_owned(), line, column, problem: problem.into(), remedy: remedy.into() }
    }

    /// The same, of a text that begins so many lines further down.
    pub(crate) fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self
    }
}

/// Something about a value.
pub(crate) fn wrong(
    document: &Document,
    node: NodeId,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Malformed {
    placed(document, node, steps_to(document, node), problem, remedy)
}

/// Something about the name of a member, whose value is the next node.
pub(super) fn wrong_name(
    document: &Document,
    name: NodeId,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Malformed {
    placed(document, name, steps_to(document, name + 1), problem, remedy)
}

/// A member that is not there.
pub(super) fn missing(document: &Document, object: NodeId, name: &str) -> Malformed {
    let mut steps = steps_to(document, object);
    steps.push(Step::name(name));
    placed(document, object, steps, "this is missing", format!("add `{name}`"))
}

fn placed(
    document: &Document,
    node: NodeId,
    steps: Vec<Step>,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Malformed {
    // A string's span lies within its quotes.
    let quote = usize::from(matches!(document.kind(node), NodeKind::String | NodeKind::Name));
    let (line, column) = position(document.source(), document.span(node).start - quote);
    let field = Path::from(steps).to_string();
    Malformed { field, line, column, problem: problem.into(), remedy: remedy.into() }
}

/// Line and column of a byte, both from 1.
fn position(source: &[u8], offset: usize) -> (usize, usize) {
    let before = &source[..offset.min(source.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    // Bytes that continue a character are none of their own.
    let column = before[line_start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() + 1;
    (line, column)
}
