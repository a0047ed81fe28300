//! An operation for a recorded request, where nobody has said what the operations are.

use http::Method;

use crate::operation::{Matcher, OperationId};
use crate::signature::looks_like_id;
use crate::template::Template;

/// Longest name that is kept, below the longest that an operation may have.
const LONGEST_ID: usize = 120;

/// The operation that a request most likely belongs to: its method, and its path with a parameter in
/// place of each segment that looks like data. None where that makes no operation.
///
/// ```
/// use parallax_core::recorded::guessed;
/// let (id, matcher) = guessed(&http::Method::GET, "/returns/4711/items/a7c3e5f0-91").unwrap();
/// assert_eq!(matcher.to_string(), "GET /returns/{id}/items/{id2}");
/// assert_eq!(id.as_str(), "GET:/returns/:id/items/:id2");
/// ```
#[must_use]
pub fn guessed(method: &Method, path: &str) -> Option<(OperationId, Matcher)> {
    // HEAD belongs to its GET.
    let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
    let (mut template, mut name) = (String::new(), format!("{method}:"));
    let mut parameters = 0_usize;
    for segment in path.strip_prefix('/')?.split('/') {
        if is_structure(segment) {
            template.push_str(&format!("/{segment}"));
            name.push_str(&format!("/{segment}"));
        } else {
            parameters += 1;
            let number = if parameters == 1 { String::new() } else { parameters.to_string() };
            template.push_str(&format!("/{{id{number}}}"));
            name.push_str(&format!("/:id{number}"));
        }
    }
    let template: Template = template.parse().ok()?;
    let id: OperationId = Some(name).filter(|name| name.len() <= LONGEST_ID)?.parse().ok()?;
    Some((id, Matcher { method, template }))
}

/// Whether a segment names a kind of thing, and not one of them.
fn is_structure(segment: &str) -> bool {
    let is_word = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    is_word && !looks_like_id(segment)
}
