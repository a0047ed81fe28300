//! How fast a side answers, told from its histogram.

use std::time::Duration;

use parallax_core::readiness::MIN_SAMPLES;
use prometheus::Histogram;

/// Quantiles of one side's latency since the process started, estimated from the histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Latency {
    /// Median in milliseconds, none before the first answer.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds, none before the first answer.
    pub p99_ms: Option<f64>,
}

pub(super) fn latency(histogram: &Histogram) -> Latency {
    Latency { p50_ms: quantile_ms(histogram, 0.5), p99_ms: quantile_ms(histogram, 0.99) }
}

/// The 99th percentile to the microsecond, where there are answers enough for one.
pub(super) fn percentile(histogram: &Histogram) -> Option<Duration> {
    let p99_ms = quantile_ms(histogram, 0.99).filter(|_| histogram.get_sample_count() >= MIN_SAMPLES)?;
    Duration::try_from_secs_f64((p99_ms * 1_000.0).round() / 1e6).ok()
}

/// The quantile by linear interpolation within its bucket, as Prometheus's `histogram_quantile`
/// estimates it, so that page and dashboard agree.
#[expect(clippy::cast_precision_loss, reason = "an estimate of a latency")]
fn quantile_ms(histogram: &Histogram, quantile: f64) -> Option<f64> {
    use prometheus::core::Metric;

    let metric = histogram.metric();
    let data = metric.get_histogram();
    let total = data.get_sample_count();
    if total == 0 {
        return None;
    }
    let rank = quantile * total as f64;
    let (mut lower_s, mut below) = (0.0, 0.0);
    for bucket in data.get_bucket() {
        let (upper_s, within) = (bucket.upper_bound(), bucket.cumulative_count() as f64);
        if within >= rank {
            if upper_s.is_infinite() {
                return Some(lower_s * 1000.0);
            }
            let share = if within > below { (rank - below) / (within - below) } else { 1.0 };
            return Some((lower_s + (upper_s - lower_s) * share) * 1000.0);
        }
        (lower_s, below) = (upper_s, within);
    }
    Some(lower_s * 1000.0)
}
