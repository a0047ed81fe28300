//! References within a document (RFC 6901 in a URI's fragment). Nothing outside of it is opened: what a
//! configuration reads is named by the configuration.

use super::tree::{NodeId, Tree};
use crate::config::error::At;

/// Hops until a reference counts as a circle.
const MOST_HOPS: usize = 16;

/// The value that a value stands for: itself, or what its `$ref` leads to.
///
/// # Errors
/// With the place of the reference that leads nowhere, out of the document, or round in a circle.
pub(super) fn follow(tree: &Tree<'_>, id: NodeId) -> Result<NodeId, (At, String)> {
    let mut id = id;
    for _ in 0..MOST_HOPS {
        let Some(reference) = tree.get(id, "$ref") else { return Ok(id) };
        let at = tree.at(reference);
        let text = tree.text(reference).ok_or_else(|| (at, "this `$ref` is no text".to_owned()))?;
        id = target(tree, text).map_err(|message| (at, message))?;
    }
    Err((tree.at(id), "the reference goes round in a circle".to_owned()))
}

fn target(tree: &Tree<'_>, reference: &str) -> Result<NodeId, String> {
    let Some(pointer) = reference.strip_prefix('#') else {
        return Err(format!(
            "`{reference}` leads out of this document, and is not followed; bundle it into one file first (`npx @redocly/cli bundle`)"
        ));
    };
    let nowhere = || format!("`{reference}` leads nowhere in this document");
    let mut id = tree.root();
    let Some(path) = pointer.strip_prefix('/') else {
        return if pointer.is_empty() { Ok(id) } else { Err(nowhere()) };
    };
    for token in path.split('/') {
        let token = decoded(token).replace("~1", "/").replace("~0", "~");
        let element = token.parse::<usize>().ok().and_then(|index| tree.items(id).get(index).copied());
        id = tree.get(id, &token).or(element).ok_or_else(nowhere)?;
    }
    Ok(id)
}

/// Without the percent-encoding that a fragment needs for `{` and others.
fn decoded(token: &str) -> String {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "paths: {'/a/{b}': {get: 1}, '/c': {$ref: '#/paths/~1a~1%7Bb%7D'}}\n\
                            x: {$ref: '#/y'}\ny: {$ref: '#/x'}\nz: {$ref: 'a.yaml#/b'}\nn: {$ref: '#/none/0'}\n\
                            l: [{$ref: '#/l/1'}, {end: 1}]\n";

    #[test]
    fn a_reference_is_followed_within_its_document_only() {
        let tree = Tree::read(DOCUMENT).expect("a document");
        let of = |id: NodeId, key: &str| tree.get(id, key).expect("a key");
        let paths = of(tree.root(), "paths");
        assert_eq!(follow(&tree, of(paths, "/c")), Ok(of(paths, "/a/{b}")));
        let list = tree.items(of(tree.root(), "l"));
        assert_eq!(follow(&tree, list[0]), Ok(list[1]));
        let error = |key: &str| follow(&tree, of(tree.root(), key)).expect_err("an error").1;
        assert!(error("x").contains("circle"));
        assert!(error("z").contains("leads out of this document"));
        assert!(error("n").contains("leads nowhere"));
    }
}
