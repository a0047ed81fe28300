//! The way through canary as a plan.

use std::time::Duration;

use parallax_core::ratio::Ratio;
use parallax_core::stage::{Share, Steps};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access_log::YesNo;
use super::error::Problems;
use super::scalar::Raw;

/// Steps, at most: more are no plan.
const MOST: usize = 100;

/// The way through canary: which shares of the clients, one after the other.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Canary", deny_unknown_fields)]
pub(super) struct CanaryFile {
    /// The shares, each larger than the one before; `[1%, 5%, 25%]` by default.
    #[schemars(length(min = 1, max = 100))]
    steps: Option<Vec<Raw<Ratio>>>,
    /// How long each is held before the next is taken automatically; `30m` by default.
    hold: Option<Raw<Duration>>,
    /// Whether the next step, and `switched` after the last, is taken by itself once the operation is ready;
    /// `false` by default. Into canary an operation is taken by hand.
    auto: Option<Raw<YesNo>>,
}

/// What an operation says, over what `defaults` says, key by key.
pub(super) fn resolve(layers: [Option<&CanaryFile>; 3], problems: &mut Problems) -> Steps {
    let default = Steps::default();
    let layers = || layers.into_iter().flatten();
    let shares = layers().find_map(|file| file.steps.as_ref());
    let hold = layers().find_map(|file| file.hold.as_ref());
    let auto = layers().find_map(|file| file.auto.as_ref());
    Steps {
        shares: shares.map_or(default.shares, |shares| rising(shares, problems)),
        hold: hold.and_then(|raw| raw.get(problems)).unwrap_or(default.hold),
        auto: auto.and_then(|raw| raw.get(problems)).map_or(default.auto, |YesNo(auto)| auto),
    }
}

fn rising(written: &[Raw<Ratio>], problems: &mut Problems) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for raw in written.iter().take(MOST) {
        let Some(share) = raw.get(problems).and_then(|ratio| problems.take(raw.at, Share::new(ratio))) else {
            continue;
        };
        match shares.last() {
            Some(&before) if share <= before => {
                problems.add(
                    raw.at,
                    format!("each step is larger than the one before; {share} is not, after {before}"),
                );
            }
            _ => shares.push(share),
        }
    }
    shares
}
