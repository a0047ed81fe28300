//! Files that follow the plan, for other tools to watch.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::scalar::{Raw, Text};

/// Files that follow the plan, for other tools to watch.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Export", deny_unknown_fields)]
pub(super) struct ExportFile {
    /// Where the routes for Skipper are kept, as `parallax export skipper` prints them: a file that is
    /// replaced after every change of a stage or of the configuration.
    skipper: Option<Raw<Text>>,
}

/// The file for Skipper; none when there is none.
pub(super) fn routes_file(file: Option<&ExportFile>, problems: &mut Problems) -> Option<PathBuf> {
    let raw = file?.skipper.as_ref()?;
    let Text(path) = raw.get(problems)?;
    if path.ends_with('/') {
        problems
            .add(raw.at, format!("`{path}` is a directory; write the path of a file, like `routes.eskip`"));
    }
    Some(path.into())
}
