//! The page that Prometheus reads: text format 0.0.4, or OpenMetrics when it is asked for.

use std::collections::HashSet;

use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;
use parallax_core::readiness::Readiness;
use parallax_core::stage::{Stage, StageName};
use prometheus::proto::Metric;
use prometheus::{Encoder, TextEncoder};

use super::Telemetry;

/// How the page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What the reader's `Accept` header asks for. Prometheus lists what it prefers first and
    /// names OpenMetrics only when it can read it.
    #[must_use]
    pub fn from_accept(accept: Option<&str>) -> Self {
        let wanted = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if wanted { Self::OpenMetrics } else { Self::Text }
    }

    /// The page's content type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What is not counted but stands: an operation's state at the moment the page is read.
pub struct Snapshot {
    /// The operation.
    pub id: OperationId,
    /// Where it is.
    pub stage: Stage,
    /// matched / (matched + unmatched), when there is any.
    pub consistency: Option<f64>,
    /// The consistency that is proven, where a confidence is asked for.
    pub bound: Option<Ratio>,
    /// The consistency that is demanded.
    pub target: Ratio,
    /// Whether it may move up.
    pub readiness: Readiness,
}

impl Telemetry {
    /// The page, with the operations' present states.
    ///
    /// # Errors
    /// When the metrics library cannot write a family.
    pub fn expose(&self, snapshots: &[Snapshot], format: Format) -> Result<String, prometheus::Error> {
        for snapshot in snapshots {
            self.show(snapshot);
        }
        self.saturation.show_held();
        let mut shown: HashSet<&str> = snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect();
        shown.insert(OperationId::OTHER);
        let mut families = self.registry.gather();
        for family in &mut families {
            let metrics = family.take_metric().into_iter().filter(|metric| is_shown(metric, &shown));
            family.set_metric(metrics.collect());
        }
        families.retain(|family| !family.get_metric().is_empty());
        let mut page = Vec::new();
        TextEncoder::new().encode(&families, &mut page)?;
        let text = String::from_utf8_lossy(&page).into_owned();
        Ok(match format {
            Format::Text => text,
            Format::OpenMetrics => to_open_metrics(&text),
        })
    }

    fn show(&self, snapshot: &Snapshot) {
        let id = snapshot.id.as_str();
        let vectors = &self.vectors;
        if let Some(consistency) = snapshot.consistency {
            vectors.consistency.with_label_values(&[id]).set(consistency);
        }
        match snapshot.bound {
            Some(bound) => vectors.bound.with_label_values(&[id]).set(bound.as_f64()),
            // None there, unless the last configuration had one.
            None => _ = vectors.bound.remove_label_values(&[id]),
        }
        vectors.target.with_label_values(&[id]).set(snapshot.target.as_f64());
        vectors.ready.with_label_values(&[id]).set(i64::from(snapshot.readiness == Readiness::Ready));
        let share = snapshot.stage.candidate_share().as_f64();
        vectors.canary_share.with_label_values(&[id]).set(share);
        for name in StageName::ALL {
            let present = i64::from(snapshot.stage.name() == *name);
            vectors.stage.with_label_values(&[id, name.as_str()]).set(present);
        }
    }
}

/// Whether a series is shown: those of an operation are for as long as it is configured.
fn is_shown(metric: &Metric, configured: &HashSet<&str>) -> bool {
    let id = metric.get_label().iter().find(|label| label.name() == "operation_id");
    id.is_none_or(|id| configured.contains(id.value()))
}

/// The two formats differ, for what we expose, in three things: OpenMetrics names a counter's
/// family without its `_total`, knows no blank comment lines, and ends with `# EOF`
/// (OpenMetrics 1.0.0, sections "Counter" and "Overall Structure").
fn to_open_metrics(text: &str) -> String {
    let mut page = String::with_capacity(text.len() + 8);
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in text.lines() {
        let family = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match family.and_then(|rest| rest.split(' ').next()) {
            Some(name) if counters.contains(&name) => {
                let base = name.strip_suffix("_total").unwrap_or(name);
                page.push_str(&line.replacen(name, base, 1));
            }
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page.push_str("# EOF\n");
    page
}
