//! Path templates as OpenAPI writes them: `/returns/{return_id}`, `/returns/{return_id}/label.{format}`.
//!
//! A parameter stands for a non-empty run of bytes within one segment; it never spans a `/`. An
//! encoded slash (`%2F`) is data of its segment. A trailing slash is significant.

use std::borrow::Cow;
use std::fmt;

/// One piece of a segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Piece {
    Literal(Box<str>),
    Parameter(Box<str>),
}

/// One segment of a template: what stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Segment {
    pub(crate) pieces: Vec<Piece>,
}

impl Segment {
    /// The segment's text when it has no parameter.
    pub(crate) fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// How specific the segment is: more literal bytes first.
    pub(crate) fn literal_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| if let Piece::Literal(text) = piece { text.len() } else { 0 }).sum()
    }

    /// The same segment with its parameters' names taken off: two segments with one shape match
    /// the same texts.
    pub(crate) fn shape(&self) -> Self {
        let unnamed = |piece: &Piece| match piece {
            Piece::Literal(text) => Piece::Literal(text.clone()),
            Piece::Parameter(_) => Piece::Parameter("".into()),
        };
        Self { pieces: self.pieces.iter().map(unnamed).collect() }
    }

    /// Whether the segment matches `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.capture(text, |_, _| {})
    }

    /// Matches `text` and tells every parameter's name and value.
    fn capture<'t>(&self, text: &'t str, mut found: impl FnMut(&str, &'t str)) -> bool {
        let mut at = 0;
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Literal(literal) => match text[at..].strip_prefix(&**literal) {
                    Some(_) => at += literal.len(),
                    None => return false,
                },
                Piece::Parameter(name) => {
                    let end = match pieces.peek() {
                        None => Some(text.len()),
                        Some(Piece::Literal(next)) => {
                            last_or_first(&text[at..], next, self.ends_with(next)).map(|end| at + end)
                        }
                        Some(Piece::Parameter(_)) => None,
                    };
                    match end {
                        Some(end) if end > at => {
                            found(name, &text[at..end]);
                            at = end;
                        }
                        _ => return false,
                    }
                }
            }
        }
        at == text.len()
    }

    fn ends_with(&self, literal: &str) -> bool {
        matches!(self.pieces.last(), Some(Piece::Literal(last)) if **last == *literal)
            && self
                .pieces
                .iter()
                .filter(|piece| matches!(piece, Piece::Literal(text) if **text == *literal))
                .count()
                == 1
    }
}

/// Where a parameter ends that is followed by `next`: before its last occurrence when it closes
/// the segment (`{name}.pdf` takes `a.b.pdf` whole), otherwise before its first.
fn last_or_first(text: &str, next: &str, closes: bool) -> Option<usize> {
    if closes { text.strip_suffix(next).map(str::len) } else { text.get(1..)?.find(next).map(|at| at + 1) }
}

/// A path template.
///
/// ```
/// use parallax_core::template::Template;
/// let template: Template = "/returns/{return_id}/label".parse().unwrap();
/// assert_eq!(template.to_string(), "/returns/{return_id}/label");
/// assert_eq!(template.parameters().collect::<Vec<_>>(), ["return_id"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// Why a text is no path template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not absolute.
    #[error("a path template starts with `/`")]
    NotAbsolute,
    /// `{` without `}`, or the other way round.
    #[error("`{{` and `}}` do not pair up in `{0}`")]
    Unbalanced(String),
    /// `{}`, or a name with odd characters.
    #[error("`{{{0}}}` is no parameter: a name has letters, digits, `_`, `-` and `.`")]
    ParameterName(String),
    /// The same name twice.
    #[error("the parameter `{{{0}}}` stands twice; give each its own name")]
    Repeated(String),
    /// `{a}{b}`.
    #[error("`{0}` has two parameters with nothing between them; it cannot be told where one ends")]
    Adjacent(String),
    /// A query or fragment.
    #[error("a path template has no `{0}`; match the path only")]
    NotAPath(char),
    /// Not what an HTTP path may contain.
    #[error("`{0}` cannot stand in a path; percent-encode it")]
    Character(char),
    /// `.` or `..`.
    #[error("`{0}` is a dot segment, which no operation matches")]
    DotSegment(String),
}

impl Template {
    /// The parameters' names, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| &segment.pieces).filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(&**name),
            Piece::Literal(_) => None,
        })
    }

    /// The parameters' names and raw (still encoded) values in a path that the template matches.
    ///
    /// ```
    /// let template: parallax_core::template::Template = "/returns/{id}/label.{format}".parse().unwrap();
    /// let found = template.capture("/returns/a%2Fb/label.pdf").unwrap();
    /// assert_eq!(found, [("id".to_owned(), "a%2Fb"), ("format".to_owned(), "pdf")]);
    /// ```
    #[must_use]
    pub fn capture<'p>(&self, path: &'p str) -> Option<Vec<(String, &'p str)>> {
        let mut values = Vec::new();
        let mut texts = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let text = texts.next()?;
            let matches = match segment.as_literal() {
                Some(literal) => canonical(text) == literal,
                None => segment.capture(text, |name, value| values.push((name.to_owned(), value))),
            };
            if !matches {
                return None;
            }
        }
        texts.next().is_none().then_some(values)
    }

    /// Fills the parameters in; `value` gives the raw (still encoded) text for each name.
    #[must_use]
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            for piece in &segment.pieces {
                match piece {
                    Piece::Literal(text) => path.push_str(text),
                    Piece::Parameter(name) => path.push_str(value(name).unwrap_or_default()),
                }
            }
        }
        path
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let path = text.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
        let segments = path.split('/').map(parse_segment).collect::<Result<Vec<_>, _>>()?;
        let template = Self { segments };
        let mut seen = Vec::new();
        for name in template.parameters() {
            if seen.contains(&name) {
                return Err(TemplateError::Repeated(name.to_owned()));
            }
            seen.push(name);
        }
        Ok(template)
    }
}

fn parse_segment(text: &str) -> Result<Segment, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('{') {
            let (name, tail) =
                after.split_once('}').ok_or_else(|| TemplateError::Unbalanced(text.to_owned()))?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            if name.is_empty() || !name.bytes().all(allowed) {
                return Err(TemplateError::ParameterName(name.to_owned()));
            }
            if matches!(pieces.last(), Some(Piece::Parameter(_))) {
                return Err(TemplateError::Adjacent(text.to_owned()));
            }
            pieces.push(Piece::Parameter(name.into()));
            rest = tail;
        } else {
            let end = rest.find('{').unwrap_or(rest.len());
            let literal = &rest[..end];
            check_literal(literal, text)?;
            pieces.push(Piece::Literal(canonical(literal).into()));
            rest = &rest[end..];
        }
    }
    if is_dot_segment(text) {
        return Err(TemplateError::DotSegment(text.to_owned()));
    }
    Ok(Segment { pieces })
}

fn check_literal(literal: &str, segment: &str) -> Result<(), TemplateError> {
    for character in literal.chars() {
        match character {
            '}' => return Err(TemplateError::Unbalanced(segment.to_owned())),
            '?' | '#' => return Err(TemplateError::NotAPath(character)),
            other if !other.is_ascii_graphic() || "\"<>\\^`|".contains(other) => {
                return Err(TemplateError::Character(other));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a segment is `.` or `..`, in any spelling (RFC 3986 section 5.2.4): a service behind
/// us may resolve it, so its operation cannot be known.
pub(crate) fn is_dot_segment(segment: &str) -> bool {
    matches!(&*canonical(segment), "." | "..")
}

/// Undoes the percent-encoding that never changes a meaning: that of unreserved characters
/// (RFC 3986 section 6.2.2.2). `%2F` stays. Used for matching only; paths pass as they came.
pub(crate) fn canonical(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut text = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                text.push(char::from(byte));
            }
            Some(_) => text.push_str(&rest[at..at + 3].to_ascii_uppercase()),
            None => {
                text.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            f.write_str("/")?;
            for piece in &segment.pieces {
                match piece {
                    Piece::Literal(text) => f.write_str(text)?,
                    Piece::Parameter(name) => write!(f, "{{{name}}}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_template() {
        let error = |text: &str| text.parse::<Template>().unwrap_err();
        assert_eq!(error("returns"), TemplateError::NotAbsolute);
        assert_eq!(error("/a/{id"), TemplateError::Unbalanced("{id".into()));
        assert_eq!(error("/a/id}"), TemplateError::Unbalanced("id}".into()));
        assert_eq!(error("/a/{}"), TemplateError::ParameterName(String::new()));
        assert_eq!(error("/a/{b c}"), TemplateError::ParameterName("b c".into()));
        assert_eq!(error("/{a}/{a}"), TemplateError::Repeated("a".into()));
        assert_eq!(error("/{a}{b}"), TemplateError::Adjacent("{a}{b}".into()));
        assert_eq!(error("/a?x=1"), TemplateError::NotAPath('?'));
        assert_eq!(error("/a b"), TemplateError::Character(' '));
        assert_eq!(error("/a/../b"), TemplateError::DotSegment("..".into()));
    }

    #[test]
    fn only_unreserved_characters_are_decoded() {
        assert_eq!(canonical("%72eturns"), "returns");
        assert_eq!(canonical("a%2fb"), "a%2Fb");
        assert_eq!(canonical("100%"), "100%");
        assert_eq!(canonical("%zz%41"), "%zzA");
        assert!(is_dot_segment("%2e%2E"));
        assert!(!is_dot_segment("..."));
    }
}
