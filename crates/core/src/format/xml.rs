//! XML 1.0 with namespaces, read into the neutral form of [`super::markup`].
//!
//! - A name is its local name. The namespace, by its URI and never by its prefix, is the attribute
//!   `@xmlns` of every element that is in another one than its parent; an attribute in a namespace is
//!   `@{uri}name`.
//! - CDATA is text, attributes have no order, comments and processing instructions say nothing.
//! - White space alone between elements says nothing, unless `xml:space` is `preserve` there or other
//!   text stands beside it. In an element without children it is the element's text.
//! - A document type declaration is refused, whatever is in it: nothing is ever expanded or fetched.
//!   There are the five entities and character references.
//!
//! A pure function from bytes to a tree, so that it can run in another process.

use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::charset::{Declared, characters};
use crate::document::{Builder, DEPTH_LIMIT, Document, ReadError};

/// Reads a document in the encoding it has.
///
/// # Errors
/// Where it is no XML or declares a document type, or what passes a limit.
pub(crate) fn read_xml(bytes: &[u8], charset: Option<&str>, max_nodes: usize) -> Result<Document, ReadError> {
    let characters = characters(bytes, charset, Declared::Xml)?;
    parse(&characters.text, max_nodes).map_err(|error| characters.placed(error))
}

/// The namespace that the prefix `xml` is always bound to.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A piece of a document, in its order.
enum Piece {
    /// An element: its name and its attributes.
    Start(String, Vec<(String, String)>),
    /// A text in one of the elements.
    Text(usize, String),
    End,
}

/// What is told of an element when all of it is read.
#[derive(Default)]
struct Element {
    namespace: String,
    /// The bindings it has replaced, to be restored at its end.
    replaced: Vec<(String, Option<String>)>,
    preserve: bool,
    has_elements: bool,
    has_text: bool,
}

/// A document that is being read.
#[derive(Default)]
struct Parse {
    pieces: Vec<Piece>,
    elements: Vec<Element>,
    open: Vec<usize>,
    /// Namespaces by prefix, as they are bound now.
    bound: HashMap<String, String>,
    /// The text that came since the last tag.
    text: String,
    nodes: usize,
    max_nodes: usize,
}

fn parse(text: &str, max_nodes: usize) -> Result<Document, ReadError> {
    if let Some(offset) = text.find(is_illegal) {
        return Err(ReadError::Syntax { offset });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut parse = Parse { max_nodes, ..Parse::default() };
    parse.bound.insert("xml".to_owned(), XML.to_owned());
    loop {
        let at = reader.buffer_position() as usize;
        let event = reader
            .read_event()
            .map_err(|_| ReadError::Syntax { offset: (reader.error_position() as usize).min(text.len()) })?;
        if matches!(event, Event::Eof) {
            return parse.finish(text.len());
        }
        parse.event(&event, at)?;
    }
}

/// Characters that no XML 1.0 document has.
fn is_illegal(letter: char) -> bool {
    matches!(letter, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

impl Parse {
    fn event(&mut self, event: &Event<'_>, at: usize) -> Result<(), ReadError> {
        let syntax = ReadError::Syntax { offset: at };
        match event {
            Event::Start(tag) => self.start(tag, at)?,
            Event::Empty(tag) => {
                self.start(tag, at)?;
                self.end(at)?;
            }
            Event::End(_) => self.end(at)?,
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err(syntax);
                }
                self.text.push_str(&lines(text));
            }
            Event::CData(text) => self.text.push_str(&lines(text)),
            Event::GeneralRef(name) => self.text.push(reference(name).ok_or(syntax)?),
            Event::DocType(_) => return Err(syntax),
            // A declaration stands at the very beginning, or nowhere.
            Event::Decl(_) if at > 0 => return Err(syntax),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        if self.open.is_empty() && self.text.chars().any(|letter| !is_space(letter)) {
            return Err(syntax);
        }
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<(), ReadError> {
        self.flush();
        if self.open.len() >= DEPTH_LIMIT {
            return Err(ReadError::Depth { offset: at });
        }
        if self.open.is_empty() && !self.elements.is_empty() {
            return Err(ReadError::Syntax { offset: at });
        }
        let parent = self.open.last().copied();
        let mut element = Element::default();
        if let Some(parent) = parent {
            self.elements[parent].has_elements = true;
            element.preserve = self.elements[parent].preserve;
        }
        let raw = self.attributes(tag, at)?;
        self.bind(&mut element, &raw, at)?;
        let (namespace, local) = self.resolve(tag.name().as_ref(), true, at)?;
        let mut attributes = Vec::new();
        let outer = parent.map_or("", |parent| self.elements[parent].namespace.as_str());
        if namespace != outer {
            attributes.push(("xmlns".to_owned(), namespace.clone()));
        }
        self.named(&raw, &mut element, &mut attributes, at)?;
        element.namespace = namespace;
        self.count(2 * attributes.len() + 3, at)?;
        let id = self.elements.len();
        self.elements.push(element);
        self.open.push(id);
        self.pieces.push(Piece::Start(local, attributes));
        Ok(())
    }

    /// A tag's attributes as they are written, values without their escapes.
    fn attributes(&self, tag: &BytesStart<'_>, at: usize) -> Result<Vec<(String, String)>, ReadError> {
        let syntax = ReadError::Syntax { offset: at };
        let mut attributes = Vec::new();
        // Repeated names are looked for below, faster than pair by pair.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| syntax)?;
            if self.nodes + 2 * attributes.len() > self.max_nodes {
                return Err(ReadError::Nodes { offset: at });
            }
            let value = value(&attribute.value).ok_or(syntax)?;
            attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        Ok(attributes)
    }

    /// Binds the prefixes that a tag declares.
    fn bind(&mut self, element: &mut Element, raw: &[(String, String)], at: usize) -> Result<(), ReadError> {
        for (name, uri) in raw {
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) if rest.starts_with(':') => &rest[1..],
                Some(_) | None => continue,
            };
            let undeclares = !prefix.is_empty() && uri.is_empty();
            let reserved = prefix == "xmlns" || (prefix == "xml") != (uri == XML);
            if undeclares || reserved {
                return Err(ReadError::Syntax { offset: at });
            }
            let before = self.bound.insert(prefix.to_owned(), uri.clone());
            element.replaced.push((prefix.to_owned(), before));
        }
        Ok(())
    }

    /// A tag's attributes by their full names, without the declarations.
    fn named(
        &self,
        raw: &[(String, String)],
        element: &mut Element,
        attributes: &mut Vec<(String, String)>,
        at: usize,
    ) -> Result<(), ReadError> {
        let mut seen = HashSet::new();
        for (name, value) in raw {
            let declares = name == "xmlns" || name.starts_with("xmlns:");
            let full = if declares {
                name.clone()
            } else {
                let (namespace, local) = self.resolve(name, false, at)?;
                match namespace.as_str() {
                    "" => local,
                    XML => format!("xml:{local}"),
                    _ => format!("{{{namespace}}}{local}"),
                }
            };
            if !seen.insert(full.clone()) {
                return Err(ReadError::Syntax { offset: at });
            }
            if declares {
                continue;
            }
            if full == "xml:space" {
                element.preserve = value == "preserve";
            }
            attributes.push((full, value.clone()));
        }
        Ok(())
    }

    /// The namespace and the local name of a name. Only elements are in the default namespace.
    fn resolve(&self, name: &str, is_element: bool, at: usize) -> Result<(String, String), ReadError> {
        let syntax = ReadError::Syntax { offset: at };
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !is_name(local) || (prefix.is_empty() && local.len() != name.len()) {
            return Err(syntax);
        }
        let namespace = match self.bound.get(prefix) {
            _ if prefix.is_empty() && !is_element => "",
            Some(namespace) => namespace,
            None if prefix.is_empty() => "",
            None => return Err(syntax),
        };
        Ok((namespace.to_owned(), local.to_owned()))
    }

    fn end(&mut self, at: usize) -> Result<(), ReadError> {
        self.flush();
        let Some(id) = self.open.pop() else { return Err(ReadError::Syntax { offset: at }) };
        for (prefix, before) in std::mem::take(&mut self.elements[id].replaced).into_iter().rev() {
            match before {
                Some(uri) => self.bound.insert(prefix, uri),
                None => self.bound.remove(&prefix),
            };
        }
        self.pieces.push(Piece::End);
        Ok(())
    }

    /// Keeps the text that came since the last tag.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let Some(&id) = self.open.last() else { return };
        if !text.is_empty() {
            self.elements[id].has_text |= !text.chars().all(is_space);
            self.pieces.push(Piece::Text(id, text));
        }
    }

    fn count(&mut self, nodes: usize, at: usize) -> Result<(), ReadError> {
        self.nodes += nodes;
        if self.nodes > self.max_nodes { Err(ReadError::Nodes { offset: at }) } else { Ok(()) }
    }

    fn finish(self, end: usize) -> Result<Document, ReadError> {
        if !self.open.is_empty() || self.elements.is_empty() {
            return Err(ReadError::Syntax { offset: end });
        }
        let mut builder = Builder::new(self.max_nodes);
        builder.array()?;
        builder.string("")?;
        for piece in &self.pieces {
            match piece {
                Piece::Start(name, attributes) => start_element(&mut builder, name, attributes)?,
                Piece::End => builder.end(),
                Piece::Text(id, text) => {
                    let Element { preserve, has_elements, has_text, .. } = self.elements[*id];
                    if !has_elements || has_text || preserve {
                        builder.string(text)?;
                    }
                }
            }
        }
        builder.end();
        Ok(builder.finish())
    }
}

fn start_element(
    builder: &mut Builder,
    name: &str,
    attributes: &[(String, String)],
) -> Result<(), ReadError> {
    builder.array()?;
    builder.string(name)?;
    if attributes.is_empty() {
        return Ok(());
    }
    builder.object()?;
    for (name, value) in attributes {
        builder.name(name)?;
        builder.string(value)?;
    }
    builder.end();
    Ok(())
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

/// A name without a colon, near enough: none that could be taken for another thing in the tree.
fn is_name(name: &str) -> bool {
    let starts = |first: char| first.is_ascii_alphabetic() || first == '_' || !first.is_ascii();
    let goes_on = |next: char| starts(next) || next.is_ascii_digit() || matches!(next, '-' | '.');
    name.starts_with(starts) && name.chars().all(goes_on)
}

/// Line ends as XML 1.0 section 2.11 has them.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// What a reference between `&` and `;` stands for.
fn reference(name: &str) -> Option<char> {
    let number = |digits: &str, radix: u32| {
        let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
        u32::from_str_radix(digits, radix).ok().filter(|_| is_plain).and_then(char::from_u32)
    };
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let letter = match digits.strip_prefix('x') {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            };
            letter.filter(|&letter| !is_illegal(letter))
        }
    }
}

/// An attribute's value: white space is written as spaces, references are resolved.
fn value(raw: &str) -> Option<String> {
    if raw.contains('<') {
        return None;
    }
    let mut value = String::with_capacity(raw.len());
    let spaced = raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    let mut pieces = spaced.split('&');
    value.push_str(pieces.next()?);
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        value.push(reference(name)?);
        value.push_str(rest);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, ReadError> {
        let document = read_xml(text.as_bytes(), None, 10_000)?;
        Ok(String::from_utf8(document.raw(0).to_vec()).unwrap())
    }

    #[test]
    fn means_the_same_in_any_spelling() {
        let one =
            "<?xml version='1.0'?><a xmlns='u' xmlns:p='v' k='1' p:m='2'>\n <b>x &amp; y</b> <p:c/>\n</a>";
        let other = "<q:a xmlns:q=\"u\" xmlns:z=\"v\" k=\"1\" z:m=\"&#50;\"><q:b><![CDATA[x & y]]></q:b><z:c></z:c><!-- c --></q:a>";
        let tree = r#"["",["a",{"xmlns":"u","k":"1","{v}m":"2"},["b","x & y"],["c",{"xmlns":"v"}]]]"#;
        assert_eq!(shown(one).unwrap(), tree);
        assert_eq!(shown(other).unwrap(), tree);
    }

    #[test]
    fn white_space_matters_where_it_is_content() {
        assert_eq!(shown("<a> <b> </b> </a>").unwrap(), r#"["",["a",["b"," "]]]"#);
        assert_eq!(shown("<a>x <b/> <c/></a>").unwrap(), r#"["",["a","x ",["b"]," ",["c"]]]"#);
        assert_eq!(
            shown("<a xml:space='preserve'> <b/></a>").unwrap(),
            r#"["",["a",{"xml:space":"preserve"}," ",["b"]]]"#
        );
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a k='1' k='2'/>",
            "<a xmlns:p='u' xmlns:q='u' p:k='1' q:k='2'/>",
            "<p:a/>",
            "<a k='<'/>",
            "<a k='&x;'/>",
            "<a k/>",
            "<@a/>",
            "<a>]]></a>",
            "<a>\u{1}</a>",
            "<a>x & y</a>",
            "</a>",
            " <?xml version='1.0'?><a/>",
            "<!DOCTYPE a><a/>",
        ] {
            assert!(matches!(shown(text), Err(ReadError::Syntax { .. })), "{text}: {:?}", shown(text));
        }
        assert_eq!(shown("<a><b></a>"), Err(ReadError::Syntax { offset: 6 }));
    }

    #[test]
    fn limits_hold() {
        let deep = "<a>".repeat(100_000);
        assert!(matches!(shown(&deep), Err(ReadError::Depth { .. })));
        let attributes: String = (0..10_000).map(|at| format!(" a{at}='{at}'")).collect();
        assert!(matches!(shown(&format!("<a{attributes}/>")), Err(ReadError::Nodes { .. })));
        assert!(read_xml(format!("<a{attributes}/>").as_bytes(), None, 100_000).is_ok());
        let prefixes: String = (0..10_000).map(|at| format!(" xmlns:p{at}='u'")).collect();
        let many = format!("<a{prefixes}>{}</a>", "<p0:b/>".repeat(10_000));
        assert!(read_xml(many.as_bytes(), None, 100_000).is_ok());
    }
}
