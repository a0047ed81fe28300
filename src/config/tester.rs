//! A header by which somebody who tries things out is answered by the side of their choice.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::resolve::settable_header;
use super::scalar::Raw;
use super::secret::{Secret, Source, Vault};

/// Characters that a secret has at least: it is all that stands before the candidate.
const SHORTEST: usize = 16;

/// A header that pins a request to a side: its value is the secret, a space, and `legacy` or `candidate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Tester", deny_unknown_fields)]
pub(super) struct TesterFile {
    /// The header's name, `x-tester` for example.
    pub(super) header: Raw<HeaderName>,
    /// A reference: `env:NAME` or `file:PATH`.
    pub(super) secret: Raw<Source>,
}

/// Who may choose the side that answers.
#[derive(Clone, Debug)]
pub struct Tester {
    /// The header.
    pub header: HeaderName,
    /// What its value begins with.
    pub secret: Secret,
}

pub(super) fn resolve(
    file: Option<&TesterFile>,
    vault: &Vault<'_>,
    problems: &mut Problems,
) -> Option<Tester> {
    let file = file?;
    let header = file.header.get(problems);
    let own = |name: HeaderName| {
        let unfit = |_| format!("`{name}` has a meaning of its own; take a header like `x-tester`");
        settable_header(name.as_str()).map_err(unfit)
    };
    let header = header.and_then(|name| problems.take(file.header.at, own(name)));
    let source = file.secret.get(problems)?;
    if matches!(source, Source::Plain(_)) {
        problems.add(
            file.secret.at,
            "this is a reference, never the secret itself: write `env:NAME` or `file:PATH`",
        );
        return None;
    }
    let secret = problems.take(file.secret.at, vault.open(&source))?;
    if secret.expose().len() < SHORTEST || !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.add(
            file.secret.at,
            format!("a tester's secret has at least {SHORTEST} visible ASCII characters, without spaces"),
        );
        return None;
    }
    Some(Tester { header: header?, secret })
}
