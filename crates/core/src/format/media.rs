//! Media types (RFC 9110 section 8.3), by meaning: type, subtype and parameter names know no case,
//! the order of parameters and the spacing say nothing.

use std::fmt;

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
    /// A JSON text a line.
    JsonLines,
    /// A JSON text behind each record separator.
    JsonSequence,
    Events,
    Xml,
    Html,
    Form,
    Multipart,
    Csv,
    Text,
    /// PDF or an image: decoded in isolation.
    Foreign(Foreign),
    Opaque,
}

/// Types that are known by their whole name.
const KINDS: [(&str, BodyKind); 27] = [
    ("application/csv", BodyKind::Csv),
    ("application/javascript", BodyKind::Text),
    ("application/json", BodyKind::Json),
    ("application/json-lines", BodyKind::JsonLines),
    ("application/json-seq", BodyKind::JsonSequence),
    ("application/jsonl", BodyKind::JsonLines),
    ("application/jsonlines", BodyKind::JsonLines),
    ("application/ndjson", BodyKind::JsonLines),
    ("application/pdf", BodyKind::Foreign(Foreign::Pdf)),
    ("application/toml", BodyKind::Text),
    ("application/x-javascript", BodyKind::Text),
    ("application/x-jsonlines", BodyKind::JsonLines),
    ("application/x-ndjson", BodyKind::JsonLines),
    ("application/x-pdf", BodyKind::Foreign(Foreign::Pdf)),
    ("application/x-www-form-urlencoded", BodyKind::Form),
    ("application/x-yaml", BodyKind::Text),
    ("application/xhtml+xml", BodyKind::Html),
    ("application/xml", BodyKind::Xml),
    ("application/xml-dtd", BodyKind::Text),
    ("application/yaml", BodyKind::Text),
    ("text/csv", BodyKind::Csv),
    ("text/event-stream", BodyKind::Events),
    ("text/html", BodyKind::Html),
    ("text/json", BodyKind::Json),
    ("text/jsonl", BodyKind::JsonLines),
    ("text/tab-separated-values", BodyKind::Csv),
    ("text/xml", BodyKind::Xml),
];

/// Families of types, by the end of the name.
const SUFFIXES: [(&str, BodyKind); 3] =
    [("+json", BodyKind::Json), ("+json-seq", BodyKind::JsonSequence), ("+xml", BodyKind::Xml)];
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
        // How the parts are kept apart says nothing of them.
        if essence.starts_with("multipart/") {
            parameters.retain(|(name, _)| name != "boundary");
        }
        parameters.sort();
        Self { essence, parameters }
    }
}

/// A media type as it is written, folded.
impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        self.parameters.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, "; {name}={value}"),
            None => write!(f, "; {name}"),
        })
    }
}

impl BodyKind {
    /// How a body of this content type is compared.
    pub(crate) fn of(content_type: &[u8]) -> Self {
        // As nearly everybody spells it, it needs no folding and no memory.
        if let Some(kind) = known(spelt(content_type)) {
            return kind;
        }
        let essence = essence_of(content_type);
        if let Some(kind) = known(essence.as_bytes()) {
            return kind;
        }
        if IMAGES.contains(&essence.as_str()) {
            return Self::Foreign(Foreign::Image);
        }
        if let Some(&(_, kind)) = SUFFIXES.iter().find(|(end, _)| essence.ends_with(end)) {
            return kind;
        }
        match essence.split_once('/') {
            Some(("text", _)) => Self::Text,
            Some(("multipart", _)) => Self::Multipart,
            Some(_) | None => Self::Opaque,
        }
    }

    /// Whether a body of this kind is first read into the neutral form of markup.
    pub(crate) fn is_markup(self) -> bool {
        matches!(self, Self::Xml | Self::Html)
    }

    /// What a body of this kind is called in an explanation.
    pub(crate) fn called(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::JsonLines => "JSON lines",
            Self::JsonSequence => "a JSON text sequence",
            Self::Events => "an event stream",
            Self::Xml => "XML",
            Self::Html => "HTML",
            Self::Form => "form fields",
            Self::Multipart => "multipart",
            Self::Csv => "a table",
            Self::Text => "text",
            Self::Foreign(Foreign::Pdf) => "a PDF",
            Self::Foreign(Foreign::Image) => "an image",
            Self::Opaque => "bytes",
        }
    }
}

/// `type/subtype` in lower case.
pub(super) fn essence_of(content_type: &[u8]) -> String {
    text_of(spelt(content_type)).to_ascii_lowercase()
}

/// `type/subtype` as it is spelt.
fn spelt(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    content_type[..end].trim_ascii()
}

/// The kind of a type in lower case that is known by its name.
fn known(essence: &[u8]) -> Option<BodyKind> {
    let at = KINDS.binary_search_by_key(&essence, |&(name, _)| name.as_bytes()).ok()?;
    Some(KINDS[at].1)
}

/// The value of a parameter.
pub(super) fn parameter_of(content_type: &[u8], name: &str) -> Option<String> {
    let text = text_of(content_type);
    let mut pieces = crate::header::split_outside_quotes(&text, ';').skip(1).map(trimmed).map(parameter);
    pieces.find(|(known, _)| known == name).and_then(|(_, value)| value)
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

    #[test]
    fn a_boundary_says_nothing() {
        let of = |text: &str| MediaType::of(text.as_bytes());
        assert_eq!(of("multipart/form-data; boundary=a"), of("multipart/form-data; boundary=b"));
        assert_ne!(of("multipart/related; boundary=a; start=x"), of("multipart/related; boundary=a"));
        assert_ne!(of("text/plain; boundary=a"), of("text/plain; boundary=b"));
    }

    #[test]
    fn kinds_are_known_by_name_family_and_suffix() {
        let of = |text: &str| BodyKind::of(text.as_bytes());
        assert!(KINDS.is_sorted_by_key(|&(name, _)| name));
        assert_eq!(of("Text/CSV ; header=absent"), BodyKind::Csv);
        assert_eq!(of("application/soap+XML"), BodyKind::Xml);
        assert_eq!(of("image/svg+xml"), BodyKind::Xml);
        assert_eq!(of("application/geo+json-seq"), BodyKind::JsonSequence);
        assert_eq!(of("multipart/mixed"), BodyKind::Multipart);
        assert_eq!(of("text/x-log"), BodyKind::Text);
        assert_eq!(of("application/octet-stream"), BodyKind::Opaque);
        assert_eq!(of(""), BodyKind::Opaque);
    }
}
