//! Names for what nobody has named: readable, and the same wherever and whenever they are made.

use http::Method;

/// Longest name that is made, in bytes: an operation's may have 128, and something may have to be added that
/// tells it from another.
const LONGEST: usize = 121;

/// The name of an operation by its requests.
///
/// ```
/// use parallax_core::naming::of_requests;
/// assert_eq!(of_requests(&http::Method::GET, "/returns/{return-id}/label.{format}"), "get_returns_return_id_label_format");
/// assert_eq!(of_requests(&http::Method::POST, "/"), "post_root");
/// ```
#[must_use]
pub fn of_requests(method: &Method, path: &str) -> String {
    let words = readable(&path.replace(['/', '.', '-', ':'], "_"));
    let words = if words.is_empty() { "root" } else { &words };
    cut(&format!("{}_{words}", method.as_str().to_ascii_lowercase()))
}

/// A text with everything that the name of an operation cannot have as `_`; empty where nothing is left.
///
/// ```
/// assert_eq!(parallax_core::naming::readable("Get all returns (v2)"), "Get_all_returns_v2");
/// ```
#[must_use]
pub fn readable(text: &str) -> String {
    let mut name = String::with_capacity(text.len().min(LONGEST));
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-.:/".contains(character) {
            name.push(character);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    cut(name.trim_matches('_'))
}

fn cut(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

/// The name of the parameter that follows a word in a path: `return_id` after `returns`.
#[must_use]
pub(crate) fn parameter_after(word: Option<&str>) -> String {
    let Some(word) = word else { return "id".to_owned() };
    let word = readable(&word.replace(['-', '.', ':'], "_"));
    if word.len() > 3 && word.ends_with("ies") {
        return format!("{}y_id", &word[..word.len() - 3]);
    }
    for plural in ["sses", "xes", "ches", "shes"] {
        if word.ends_with(plural) {
            return format!("{}_id", &word[..word.len() - 2]);
        }
    }
    let singular = if word.len() > 2 && !word.ends_with("ss") { word.trim_end_matches('s') } else { &word };
    format!("{singular}_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_called_after_what_stands_before_it() {
        for (word, expected) in [
            (Some("returns"), "return_id"),
            (Some("categories"), "category_id"),
            (Some("addresses"), "address_id"),
            (Some("boxes"), "box_id"),
            (Some("return-items"), "return_item_id"),
            (Some("v1"), "v1_id"),
            (Some("access"), "access_id"),
            (None, "id"),
        ] {
            assert_eq!(parameter_after(word), expected);
        }
    }

    #[test]
    fn names_are_bounded() {
        assert_eq!(readable(&"é".repeat(500)), "");
        assert_eq!(of_requests(&Method::GET, &format!("/{}", "x".repeat(500))).len(), 121);
    }
}
