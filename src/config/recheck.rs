//! Whether and how both sides are asked again after a mismatch.

use std::time::Duration;

use parallax_core::recheck::{Rate, Recheck};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::error::Problems;
use super::or_off::{OrOff, layered};
use super::scalar::{Raw, Scalar};

/// From a mismatch to the second requests, unless the file says otherwise.
const AFTER: Duration = Duration::from_secs(1);
/// The longest. A check holds its memory while it waits.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Mismatches that are looked at again, unless the file says otherwise.
const RATE: Rate = Rate::per_second(10);

/// Asking both sides again after a mismatch of a GET or HEAD.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Recheck", deny_unknown_fields)]
pub(super) struct RecheckKeys {
    /// From the mismatch to the second requests, `1h` at most; `1s` by default.
    after: Option<Raw<Duration>>,
    /// How many mismatches of an operation are looked at again, at most; `10/s` by default.
    rate: Option<Raw<Rate>>,
}

/// What an operation says, over what `defaults` says, key by key; none when it is off.
pub(super) fn resolve(layers: [Option<&OrOff<RecheckKeys>>; 3], problems: &mut Problems) -> Option<Recheck> {
    let wrong = |word: &str| {
        format!(
            "`{word}` says not how mismatches are looked at again; write `off` or `{{after: 1s, rate: 10/s}}`"
        )
    };
    let keys = layered(layers, wrong, problems)?;
    let after = keys.iter().find_map(|keys| keys.after.as_ref());
    let rate = keys.iter().find_map(|keys| keys.rate.as_ref());
    Some(Recheck {
        after: after.and_then(|raw| bounded(raw, problems)).unwrap_or(AFTER),
        rate: rate.and_then(|raw| raw.get(problems)).unwrap_or(RATE),
    })
}

fn bounded(raw: &Raw<Duration>, problems: &mut Problems) -> Option<Duration> {
    let after = raw.get(problems)?;
    if after > LONGEST {
        problems.add(raw.at, "this is `1h` at most: a check holds its memory while it waits");
        return None;
    }
    Some(after)
}

impl Scalar for Rate {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: parallax_core::recheck::RateError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{1,4}/[smh]$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(defaults: &str, own: &str) -> Option<Recheck> {
        let text = format!(
            "legacy: http://a\ncandidate: http://b\ndefaults: {{{defaults}}}\noperations: [{{id: a, match: GET /a, {own}}}]\n"
        );
        crate::config::parse(&text, "x.yaml", &|_| None).expect("a configuration").operations[0].recheck
    }

    #[test]
    fn it_is_on_unless_it_is_off_and_each_key_comes_from_the_nearest() {
        let told = |recheck: Option<Recheck>| {
            recheck.map(|recheck| (recheck.after.as_millis(), recheck.rate.to_string()))
        };
        let of = |defaults, own| told(read(defaults, own));
        let some = |after_ms: u128, rate: &str| Some((after_ms, rate.to_owned()));
        assert_eq!(of("", ""), some(1000, "10/s"));
        assert_eq!(of("recheck: off", ""), None);
        assert_eq!(of("recheck: {after: 2s}", "recheck: off"), None);
        assert_eq!(of("recheck: off", "recheck: {after: 2s}"), some(2000, "10/s"));
        assert_eq!(of("recheck: {after: 2s, rate: 1/m}", "recheck: {rate: 2/s}"), some(2000, "2/s"));
        assert_eq!(of("recheck: {}", ""), some(1000, "10/s"));
    }
}
