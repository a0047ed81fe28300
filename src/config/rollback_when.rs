//! When an operation is rolled back by itself.

use std::time::Duration;

use parallax_core::ratio::Ratio;
use parallax_core::rollback::RollbackWhen;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::or_off::{OrOff, layered};
use super::readiness::{self, LatencyKeys};
use super::scalar::Raw;

/// How many more errors than legacy's, unless the file says otherwise.
const ERRORS: Ratio = Ratio::from_ppm(10_000);
/// Over how long, unless the file says otherwise, and what it may be.
const OVER: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// When an operation in canary or switched goes back to shadow by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RollbackWhen", deny_unknown_fields)]
pub(super) struct RollbackKeys {
    /// How many more of the candidate's answers than of legacy's may be 5xx or missing; `1%` by default.
    errors: Option<Raw<Ratio>>,
    /// When an answer is slow, against legacy's 99th percentile: `{p99: 2x, slack: 50ms}` by default, or `off`.
    /// How many more of the candidate's answers than of legacy's may be slow is `errors` too.
    latency: Option<OrOff<LatencyKeys>>,
    /// Over how long that is looked at, `1s` to `10m`; `5s` by default.
    over: Option<Raw<Duration>>,
}

/// What an operation says, over what `defaults` says, key by key; none when it is off.
pub(super) fn resolve(
    layers: [Option<&OrOff<RollbackKeys>>; 3],
    problems: &mut Problems,
) -> Option<RollbackWhen> {
    let wrong = |word: &str| {
        format!("`{word}` says not when to roll back; write `off` or `{{errors: 1%, over: 5s}}`")
    };
    let keys = layered(layers, wrong, problems)?;
    let errors = keys.iter().find_map(|keys| keys.errors.as_ref());
    let over = keys.iter().find_map(|keys| keys.over.as_ref());
    let latency = [0, 1, 2].map(|layer| keys.get(layer).and_then(|keys| keys.latency.as_ref()));
    Some(RollbackWhen {
        errors: errors.and_then(|raw| margin(raw, problems)).unwrap_or(ERRORS),
        over: over.and_then(|raw| bounded(raw, problems)).unwrap_or(OVER),
        latency: readiness::latency(latency, problems),
    })
}

fn margin(raw: &Raw<Ratio>, problems: &mut Problems) -> Option<Ratio> {
    let errors = raw.get(problems)?;
    if errors == Ratio::ZERO || errors == Ratio::ONE {
        let message = "between these no candidate is taken back, or each; write a margin like `1%`, or `rollback_when: off`";
        problems.add(raw.at, message);
        return None;
    }
    Some(errors)
}

fn bounded(raw: &Raw<Duration>, problems: &mut Problems) -> Option<Duration> {
    let over = raw.get(problems)?;
    if (SHORTEST..=LONGEST).contains(&over) {
        return Some(over);
    }
    problems.add(raw.at, "this is between `1s` and `10m`");
    None
}
