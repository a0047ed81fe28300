//! The program while it runs: its addresses, its threads, and what they share.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use parallax_core::isolation::Isolation;
use tokio::sync::{mpsc, watch};

use super::assemble::{self, Listeners, Memory, Opened};
use super::telling::{LogThread, Telling};
use super::{StartError, control, own_address, threads, ways};
use crate::access_log::Reopen;
use crate::api::Access;
use crate::config::Settings;
use crate::durable::{Durable, Feeder, Feeding, Shelving};
use crate::isolate::Children;
use crate::proxy::{self, Acceptor, Edge, Worker, WorkerHandle};
use crate::queue::{self, Queue};
use crate::recorder::{Flush, Recorder};
use crate::rollout::Rollout;
use crate::routing::SharedRouting;
use crate::runner::{Carried, Gates, Runner};
use crate::store::{Store, StoredStage};
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;
use crate::traces::Exporter;

/// Checks on their way from the proxy to the store, at most; more stay in memory.
const TO_STORE: usize = 1_024;

/// The program while it runs. Dropping it without [`Running::stop`] leaves the threads to the end
/// of the process.
pub struct Running {
    /// Where clients connect.
    pub proxy: SocketAddr,
    /// Where the UI, the API and the metrics are.
    pub control: SocketAddr,
    pub(super) parts: Parts,
    pub(super) ends: Ends,
    /// The same sockets as those that are listened on, for a process that takes over.
    pub(super) listeners: Listeners,
    pub(super) clients: Vec<JoinHandle<()>>,
    pub(super) runners: Vec<JoinHandle<()>>,
    /// Takes checks from the store to the runners and back.
    pub(super) feeder: Vec<JoinHandle<()>>,
    pub(super) feeding: Feeding,
    pub(super) control_thread: Option<JoinHandle<()>>,
    pub(super) log: Option<LogThread>,
    /// Has the access log opened again.
    pub(super) reopen: Reopen,
    /// Sends spans, once the control thread is started.
    exporter: Option<Exporter>,
    /// Takes what the process before this one still counts, where there was one.
    pub(super) inheriting: Option<tokio::task::JoinHandle<()>>,
}

/// What the threads share.
pub(super) struct Parts {
    pub(super) routing: SharedRouting,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) rollout: Arc<Rollout>,
    pub(super) flush: Flush,
    pub(super) store: Store,
    pub(super) durable: Arc<Durable>,
    pub(super) access: Access,
    pub(super) memory: Memory,
    pub(super) tls: Option<Arc<ServerTls>>,
}

/// What each part is told when the process ends, in this order.
pub(super) struct Ends {
    /// Turns false first.
    pub(super) ready: watch::Sender<bool>,
    /// No new connection, and the end of each after its present request.
    pub(super) draining: watch::Sender<bool>,
    /// Whatever is left ends at once.
    pub(super) cut: watch::Sender<bool>,
    /// Clients and checks are done: the control listener ends, and the last counts are written.
    pub(super) finished: watch::Sender<bool>,
    /// Is told: the control listener takes no more connections.
    pub(super) closed: watch::Sender<bool>,
}

/// Everything opened and read; no thread that serves anybody is started.
pub(super) struct Prepared {
    listeners: Listeners,
    parts: Parts,
    telling: Telling,
}

impl Prepared {
    /// Reads what an earlier process left in the store, and `told`, the stages of one that is
    /// handing over.
    pub(super) async fn new(
        settings: Settings,
        opened: Opened,
        told: Vec<StoredStage>,
    ) -> Result<Self, StartError> {
        let Opened { listeners, store, plan_file } = opened;
        let (memory, faults) =
            assemble::remember(&store, plan_file.as_ref(), &settings.operations, told).await?;
        let (proxy, control) = (local_address(&listeners.proxy)?, local_address(&listeners.control)?);
        own_address::check(&settings, &[proxy, control]).await?;
        let telemetry = Arc::new(Telemetry::new()?);
        let telling = Telling::open(&settings, &telemetry)?;
        let tls = assemble::tls(&settings)?;
        let seal = assemble::seal(&settings.store, &store).await?;
        let durable = Durable::new(seal, store.clone(), &settings.limits, &memory.waiting, &telemetry);
        let access = Access::new(&settings.control.tokens);
        let reach = ways::reach(&settings, &telemetry)?;
        let routing = assemble::routing(Arc::new(settings), reach, &memory, &telemetry)?;
        let routing = Arc::new(ArcSwap::from_pointee(routing));
        let recorder = Recorder::new(store.clone(), Arc::clone(&telemetry), faults);
        let rollout = Arc::new(Rollout::new(Arc::clone(&routing), store.clone(), plan_file));
        let flush = Flush::new(Arc::clone(&recorder));
        let parts =
            Parts { routing, telemetry, recorder, rollout, flush, store, durable, access, memory, tls };
        Ok(Self { listeners, parts, telling })
    }

    /// Starts to serve clients and to run checks. Those that wait in the store are not taken until
    /// [`Feeding::go_on`].
    pub(super) fn serve(self) -> Result<Running, StartError> {
        let Self { listeners, parts, mut telling } = self;
        let ends = Ends {
            ready: watch::channel(true).0,
            draining: watch::channel(false).0,
            cut: watch::channel(false).0,
            finished: watch::channel(false).0,
            closed: watch::channel(false).0,
        };
        let (proxy, control) = (local_address(&listeners.proxy)?, local_address(&listeners.control)?);
        let (queue, runners) = start_runners(&parts, &telling.carried, &ends)?;
        let (queue, feeding, feeder) = start_feeder(&parts, &queue, &ends)?;
        let edge = telling.edge(proxy.port());
        let clients = start_proxy(&parts, (queue, edge), again(&listeners.proxy)?, &ends)?;
        let Telling { log, reopen, exporter, .. } = telling;
        let (control_thread, inheriting) = (None, None);
        Ok(Running {
            proxy,
            control,
            parts,
            ends,
            listeners,
            clients,
            runners,
            feeder,
            feeding,
            control_thread,
            log,
            reopen,
            exporter,
            inheriting,
        })
    }
}

impl Running {
    /// Opens and reads everything, then starts all threads. Opening the store blocks for as long
    /// as the disk takes.
    ///
    /// # Errors
    /// When something cannot be started; then nothing is left running.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let opened = Opened::from(&settings)?;
        let mut running = Prepared::new(settings, opened, Vec::new()).await?.serve()?;
        running.feeding.go_on().await;
        running.open_control()?;
        Ok(running)
    }

    /// Starts the control listener, and the writing of counts.
    pub(super) fn open_control(&mut self) -> Result<(), StartError> {
        let exporter = self.exporter.take();
        let Parts { routing, telemetry, rollout, flush, store, durable, access, tls, .. } = &self.parts;
        let control = control::Control {
            listener: again(&self.listeners.control)?,
            tls: tls.clone(),
            routing: Arc::clone(routing),
            telemetry: Arc::clone(telemetry),
            store: store.clone(),
            durable: Arc::clone(durable),
            rollout: Arc::clone(rollout),
            flush: flush.clone(),
            exporter,
            access: access.clone(),
            ready: self.ends.ready.subscribe(),
            finished: self.ends.finished.subscribe(),
            closed: self.ends.closed.clone(),
        };
        let thread = threads::start("plx-control", move || control.run()).map_err(StartError::Thread)?;
        self.control_thread = Some(thread);
        Ok(())
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::Thread)
}

/// The same socket once more.
fn again(listener: &TcpListener) -> Result<TcpListener, StartError> {
    listener.try_clone().map_err(StartError::Thread)
}

fn start_runners(
    parts: &Parts,
    carried: &Carried,
    ends: &Ends,
) -> Result<(Queue, Vec<JoinHandle<()>>), StartError> {
    let routing = parts.routing.load();
    let reach = &routing.in_force().reach;
    let limits = &routing.in_force().settings.limits;
    let depth = parts.telemetry.queue_depth.clone();
    let (queue, exits) =
        queue::channel(reach.threads().runners, limits.queue_checks, limits.queue_bytes, depth);
    let isolation: Arc<dyn Isolation> = Arc::new(Children::of_this_program());
    parts.telemetry.watch_queue(limits.queue_checks, limits.queue_bytes, {
        let budget = Arc::clone(queue.budget());
        move || budget.held()
    });
    let gates = Gates::new(reach.threads().runners, reach.max_in_flight(), &parts.telemetry);
    let mut threads = Vec::new();
    for (number, jobs) in exits.into_iter().enumerate() {
        let (seat, carried) = (gates.seat(number), carried.clone());
        let recorder = Arc::clone(&parts.recorder);
        let runner = Runner::new(jobs, reach, seat, carried, recorder, Arc::clone(&isolation));
        let cut = ends.cut.subscribe();
        let work = move || runner.run(cut);
        threads.push(threads::start(&format!("plx-run-{number}"), work).map_err(StartError::Thread)?);
    }
    Ok((queue, threads))
}

/// Gives the queue as the proxy has it, from which checks of durable operations go to the store.
fn start_feeder(
    parts: &Parts,
    queue: &Queue,
    ends: &Ends,
) -> Result<(Queue, Feeding, Vec<JoinHandle<()>>), StartError> {
    let durable = &parts.durable;
    let (to_store, jobs) = mpsc::channel(TO_STORE);
    let (feeder, feeding) = Feeder::new(
        Arc::clone(durable),
        Arc::clone(&parts.routing),
        queue.clone(),
        Arc::clone(&parts.telemetry),
    );
    let shelving = Shelving::new(jobs, Arc::clone(durable), queue.clone());
    let draining = ends.draining.subscribe();
    let work = move || async move {
        tokio::join!(feeder.run(draining), shelving.run());
    };
    let thread = threads::start("plx-feed", work).map_err(StartError::Thread)?;
    Ok((queue.with_store(to_store), feeding, vec![thread]))
}

fn start_proxy(
    parts: &Parts,
    (queue, edge): (Queue, Edge),
    listener: TcpListener,
    ends: &Ends,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let shared = Arc::new(proxy::Shared {
        tls: parts.tls.clone(),
        edge,
        routing: Arc::clone(&parts.routing),
        queue,
        telemetry: Arc::clone(&parts.telemetry),
        complaints: proxy::Complaints::default(),
    });
    let mut threads = Vec::new();
    let mut workers: Vec<WorkerHandle> = Vec::new();
    for number in 0..parts.routing.load().in_force().reach.threads().data {
        let (worker, handle) = Worker::new(Arc::clone(&shared), number);
        workers.push(handle);
        let (draining, cut) = (ends.draining.subscribe(), ends.cut.subscribe());
        let work = move || worker.run(draining, cut);
        threads.push(threads::start(&format!("plx-data-{number}"), work).map_err(StartError::Thread)?);
    }
    let draining = ends.draining.subscribe();
    let (routing, metrics) = (Arc::clone(&parts.routing), parts.telemetry.clients.clone());
    let accept = move || async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => Acceptor { listener, workers, routing, metrics }.run(draining).await,
            Err(error) => tracing::error!(%error, "cannot accept connections"),
        }
    };
    threads.push(threads::start("plx-accept", accept).map_err(StartError::Thread)?);
    Ok(threads)
}
