//! Text by lines: two texts of one line each are two strings; otherwise both are arrays of their
//! lines, so that a difference lies at `$.body[3]`.
//!
//! A line ends with its line feed. A carriage return before it stays in the line: two texts that
//! differ in it alone are different, and told so in one difference.

use crate::document::{Builder, Document, ReadError};

/// Both texts as documents of the same shape.
///
/// # Errors
/// What passes a limit.
pub(crate) fn as_documents(
    left: &str,
    right: &str,
    max_nodes: usize,
) -> Result<(Document, Document), ReadError> {
    let by_line = [left, right].iter().any(|text| text.trim_end_matches(['\r', '\n']).contains('\n'));
    Ok((document(left, by_line, max_nodes)?, document(right, by_line, max_nodes)?))
}

fn document(text: &str, by_line: bool, max_nodes: usize) -> Result<Document, ReadError> {
    let mut builder = Builder::new(max_nodes);
    if by_line {
        builder.array()?;
        text.split('\n').try_for_each(|line| builder.string(line))?;
        builder.end();
    } else {
        builder.string(text)?;
    }
    Ok(builder.finish())
}
