//! Media types (RFC 9110 section 8.3), by meaning: type, subtype and parameter names know no case,
//! the order of parameters and the spacing say nothing.

use crate::header::{text_of, trimmed, unquote};
use crate::isolation::Foreign;

/// A media type with its parameters, folded so that equal meanings are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    /// Names in lower case with their values, sorted; what has no `=` stays as it is.
    parameters: Vec<(String, Option<String>)>,
}

/// What is done with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Text,
    /// PDF or an image: decoded in isolation.
    Foreign(Foreign),
    Opaque,
}

/// Text by another name.
const TEXTS: [&str; 4] = [
    "application/xml",
    "application/javascript",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
];

/// Images that are compared by their pixels, by each name that is seen.
const IMAGES: [&str; 9] = [
    "image/png",
    "image/x-png",
    "image/jpeg",
    "image/jpg",
    "image/pjpeg",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/x-ms-bmp",
];

impl MediaType {
    pub(crate) fn of(value: &[u8]) -> Self {
        let text = text_of(value);
        let mut pieces = crate::header::split_outside_quotes(&text, ';');
        let essence = trimmed(pieces.next().unwrap_or_default()).to_ascii_lowercase();
        let mut parameters: Vec<_> =
            pieces.map(trimmed).filter(|piece| !piece.is_empty()).map(parameter).collect();
        if is_json(&essence) {
            parameters.retain(|(name, value)| name != "charset" || value.as_deref() != Some("utf-8"));
        }
        parameters.sort();
        Self { essence, parameters }
    }
}

impl BodyKind {
    /// How a body of this content type is compared.
    pub(crate) fn of(content_type: &[u8]) -> Self {
        let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
        let essence = content_type[..end].trim_ascii();
        let is = |word: &&str| essence.eq_ignore_ascii_case(word.as_bytes());
        let starts = |word: &str| {
            essence.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        };
        let ends = |word: &str| {
            let from = essence.len().checked_sub(word.len());
            from.is_some_and(|from| essence[from..].eq_ignore_ascii_case(word.as_bytes()))
        };
        if ["application/json", "text/json"].iter().any(is) || ends("+json") {
            Self::Json
        } else if starts("text/") || ends("+xml") || TEXTS.iter().any(is) {
            Self::Text
        } else if ["application/pdf", "application/x-pdf"].iter().any(is) {
            Self::Foreign(Foreign::Pdf)
        } else if IMAGES.iter().any(is) {
            Self::Foreign(Foreign::Image)
        } else {
            Self::Opaque
        }
    }
}

/// JSON is UTF-8 by itself: `charset` is none of its parameters (RFC 8259 section 11), so one that
/// says the same says nothing.
fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json")
}

fn parameter(piece: &str) -> (String, Option<String>) {
    let Some((name, value)) = piece.split_once('=') else {
        return (piece.to_owned(), None);
    };
    let name = trimmed(name).to_ascii_lowercase();
    let value = unquote(trimmed(value));
    let value = if name == "charset" { value.to_ascii_lowercase() } else { value };
    (name, Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        let of = |text: &str| MediaType::of(text.as_bytes());
        assert_eq!(of("application/json;charset=UTF-8"), of("Application/JSON ; Charset=\"utf-8\""));
        assert_eq!(of("a/b; x=1; y=2"), of("a/b;y=2;x=1"));
        assert_ne!(of("a/b; x=Q"), of("a/b; x=q"));
        assert_ne!(of("a/b"), of("a/b; charset=utf-8"));
        assert_eq!(of("a/b"), of("a/b ; "));
        assert_ne!(of("a/b"), of("a/b; flag"));
        assert_ne!(of("a/b; flag="), of("a/b; flag"));
        assert_ne!(of("a/b; one"), of("a/b; two"));
        assert_ne!(MediaType::of(b"a/b; x=\xe9"), MediaType::of(b"a/b; x=\xe8"));
        assert_eq!(of("a/b; x=\"1;2\""), of("a/b; x=\"1;2\""));
    }

    #[test]
    fn json_is_utf_8_whether_or_not_it_says_so() {
        let of = |text: &str| MediaType::of(text.as_bytes());
        assert_eq!(of("application/json; charset=UTF-8"), of("application/json"));
        assert_eq!(of("application/problem+json; charset=utf-8"), of("application/problem+json"));
        assert_ne!(of("application/json; charset=iso-8859-1"), of("application/json"));
        assert_ne!(of("application/json; profile=a"), of("application/json"));
        assert_ne!(of("text/json; charset=utf-8"), of("text/json"));
    }
}
