//! Where spans are sent, and for how many requests they are made.

use parallax_core::ratio::Ratio;
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Problems;
use super::resolve::get;
use super::scalar::{Raw, Scalar, Text};
use super::side::UpstreamUrl;

const ONE_PERCENT_PPM: u32 = 10_000;

/// Tracing, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// The collector's address; what is sent goes to `/v1/traces` below it.
    pub otlp: UpstreamUrl,
    /// The share of the requests without a trace of their own for which one is begun.
    pub sample: Ratio,
    /// What the spans say in `service.name`.
    pub service: String,
}

/// Traces by OpenTelemetry's protocol.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Traces", deny_unknown_fields)]
pub(super) struct TracesFile {
    /// The collector's address for OTLP over HTTP: `http://127.0.0.1:4318`.
    otlp: Raw<Collector>,
    /// The share of requests that are traced, of those that no trace was begun for already; `1%`
    /// by default.
    sample: Option<Raw<Ratio>>,
    /// The name of this service in the traces; `parallax` by default.
    service: Option<Raw<Text>>,
}

/// Tracing; none when it is off.
pub(super) fn resolve(file: Option<&TracesFile>, problems: &mut Problems) -> Option<Traces> {
    let file = file?;
    let sample = get(file.sample.as_ref(), Ratio::from_ppm(ONE_PERCENT_PPM), problems);
    let Text(service) = get(file.service.as_ref(), Text("parallax".to_owned()), problems);
    let Collector(otlp) = file.otlp.get(problems)?;
    Some(Traces { otlp, sample, service })
}

struct Collector(UpstreamUrl);

impl Scalar for Collector {
    fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err(
                "`https://` to a collector is not available in this version; send to one on this machine with `http://`"
                    .to_owned(),
            );
        }
        let url = UpstreamUrl::read(text).map_err(|_| {
            format!("`{text}` is no address of a collector; write it like `http://127.0.0.1:4318`")
        })?;
        if url.base_path.ends_with("/v1/traces") {
            return Err(format!("`/v1/traces` is added to `{text}` by itself; leave it out"));
        }
        Ok(Self(url))
    }

    fn schema() -> schemars::Schema {
        UpstreamUrl::schema()
    }
}
