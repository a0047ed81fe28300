//! What a path selects from a document: the question that a person asks while writing a rule, answered
//! by the same automaton that the rules run on.

use super::{Automaton, JsonPath, PathError};
use crate::document::{Document, NodeId, children};

/// The nodes of a document that a path names, from the document's root, in the order of the document and
/// each of them once. (RFC 9535 would list a node twice that two selectors name; a rule applies once.)
///
/// ```
/// use parallax_core::document::read;
/// use parallax_core::rule::select;
/// let document = read(r#"{"items": [{"id": 1}, {"id": 2}]}"#.into(), 1_000).unwrap();
/// let ids = select("$.items[*].id", &document).unwrap();
/// assert_eq!(ids.iter().map(|&id| document.text(id)).collect::<Vec<_>>(), ["1", "2"]);
/// assert!(select("$.items[*", &document).is_err());
/// ```
///
/// # Errors
/// A text that is no path of the subset, with the column.
pub fn select(path: &str, document: &Document) -> Result<Vec<NodeId>, PathError> {
    let path = JsonPath::parse(path)?;
    let too_long =
        |error: super::automaton::TooManySteps| PathError { column: 1, message: error.to_string() };
    let automaton = Automaton::compile(std::slice::from_ref(&path)).map_err(too_long)?;
    let mut found = Vec::new();
    let mut waiting = vec![(document.root(), automaton.start())];
    while let Some((node, states)) = waiting.pop() {
        if automaton.accepted(&states).next().is_some() {
            found.push(node);
        }
        waiting.extend(children(document, node, &automaton, &states).filter(|(_, states)| !states.is_dead()));
    }
    found.sort_unstable();
    Ok(found)
}
