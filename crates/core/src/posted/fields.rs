//! The members of an object of the payload: known ones, each once.

use std::borrow::Cow;

use super::malformed::{Malformed, missing, wrong, wrong_name};
use crate::document::{Document, NodeId, NodeKind};

/// The values of an object's members, in the order of `known`. `null` is the same as nothing.
pub(super) fn members<const N: usize>(
    document: &Document,
    node: NodeId,
    known: [&'static str; N],
) -> Result<[Option<NodeId>; N], Malformed> {
    must(document, node, NodeKind::Object, &format!("an object with {}", known.join(", ")))?;
    let mut seen = [false; N];
    let mut found = [None; N];
    for (name, value) in document.members(node) {
        let text = document.text(name);
        let Some(at) = known.iter().position(|known| *known == text) else {
            return Err(unknown(document, name, &text, &known));
        };
        if std::mem::replace(&mut seen[at], true) {
            return Err(wrong_name(document, name, "this stands twice", "keep one of them"));
        }
        found[at] = (document.kind(value) != NodeKind::Null).then_some(value);
    }
    Ok(found)
}

fn unknown(document: &Document, name: NodeId, text: &str, known: &[&str]) -> Malformed {
    let remedy = match (text, nearest(text, known)) {
        (_, Some(name)) => format!("did you mean `{name}`? known here: {}", known.join(", ")),
        ("host" | "scheme" | "protocol" | "authority" | "port" | "href" | "full", None) => {
            "leave it out: where requests are sent to comes from the configuration alone".to_owned()
        }
        ("query" | "params" | "search", None) => "write it into `path`, behind a `?`".to_owned(),
        (_, None) => format!("leave it out; known here: {}", known.join(", ")),
    };
    wrong_name(document, name, "this is not known here", remedy)
}

/// The known word that a mistyped one most likely stands for.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // What is much longer is no slip of the finger, and would take long to compare.
    let folded = (word.len() <= 32).then(|| word.to_lowercase())?;
    let distance = |name: &str| strsim::damerau_levenshtein(&folded, name);
    let best = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(best) <= (best.len() / 3).max(1)).then_some(best)
}

/// A member that must be there.
pub(crate) fn required(
    document: &Document,
    object: NodeId,
    name: &str,
    found: Option<NodeId>,
) -> Result<NodeId, Malformed> {
    found.ok_or_else(|| missing(document, object, name))
}

/// A value that must be of this kind, in words.
pub(crate) fn must(document: &Document, node: NodeId, kind: NodeKind, words: &str) -> Result<(), Malformed> {
    if document.kind(node) == kind {
        return Ok(());
    }
    Err(wrong_kind(document, node, words))
}

/// A value of another kind than it must be.
pub(crate) fn wrong_kind(document: &Document, node: NodeId, words: &str) -> Malformed {
    let found = document.value_type(node);
    wrong(document, node, format!("this is of type {found}"), format!("it must be {words}"))
}

/// The text of a string, which must have one: JSON can write half of a character.
pub(crate) fn text(document: &Document, node: NodeId) -> Result<Cow<'_, str>, Malformed> {
    must(document, node, NodeKind::String, "a string")?;
    let text = match document.content(node) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.ok_or_else(|| {
        let problem = "this holds half of a character (a lone surrogate)";
        wrong(document, node, problem, "write whole characters, or bytes as base64 in a body")
    })
}
