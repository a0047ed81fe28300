//! What a document says of an operation's requests and answers, by its names: statuses, media types, parameters of
//! the query. It is for the coverage alone, so that a reference out of the document, or one that leads nowhere, is
//! passed over here: it takes no operation away.

use parallax_core::coverage::{Aspect, Documented};

use super::reference::follow;
use super::tree::{NodeId, Tree};

/// What is said of an operation. `layers` are the operation and what it is in.
pub(super) fn read(tree: &Tree<'_>, operation: NodeId, layers: &[NodeId]) -> Documented {
    let mut documented = Documented::default();
    for layer in layers {
        for parameter in tree.get(*layer, "parameters").map_or(&[][..], |list| tree.items(list)) {
            let Ok(parameter) = follow(tree, *parameter) else { continue };
            if let (Some("query"), Some(name)) =
                (tree.text_of(parameter, "in"), tree.text_of(parameter, "name"))
            {
                // `ids[]` is how some write a list.
                documented.add(Aspect::Parameter, name.strip_suffix("[]").unwrap_or(name));
            }
        }
    }
    if let Some(Ok(body)) = tree.get(operation, "requestBody").map(|body| follow(tree, body)) {
        media_types(tree, body, Aspect::RequestType, &mut documented);
    }
    for response in tree.get(operation, "responses").map_or(&[][..], |responses| tree.members(responses)) {
        if response.key.starts_with("x-") {
            continue;
        }
        documented.add(Aspect::Status, &response.key);
        if let Ok(response) = follow(tree, response.value) {
            media_types(tree, response, Aspect::ContentType, &mut documented);
        }
    }
    documented
}

fn media_types(tree: &Tree<'_>, message: NodeId, aspect: Aspect, documented: &mut Documented) {
    for media_type in tree.get(message, "content").map_or(&[][..], |content| tree.members(content)) {
        documented.add(aspect, &media_type.key);
    }
}
