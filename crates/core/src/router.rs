//! From a request's method and path to its operation, in time that depends on the path alone and
//! not on the number of operations.
//!
//! A trie over path segments: a literal segment beats one with a parameter, more literal bytes
//! beat fewer, and where the better branch leads nowhere the next one is tried. The number of
//! branches at a place is small and bounded by the configuration, and the depth by the templates.
//! Dot segments match no operation, because the service behind may resolve them.

use std::collections::HashMap;

use http::Method;

use crate::template::{Segment, Template, canonical, is_dot_segment};

/// Finds the entry for a request.
#[derive(Clone, Debug, Default)]
pub struct Router {
    root: Node,
    deepest: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    patterns: Vec<(Segment, Node)>,
    entries: Vec<(Method, usize)>,
}

/// Two matchers that match the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("matches the same requests as entry {first}")]
pub struct SameRequests {
    /// The entry that was there first.
    pub first: usize,
}

impl Router {
    /// Adds an entry.
    ///
    /// # Errors
    /// When an earlier entry matches the same requests.
    pub fn insert(&mut self, method: Method, template: &Template, entry: usize) -> Result<(), SameRequests> {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = node.child(segment);
        }
        if let Some(&(_, first)) = node.entries.iter().find(|(known, _)| *known == method) {
            return Err(SameRequests { first });
        }
        node.entries.push((method, entry));
        self.deepest = self.deepest.max(template.segments.len());
        Ok(())
    }

    /// The entry for a request; HEAD belongs to its GET unless it has an entry of its own.
    ///
    /// `path` is the raw path, without the query.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<usize> {
        let rest = path.strip_prefix('/')?;
        for (depth, segment) in rest.split('/').enumerate() {
            if depth == self.deepest || is_dot_segment(segment) {
                return None;
            }
        }
        self.root.find(rest, method)
    }
}

impl Node {
    fn child(&mut self, segment: &Segment) -> &mut Self {
        if let Some(literal) = segment.as_literal() {
            return self.literals.entry(literal.into()).or_default();
        }
        let shape = segment.shape();
        let at = match self.patterns.iter().position(|(known, _)| *known == shape) {
            Some(at) => at,
            None => {
                let specific = shape.literal_bytes();
                let at = self.patterns.partition_point(|(known, _)| known.literal_bytes() >= specific);
                self.patterns.insert(at, (shape, Self::default()));
                at
            }
        };
        &mut self.patterns[at].1
    }

    /// `rest` is the path from the first byte of this node's segment on.
    fn find(&self, rest: &str, method: &Method) -> Option<usize> {
        let (text, tail) = match rest.split_once('/') {
            Some((text, tail)) => (text, Some(tail)),
            None => (rest, None),
        };
        let descend = |node: &Self| match tail {
            Some(tail) => node.find(tail, method),
            None => node.entry(method),
        };
        let literal = self.literals.get(&*canonical(text)).and_then(descend);
        literal.or_else(|| {
            let matching = self.patterns.iter().filter(|(segment, _)| segment.matches(text));
            matching.map(|(_, node)| node).find_map(descend)
        })
    }

    fn entry(&self, method: &Method) -> Option<usize> {
        let of =
            |wanted: &Method| self.entries.iter().find(|(known, _)| known == wanted).map(|&(_, entry)| entry);
        of(method).or_else(|| if *method == Method::HEAD { of(&Method::GET) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(templates: &[&str]) -> Router {
        let mut router = Router::default();
        for (entry, template) in templates.iter().enumerate() {
            router.insert(Method::GET, &template.parse().expect("a template"), entry).expect("a new entry");
        }
        router
    }

    fn check(templates: &[&str], path: &str, expected: Option<&str>) {
        let found = router(templates).find(&Method::GET, path).map(|entry| templates[entry]);
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn a_literal_beats_a_parameter_whatever_the_order() {
        for templates in [["/returns/{id}", "/returns/policy"], ["/returns/policy", "/returns/{id}"]] {
            check(&templates, "/returns/policy", Some("/returns/policy"));
            check(&templates, "/returns/17", Some("/returns/{id}"));
        }
    }

    #[test]
    fn the_next_branch_is_tried_where_the_better_one_leads_nowhere() {
        let templates = ["/a/b/c", "/a/{x}/d", "/{y}/b/e"];
        check(&templates, "/a/b/c", Some("/a/b/c"));
        check(&templates, "/a/b/d", Some("/a/{x}/d"));
        check(&templates, "/a/b/e", Some("/{y}/b/e"));
        check(&templates, "/a/b/f", None);
    }

    #[test]
    fn a_parameter_stays_within_its_segment() {
        let templates = ["/files/{name}", "/files/{name}.pdf", "/files/{from}-{to}"];
        check(&templates, "/files/a%2Fb", Some("/files/{name}"));
        check(&templates, "/files/a/b", None);
        check(&templates, "/files/", None);
        check(&templates, "/files/a.b.pdf", Some("/files/{name}.pdf"));
        check(&templates, "/files/1-2", Some("/files/{from}-{to}"));
        check(&templates, "/files/-2", Some("/files/{name}"));
    }

    #[test]
    fn a_trailing_slash_and_a_doubled_slash_are_significant() {
        let templates = ["/returns", "/orders/"];
        check(&templates, "/returns", Some("/returns"));
        check(&templates, "/returns/", None);
        check(&templates, "/orders/", Some("/orders/"));
        check(&templates, "/orders", None);
        check(&templates, "//returns", None);
    }

    #[test]
    fn dot_segments_match_no_operation() {
        let templates = ["/a/{x}", "/a/{x}/{y}"];
        for path in ["/a/..", "/a/.", "/a/%2e%2e", "/a/.%2E/b", "/a/b/.."] {
            check(&templates, path, None);
        }
        check(&templates, "/a/...", Some("/a/{x}"));
    }

    #[test]
    fn unreserved_characters_may_be_encoded() {
        check(&["/returns/{id}"], "/%72eturns/5", Some("/returns/{id}"));
        check(&["/a~b"], "/a%7eb", Some("/a~b"));
        check(&["/a%2fb"], "/a%2Fb", Some("/a%2fb"));
        check(&["/a%2fb"], "/a/b", None);
    }

    #[test]
    fn head_belongs_to_its_get() {
        let found = router(&["/a"]).find(&Method::HEAD, "/a");
        assert_eq!(found, Some(0));
        assert_eq!(router(&["/a"]).find(&Method::POST, "/a"), None);
    }

    #[test]
    fn the_same_requests_twice_are_refused() {
        let mut router = router(&["/a/{x}"]);
        let again = "/a/{y}".parse().expect("a template");
        assert_eq!(router.insert(Method::GET, &again, 1), Err(SameRequests { first: 0 }));
        assert_eq!(router.insert(Method::PUT, &again, 1), Ok(()));
    }

    #[test]
    fn the_root_and_the_asterisk() {
        check(&["/"], "/", Some("/"));
        check(&["/"], "*", None);
    }
}
