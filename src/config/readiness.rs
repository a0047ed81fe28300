//! What is demanded of an operation beyond its percentage: how sure it has to be, how fast the candidate
//! may answer, and by what its builds are told apart.

use std::time::Duration;

use http::HeaderName;
use parallax_core::evidence::{Version, VersionSource};
use parallax_core::ratio::Ratio;
use parallax_core::readiness::{Confidence, Factor, LatencyLimit};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::error::Problems;
use super::or_off::{OrOff, layered};
use super::scalar::{Raw, Scalar};

/// Where the candidate's build is told, unless the file says otherwise.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-version");

/// The most slack: beyond a minute nothing is held back any more.
const MOST_SLACK: Duration = Duration::from_secs(60);

/// A confidence, or none for the plain percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sureness(pub(super) Option<Confidence>);

impl Sureness {
    /// Unless the file says otherwise.
    pub(super) fn usual() -> Self {
        Self(Confidence::new(Ratio::from_ppm(950_000)).ok())
    }
}

impl Scalar for Sureness {
    fn read(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let confidence = |ratio: Ratio| Confidence::new(ratio).map_err(|error| format!("`{text}`: {error}"));
        let ratio: Ratio = text.parse().map_err(|_| {
            format!("`{text}` is no confidence; write it like `95%`, or `off` for the plain percentage over `min_checks`")
        })?;
        confidence(ratio).map(|confidence| Self(Some(confidence)))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^(off|[5-9][0-9](\\.[0-9]{1,4})? ?%)$"})
    }
}

impl Scalar for Factor {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: parallax_core::readiness::FactorError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,4}(\\.[0-9]{1,3})?x$"})
    }
}

impl Scalar for Version {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: parallax_core::evidence::VersionError| error.to_string())
    }
}

/// A limit to the candidate's latency, beside legacy's: the larger one of both keys holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LatencyLimit", deny_unknown_fields)]
pub(super) struct LatencyKeys {
    /// How many times legacy's 99th percentile; `2x` by default.
    p99: Option<Raw<Factor>>,
    /// How much more than legacy's 99th percentile, `1m` at most; `50ms` by default.
    slack: Option<Raw<Duration>>,
}

/// What an operation says, over what `defaults` says, key by key; none when it is off.
pub(super) fn latency(
    layers: [Option<&OrOff<LatencyKeys>>; 3],
    problems: &mut Problems,
) -> Option<LatencyLimit> {
    let wrong =
        |word: &str| format!("`{word}` is no limit of a latency; write `off` or `{{p99: 2x, slack: 50ms}}`");
    let keys = layered(layers, wrong, problems)?;
    let p99 = keys.iter().find_map(|keys| keys.p99.as_ref());
    let slack = keys.iter().find_map(|keys| keys.slack.as_ref());
    Some(LatencyLimit {
        p99: p99.and_then(|raw| raw.get(problems)).unwrap_or(LatencyLimit::DEFAULT.p99),
        slack: slack.and_then(|raw| bounded(raw, problems)).unwrap_or(LatencyLimit::DEFAULT.slack),
    })
}

fn bounded(raw: &Raw<Duration>, problems: &mut Problems) -> Option<Duration> {
    let slack = raw.get(problems)?;
    if slack > MOST_SLACK {
        problems.add(
            raw.at,
            "this is `1m` at most; write `off` in place of the limit where latency is no matter".to_owned(),
        );
        return None;
    }
    Some(slack)
}

/// How the candidate's build is told; one of both keys. Each build has to show anew that it is ready.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Version", deny_unknown_fields)]
pub(super) struct VersionKeys {
    /// A header of the candidate's answers; `x-version` by default.
    header: Option<Raw<HeaderName>>,
    /// The build itself, for a candidate that does not tell it.
    name: Option<Raw<Version>>,
}

/// What an operation says, or else `defaults`.
pub(super) fn version(layers: [Option<&OrOff<VersionKeys>>; 3], problems: &mut Problems) -> VersionSource {
    let usual = VersionSource::Header(VERSION_HEADER);
    let (at, keys) = match layers.into_iter().flatten().next() {
        None => return usual,
        Some(OrOff::Word(_, word)) if word == "off" => return VersionSource::Off,
        Some(OrOff::Word(at, word)) => {
            let message = format!(
                "`{word}` says not how a build is told; write `{{header: x-version}}`, `{{name: \"1.4.2\"}}` or `off`"
            );
            problems.add(*at, message);
            return usual;
        }
        Some(OrOff::Keys(at, keys)) => (*at, keys),
    };
    match (&keys.header, &keys.name) {
        (Some(header), None) => header.get(problems).map_or(usual, VersionSource::Header),
        (None, Some(name)) => name.get(problems).map_or(usual, VersionSource::Named),
        (Some(_), Some(name)) => {
            problems.add(
                name.at,
                "`header` and `name` both tell the candidate's build; leave one of them out".to_owned(),
            );
            usual
        }
        (None, None) => {
            problems.add(
                at,
                "this says not how a build is told; write `header: x-version` or `name: \"1.4.2\"`"
                    .to_owned(),
            );
            usual
        }
    }
}

/// The header that the file itself names, which is then no part of the answers that are compared: a side
/// that is asked to tell its build must not differ by telling it.
pub(super) fn told_by(layers: [Option<&OrOff<VersionKeys>>; 3]) -> Option<HeaderName> {
    match layers.into_iter().flatten().next()? {
        OrOff::Word(..) => None,
        OrOff::Keys(_, keys) => keys.header.as_ref()?.get(&mut Problems::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parallax_core::operation::Operation;

    fn read(defaults: &str, own: &str) -> std::sync::Arc<Operation> {
        let text = format!(
            "legacy: http://a\ncandidate: http://b\ndefaults: {{{defaults}}}\noperations: [{{id: a, match: GET /a, {own}}}]\n"
        );
        crate::config::parse(&text, "x.yaml", &|_| None).expect("a configuration").operations.remove(0)
    }

    #[test]
    fn what_is_not_said_is_the_contracts() {
        let operation = read("", "");
        let confidence = operation.target.confidence.expect("a confidence");
        assert_eq!(confidence.ratio().to_string(), "95%");
        assert_eq!(operation.target.latency, Some(LatencyLimit::DEFAULT));
        assert_eq!(operation.target.min_distinct, 1);
        assert_eq!(operation.version, VersionSource::Header(VERSION_HEADER));
        assert_eq!(read("confidence: 99%", "confidence: off").target.confidence, None);
    }

    #[test]
    fn a_limit_is_read_key_by_key_and_may_be_off() {
        let told = |defaults, own| {
            let limit = read(defaults, own).target.latency;
            limit.map(|limit| (limit.p99.to_string(), limit.slack.as_millis()))
        };
        let some = |p99: &str, slack_ms| Some((p99.to_owned(), slack_ms));
        assert_eq!(told("latency_limit: {p99: 3x}", "latency_limit: {slack: 5ms}"), some("3x", 5));
        assert_eq!(told("latency_limit: {p99: 3x}", "latency_limit: off"), None);
        assert_eq!(told("latency_limit: off", "latency_limit: {p99: 1.5x}"), some("1.5x", 50));
    }

    #[test]
    fn a_build_is_told_by_the_nearest() {
        let of = |defaults, own| read(defaults, own).version.clone();
        assert_eq!(of("version: {name: 1.4.2}", ""), VersionSource::Named("1.4.2".parse().unwrap()));
        let header = VersionSource::Header(HeaderName::from_static("x-build"));
        assert_eq!(of("version: {name: 1.4.2}", "version: {header: X-Build}"), header);
        assert_eq!(of("version: {name: 1.4.2}", "version: off"), VersionSource::Off);
    }
}
