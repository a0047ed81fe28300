//! What is counted of clients' connections, and of requests that are refused before any operation
//! is met.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// What is counted of clients.
#[derive(Clone)]
pub struct ClientMetrics {
    /// Connections at this moment.
    pub connections: IntGauge,
    /// Connections that were turned away.
    pub connections_refused: IntCounter,
    refused: Arc<[(&'static str, IntCounter)]>,
}

impl ClientMetrics {
    /// Registers them; `reasons` are the words for why a request is refused.
    ///
    /// # Errors
    /// When a name is not valid, which only a change of this file can cause.
    pub(super) fn register(registry: &Registry, reasons: &[&'static str]) -> Result<Self, prometheus::Error> {
        let connections = IntGauge::new("parallax_connections", "Clients' connections.")?;
        let connections_refused = IntCounter::new(
            "parallax_connections_refused_total",
            "Clients' connections beyond the limit, which were turned away.",
        )?;
        let refused = IntCounterVec::new(
            Opts::new(
                "parallax_requests_refused_total",
                "Requests that were refused before any side was asked, by reason.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(connections_refused.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        let of = |&reason: &&'static str| Ok((reason, refused.get_metric_with_label_values(&[reason])?));
        let refused = reasons.iter().map(of).collect::<Result<_, prometheus::Error>>()?;
        Ok(Self { connections, connections_refused, refused })
    }

    /// Counts a refused request.
    pub fn refused(&self, reason: &str) {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == reason) {
            counter.inc();
        }
    }
}
