//! How full parallax is: copies against their limit, the queue against its bounds. What runs full
//! costs checks and never a client's time, so nobody would notice if it were not shown.

use std::sync::OnceLock;

use parallax_core::exchange::Side;
use prometheus::{IntGauge, IntGaugeVec, Registry};

use super::{gauge, gauges};

/// Tells how many bytes the queue holds.
type Held = Box<dyn Fn() -> usize + Send + Sync>;

/// The gauges that show how full parallax is.
pub(super) struct Saturation {
    in_flight: [IntGauge; 2],
    limit: [IntGauge; 2],
    breaker_open: [IntGauge; 2],
    queue_bytes: IntGauge,
    queue_limit_bytes: IntGauge,
    queue_limit_checks: IntGauge,
    /// Read with each page. The clients' threads grow and shrink what is held with each piece of a
    /// body, and a gauge would cost them as much again.
    held: OnceLock<Held>,
}

/// What the copies to one side show.
#[derive(Clone)]
pub struct CopyGauges {
    /// Copies in flight.
    pub in_flight: IntGauge,
    /// Copies that may be in flight.
    pub limit: IntGauge,
    /// 1 while no copies are sent.
    pub breaker_open: IntGauge,
}

impl Saturation {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by_side = |name, help| both(&gauges(registry, name, help, &["side"])?);
        Ok(Self {
            in_flight: by_side("parallax_copies_in_flight", "Copies that the side has not answered yet.")?,
            limit: by_side(
                "parallax_copies_limit",
                "Copies that may be in flight to the side; less than candidate.max_in_flight after it slowed down.",
            )?,
            breaker_open: by_side(
                "parallax_breaker_open",
                "1 while no copies are sent to the side because it gives no answer, else 0.",
            )?,
            queue_bytes: gauge(
                registry,
                "parallax_queue_bytes",
                "Bytes held by checks in the making, waiting and running.",
            )?,
            queue_limit_bytes: gauge(registry, "parallax_queue_limit_bytes", "limits.queue_bytes.")?,
            queue_limit_checks: gauge(registry, "parallax_queue_limit_checks", "limits.queue_checks.")?,
            held: OnceLock::new(),
        })
    }

    pub(super) fn copies(&self, side: Side) -> CopyGauges {
        let of = |gauges: &[IntGauge; 2]| gauges[side as usize].clone();
        CopyGauges {
            in_flight: of(&self.in_flight),
            limit: of(&self.limit),
            breaker_open: of(&self.breaker_open),
        }
    }

    /// The bounds, and where to ask what is held. The first call counts: a process has one queue.
    pub(super) fn watch_queue(&self, checks: usize, bytes: usize, held: Held) {
        self.queue_limit_checks.set(signed(checks));
        self.queue_limit_bytes.set(signed(bytes));
        self.held.get_or_init(|| held);
    }

    /// Reads what the queue holds now.
    pub(super) fn show_held(&self) {
        if let Some(held) = self.held.get() {
            self.queue_bytes.set(signed(held()));
        }
    }
}

fn both(family: &IntGaugeVec) -> Result<[IntGauge; 2], prometheus::Error> {
    let of = |side: Side| family.get_metric_with_label_values(&[side.as_str()]);
    // In the order of the variants, by which they are found.
    Ok([of(Side::Legacy)?, of(Side::Candidate)?])
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
