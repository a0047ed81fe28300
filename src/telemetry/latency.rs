//! How fast a side answers, told from its histogram: since the process started, for the page, and since the
//! candidate's present version was first seen here, for readiness. What an earlier version took is not held
//! against this one.

use std::time::Duration;

use parallax_core::evidence::Version;
use parallax_core::exchange::Side;
use parallax_core::readiness::{MIN_SAMPLES, Percentiles};
use prometheus::Histogram;
use prometheus::core::Metric;

/// Quantiles of one side's latency since the process started, estimated from the histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Latency {
    /// Median in milliseconds, none before the first answer.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds, none before the first answer.
    pub p99_ms: Option<f64>,
}

pub(super) fn latency(histogram: &Histogram) -> Latency {
    let reading = Reading::of(histogram);
    Latency { p50_ms: reading.quantile_ms(0.5), p99_ms: reading.quantile_ms(0.99) }
}

/// Since when the sides' latencies are those of the candidate's present version.
#[derive(Default)]
pub(super) struct Measured {
    version: Option<Version>,
    before: [Reading; 2],
}

impl Measured {
    /// This is the present version. Whatever was measured before it came is an earlier one's.
    pub(super) fn follow(&mut self, version: &Version, histograms: &[Histogram]) {
        match &self.version {
            Some(known) if known == version => return,
            Some(_) => self.before = [Side::Legacy, Side::Candidate].map(|side| now(histograms, side)),
            // Of this process there is nothing before.
            None => {}
        }
        self.version = Some(version.clone());
    }

    /// The 99th percentiles to the microsecond, where there are answers enough for one.
    pub(super) fn percentiles(&self, histograms: &[Histogram]) -> Percentiles {
        let of = |side: Side| {
            let reading = now(histograms, side).since(&self.before[side as usize]);
            let p99_ms = reading.quantile_ms(0.99).filter(|_| reading.total >= MIN_SAMPLES)?;
            Duration::try_from_secs_f64((p99_ms * 1_000.0).round() / 1e6).ok()
        };
        Percentiles { legacy: of(Side::Legacy), candidate: of(Side::Candidate) }
    }
}

fn now(histograms: &[Histogram], side: Side) -> Reading {
    histograms.get(side as usize).map(Reading::of).unwrap_or_default()
}

/// What a histogram has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// For each bucket its upper bound in seconds, and how many are no longer.
    buckets: Vec<(f64, u64)>,
    total: u64,
}

impl Reading {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let metric = histogram.metric();
        let data = metric.get_histogram();
        let buckets =
            data.get_bucket().iter().map(|one| (one.upper_bound(), one.cumulative_count())).collect();
        Self { buckets, total: data.get_sample_count() }
    }

    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Adds another reading of a histogram with the same buckets.
    pub(super) fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
                *count += more;
            }
        }
        self.total += other.total;
    }

    /// What has come since `earlier`, an older reading of the same histogram.
    pub(super) fn since(mut self, earlier: &Self) -> Self {
        for ((_, count), (_, before)) in self.buckets.iter_mut().zip(&earlier.buckets) {
            *count = count.saturating_sub(*before);
        }
        self.total = self.total.saturating_sub(earlier.total);
        self
    }

    /// The quantile by linear interpolation within its bucket, as Prometheus's `histogram_quantile`
    /// estimates it, so that page and dashboard agree.
    #[expect(clippy::cast_precision_loss, reason = "an estimate of a latency")]
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = quantile * self.total as f64;
        let (mut lower_s, mut below) = (0.0, 0.0);
        for &(upper_s, count) in &self.buckets {
            let within = count as f64;
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
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    #[test]
    fn what_an_earlier_version_took_is_not_held_against_this_one() {
        let histogram = || {
            let options = HistogramOpts::new("a", "a").buckets(vec![0.01, 0.1, 1.0]);
            Histogram::with_opts(options).expect("a histogram")
        };
        let histograms = [histogram(), histogram()];
        let observe =
            |seconds: f64| (0..100).for_each(|_| histograms.iter().for_each(|one| one.observe(seconds)));
        let candidate_ms =
            |measured: &Measured| measured.percentiles(&histograms).candidate.map(|p99| p99.as_millis());
        let (mut measured, first, second) = (Measured::default(), "1".parse().unwrap(), "2".parse().unwrap());
        measured.follow(&first, &histograms);
        assert_eq!(candidate_ms(&measured), None);
        observe(0.5);
        measured.follow(&first, &histograms);
        assert_eq!(candidate_ms(&measured), Some(991));
        measured.follow(&second, &histograms);
        assert_eq!(candidate_ms(&measured), None);
        observe(0.005);
        assert_eq!(candidate_ms(&measured), Some(9));
        assert_eq!(latency(&histograms[1]).p99_ms.map(f64::round), Some(982.0), "the page shows all of it");
    }
}
