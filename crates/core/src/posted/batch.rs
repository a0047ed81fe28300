//! Several payloads at once: a JSON array, or one a line.

use super::{Malformed, Posted, parsed, payload, read};
use crate::document::NodeKind;
use crate::posted::fields::must;

/// How payloads are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// One JSON array of them.
    Array,
    /// One on each line (NDJSON, JSON lines); empty lines count for nothing.
    Lines,
}

impl Batch {
    /// What a content type says; none where it is for one payload or for something else. JSON is a
    /// batch where its first byte opens an array, which [`Batch::begins`] tells.
    ///
    /// ```
    /// use parallax_core::posted::Batch;
    /// assert_eq!(Batch::of("application/x-ndjson; charset=utf-8"), Some(Batch::Lines));
    /// assert_eq!(Batch::of("application/json"), None);
    /// ```
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        const LINES: [&str; 7] = [
            "application/json-lines",
            "application/jsonl",
            "application/jsonlines",
            "application/ndjson",
            "application/x-jsonlines",
            "application/x-ndjson",
            "text/jsonl",
        ];
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        LINES.iter().any(|lines| lines.eq_ignore_ascii_case(essence)).then_some(Self::Lines)
    }

    /// Whether a JSON text is an array.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        text.trim_ascii_start().starts_with(b"[")
    }
}

/// Reads several payloads, at most so many. One that is not in order does not keep the others from
/// being read: each has its own result, in order.
///
/// ```
/// use parallax_core::posted::{Batch, read_batch};
/// let results = read_batch(b"{}\n\n[]\n", Batch::Lines, 10).unwrap();
/// let lines: Vec<usize> = results.iter().map(|result| result.as_ref().unwrap_err().line).collect();
/// assert_eq!(lines, [1, 3]);
/// ```
///
/// # Errors
/// When there are more, or when the array as a whole cannot be read.
pub fn read_batch(
    bytes: &[u8],
    batch: Batch,
    most: usize,
) -> Result<Vec<Result<Posted, Malformed>>, Malformed> {
    match batch {
        Batch::Array => array(bytes, most),
        Batch::Lines => lines(bytes, most),
    }
}

fn array(bytes: &[u8], most: usize) -> Result<Vec<Result<Posted, Malformed>>, Malformed> {
    let document = parsed(bytes)?;
    must(&document, document.root(), NodeKind::Array, "an array of payloads")?;
    if let Some(node) = document.elements(document.root()).nth(most) {
        return Err(too_many(bytes, document.span(node).start, most));
    }
    Ok(document.elements(document.root()).map(|node| payload(&document, node)).collect())
}

fn lines(bytes: &[u8], most: usize) -> Result<Vec<Result<Posted, Malformed>>, Malformed> {
    let mut results = Vec::new();
    let mut offset = 0;
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            if results.len() == most {
                return Err(too_many(bytes, offset, most));
            }
            results.push(read(line).map_err(|error| error.below(number)));
        }
        offset += line.len() + 1;
    }
    Ok(results)
}

fn too_many(bytes: &[u8], offset: usize, most: usize) -> Malformed {
    Malformed::at(bytes, offset, format!("there are more than {most} checks"), "post them in several parts")
}
