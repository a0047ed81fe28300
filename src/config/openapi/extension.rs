//! The extension `x-parallax` of an operation: the keys of an operation here, in the document that describes it.
//! It is held against the same schema and read by the same code as the configuration, and what is wrong with
//! it is told with its place in the document.

use schemars::Schema;
use serde_saphyr::Spanned;

use super::tree::{NodeId, Tree, Value};
use crate::config::error::{Problems, Source, reading};
use crate::config::file::OperationFile;
use crate::config::{from_yaml, shape};

/// The key.
pub(super) const KEY: &str = "x-parallax";

/// What an extension says.
pub(super) enum Extension {
    /// Nothing, or nothing that could be read.
    Nothing,
    /// That the operation is none of ours.
    Off,
    /// Keys.
    Keys(Box<OperationFile>),
}

/// The keys that an extension may have: those of an operation but what the document says itself.
pub(super) fn schema() -> Schema {
    let mut schema = schemars::schema_for!(OperationFile);
    schema.remove("required");
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        for own in ["id", "match", "grpc"] {
            properties.remove(own);
        }
    }
    schema
}

/// Reads the extension of an operation.
pub(super) fn read(
    tree: &Tree<'_>,
    operation: NodeId,
    schema: &Schema,
    problems: &mut Problems,
) -> Extension {
    let Some(id) = tree.get(operation, KEY) else { return Extension::Nothing };
    match tree.value(id) {
        Value::Null => Extension::Nothing,
        Value::Text(word) if matches!(&**word, "off" | "false") => Extension::Off,
        Value::Text(_) | Value::List(_) => {
            let message =
                "`x-parallax` holds keys of an operation (`x-parallax: {target: 99.5%}`), or is `off`";
            problems.add(tree.at(id), message);
            Extension::Nothing
        }
        Value::Mapping(_) => keys(tree, id, schema, problems),
    }
}

fn keys(tree: &Tree<'_>, id: NodeId, schema: &Schema, problems: &mut Problems) -> Extension {
    let at = tree.at(id);
    // Its first line is indented in the document too.
    let indent = usize::try_from(at.column - 1).unwrap_or_default();
    let text = " ".repeat(indent) + tree.source(id);
    let read = reading(Source::OpenApi, at.line - 1, || {
        let root: Spanned<shape::Node> = from_yaml(&text, problems)?;
        match shape::check(&root, schema, KEY, problems) {
            shape::Shape::Readable => from_yaml(&text, problems),
            shape::Shape::Broken => None,
        }
    });
    read.map_or(Extension::Nothing, |file| Extension::Keys(Box::new(file)))
}
