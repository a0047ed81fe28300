//! The program while it runs: its addresses, and how to end it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parallax_core::exchange::Side;
use parallax_core::isolation::Isolation;
use tokio::sync::watch;

use super::assemble::{self, Opened};
use super::telling::{LogThread, Telling};
use super::{StartError, control, own_address, threads};
use crate::access_log::Reopen;
use crate::config::{self, Settings};
use crate::isolate::Children;
use crate::proxy::{self, Acceptor, Edge, Sticky, Worker, WorkerHandle};
use crate::queue::{self, Queue};
use crate::recorder::{Flush, Recorder};
use crate::rollout::Rollout;
use crate::routing::SharedRouting;
use crate::runner::{Carried, Gates, Runner};
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;
use crate::upstream::{PoolLimits, Upstream};

/// How long clients may take to finish their requests when the process ends.
const CLIENTS_MAY_TAKE: Duration = Duration::from_secs(10);
/// How long waiting checks may take after that.
const CHECKS_MAY_TAKE: Duration = Duration::from_secs(10);
/// How long a connection to a side is kept; below the 5 s after which common servers close theirs.
const IDLE_FOR: Duration = Duration::from_secs(4);
/// How long a connection to a side with a name is used before the name is looked up again.
const KEEP_FOR: Duration = Duration::from_secs(30);
/// How long making a connection to a side may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections to a side that a data thread keeps.
const KEPT: usize = 1024;

/// The program while it runs. Dropping it without [`Running::stop`] leaves the threads to the end
/// of the process.
pub struct Running {
    /// Where clients connect.
    pub proxy: SocketAddr,
    /// Where the UI, the API and the metrics are.
    pub control: SocketAddr,
    signals: Signals,
    clients: Vec<JoinHandle<()>>,
    runners: Vec<JoinHandle<()>>,
    control_thread: JoinHandle<()>,
    log: Option<LogThread>,
    /// Has the access log opened again.
    pub(super) reopen: Reopen,
    store: Store,
}

/// What each part is told when the process ends.
struct Signals {
    ready: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    finished: watch::Sender<bool>,
}

/// What the threads share.
struct Parts {
    legacy: Arc<Upstream>,
    candidate: Arc<Upstream>,
    routing: SharedRouting,
    telemetry: Arc<Telemetry>,
    recorder: Arc<Recorder>,
    tls: Option<Arc<ServerTls>>,
}

impl Running {
    /// Opens and reads everything, then starts all threads. Opening the store blocks for as long
    /// as the disk takes.
    ///
    /// # Errors
    /// When something cannot be started; then nothing is left running.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let opened = Opened::from(&settings)?;
        let proxy = local_address(&opened.proxy)?;
        let control_address = local_address(&opened.control)?;
        let memory =
            assemble::remember(&opened.store, opened.plan_file.as_ref(), &settings.operations).await?;
        own_address::check(&settings, &[proxy, control_address]).await?;
        let telemetry = Arc::new(Telemetry::new()?);
        let mut telling = Telling::open(&settings, &telemetry)?;
        let routing = assemble::routing(&settings.operations, &memory, &telemetry)?;
        let recorder = Recorder::new(opened.store.clone(), Arc::clone(&telemetry), memory.faults);
        let parts = Parts {
            legacy: upstream(Side::Legacy, &settings.legacy, &telemetry)?,
            candidate: upstream(Side::Candidate, &settings.candidate, &telemetry)?,
            routing,
            telemetry,
            recorder,
            tls: assemble::tls(&settings)?,
        };
        let signals = Signals {
            ready: watch::channel(true).0,
            draining: watch::channel(false).0,
            finished: watch::channel(false).0,
        };
        let (queue, runners) = start_runners(&settings, &parts, &telling.carried)?;
        let edge = telling.edge(proxy.port());
        let clients = start_proxy(&settings, &parts, (queue, edge), opened.proxy, &signals)?;
        let rollout = Arc::new(Rollout::new(
            Arc::clone(&parts.routing),
            opened.store.clone(),
            opened.plan_file,
            Arc::clone(&parts.legacy.addresses),
        ));
        let control = control::Control {
            listener: opened.control,
            tls: parts.tls,
            routing: parts.routing,
            telemetry: parts.telemetry,
            store: opened.store.clone(),
            rollout,
            flush: Flush::new(parts.recorder),
            exporter: telling.exporter,
            tokens: settings.control.tokens,
            hosts: settings.control.hosts,
            retention: settings.retention,
            ready: signals.ready.subscribe(),
            finished: signals.finished.subscribe(),
        };
        let control_thread =
            threads::start("plx-control", move || control.run()).map_err(StartError::Thread)?;
        Ok(Self {
            proxy,
            control: control_address,
            signals,
            clients,
            runners,
            control_thread,
            log: telling.log,
            reopen: telling.reopen,
            store: opened.store,
        })
    }

    /// Drains: no new connection, requests and checks finish, counts are written.
    pub async fn stop(self) {
        self.signals.ready.send_replace(false);
        self.signals.draining.send_replace(true);
        join(self.clients).await;
        join(self.runners).await;
        self.signals.finished.send_replace(true);
        join(vec![self.control_thread]).await;
        if let Some(log) = self.log {
            log.end().await;
        }
        self.store.close().await;
    }
}

fn upstream(
    side: Side,
    configured: &config::Upstream,
    telemetry: &Telemetry,
) -> Result<Arc<Upstream>, StartError> {
    let upstream = Upstream::new(side, configured, telemetry.repairs(side)?);
    upstream.map(Arc::new).map_err(|error| StartError::SideTls { side, error })
}

fn local_address(listener: &std::net::TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Thread)
}

fn start_runners(
    settings: &Settings,
    parts: &Parts,
    carried: &Carried,
) -> Result<(Queue, Vec<JoinHandle<()>>), StartError> {
    let max_in_flight = settings.candidate.max_in_flight.max(1);
    let count = threads::per_core().min(max_in_flight);
    let limits = &settings.limits;
    let depth = parts.telemetry.queue_depth.clone();
    let (queue, exits) = queue::channel(count, limits.queue_checks, limits.queue_bytes, depth);
    let isolation: Arc<dyn Isolation> = Arc::new(Children::of_this_program());
    parts.telemetry.watch_queue(limits.queue_checks, limits.queue_bytes, {
        let budget = Arc::clone(queue.budget());
        move || budget.held()
    });
    let gates = Gates::new(count, max_in_flight, &parts.telemetry);
    let mut threads = Vec::new();
    for (number, jobs) in exits.into_iter().enumerate() {
        // A runner's part of the limit is never more; fewer kept connections would churn.
        let pool_limits = pool_limits(max_in_flight.div_ceil(count));
        let seat = gates.seat(number);
        let recorder = Arc::clone(&parts.recorder);
        let (legacy, candidate) = (&parts.legacy, &parts.candidate);
        let isolation = Arc::clone(&isolation);
        let carried = carried.clone();
        let runner = Runner::new(jobs, legacy, candidate, pool_limits, &seat, carried, recorder, isolation);
        let work = move || runner.run(CHECKS_MAY_TAKE);
        threads.push(threads::start(&format!("plx-run-{number}"), work).map_err(StartError::Thread)?);
    }
    Ok((queue, threads))
}

fn start_proxy(
    settings: &Settings,
    parts: &Parts,
    (queue, edge): (Queue, Edge),
    listener: std::net::TcpListener,
    signals: &Signals,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let shared = Arc::new(proxy::Shared {
        tls: parts.tls.clone(),
        routing: Arc::clone(&parts.routing),
        edge,
        forwarded: settings.forwarded,
        trusted_proxies: settings.trusted_proxies.clone(),
        sticky: Sticky::new(settings.sticky.clone(), settings.trusted_proxies.clone()),
        queue,
        telemetry: Arc::clone(&parts.telemetry),
        complaints: proxy::Complaints::default(),
    });
    let limits = proxy::Limits::from(&settings.limits);
    let pool_limits = pool_limits(KEPT);
    let mut threads = Vec::new();
    let mut workers: Vec<WorkerHandle> = Vec::new();
    for number in 0..threads::per_core() {
        let (legacy, candidate) = (Arc::clone(&parts.legacy), Arc::clone(&parts.candidate));
        let (worker, handle) = Worker::new(Arc::clone(&shared), legacy, candidate, pool_limits, limits);
        workers.push(handle);
        let draining = signals.draining.subscribe();
        let work = move || worker.run(draining, CLIENTS_MAY_TAKE);
        threads.push(threads::start(&format!("plx-data-{number}"), work).map_err(StartError::Thread)?);
    }
    let draining = signals.draining.subscribe();
    let (most, metrics) = (settings.limits.connections, parts.telemetry.clients.clone());
    let accept = move || async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => Acceptor { listener, workers, most, metrics }.run(draining).await,
            Err(error) => tracing::error!(%error, "cannot accept connections"),
        }
    };
    threads.push(threads::start("plx-accept", accept).map_err(StartError::Thread)?);
    Ok(threads)
}

fn pool_limits(idle: usize) -> PoolLimits {
    PoolLimits { idle, idle_for: IDLE_FOR, keep_for: KEEP_FOR, connect: CONNECT }
}

/// Waits for threads without holding up the runtime that waits.
async fn join(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread has panicked");
            }
        }
    });
    joined.await.ok();
}
