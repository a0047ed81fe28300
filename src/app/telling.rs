//! What is told of requests, and what they are told: markers, the access log, traces; opened and
//! started together, because the proxy and the runners need the same.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::StartError;
use crate::access_log::{self, AccessLog, Reopen};
use crate::config::Settings;
use crate::marker::Markers;
use crate::proxy::Edge;
use crate::runner::Carried;
use crate::tasks;
use crate::telemetry::Telemetry;
use crate::traces::{self, Exporter};

/// How long the last lines of the access log may take. Standard output may have a reader that reads
/// no more.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What is told of requests, and what they are told.
pub(super) struct Telling {
    pub(super) carried: Carried,
    pub(super) exporter: Option<Exporter>,
    pub(super) log: Option<LogThread>,
    pub(super) reopen: Reopen,
    access_log: Option<AccessLog>,
    scheme: &'static str,
}

/// The thread that writes the access log.
pub(super) struct LogThread {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Telling {
    pub(super) fn open(settings: &Settings, telemetry: &Telemetry) -> Result<Self, StartError> {
        let markers = Markers::new(settings.marker_key.as_ref()).map_err(StartError::Markers)?;
        let (tracer, exporter) = settings
            .traces
            .as_ref()
            .map(|configured| {
                let (legacy, candidate) = (&settings.legacy.url, &settings.candidate.url);
                traces::channel(configured, legacy, candidate, &telemetry.spans_dropped)
            })
            .unzip();
        let reopen = Reopen::default();
        let opened = settings
            .access_log
            .as_ref()
            .map(|configured| {
                access_log::open(configured, &telemetry.access_log_dropped, reopen.clone())
                    .map_err(StartError::AccessLog)
            })
            .transpose()?;
        let (access_log, writer) = opened.unzip();
        let log = writer.map(LogThread::start).transpose()?;
        let carried = Carried { markers: Arc::new(markers), tracer };
        let scheme = if settings.tls.is_empty() { "http" } else { "https" };
        Ok(Self { carried, exporter, log, reopen, access_log, scheme })
    }

    /// The edge for a listener at this port. The access log goes with it: it ends with the proxy.
    pub(super) fn edge(&mut self, port: u16) -> Edge {
        Edge::new(
            Arc::clone(&self.carried.markers),
            (self.scheme, port),
            self.access_log.take(),
            self.carried.tracer.clone(),
        )
    }
}

impl LogThread {
    fn start(writer: access_log::Writer) -> Result<Self, StartError> {
        let (done, ended) = oneshot::channel();
        let work = move || {
            writer.run();
            done.send(()).ok();
        };
        let thread = tasks::spawn_thread("plx-log", work).map_err(StartError::Thread)?;
        Ok(Self { thread, ended })
    }

    /// Waits until the last line is written. The proxy has let go of its end by now.
    pub(super) async fn end(self) {
        if tokio::time::timeout(LAST_LINES, self.ended).await.is_err() {
            tracing::warn!("the last lines of the access log could not be written in time");
        } else if self.thread.join().is_err() {
            tracing::error!("the thread of the access log has panicked");
        }
    }
}
