//! What runs on the control thread: the API and the page, the writing of counts and stages, and
//! the forgetting of what is older than it may get.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::certificates;
use crate::api::{self, Access, Context};
use crate::durable::Durable;
use crate::export::RoutesFile;
use crate::intake::Intake;
use crate::recorder::Flush;
use crate::rollout::Rollout;
use crate::routing::SharedRouting;
use crate::store::{KEPT_FOR, Store};
use crate::tasks;
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;
use crate::traces::Exporter;
use crate::ui;

/// How often old samples are looked for.
const PURGE_EVERY: Duration = Duration::from_secs(60);

/// How often the load is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Everything that runs on the control thread.
pub(super) struct Control {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) routing: SharedRouting,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) store: Store,
    pub(super) durable: Arc<Durable>,
    pub(super) rollout: Arc<Rollout>,
    pub(super) flush: Flush,
    pub(super) exporter: Option<Exporter>,
    pub(super) access: Access,
    pub(super) ready: watch::Receiver<bool>,
    pub(super) finished: watch::Receiver<bool>,
    pub(super) closed: watch::Sender<bool>,
}

impl Control {
    /// Runs until the clients and the runners are done, then writes the last counts.
    pub(super) async fn run(mut self) {
        let flushing = tasks::spawn(self.flush.clone().run(self.finished.clone()));
        tasks::spawn(Arc::clone(&self.rollout).run(Arc::clone(&self.telemetry.alarms)));
        if let Some(tls) = self.tls.clone() {
            tasks::spawn(certificates::watch(tls));
        }
        tasks::spawn(RoutesFile::new(Arc::clone(&self.routing), self.rollout.changes()).run());
        tasks::spawn(purge(self.store.clone(), Arc::clone(&self.routing)));
        tasks::spawn(measure(Arc::clone(&self.routing)));
        let exporting =
            self.exporter.take().map(|exporter| tasks::spawn(exporter.run(self.finished.clone())));
        self.serve().await;
        flushing.await.ok();
        if let Some(exporting) = exporting {
            exporting.await.ok();
        }
    }

    async fn serve(self) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the control listener cannot be used"),
        };
        let intake = Intake::new(Arc::clone(&self.routing), self.durable, self.store.clone());
        let context = Context {
            routing: self.routing,
            telemetry: self.telemetry,
            store: self.store,
            rollout: self.rollout,
            flush: self.flush,
            intake,
            access: self.access,
            ready: self.ready,
        };
        if let Err(error) = api::run(listener, context, ui::pages(), self.finished, self.closed).await {
            tracing::error!(%error, "the control listener has failed");
        }
    }
}

/// Takes the sides' latencies each second to the load of that second.
async fn measure(routing: SharedRouting) {
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        routing.load().entries().iter().for_each(|entry| entry.meter.take_load());
    }
}

/// Forgets samples and minutes that are older than `retention`.
async fn purge(store: Store, routing: SharedRouting) {
    loop {
        let retention = routing.load().in_force().settings.retention;
        let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
        if let Ok(before) = Timestamp::now().checked_sub(retention)
            && let Err(error) = store.purge(before).await
        {
            tracing::warn!(%error, "what is older than `retention` could not be forgotten yet");
        }
        if let Ok(before) = Timestamp::now().checked_sub(KEPT_FOR)
            && let Err(error) = store.forget_done(before).await
        {
            tracing::warn!(%error, "checks that are done could not be forgotten yet");
        }
        tokio::time::sleep(PURGE_EVERY).await;
    }
}
