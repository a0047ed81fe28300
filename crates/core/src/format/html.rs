//! HTML as a browser reads it, in the neutral form of [`super::markup`].
//!
//! - White space is collapsed, and left out where no text can be: beside blocks and within lists and
//!   tables. In `pre`, `textarea`, `script` and `style` it stays as it is.
//! - `class` is a sorted set, attributes have no order, comments say nothing.
//! - The document type counts, for it decides how the rest is shown.
//!
//! The parser is fed in small pieces, and given up as soon as its tree is too deep or too large or a
//! tag has so many attributes that telling them apart would take long.

use std::borrow::Cow;

use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tokenizer::TokenizerOpts;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};

use super::charset::{Declared, characters};
use super::html_tree::{DOCUMENT, Data, Tree};
use crate::document::{Builder, DEPTH_LIMIT, Document, ReadError};

/// Bytes that the parser gets at a time.
const PIECE: usize = 1024;
/// Most comparisons of attribute names that the parser is let do, about.
const MAX_WORK: usize = 120_000_000;

/// Elements that stand within a line of text; all others break it.
const INLINE: [&str; 44] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "button", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "img", "input", "ins", "kbd", "label", "map", "mark", "math", "meter", "object", "output",
    "picture", "progress", "q", "s", "samp", "select", "small", "span", "strike", "strong", "sub", "sup",
    "svg", "textarea", "time", "u", "var",
];
/// Elements that are not shown, and leave the text around them as it is.
const UNSEEN: [&str; 7] = ["link", "meta", "noscript", "script", "style", "template", "title"];
/// Elements in which white space is content.
const VERBATIM: [&str; 7] = ["listing", "pre", "plaintext", "script", "style", "textarea", "xmp"];

/// Reads a document in the encoding it has.
///
/// # Errors
/// Where a byte is no character, or what passes a limit; any text is HTML.
pub(super) fn read_html(
    bytes: &[u8],
    charset: Option<&str>,
    max_nodes: usize,
) -> Result<Document, ReadError> {
    let text = characters(bytes, charset, Declared::Html)?.text;
    let options = ParseOpts {
        tokenizer: TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() },
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
    };
    let mut parser = parse_document(Tree::new(), options);
    let mut guard = Guard { seen: 0, pending: 0, work: 0 };
    let mut at = 0;
    while at < text.len() {
        let piece = piece(&text[at..]);
        parser.process(StrTendril::from_slice(piece));
        at += piece.len();
        guard.check(&parser.tokenizer.sink.sink, piece, at, max_nodes)?;
    }
    let tree = parser.finish();
    guard.limits(&tree, at, max_nodes)?;
    written(&tree, max_nodes)
}

/// The beginning of a text, up to the end of a character.
fn piece(text: &str) -> &str {
    let end = (PIECE..).take(4).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// Watches the parser.
struct Guard {
    /// What the tree had seen after the last piece.
    seen: usize,
    /// Separators in the tag or comment that has not ended since.
    pending: usize,
    work: usize,
}

impl Guard {
    fn check(&mut self, tree: &Tree, piece: &str, at: usize, max_nodes: usize) -> Result<(), ReadError> {
        self.limits(tree, at, max_nodes)?;
        let separators = separators(piece);
        if self.seen == tree.seen() {
            // The parser looks for each attribute among all before it.
            self.pending += separators;
            self.work += separators * self.pending;
        } else {
            self.pending = separators;
        }
        self.seen = tree.seen();
        if self.work > MAX_WORK { Err(ReadError::Nodes { offset: at }) } else { Ok(()) }
    }

    fn limits(&self, tree: &Tree, at: usize, max_nodes: usize) -> Result<(), ReadError> {
        if tree.depth() > DEPTH_LIMIT {
            return Err(ReadError::Depth { offset: at });
        }
        if tree.len() > max_nodes / 2 { Err(ReadError::Nodes { offset: at }) } else { Ok(()) }
    }
}

/// How many attributes may begin in a piece of a tag, about: each behind a space, a slash or the
/// end of a quoted value.
fn separators(piece: &str) -> usize {
    let count = |is: fn(u8) -> bool| piece.bytes().filter(|&byte| is(byte)).count();
    let spaces = count(|byte| byte.is_ascii_whitespace() || byte == b'/');
    spaces.max(count(|byte| matches!(byte, b'"' | b'\'')) / 2)
}

/// What is still to be written.
enum Work<'t> {
    Node { id: usize, verbatim: bool },
    Text(Cow<'t, str>),
    End,
}

fn written(tree: &Tree, max_nodes: usize) -> Result<Document, ReadError> {
    let nodes = tree.nodes();
    let mut builder = Builder::new(max_nodes);
    let mut work = vec![Work::Node { id: DOCUMENT, verbatim: false }];
    while let Some(next) = work.pop() {
        match next {
            Work::Text(text) => builder.string(&text)?,
            Work::End => builder.end(),
            Work::Node { id, verbatim } => {
                let node = &nodes[id];
                let name = node.name();
                builder.array()?;
                builder.string(name)?;
                attributes(&mut builder, &node.data, tree)?;
                let verbatim = verbatim || VERBATIM.contains(&name);
                let first = work.len();
                for (place, &child) in node.children.iter().enumerate() {
                    match &nodes[child].data {
                        Data::Document | Data::Element { .. } => {
                            work.push(Work::Node { id: child, verbatim });
                        }
                        Data::Text(text) if verbatim => work.push(Work::Text(Cow::Borrowed(text))),
                        Data::Text(text) => {
                            let edges = edges(tree, id, place);
                            let text = collapsed(text, edges);
                            work.extend((!text.is_empty()).then_some(Work::Text(Cow::Owned(text))));
                        }
                        Data::Comment => {}
                    }
                }
                work.push(Work::End);
                work[first..].reverse();
            }
        }
    }
    Ok(builder.finish())
}

fn attributes(builder: &mut Builder, data: &Data, tree: &Tree) -> Result<(), ReadError> {
    match data {
        Data::Document => {
            let Some(doctype) = tree.doctype() else { return Ok(()) };
            builder.object()?;
            builder.name("doctype")?;
            builder.string(&doctype)?;
        }
        Data::Element { attributes, .. } if !attributes.is_empty() => {
            builder.object()?;
            for (name, value) in attributes {
                builder.name(name)?;
                if name == "class" { class(builder, value)? } else { builder.string(value)? }
            }
        }
        Data::Element { .. } | Data::Text(_) | Data::Comment => return Ok(()),
    }
    builder.end();
    Ok(())
}

fn class(builder: &mut Builder, value: &str) -> Result<(), ReadError> {
    let mut words: Vec<&str> = value.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    builder.array()?;
    words.iter().try_for_each(|word| builder.string(word))?;
    builder.end();
    Ok(())
}

/// Whether a text's white space is left out at its start and at its end.
fn edges(tree: &Tree, parent: usize, place: usize) -> (bool, bool) {
    let nodes = tree.nodes();
    let children = &nodes[parent].children;
    let at_parent = !INLINE.contains(&nodes[parent].name());
    let stops = |id: usize| match &nodes[id].data {
        Data::Text(_) => Some(false),
        Data::Element { .. } if UNSEEN.contains(&nodes[id].name()) => None,
        Data::Element { .. } | Data::Document => Some(!INLINE.contains(&nodes[id].name())),
        Data::Comment => None,
    };
    // Far neighbours are not looked for: what stands between is content enough to keep a space.
    let near = |ids: &mut dyn Iterator<Item = usize>| ids.take(64).find_map(stops).unwrap_or(at_parent);
    let before = near(&mut children[..place].iter().rev().copied());
    let after = near(&mut children[place + 1..].iter().copied());
    (before, after)
}

/// A text with one space for each run of white space, and none at the edges that have none.
fn collapsed(text: &str, (no_start, no_end): (bool, bool)) -> String {
    let mut short = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_space = letter.is_ascii_whitespace();
        if !is_space {
            short.push(letter);
        } else if !short.ends_with(' ') {
            short.push(' ');
        }
    }
    let start = if no_start { short.trim_start_matches(' ') } else { &short };
    let both = if no_end { start.trim_end_matches(' ') } else { start };
    both.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, ReadError> {
        let document = read_html(text.as_bytes(), None, 100_000)?;
        Ok(String::from_utf8(document.raw(0).to_vec()).unwrap())
    }

    #[test]
    fn as_a_browser_reads_it() {
        let one = "<!DOCTYPE html>\n<html>\n<head><title>t</title>\n<meta charset=utf-8>\n</head>\n<body>\n <P Class='b a b'  id=x>Hello\n <b>big</b> world </p>\n</body></html>\n";
        let other = "<!doctype HTML><title>t</title><meta charset='utf-8'><p id=\"x\" class=\"a b\">Hello <b>big</b> world<!-- c --></p>";
        let tree = r#"["",{"doctype":"html"},["html",["head",["title","t"],["meta",{"charset":"utf-8"}]],["body",["p",{"class":["a","b"],"id":"x"},"Hello ",["b","big"]," world"]]]]"#;
        let sorted = |text: &str| {
            shown(text).unwrap().replace(r#""id":"x","class":["a","b"]"#, r#""class":["a","b"],"id":"x""#)
        };
        assert_eq!(sorted(one), tree);
        assert_eq!(sorted(other), tree);
    }

    #[test]
    fn white_space_stays_where_it_is_content() {
        let body = |text: &str| {
            let all = shown(text).unwrap();
            all.split_once(r#"["body","#).unwrap().1.trim_end_matches(']').to_owned()
        };
        assert_eq!(body("<pre>a  b\n c</pre>"), r#"["pre","a  b\u000a c""#);
        assert_eq!(body("<b>a</b> <b>b</b>"), r#"["b","a"]," ",["b","b""#);
        assert_eq!(body("<div>a</div> <div> b </div>"), r#"["div","a"],["div","b""#);
        assert_eq!(body("<p>x</p><script>a  b</script> \n <p>y"), r#"["p","x"],["script","a  b"],["p","y""#);
    }

    #[test]
    fn limits_hold() {
        assert!(matches!(shown(&"<div>".repeat(100_000)), Err(ReadError::Depth { .. })));
        assert!(matches!(shown(&"<p>x".repeat(100_000)), Err(ReadError::Nodes { .. })));
        let attributes =
            |count: usize| -> String { (0..count).map(|at| format!(" a{at}=\"{at}\"")).collect() };
        assert!(shown(&format!("<p{}>", attributes(10_000))).is_ok());
        assert!(matches!(shown(&format!("<p{}>", attributes(20_000))), Err(ReadError::Nodes { .. })));
    }
}
