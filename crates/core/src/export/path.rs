//! Paths in the words of other tools: a template as a regular expression over the raw path, and the
//! candidate's path made of its parts.
//!
//! The expressions stay within what PCRE, RE2 and Go's library read alike, and have neither quotes nor
//! dollars that are meant literally, so that they pass through any quoting unharmed.

use std::fmt::Write as _;

use super::plan::Route;
use crate::template::{Piece, Segment, Template};

/// Matches a path with a dot segment in any spelling, which is of no operation.
pub(super) const DOT_SEGMENT: &str = "/([.]|%2[Ee])([.]|%2[Ee])?(/|$)";

/// The expression that matches the template's paths from end to end, without anchors. `open` gives what
/// a parameter's group begins with, by the parameter's number.
pub(super) fn expression(template: &Template, open: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    for segment in &template.segments {
        text.push('/');
        if let Some(literal) = segment.as_literal() {
            text.push_str(&any_hex(literal));
            continue;
        }
        let last = segment.pieces.len() - 1;
        for (at, piece) in segment.pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => literal.bytes().for_each(|byte| push_literal(&mut text, byte)),
                Piece::Parameter(_) => {
                    // A parameter ends at the first occurrence of what follows, but for the segment's end.
                    let is_closing = at + 1 >= last && !is_repeated_end(segment);
                    let run = if is_closing { "[^/]+" } else { "[^/]+?" };
                    let _ = write!(text, "{}{run})", open(number));
                    number += 1;
                }
            }
        }
    }
    text
}

/// A group that keeps nothing.
pub(super) fn unkept(_: usize) -> String {
    "(?:".to_owned()
}

/// A group that is known by its number.
pub(super) fn kept(_: usize) -> String {
    "(".to_owned()
}

/// A literal as an expression.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::new();
    text.bytes().for_each(|byte| push_literal(&mut out, byte));
    out
}

fn push_literal(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-_~/:,=@&!;%".contains(&byte) {
        text.push(char::from(byte));
    } else if byte == b'.' {
        text.push_str("[.]");
    } else {
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// A literal segment: the digits of an encoded byte may be small or large.
fn any_hex(literal: &str) -> String {
    let mut text = String::new();
    let mut digits = 0;
    for byte in literal.bytes() {
        if digits > 0 && byte.is_ascii_alphabetic() {
            let (small, large) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
            let _ = write!(text, "[{}{}]", char::from(large), char::from(small));
        } else {
            push_literal(&mut text, byte);
        }
        digits = if byte == b'%' { 2_u8 } else { digits.saturating_sub(1) };
    }
    text
}

/// Whether the segment ends in a literal that it also has before: an expression takes more of these
/// than our own matching does.
fn is_repeated_end(segment: &Segment) -> bool {
    let Some(Piece::Literal(end)) = segment.pieces.last() else { return false };
    segment.pieces.iter().filter(|piece| matches!(piece, Piece::Literal(text) if text == end)).count() > 1
}

/// Whether other paths than ours may match the template's expression.
pub(super) fn is_loose(template: &Template) -> bool {
    template.segments.iter().any(is_repeated_end)
}

/// Whether a segment is a parameter and nothing else, or a literal.
pub(super) fn is_plain(segment: &Segment) -> bool {
    segment.as_literal().is_some() || whole(segment).is_some()
}

/// The parameter that is all of a segment.
pub(super) fn whole(segment: &Segment) -> Option<&str> {
    match segment.pieces.as_slice() {
        [Piece::Parameter(name)] => Some(name),
        _ => None,
    }
}

/// A part of a path that is made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'p> {
    /// As it stands.
    Text(&'p str),
    /// The value of the template's parameter with this number.
    Value(usize),
}

/// The candidate's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rewrite<'p> {
    /// Its path is legacy's.
    Same,
    /// It is another one, made of these parts.
    Parts(Vec<Part<'p>>),
    /// It is another one that must not be made without looking at the values, which may become dot
    /// segments and so lead elsewhere.
    Unsafe,
}

/// How the candidate's path is made of the path of a request.
pub(super) fn rewrite(route: &Route) -> Rewrite<'_> {
    let Some(path) = &route.candidate_path else { return Rewrite::Same };
    if *path == route.template {
        return Rewrite::Same;
    }
    let names: Vec<&str> = route.template.parameters().collect();
    let mut parts = Vec::new();
    for segment in &path.segments {
        parts.push(Part::Text("/"));
        if may_become_dots(segment, &route.template) {
            return Rewrite::Unsafe;
        }
        for piece in &segment.pieces {
            match piece {
                Piece::Literal(text) => parts.push(Part::Text(text)),
                Piece::Parameter(name) => match names.iter().position(|known| **known == **name) {
                    Some(number) => parts.push(Part::Value(number)),
                    None => return Rewrite::Unsafe,
                },
            }
        }
    }
    Rewrite::Parts(parts)
}

/// A value that was a whole segment is none of dots alone: such paths are of no operation. A value that
/// was a part of one may be, and so may a value beside a dot. Dot segments are one or two bytes long.
fn may_become_dots(segment: &Segment, template: &Template) -> bool {
    let mut shortest = 0;
    let mut is_anew = segment.pieces.len() > 1;
    for piece in &segment.pieces {
        match piece {
            Piece::Literal(text) if text.bytes().any(|byte| byte != b'.') => return false,
            Piece::Literal(dots) => shortest += dots.len(),
            Piece::Parameter(name) => {
                shortest += 1;
                is_anew |= !template.segments.iter().any(|known| whole(known) == Some(name));
            }
        }
    }
    is_anew && shortest <= 2
}
