//! Sends spans to a collector, in batches. A batch is sent once: what the collector does not take
//! is gone and counted, because a queue of old spans would push out the new ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use prometheus::IntCounter;
use tokio::sync::{mpsc, watch};

use super::{Span, otlp};
use crate::config;
use crate::upstream::{Addresses, Again, Pool, PoolLimits, RequestBody};

/// How often spans are sent.
const EVERY: Duration = Duration::from_millis(500);
/// Spans that are sent at once.
const BATCH: usize = 512;
/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last batches may take, all together, when the process ends.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// How often a collector that takes nothing is complained about.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// An answer says next to nothing; of a longer one the connection is given up.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Resolves when the process ends.
async fn over(finished: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    finished.wait_for(|finished| *finished).await.ok();
}

/// Sends spans.
pub struct Exporter {
    spans: mpsc::Receiver<Box<Span>>,
    pool: Arc<Pool>,
    target: String,
    authority: String,
    service: String,
    dropped: IntCounter,
    complained: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(
        configured: &config::Traces,
        spans: mpsc::Receiver<Box<Span>>,
        dropped: IntCounter,
    ) -> Self {
        let url = &configured.otlp;
        let authority =
            HeaderValue::from_str(url.authority.as_str()).unwrap_or(HeaderValue::from_static("collector"));
        let limits = PoolLimits {
            idle: 1,
            // Longer than between two batches, shorter than servers keep a connection.
            idle_for: Duration::from_secs(4),
            keep_for: Duration::from_secs(30),
            connect: Duration::from_secs(2),
        };
        Self {
            spans,
            pool: Pool::in_the_clear(Arc::new(Addresses::new(&url.host, url.port)), authority, limits),
            target: format!("{}/v1/traces", url.base_path),
            authority: url.authority.to_string(),
            service: configured.service.clone(),
            dropped,
            complained: None,
        }
    }

    /// Sends spans until `finished` turns true, and then those that are left.
    pub async fn run(mut self, mut finished: watch::Receiver<bool>) {
        let mut watched = finished.clone();
        loop {
            let is_over = tokio::time::timeout(EVERY, over(&mut finished)).await.is_ok();
            let out_of_time = async {
                over(&mut watched).await;
                tokio::time::sleep(LAST_PATIENCE).await;
            };
            tokio::select! {
                () = self.send_waiting() => if is_over { return },
                () = out_of_time => return tracing::warn!("the last spans could not be sent in time"),
            }
        }
    }

    async fn send_waiting(&mut self) {
        // Not more than wait now: others are made meanwhile.
        let mut left = self.spans.len();
        while left > 0 {
            let batch: Vec<Box<Span>> =
                std::iter::from_fn(|| self.spans.try_recv().ok()).take(BATCH.min(left)).collect();
            if batch.is_empty() {
                return;
            }
            left -= batch.len();
            if let Err(reason) = self.send(&batch).await {
                self.dropped.inc_by(batch.len() as u64);
                return self.complain(&reason);
            }
        }
    }

    async fn send(&self, batch: &[Box<Span>]) -> Result<(), String> {
        let payload = otlp::payload(&self.service, batch).map_err(|error| error.to_string())?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.target.parse::<Uri>().map_err(|error| error.to_string())?)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, concat!("parallax/", env!("CARGO_PKG_VERSION")))
            .body(RequestBody::whole(payload.into()))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer =
                self.pool.send(request, Again::Never, None).await.map_err(|error| error.fault.to_string())?;
            let status = answer.status();
            // Read to its end, so that the connection can be used again.
            Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await.ok();
            if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
        };
        let in_time = tokio::time::timeout(PATIENCE, exchange).await;
        in_time.unwrap_or_else(|_| Err(format!("it took longer than {PATIENCE:?}")))
    }

    fn complain(&mut self, reason: &str) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                collector = self.authority,
                reason,
                "no spans reach the collector of `traces.otlp`; they are lost and counted"
            );
        }
    }
}
