//! A field by which the elements of an array could be paired.

use std::collections::{HashMap, HashSet};

use crate::document::{Document, NodeId, NodeKind, read};
use crate::signature::is_plain_name;

/// Names and values of both arrays that are looked at, at most.
const MAX_NODES: usize = 2_048;

/// A field that every element of both arrays has, that no two elements of one array share, and that
/// is a text or a number. A field that is called an id comes first, then the order of the elements.
pub(super) fn shared(legacy: &str, candidate: &str) -> Option<String> {
    let (ours, theirs) = (names(legacy)?, names(candidate)?);
    let in_both = |name: &&String| theirs.contains(*name);
    ours.iter().filter(in_both).min_by_key(|name| likeness(name)).cloned()
}

/// How little a name is like that of a key.
fn likeness(name: &str) -> u8 {
    match name.to_ascii_lowercase().as_str() {
        "id" => 0,
        name if name.ends_with("id") => 1,
        "key" | "code" | "name" | "number" | "sku" => 2,
        _ => 3,
    }
}

/// The fields that tell the elements of an array apart, in the order of its first element.
fn names(array: &str) -> Option<Vec<String>> {
    let document = read(array.to_owned().into(), MAX_NODES).ok()?;
    let elements: Vec<NodeId> = document.elements(document.root()).collect();
    let first = *elements.first()?;
    let members = elements.iter().map(|&element| scalars(&document, element)).collect::<Option<Vec<_>>>()?;
    let tells_apart = |name: &String| {
        let values: Option<HashSet<&[u8]>> =
            members.iter().map(|members| members.get(name).map(Vec::as_slice)).collect();
        values.is_some_and(|values| values.len() == elements.len())
    };
    let in_order = document.members(first).map(|(name, _)| document.text(name).into_owned());
    Some(in_order.filter(|name| is_plain_name(name) && !name.contains('.')).filter(tells_apart).collect())
}

/// The members of an object that are texts or numbers; none when it is no object.
fn scalars(document: &Document, element: NodeId) -> Option<HashMap<String, Vec<u8>>> {
    let is_scalar = |node| matches!(document.kind(node), NodeKind::String | NodeKind::Number);
    let member = |(name, value)| (document.text(name).into_owned(), document.content(value).into_owned());
    (document.kind(element) == NodeKind::Object)
        .then(|| document.members(element).filter(|&(_, value)| is_scalar(value)).map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_every_element_and_in_no_two_the_same() {
        let legacy = r#"[{"kind":"a","no":1,"item_id":"x"},{"kind":"a","no":2,"item_id":"y"}]"#;
        let candidate = r#"[{"item_id":"y","no":2,"kind":"a"},{"kind":"a","no":1,"item_id":"x"}]"#;
        assert_eq!(shared(legacy, candidate).as_deref(), Some("item_id"));
        assert_eq!(shared(r#"[{"a":1},{"a":2}]"#, r#"[{"a":2},{"a":1}]"#).as_deref(), Some("a"));
        assert_eq!(shared(r#"[{"a":1},{"a":1}]"#, r#"[{"a":1},{"a":1}]"#), None);
        assert_eq!(shared(r#"[{"a":1},{"b":2}]"#, r#"[{"b":2},{"a":1}]"#), None);
        assert_eq!(shared("[1,2]", "[2,1]"), None);
        assert_eq!(shared(r#"[{"a":{}},{"a":[]}]"#, r#"[{"a":[]},{"a":{}}]"#), None);
    }

    #[test]
    fn a_name_that_is_data_is_no_key() {
        assert_eq!(shared(r#"[{"4711":1},{"4711":2}]"#, r#"[{"4711":2},{"4711":1}]"#), None);
    }
}
