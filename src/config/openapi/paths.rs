//! The operations of a document: every method of every path. Webhooks and callbacks are requests that the service
//! makes itself, so they are none.

use std::collections::{HashMap, HashSet};

use http::Method;
use parallax_core::coverage::Documented;
use parallax_core::template::Template;

use super::described;
use super::extension::{self, Extension};
use super::reference::follow;
use super::servers;
use super::tree::{NodeId, Tree, Value};
use crate::config::error::{At, Problems};
use crate::config::file::OperationFile;

/// An operation as it is found.
pub(super) struct Found {
    /// Where its method stands.
    pub(super) at: At,
    pub(super) method: Method,
    /// The path as the document has it, without what stands before all of them.
    pub(super) path: String,
    pub(super) template: Template,
    pub(super) operation_id: Option<(String, At)>,
    pub(super) extension: Option<Box<OperationFile>>,
    pub(super) documented: Documented,
}

/// OpenAPI's name of each method. HEAD belongs to its GET here, and has no operation of its own.
const METHODS: [(&str, Method); 7] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// All operations, in the order of the document.
pub(super) fn read(tree: &Tree<'_>, problems: &mut Problems) -> Vec<Found> {
    let mut walk = Walk { tree, schema: extension::schema(), found: Vec::new(), problems };
    let Some(paths) = tree.get(tree.root(), "paths") else {
        walk.problems
            .add(tree.at(tree.root()), "it has no `paths`, so that there is no operation to take from it");
        return Vec::new();
    };
    walk.mapping(paths, "`paths`");
    let mut seen = HashSet::new();
    for path in
        tree.members(paths).iter().filter(|path| !path.key.starts_with("x-") && seen.insert(&path.key))
    {
        walk.path(&path.key, path.at, path.value);
    }
    walk.found
}

struct Walk<'w, 't> {
    tree: &'w Tree<'t>,
    schema: schemars::Schema,
    found: Vec<Found>,
    problems: &'w mut Problems,
}

impl Walk<'_, '_> {
    fn path(&mut self, path: &str, at: At, item: NodeId) {
        let tree = self.tree;
        let Some(target) = self.problems.took(follow(tree, item)) else { return };
        if !self.mapping(target, "a path") {
            return;
        }
        // What stands beside a reference is said of this path only, and comes first.
        let layers = if target == item { vec![item] } else { vec![item, target] };
        for (name, method) in &METHODS {
            let Some(operation) = layers.iter().find_map(|layer| tree.get(*layer, name)) else { continue };
            if self.mapping(operation, "an operation") {
                let mut servers = vec![operation];
                servers.extend(layers.iter().copied());
                self.operation(method, (path, at), operation, &servers);
            }
        }
    }

    fn operation(&mut self, method: &Method, (path, at): (&str, At), operation: NodeId, layers: &[NodeId]) {
        let tree = self.tree;
        let extension = match extension::read(tree, operation, &self.schema, self.problems) {
            Extension::Off => return,
            Extension::Nothing => None,
            Extension::Keys(keys) => Some(keys),
        };
        let servers = servers::innermost(tree, &[layers, &[tree.root()]].concat());
        let prefix = servers.map_or(Ok(String::new()), |servers| servers::prefix(tree, servers));
        let Some(prefix) = self.problems.took(prefix) else { return };
        let template = template(&prefix, path).map_err(|message| (at, message));
        let Some(template) = self.problems.took(template) else { return };
        let id = tree.get(operation, "operationId");
        let operation_id = id.and_then(|id| Some((tree.text(id)?.to_owned(), tree.at(id))));
        let at = operation_id.as_ref().map_or(tree.at(operation), |(_, at)| *at);
        let (method, path) = (method.clone(), path.to_owned());
        let documented = described::read(tree, operation, layers);
        self.found.push(Found { at, method, path, template, operation_id, extension, documented });
    }

    /// Whether a value is a mapping, with every key in it once.
    fn mapping(&mut self, id: NodeId, what: &str) -> bool {
        if !matches!(self.tree.value(id), Value::Mapping(_)) {
            self.problems.add(self.tree.at(id), format!("{what} must be a mapping (`key: value`)"));
            return false;
        }
        let mut seen = HashMap::new();
        for member in self.tree.members(id) {
            if let Some(first) = seen.insert(&*member.key, member.at.line) {
                let message =
                    format!("the key `{}` stands twice, first in line {first}; keep one", member.key);
                self.problems.add(member.at, message);
            }
        }
        true
    }
}

/// The template of a path. What its parameters are called is of no interest but for `candidate_path`, so a name
/// that we have no letters for is no reason to refuse it.
fn template(prefix: &str, path: &str) -> Result<Template, String> {
    if !path.starts_with('/') {
        return Err(format!("`{path}` is no path: one starts with `/`"));
    }
    let mut text = prefix.to_owned();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        if name.ends_with(['+', '*']) {
            return Err(format!(
                "`{{{name}}}` in `{path}` stands for more than one segment, which no operation can match; leave it out \
                 with `x-parallax: off`"
            ));
        }
        let allowed = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        let name: String =
            name.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
        text.push_str(before);
        text.push_str(&format!("{{{name}}}"));
        rest = behind;
    }
    text.push_str(rest);
    text.parse().map_err(|error| {
        format!("`{text}` is no path that a request can have: {error}; mend it, or leave it out with `x-parallax: off`")
    })
}
