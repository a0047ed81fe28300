//! JSON texts one after the other: a line each (`application/x-ndjson`, JSON Lines) or behind a
//! record separator each (`application/json-seq`, RFC 7464). They become one array.
//!
//! Lines without anything say nothing. A line that is no JSON is an error with its place in the
//! whole body.

use bytes::Bytes;

use crate::document::{Builder, Document, ReadError, read};

/// Reads texts that end with this byte, or begin with it.
///
/// # Errors
/// The first place that is no JSON, or passes a limit.
pub(super) fn documents(body: &Bytes, separator: u8, max_nodes: usize) -> Result<Document, ReadError> {
    let mut builder = Builder::new(max_nodes);
    builder.array()?;
    let mut start = if body.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    while start < body.len() {
        let end = memchr::memchr(separator, &body[start..]).map_or(body.len(), |at| start + at);
        let line = &body[start..end];
        let blank = line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        if !blank {
            let document = read(body.slice(start..end), max_nodes).map_err(|error| moved(error, start))?;
            builder.subtree(&document, document.root())?;
        }
        start = end + 1;
    }
    builder.end();
    Ok(builder.finish())
}

/// An error within a part of a body, placed in the whole.
pub(super) fn moved(error: ReadError, by: usize) -> ReadError {
    match error {
        ReadError::Syntax { offset } => ReadError::Syntax { offset: offset + by },
        ReadError::Depth { .. } | ReadError::Nodes { .. } => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str, separator: u8) -> Result<String, ReadError> {
        let document = documents(&Bytes::copy_from_slice(body.as_bytes()), separator, 100)?;
        Ok(String::from_utf8(document.raw(0).to_vec()).unwrap())
    }

    #[test]
    fn a_text_a_line() {
        assert_eq!(shown("{\"a\":1}\r\n\n [2]\n", b'\n').unwrap(), "[{\"a\":1},[2]]");
        assert_eq!(shown("\u{feff}1\n2", b'\n').unwrap(), "[1,2]");
        assert_eq!(shown("\u{1e}{\"a\":\n1}\n\u{1e}2\n", 0x1e).unwrap(), "[{\"a\":\n1},2]");
        assert_eq!(shown("1\n{\"a\" 1}\n", b'\n'), Err(ReadError::Syntax { offset: 7 }));
        assert!(matches!(shown(&"1\n".repeat(200), b'\n'), Err(ReadError::Nodes { .. })));
    }
}
