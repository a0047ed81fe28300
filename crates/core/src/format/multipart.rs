//! Several bodies in one (RFC 2046 section 5.1): an array of parts, or, as form data (RFC 7578), an
//! object of name and list of parts.
//!
//! A part is `{type, disposition, name, filename, encoding, range, body}`, where the body is opened by
//! the part's own type. The boundary, what stands around the parts, and other fields say nothing.
//! Parts within parts are opened [`MAX_DEPTH`] deep; what lies deeper is compared as bytes.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::lines::moved;
use super::{BodyKind, Opened, media, open_as};
use crate::document::{Builder, Document, ReadError};
use crate::header::{split_outside_quotes, trimmed, unquote};

/// How deep parts within parts are opened.
const MAX_DEPTH: usize = 3;

/// Reads a multipart body that lies in so many others.
///
/// # Errors
/// Where it is not built as its content type says, or a part is not what it says it is, or what
/// passes a limit.
pub(super) fn parts(
    body: &Bytes,
    content_type: &[u8],
    max_nodes: usize,
    depth: usize,
) -> Result<Document, ReadError> {
    let boundary = media::parameter_of(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let Some(boundary) = boundary else { return Err(ReadError::Syntax { offset: 0 }) };
    let spans = split(body, &boundary)?;
    let parts = spans.into_iter().map(|(start, end)| Part::read(body, start, end));
    let parts: Vec<Part> = parts.collect::<Result<_, _>>()?;
    let mut builder = Builder::new(max_nodes);
    if media::essence_of(content_type) != "multipart/form-data" {
        builder.array()?;
        for part in &parts {
            part.write(&mut builder, max_nodes, depth)?;
        }
        builder.end();
        return Ok(builder.finish());
    }
    let mut places = std::collections::HashMap::new();
    let mut lists: Vec<(&str, Vec<&Part>)> = Vec::new();
    for part in &parts {
        let name = part.disposition("name").unwrap_or_default();
        let place = *places.entry(name).or_insert_with(|| {
            lists.push((name, Vec::new()));
            lists.len() - 1
        });
        lists[place].1.push(part);
    }
    builder.object()?;
    for (name, parts) in lists {
        builder.name(name)?;
        builder.array()?;
        parts.into_iter().try_for_each(|part| part.write(&mut builder, max_nodes, depth))?;
        builder.end();
    }
    builder.end();
    Ok(builder.finish())
}

/// Where the parts lie: between lines that begin with the boundary.
fn split(body: &[u8], boundary: &str) -> Result<Vec<(usize, usize)>, ReadError> {
    let delimiter = format!("--{boundary}");
    let mut spans = Vec::new();
    let mut start = None;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        let after = &body[at + delimiter.len()..];
        let line = &after[..memchr::memchr(b'\n', after).unwrap_or(after.len())];
        let is_last = line.starts_with(b"--");
        let is_line = at == 0 || body[at - 1] == b'\n';
        if !is_line || !is_last && !line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(start) = start {
            let end = at.saturating_sub(1).max(start);
            spans.push((start, if end > start && body[end - 1] == b'\r' { end - 1 } else { end }));
        }
        if is_last {
            return Ok(spans);
        }
        start = Some((at + delimiter.len() + line.len() + 1).min(body.len()));
    }
    Err(ReadError::Syntax { offset: body.len() })
}

struct Part {
    content_type: Option<Vec<u8>>,
    disposition: Vec<(String, String)>,
    others: Vec<(&'static str, String)>,
    body: Bytes,
    offset: usize,
}

/// Fields of a part that say what it is, and how they are called in the tree.
const FIELDS: [(&str, &str); 2] = [("content-transfer-encoding", "encoding"), ("content-range", "range")];

impl Part {
    fn read(whole: &Bytes, start: usize, end: usize) -> Result<Self, ReadError> {
        let mut part = Self {
            content_type: None,
            disposition: Vec::new(),
            others: Vec::new(),
            body: Bytes::new(),
            offset: end,
        };
        let mut at = start;
        while at < end {
            let stop = memchr::memchr(b'\n', &whole[at..end]).map_or(end, |length| at + length + 1);
            let line = whole[at..stop].trim_ascii_end();
            if line.is_empty() {
                (part.body, part.offset) = (whole.slice(stop..end), stop);
                break;
            }
            let Some(colon) = memchr::memchr(b':', line) else {
                return Err(ReadError::Syntax { offset: at });
            };
            part.field(&line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
            at = stop;
        }
        Ok(part)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let text = String::from_utf8(value.to_vec());
        let text = text.unwrap_or_else(|_| value.iter().copied().map(char::from).collect());
        match name {
            b"content-type" => self.content_type = Some(value.to_vec()),
            b"content-disposition" => {
                let mut pieces = split_outside_quotes(&text, ';').map(trimmed);
                let kind = pieces.next().unwrap_or_default().to_ascii_lowercase();
                let parameter = |piece: &str| {
                    let (name, value) = piece.split_once('=')?;
                    Some((trimmed(name).to_ascii_lowercase(), unquote(trimmed(value))))
                };
                self.disposition = pieces.filter_map(parameter).collect();
                self.disposition.insert(0, ("disposition".to_owned(), kind));
            }
            _ => {
                let known = FIELDS.iter().find(|(known, _)| known.as_bytes() == name);
                self.others.extend(known.map(|&(_, shown)| (shown, text.to_ascii_lowercase())));
            }
        }
    }

    fn disposition(&self, name: &str) -> Option<&str> {
        self.disposition.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn write(&self, builder: &mut Builder, max_nodes: usize, depth: usize) -> Result<(), ReadError> {
        let content_type = self.content_type.as_deref().unwrap_or(b"text/plain");
        builder.object()?;
        builder.name("type")?;
        builder.string(&media::MediaType::of(content_type).to_string())?;
        for name in ["disposition", "name", "filename", "filename*"] {
            if let Some(value) = self.disposition(name) {
                builder.name(name)?;
                builder.string(value)?;
            }
        }
        for (name, value) in &self.others {
            builder.name(name)?;
            builder.string(value)?;
        }
        builder.name("body")?;
        self.body(builder, content_type, max_nodes, depth)?;
        builder.end();
        Ok(())
    }

    fn body(
        &self,
        builder: &mut Builder,
        content_type: &[u8],
        max_nodes: usize,
        depth: usize,
    ) -> Result<(), ReadError> {
        let kind = BodyKind::of(content_type);
        let too_deep = kind == BodyKind::Multipart && depth + 1 >= MAX_DEPTH;
        if self.body.is_empty() {
            return builder.string("");
        }
        if too_deep {
            return self.digest(builder);
        }
        let opened = open_as(kind, content_type, &self.body, None, max_nodes, depth + 1);
        match opened.map_err(|error| moved(error, self.offset))? {
            Opened::Document(kind, document) if kind.is_markup() => {
                let document = super::markup::shaped_alone(&document, max_nodes)?;
                builder.subtree(&document, document.root())
            }
            Opened::Document(_, document) => builder.subtree(&document, document.root()),
            Opened::Text(text) => builder.string(&text),
            Opened::Opaque | Opened::Foreign(_) => self.digest(builder),
        }
    }

    fn digest(&self, builder: &mut Builder) -> Result<(), ReadError> {
        let digest = Sha256::digest(&self.body);
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        builder.object()?;
        builder.name("length")?;
        builder.number(&self.body.len().to_string())?;
        builder.name("sha256")?;
        builder.string(&digits)?;
        builder.end();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content_type: &str, body: &str) -> Result<String, ReadError> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let document = parts(&body, content_type.as_bytes(), 1_000, 0)?;
        Ok(String::from_utf8(document.raw(0).to_vec()).unwrap())
    }

    #[test]
    fn parts_by_name_and_in_order() {
        let body = "before\r\n--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x y \r\nContent-Type: application/json\r\ncontent-disposition: form-data; name=b; filename=\"f\"\r\n\r\n{\"k\":2}\r\n--x y--\r\nafter --x y\r\n";
        assert_eq!(
            shown("multipart/form-data; boundary=\"x y\"", body).unwrap(),
            r#"{"a":[{"type":"text/plain","disposition":"form-data","name":"a","body":"1"}],"b":[{"type":"application/json","disposition":"form-data","name":"b","filename":"f","body":{"k":2}}]}"#
        );
        assert_eq!(
            shown("Multipart/Mixed; boundary=b", "--b\n\n\n--b\nContent-Type: image/png\n\nx--b\n\n--b--").unwrap(),
            r#"[{"type":"text/plain","body":""},{"type":"image/png","body":{"length":5,"sha256":"5e2d5d1d"}}]"#
                .replace("5e2d5d1d", &hex("x--b\n"))
        );
    }

    fn hex(text: &str) -> String {
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn errors_are_placed_in_the_whole() {
        let body = "--b\r\nContent-Type: application/json\r\n\r\n{x\r\n--b--";
        assert_eq!(shown("multipart/mixed; boundary=b", body), Err(ReadError::Syntax { offset: 40 }));
        assert_eq!(shown("multipart/mixed", "--b--"), Err(ReadError::Syntax { offset: 0 }));
        assert_eq!(
            shown("multipart/mixed; boundary=b", "--b\r\n\r\nx"),
            Err(ReadError::Syntax { offset: 8 })
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let wrap = |inner: &str, name: char| {
            format!(
                "--{name}\nContent-Type: multipart/mixed; boundary={}\n\n{inner}\n--{name}--",
                char::from(name as u8 - 1)
            )
        };
        let deep = ('b'..='f').fold("--a\n\nx\n--a--".to_owned(), |inner, name| wrap(&inner, name));
        let shown = shown("multipart/mixed; boundary=f", &deep).unwrap();
        assert_eq!(shown.matches("\"body\":[").count(), 2, "{shown}");
        assert!(shown.contains("sha256"));
    }
}
