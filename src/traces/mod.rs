//! Traces by OpenTelemetry's protocol: which request led to which, and how long each took.
//!
//! A request that is traced gets a server span, and a client span beneath it for the answering
//! side, which is told the latter in `traceparent`. Whether a request is traced is its caller's
//! decision where there is one (the sampled flag), and else the dice's. The copy to the other side
//! is no part of what the client asked for: it gets a trace of its own, which is linked to the
//! request's span.
//!
//! Spans say what the conventions for HTTP have a name for, with the operation's template as the
//! route; a path, a query, an address of a client or a header is in none of them.
//!
//! Spans are handed over without waiting, and sent in batches from the control thread. What there
//! is no room for, or no collector takes, is dropped and counted; a collector that is down matters
//! to nobody else. When tracing is off, nothing of this exists, and `traceparent` and `tracestate`
//! pass as they came.
//!
//! Why not the OpenTelemetry crates: `docs/adr/0016-own-span-exporter.md`.

mod context;
mod export;
mod http_spans;
mod otlp;
mod span;

use std::sync::Arc;

use parallax_core::exchange::Side;
use parallax_core::ratio::Ratio;
use prometheus::IntCounter;
use tokio::sync::mpsc;

pub use context::{Context, Trace};
pub use export::Exporter;
pub use http_spans::{ServerSpan, SideSpan};
use span::{Attribute, Kind, Span};

use crate::config;

/// Spans that may wait to be sent, less than a kilobyte each.
const WAITING: usize = 16_384;

/// Where traces begin and spans are handed over.
#[derive(Clone)]
pub struct Tracer {
    spans: mpsc::Sender<Box<Span>>,
    sample: Ratio,
    sides: Arc<[SideAddress; 2]>,
    dropped: IntCounter,
}

/// Where a side is, as the spans have it.
struct SideAddress {
    host: String,
    port: u16,
}

/// A tracer, and what sends its spans. `legacy` and `candidate` are where the sides are; `dropped`
/// counts the spans that no collector got.
#[must_use]
pub fn channel(
    configured: &config::Traces,
    legacy: &config::UpstreamUrl,
    candidate: &config::UpstreamUrl,
    dropped: &IntCounter,
) -> (Tracer, Exporter) {
    let (sender, spans) = mpsc::channel(WAITING);
    let address = |url: &config::UpstreamUrl| SideAddress { host: url.host.clone(), port: url.port };
    let sides = Arc::new([address(legacy), address(candidate)]);
    let tracer = Tracer { spans: sender, sample: configured.sample, sides, dropped: dropped.clone() };
    (tracer, Exporter::new(configured, spans, dropped.clone()))
}

impl Tracer {
    /// Hands a span over; where there is no room, it is dropped and counted.
    fn record(&self, span: Span) {
        if self.spans.try_send(Box::new(span)).is_err() {
            self.dropped.inc();
        }
    }

    fn address(&self, side: Side) -> &SideAddress {
        &self.sides[side as usize]
    }

    /// Whether a request that nobody has decided on is traced.
    fn draws(&self) -> bool {
        let drawn_ppm = (u64::from(fastrand::u32(..)) * 1_000_000) >> 32;
        drawn_ppm < u64::from(self.sample.ppm())
    }
}
