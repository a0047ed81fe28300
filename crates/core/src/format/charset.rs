//! From the bytes of a text to its characters: by byte order mark, then by the `charset` parameter,
//! then by what the document declares of itself, else UTF-8.
//!
//! Nothing is replaced: a byte that is no character there is an error with its place. A label that
//! nobody knows is taken for none, as browsers do.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::document::ReadError;

/// How far into a document its declaration is looked for, in bytes (WHATWG HTML 13.2.3.2).
const DECLARED_WITHIN: usize = 1024;

/// A body as characters.
#[derive(Debug)]
pub(super) struct Characters<'b> {
    /// The text, without a byte order mark.
    pub(super) text: Cow<'b, str>,
    encoding: &'static Encoding,
    /// Bytes before the first character.
    mark: usize,
}

/// Where a document says its own encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// Nowhere.
    Never,
    /// In `<?xml encoding="…"?>`.
    Xml,
    /// In a `<meta>`.
    Html,
}

/// Reads the characters of a body.
///
/// # Errors
/// Where a byte does not belong to any character.
pub(super) fn characters<'b>(
    bytes: &'b [u8],
    charset: Option<&str>,
    declared: Declared,
) -> Result<Characters<'b>, ReadError> {
    let (encoding, mark) = encoding_of(bytes, charset, declared);
    let content = &bytes[mark..];
    let text = if encoding == UTF_8 {
        let text = std::str::from_utf8(content);
        Cow::Borrowed(text.map_err(|error| ReadError::Syntax { offset: mark + error.valid_up_to() })?)
    } else {
        Cow::Owned(converted(content, encoding).map_err(|at| ReadError::Syntax { offset: mark + at })?)
    };
    Ok(Characters { text, encoding, mark })
}

/// The bytes of a text, such that [`characters`] reads the same text from them; none where it has
/// a character that its encoding has not.
pub(super) fn encoded(text: &str, charset: Option<&str>, declared: Declared) -> Option<Vec<u8>> {
    let (encoding, _) = encoding_of(text.as_bytes(), charset, declared);
    if encoding == UTF_16BE {
        return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    if encoding == UTF_16LE {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    let (bytes, _, has_others) = encoding.encode(text);
    (!has_others).then(|| bytes.into_owned())
}

/// The encoding of a body, and the length of its byte order mark.
fn encoding_of(bytes: &[u8], charset: Option<&str>, declared: Declared) -> (&'static Encoding, usize) {
    Encoding::for_bom(bytes).unwrap_or_else(|| {
        let named = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
        (named.or_else(|| declaration(bytes, declared)).unwrap_or(UTF_8), 0)
    })
}

impl Characters<'_> {
    /// The place in the body of a place in the text.
    pub(super) fn offset(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let bytes = if self.encoding == UTF_8 {
            at
        } else if self.encoding == UTF_16BE || self.encoding == UTF_16LE {
            before.encode_utf16().count() * 2
        } else {
            self.encoding.encode(before).0.len()
        };
        self.mark + bytes
    }

    /// The same error, placed in the body instead of the text.
    pub(super) fn placed(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Syntax { offset } => ReadError::Syntax { offset: self.offset(offset) },
            ReadError::Depth { .. } | ReadError::Nodes { .. } => error,
        }
    }
}

/// The text in another encoding, or the first byte that is none of its characters.
fn converted(bytes: &[u8], encoding: &'static Encoding) -> Result<String, usize> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::new();
    let mut read = 0;
    loop {
        let rest = &bytes[read..];
        // What is needed for a piece is always enough for one character, so each turn gets on.
        text.reserve(rest.len().clamp(64, 1 << 20));
        let (result, taken) = decoder.decode_to_string_without_replacement(rest, &mut text, true);
        read += taken;
        match result {
            DecoderResult::InputEmpty => return Ok(text),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                return Err(read.saturating_sub(usize::from(length) + usize::from(after)));
            }
        }
    }
}

fn declaration(bytes: &[u8], declared: Declared) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(DECLARED_WITHIN)];
    let label = match declared {
        Declared::Never => return None,
        Declared::Xml => return xml_declaration(start),
        Declared::Html => meta(start)?,
    };
    by_declaration(&label)
}

/// What can be read as ASCII, as the declaration was, is not UTF-16, whatever it says.
fn by_declaration(label: &[u8]) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label)?;
    Some(if encoding == UTF_16BE || encoding == UTF_16LE { UTF_8 } else { encoding })
}

/// XML 1.0 appendix F: UTF-16 shows in the first `<`, everything else is told by the declaration.
fn xml_declaration(start: &[u8]) -> Option<&'static Encoding> {
    match start {
        [0, b'<', ..] => return Some(UTF_16BE),
        [b'<', 0, ..] => return Some(UTF_16LE),
        _ => {}
    }
    let inside = start.strip_prefix(b"<?xml")?;
    let inside = &inside[..memchr::memmem::find(inside, b"?>")?];
    by_declaration(attribute(inside, b"encoding")?)
}

/// The label in the first `<meta>` that has one: as `charset`, or within `content`.
fn meta(start: &[u8]) -> Option<Vec<u8>> {
    let folded = start.to_ascii_lowercase();
    let mut rest = folded.as_slice();
    loop {
        let at = rest.iter().position(|&byte| byte == b'<')?;
        rest = &rest[at..];
        if rest.starts_with(b"<!--") {
            rest = &rest[memchr::memmem::find(rest, b"-->")?..];
        } else if rest.starts_with(b"<meta") {
            let end = rest.iter().position(|&byte| byte == b'>')?;
            if let Some(label) = attribute(&rest[..end], b"charset") {
                return Some(label.to_vec());
            }
        }
        rest = &rest[1..];
    }
}

/// The value behind a name and `=`, with or without quotes.
fn attribute<'b>(tag: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    let after = &tag[memchr::memmem::find(tag, name)? + name.len()..];
    let value = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (value, ends): (_, &[u8]) = match value.first()? {
        b'"' => (&value[1..], b"\""),
        b'\'' => (&value[1..], b"'"),
        _ => (value, b" \t\r\n\"';/"),
    };
    let end = value.iter().position(|byte| ends.contains(byte)).unwrap_or(value.len());
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], charset: Option<&str>, declared: Declared) -> Result<String, ReadError> {
        characters(bytes, charset, declared).map(|characters| characters.text.into_owned())
    }

    #[test]
    fn mark_then_parameter_then_declaration() {
        let latin = |start: &str| [start.as_bytes(), b"gr\xf6\xdfe"].concat();
        let meta = "<!-- <meta charset=utf-8> --><META Charset = 'ISO-8859-1'>";
        let http = "<meta http-equiv=content-type content=\"text/html; charset=iso-8859-1\">";
        let xml = "<?xml version='1.0' encoding=\"ISO-8859-15\"?>";
        assert_eq!(text(&latin(""), Some("latin1"), Declared::Never).unwrap(), "größe");
        for (start, declared) in [(meta, Declared::Html), (http, Declared::Html), (xml, Declared::Xml)] {
            assert_eq!(text(&latin(start), None, declared).unwrap(), format!("{start}größe"));
            assert!(text(&latin(start), Some("utf-8"), declared).is_err());
        }
        let marked = ["\u{feff}größe".as_bytes()].concat();
        assert_eq!(text(&marked, Some("latin1"), Declared::Never).unwrap(), "größe");
        assert_eq!(text(b"\xff\xfea\0\xf6\0", None, Declared::Never).unwrap(), "aö");
        assert_eq!(text(b"\0<\0a\0>", None, Declared::Xml).unwrap(), "<a>");
        assert_eq!(text("ö".as_bytes(), Some("no-such"), Declared::Never).unwrap(), "ö");
        let utf_16 = "<?xml version='1.0' encoding='utf-16'?><ö/>";
        assert_eq!(text(utf_16.as_bytes(), None, Declared::Xml).unwrap(), utf_16);
    }

    #[test]
    fn a_text_is_encoded_as_it_would_be_read() {
        let meta = "<meta charset=latin1>größe";
        for (given, charset, declared) in [
            ("größe", None, Declared::Never),
            ("größe", Some("latin1"), Declared::Never),
            ("größe", Some("utf-16le"), Declared::Never),
            ("größe 😀", Some("utf-16be"), Declared::Never),
            ("\u{feff}größe", Some("latin1"), Declared::Never),
            (meta, None, Declared::Html),
        ] {
            let bytes = encoded(given, charset, declared).unwrap();
            assert_eq!(text(&bytes, charset, declared).unwrap(), given.trim_start_matches('\u{feff}'));
        }
        assert_eq!(encoded("größe", Some("latin1"), Declared::Never).unwrap(), b"gr\xf6\xdfe");
        assert_eq!(encoded("😀", Some("latin1"), Declared::Never), None);
    }

    #[test]
    fn says_which_byte_is_none() {
        let at = |bytes: &[u8], charset: &str| match text(bytes, Some(charset), Declared::Never) {
            Err(ReadError::Syntax { offset }) => Some(offset),
            _ => None,
        };
        assert_eq!(at(b"ab\xff", "utf-8"), Some(2));
        assert_eq!(at(b"ab\x81\x20", "shift_jis"), Some(2));
        assert_eq!(at(b"\xff\xfea\0\0\xd8", ""), Some(4));
        let long = [vec![b'a'; 3 << 20], b"\x81 ".to_vec()].concat();
        assert_eq!(at(&long, "shift_jis"), Some(3 << 20));
    }

    #[test]
    fn places_in_the_text_are_places_in_the_body() {
        let at = |bytes: &[u8], charset: &str| {
            let characters = characters(bytes, Some(charset), Declared::Never).unwrap();
            characters.offset(characters.text.find('!').unwrap())
        };
        assert_eq!(at("\u{feff}ö!".as_bytes(), ""), 5);
        assert_eq!(at(b"\xf6!", "latin1"), 1);
        assert_eq!(at(b"\xfe\xff\0\xf6\0!", ""), 4);
    }
}
