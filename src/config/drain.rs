//! How the process ends when it is told to: what a load balancer needs to notice, and how long whoever is
//! still being served may take.

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::error::Problems;
use super::resolve::get;
use super::scalar::{Raw, Scalar};

/// How long connections may take to end, unless the file says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// How the process ends.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Drain", deny_unknown_fields)]
pub(super) struct DrainFile {
    /// How long new connections are still taken after `/readyz` says no, for a load balancer to notice;
    /// `0s` by default.
    pub(super) delay: Option<Raw<Delay>>,
    /// How long requests and checks may take after that; `30s` by default. Whatever is left then ends.
    pub(super) deadline: Option<Raw<Duration>>,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// From `/readyz` saying no to the listener being closed.
    pub delay: Duration,
    /// From there until whatever is left ends.
    pub deadline: Duration,
}

/// A duration that may be nothing.
#[derive(Debug)]
pub(super) struct Delay(Duration);

impl Scalar for Delay {
    fn read(text: &str) -> Result<Self, String> {
        if text == "0s" { Ok(Self(Duration::ZERO)) } else { Duration::read(text).map(Self) }
    }

    fn schema() -> Schema {
        Duration::schema()
    }
}

/// What is meant.
pub(super) fn resolve(file: Option<&DrainFile>, problems: &mut Problems) -> Drain {
    let absent = DrainFile::default();
    let file = file.unwrap_or(&absent);
    Drain {
        delay: get(file.delay.as_ref(), Delay(Duration::ZERO), problems).0,
        deadline: get(file.deadline.as_ref(), DEADLINE, problems),
    }
}
