//! When an operation is rolled back by itself.

use std::borrow::Cow;
use std::time::Duration;

use parallax_core::ratio::Ratio;
use parallax_core::rollback::RollbackWhen;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::error::{At, Problems};
use super::file::WordOr;
use super::readiness::{self, LatencyFile};
use super::scalar::Raw;

/// How many more errors than legacy's, unless the file says otherwise.
const ERRORS: Ratio = Ratio::from_ppm(10_000);
/// Over how long, unless the file says otherwise, and what it may be.
const OVER: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// An automatic rollback: `off`, or a mapping.
#[derive(Debug)]
pub(super) enum RollbackFile {
    Word(At, String),
    Keys(RollbackKeys),
}

/// When an operation in canary or switched goes back to shadow by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RollbackWhen", deny_unknown_fields)]
pub(super) struct RollbackKeys {
    /// How many more of the candidate's answers than of legacy's may be 5xx or missing; `1%` by default.
    errors: Option<Raw<Ratio>>,
    /// When an answer is slow, against legacy's 99th percentile: `{p99: 2x, slack: 50ms}` by default, or `off`.
    /// How many more of the candidate's answers than of legacy's may be slow is `errors` too.
    latency: Option<LatencyFile>,
    /// Over how long that is looked at, `1s` to `10m`; `5s` by default.
    over: Option<Raw<Duration>>,
}

/// What an operation says, over what `defaults` says, key by key; none when it is off.
pub(super) fn resolve(layers: [Option<&RollbackFile>; 3], problems: &mut Problems) -> Option<RollbackWhen> {
    let mut keys = Vec::new();
    for layer in layers.into_iter().flatten() {
        match layer {
            RollbackFile::Keys(layer) => keys.push(layer),
            RollbackFile::Word(at, word) if word != "off" => {
                let message =
                    format!("`{word}` says not when to roll back; write `off` or `{{errors: 1%, over: 5s}}`");
                problems.add(*at, message);
                return None;
            }
            RollbackFile::Word(..) if keys.is_empty() => return None,
            // `defaults` is off, the operation is not.
            RollbackFile::Word(..) => {}
        }
    }
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

impl<'de> Deserialize<'de> for RollbackFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rollback = Spanned::<WordOr<RollbackKeys>>::deserialize(deserializer)?;
        Ok(match rollback.value {
            WordOr::Word(word) => Self::Word(rollback.referenced.into(), word),
            WordOr::Mapping(keys) => Self::Keys(keys),
        })
    }
}

impl JsonSchema for RollbackFile {
    fn schema_name() -> Cow<'static, str> {
        "RollbackOrOff".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = generator.subschema_for::<RollbackKeys>();
        json_schema!({"anyOf": [{"const": "off"}, keys]})
    }
}
