//! The key of the markers by which parallax recognises requests that it has sent itself.

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::scalar::Raw;
use super::secret::{Secret, Source, Vault};

/// Shortest key, in bytes: as long as the markers' signatures are.
const SHORTEST: usize = 16;

/// How parallax recognises requests that it has sent itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Markers", deny_unknown_fields)]
pub(super) struct MarkersFile {
    /// The key that signs them, the same on every node: `env:NAME` or `file:PATH`. Without one,
    /// each process makes up its own and recognises only what it has sent itself.
    key: Option<Raw<Source>>,
}

/// The key, when there is one.
pub(super) fn resolve(
    file: Option<&MarkersFile>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<Secret> {
    let raw = file?.key.as_ref()?;
    let key = match raw.get(problems)? {
        Source::Plain(_) => {
            problems.add(
                raw.at,
                "the key of the markers is a reference, never the key itself: write `env:NAME` or `file:PATH`",
            );
            return None;
        }
        source @ (Source::Env(_) | Source::File(_)) => problems.take(raw.at, vault.open(&source))?,
    };
    if key.expose().len() < SHORTEST {
        let message = format!(
            "the key of the markers is shorter than {SHORTEST} characters and could be guessed; make one with `head -c 32 /dev/urandom | base64`"
        );
        problems.add(raw.at, message);
    }
    Some(key)
}
