//! What stands before the paths of a document: the path of the first server that it names. The host is of no
//! interest: legacy and candidate are in the configuration.

use super::tree::{NodeId, Tree, Value};
use crate::config::error::At;

/// What stands before a path, without a slash at its end.
///
/// # Errors
/// With the place and what is wrong with the server that is named there.
pub(super) fn prefix(tree: &Tree<'_>, servers: NodeId) -> Result<String, (At, String)> {
    let Some(&first) = tree.items(servers).first() else { return Ok(String::new()) };
    let Some(url) = tree.get(first, "url") else {
        return Err((tree.at(first), "this server has no `url`".to_owned()));
    };
    let Some(text) = tree.text(url) else { return Err((tree.at(url), "this is no URL".to_owned())) };
    let text = filled(tree, first, text).map_err(|message| (tree.at(url), message))?;
    let path = path_of(&text).trim_end_matches('/');
    Ok(if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

/// The URL with every variable's default in its place.
fn filled(tree: &Tree<'_>, server: NodeId, url: &str) -> Result<String, String> {
    let mut text = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) =
            after.split_once('}').ok_or_else(|| format!("`{url}` has a `{{` without its `}}`"))?;
        let variable = tree.get(server, "variables").and_then(|variables| tree.get(variables, name));
        let default = variable.and_then(|variable| tree.text_of(variable, "default"));
        let default = default.ok_or_else(|| {
            format!("the variable `{{{name}}}` has no default; write one under `variables.{name}.default`")
        })?;
        text.push_str(before);
        text.push_str(default);
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

/// The path of a URL, absolute or relative, without query and fragment.
fn path_of(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let behind_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    match behind_scheme {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url.strip_prefix("./").unwrap_or(url),
    }
}

/// The servers of the innermost of these values that names any.
pub(super) fn innermost(tree: &Tree<'_>, values: &[NodeId]) -> Option<NodeId> {
    let named = values.iter().filter_map(|value| tree.get(*value, "servers"));
    named.into_iter().find(|servers| matches!(tree.value(*servers), Value::List(list) if !list.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(servers: &str) -> Result<String, String> {
        let tree = Tree::read(servers).expect("a document");
        prefix(&tree, tree.root()).map_err(|(at, message)| format!("{at}: {message}"))
    }

    #[test]
    fn the_first_servers_path_stands_before_all_paths() {
        for (servers, expected) in [
            ("[]", ""),
            ("[{url: /}]", ""),
            ("[{url: /v1/}, {url: /v2}]", "/v1"),
            ("[{url: v1}]", "/v1"),
            ("[{url: ./v1}]", "/v1"),
            ("[{url: 'https://api.example.com'}]", ""),
            ("[{url: 'https://api.example.com/shop/v1?x=/y'}]", "/shop/v1"),
            ("[{url: '//api.example.com/shop'}]", "/shop"),
            (
                "[{url: 'https://{h}:{p}/{v}/x', variables: {h: {default: a}, p: {default: 443}, v: {default: v2}}}]",
                "/v2/x",
            ),
        ] {
            assert_eq!(of(servers).as_deref(), Ok(expected), "{servers}");
        }
    }

    #[test]
    fn a_server_that_cannot_be_told_is_named() {
        assert_eq!(of("[{description: x}]"), Err("1:2: this server has no `url`".to_owned()));
        assert!(of("[{url: '/{v}'}]").unwrap_err().starts_with("1:8: the variable `{v}` has no default"));
        assert!(of("[{url: '/{v'}]").unwrap_err().contains("without its `}`"));
    }
}
