//! Places in a document, printed as the contract prints them: `$.body.items[2].price`,
//! `$.headers['x-trace-id']`.
//!
//! Names come from bodies, so they may be as long as a body: a name is clipped and a printed path
//! is, each with a hash of the rest, so that what is not the same never looks the same.

use std::fmt::{self, Write as _};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// One step from a node to one of its children.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A member of an object.
    Name {
        /// The member's name.
        name: Box<str>,
        /// Whether the object has more than [`WIDE_SIBLINGS`] members, so that its names are
        /// data rather than structure.
        wide: bool,
    },
    /// An element of an array, counted from 0.
    Index(usize),
}

/// From this many members on, an object's names are taken for data (ids), not structure.
pub const WIDE_SIBLINGS: usize = 50;

/// Longest name that is kept whole, in bytes; a clipped one is shorter.
pub(crate) const MAX_NAME: usize = 160;
const CLIPPED_NAME: usize = 128;
/// Longest printed path, in bytes, before the hash of what is left out.
const MAX_PRINTED: usize = 2048;

impl Step {
    /// A member of an object with few members.
    #[must_use]
    pub fn name(name: impl AsRef<str>) -> Self {
        Self::member(name.as_ref(), false)
    }

    /// A member of an object; a long name is clipped.
    pub(crate) fn member(name: &str, wide: bool) -> Self {
        Self::Name { name: clipped_name(name), wide }
    }
}

/// A name of at most [`MAX_NAME`] bytes, another one for every name.
pub(crate) fn clipped_name(name: &str) -> Box<str> {
    if name.len() <= MAX_NAME {
        return name.into();
    }
    let start = crate::document::clip(name, CLIPPED_NAME);
    format!("{start}…{:016x}", xxh3_64(name.as_bytes())).into()
}

/// A place in a document, from its root.
///
/// ```
/// use parallax_core::path::{Path, Step};
/// let path = Path::from(vec![Step::name("body"), Step::name("a.b"), Step::Index(0), Step::name("price")]);
/// assert_eq!(path.to_string(), "$.body['a.b'][0].price");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    steps: Vec<Step>,
}

impl From<Vec<Step>> for Path {
    fn from(steps: Vec<Step>) -> Self {
        Self { steps }
    }
}

impl Path {
    /// The steps from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printed(&self.steps, |text, step| match step {
            Step::Name { name, .. } => write_name(text, name),
            Step::Index(index) => write!(text, "[{index}]"),
        }))
    }
}

/// Steps one after the other behind the `$`, as `write` writes each. What does not fit any more is
/// told by its hash alone.
pub(crate) fn printed<'s, S: 's>(
    steps: impl IntoIterator<Item = &'s S>,
    write: impl Fn(&mut String, &S) -> fmt::Result,
) -> String {
    let mut text = String::from("$");
    let mut rest: Option<Xxh3> = None;
    let mut piece = String::new();
    for step in steps {
        piece.clear();
        // Writing into a string cannot fail.
        let _ = write(&mut piece, step);
        if rest.is_none() && text.len() + piece.len() <= MAX_PRINTED {
            text.push_str(&piece);
        } else {
            rest.get_or_insert_default().update(piece.as_bytes());
        }
    }
    if let Some(rest) = rest {
        text.push_str(&format!("…{:016x}", rest.digest()));
    }
    text
}

/// Writes `.name` where the name is an identifier and `['na me']` where it is not, escaped as
/// RFC 9535 section 2.3.1 asks of a single-quoted name.
///
/// # Errors
/// Only those of the writer.
pub fn write_name(f: &mut impl fmt::Write, name: &str) -> fmt::Result {
    if is_identifier(name) {
        return write!(f, ".{name}");
    }
    f.write_str("['")?;
    for character in name.chars() {
        match character {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_str("']")
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = |first: char| first.is_alphabetic() || first == '_';
    characters.next().is_some_and(starts) && characters.all(|next| next.is_alphanumeric() || next == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_paths_are_clipped_and_stay_apart() {
        let name = |end: &str| "ü".repeat(1 << 19) + end;
        let (one, other) = (Step::name(name("1")), Step::name(name("2")));
        assert_ne!(one, other);
        let Step::Name { name: clipped, .. } = &one else { panic!("a name") };
        assert!(clipped.len() <= MAX_NAME && clipped_name(clipped) == *clipped);
        assert_eq!(clipped_name(&"a".repeat(MAX_NAME)).len(), MAX_NAME);
        let path = |last: Step| {
            let mut steps = vec![Step::name("body"); 1000];
            steps.push(last);
            Path::from(steps).to_string()
        };
        let (one, other) = (path(Step::Index(1)), path(Step::Index(2)));
        assert!(one != other && one.len() <= MAX_PRINTED + 19 && one.starts_with("$.body.body"));
    }

    #[test]
    fn names_that_are_no_identifiers_are_quoted() {
        let print = |name: &str| Path::from(vec![Step::name(name)]).to_string();
        assert_eq!(print("price"), "$.price");
        assert_eq!(print("_id2"), "$._id2");
        assert_eq!(print("größe"), "$.größe");
        assert_eq!(print("2nd"), "$['2nd']");
        assert_eq!(print("x-trace-id"), "$['x-trace-id']");
        assert_eq!(print("it's\\\n\u{1}"), "$['it\\'s\\\\\\n\\u0001']");
        assert_eq!(print(""), "$['']");
    }
}
