//! Medians, ratios of neighbours, and the runs of one contender.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::Load;

/// How long a contender is loaded before it is measured.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// The runs of one contender.
#[derive(Debug, Default)]
pub(crate) struct Series {
    per_second: Vec<f64>,
    cpu_us: Vec<f64>,
}

impl Series {
    /// Adds a run, and the CPU time that the contender used for it.
    pub(crate) fn add(&mut self, load: Load, cpu: Duration) {
        self.per_second.push(load.per_second());
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / load.requests);
    }

    /// Requests per second.
    pub(crate) fn per_second(&self) -> f64 {
        median(&self.per_second)
    }

    /// CPU time for a request, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        median(&self.cpu_us)
    }

    /// Requests per second of each run.
    pub(crate) fn runs(&self) -> &[f64] {
        &self.per_second
    }

    pub(crate) fn throughput_ratio(&self, other: &Self) -> f64 {
        paired_ratio(&self.per_second, &other.per_second)
    }

    pub(crate) fn cpu_ratio(&self, other: &Self) -> f64 {
        paired_ratio(&self.cpu_us, &other.cpu_us)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"requests_per_second": self.per_second, "cpu_us_per_request": self.cpu_us})
    }
}

/// The median; of an even number the lower one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of pairs that were measured one after the other.
pub(crate) fn paired_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}
