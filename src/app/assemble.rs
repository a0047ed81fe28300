//! From settings and the store's memory to the operations as they stand now.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parallax_core::evidence::Evidences;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::stage::Stage;
use parallax_core::tally::Tally;
use parallax_core::transition::Transition;

use super::StartError;
use super::ways;
use crate::config::Settings;
use crate::durable::{Seal, StoreKey};
use crate::routing::{Entry, InForce, Routing};
use crate::store::{self, Backlog, PlanFile, SeenSignature, Store, StoreError, StoreUrl, StoredStage};
use crate::telemetry::{Ground, Lasting, Telemetry};
use crate::tls::ServerTls;
use crate::upstream::Reach;

/// What an earlier process left. It is kept while this one runs: an operation that is added by a
/// reload finds here what it had.
pub(super) struct Memory {
    pub(super) totals: BTreeMap<OperationId, Tally>,
    pub(super) evidences: BTreeMap<OperationId, Evidences>,
    pub(super) stages: BTreeMap<OperationId, StoredStage>,
    /// Checks that waited when this process began.
    pub(super) waiting: Vec<Backlog>,
}

/// The store, and the plan file beside it.
pub(super) fn open_store(url: &str) -> Result<(Store, Option<PlanFile>), StoreError> {
    let plan_file = url.parse::<StoreUrl>()?.plan_file().map(PlanFile::at);
    Ok((store::open(url)?, plan_file))
}

/// The seal of what waits in a store. A store in which checks wait that another key has sealed is not
/// opened: they would be lost.
pub(super) async fn seal(url: &str, store: &Store) -> Result<Seal, StartError> {
    let key = StoreKey::find(url.parse::<StoreUrl>()?.key_file().as_deref())?;
    let seal = Seal::new(&key);
    let key_id = seal.key_id().to_owned();
    if store.read(move |backend| backend.use_key(&key_id)).await? {
        Ok(seal)
    } else {
        Err(StartError::OtherKey)
    }
}

/// What an earlier process left: counts and stages of all operations, also of those that are not
/// configured, and the faults of those that are.
pub(super) async fn remember(
    store: &Store,
    plan_file: Option<&PlanFile>,
    operations: &[Arc<Operation>],
    told: Vec<StoredStage>,
) -> Result<(Memory, Vec<SeenSignature>), StoreError> {
    let ids: Vec<OperationId> = operations.iter().map(|operation| operation.id.clone()).collect();
    let mut planned = plan_file.map(PlanFile::read).transpose()?.unwrap_or_default();
    planned.extend(told);
    let (totals, evidences, stages, waiting, faults) = store
        .read(move |backend| {
            let mut faults = Vec::new();
            for id in &ids {
                faults.extend(backend.signatures(id)?);
            }
            Ok((backend.totals()?, backend.evidences()?, backend.stages()?, backend.backlog()?, faults))
        })
        .await?;
    let (totals, evidences) = (totals.into_iter().collect(), evidences.into_iter().collect());
    let stages = store::merge(stages, planned);
    Ok((Memory { totals, evidences, stages, waiting }, faults))
}

/// The routing that a process begins with.
pub(super) fn routing(
    settings: Arc<Settings>,
    reach: Reach,
    memory: &Memory,
    telemetry: &Telemetry,
) -> Result<Routing, StartError> {
    let entry = |operation: &Arc<Operation>| {
        let known = memory.stages.get(&operation.id).map(Known::from);
        entry(operation, known, memory, telemetry)
    };
    let entries: Vec<Entry> = settings.operations.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Routing::new(entries, InForce { settings, reach: Arc::new(reach) })?)
}

/// The routing after a reload: operations that stay are where they are, others are where they were
/// last, whoever knows that.
pub(super) fn changed(
    present: &Routing,
    last: &HashMap<OperationId, Transition>,
    settings: Arc<Settings>,
    memory: &Memory,
    telemetry: &Telemetry,
) -> Result<Routing, StartError> {
    let entry = |operation: &Arc<Operation>| {
        let id = &operation.id;
        let stays = present.entry(id).map(Known::from);
        let stored = memory.stages.get(id).map(Known::from);
        let moved = last.get(id).map(Known::from);
        let known = stays.or(stored.into_iter().chain(moved).max_by_key(|known| known.revision));
        entry(operation, known, memory, telemetry)
    };
    let entries = settings.operations.iter().map(entry).collect::<Result<_, _>>()?;
    let before = present.in_force();
    let reach = Arc::new(ways::changed(&before.reach, &before.settings, &settings, telemetry)?);
    Ok(Routing::new(entries, InForce { settings, reach })?)
}

/// Where an operation is known to be.
#[derive(Clone, Copy)]
struct Known {
    stage: Stage,
    revision: u64,
    retired: bool,
}

impl From<&StoredStage> for Known {
    fn from(stored: &StoredStage) -> Self {
        Self { stage: stored.stage, revision: stored.revision, retired: stored.retired }
    }
}

impl From<&Entry> for Known {
    fn from(entry: &Entry) -> Self {
        Self { stage: entry.stage, revision: entry.revision, retired: entry.retired }
    }
}

impl From<&Transition> for Known {
    fn from(last: &Transition) -> Self {
        Self { stage: last.to, revision: last.revision, retired: last.retires() }
    }
}

/// An operation where it is known to be. One that has never moved is where the file says.
fn entry(
    operation: &Arc<Operation>,
    known: Option<Known>,
    memory: &Memory,
    telemetry: &Telemetry,
) -> Result<Entry, StartError> {
    let moved = known.filter(|known| known.revision > 0);
    let begins = Known { stage: Stage::from(operation.initial_stage), revision: 0, retired: false };
    let Known { stage, revision, retired } = moved.unwrap_or(begins);
    let lasting = Lasting {
        tally: memory.totals.get(&operation.id).cloned().unwrap_or_default(),
        evidence: memory.evidences.get(&operation.id).cloned().unwrap_or_default(),
    };
    let ground = Ground::of(operation);
    let meter = telemetry.meter(&operation.id, lasting, operation.rules.specs(), ground)?;
    if let Some(graphql) = &operation.graphql {
        meter.show_names(graphql.names.iter().map(|name| &**name));
    }
    if let Some(when) = operation.rollback_when {
        meter.look_over(when.over);
    }
    Ok(Entry { operation: Arc::clone(operation), stage, revision, retired, meter })
}

/// What clients are shown; none where no certificate is configured.
pub(super) fn tls(settings: &Settings) -> Result<Option<Arc<ServerTls>>, StartError> {
    if settings.tls.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(ServerTls::open(settings.tls.clone())?)))
}

/// A listener for one of the two addresses in the configuration.
pub(super) fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let open = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A restart must not wait for the last connections of the process before.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok(TcpListener::from(socket))
    };
    open().map_err(|error| StartError::Listen { key, address, error })
}

/// The two sockets that are listened on. Clones are the same sockets.
pub(super) struct Listeners {
    pub(super) proxy: TcpListener,
    pub(super) control: TcpListener,
}

impl Listeners {
    pub(super) fn open(settings: &Settings) -> Result<Self, StartError> {
        let proxy = listen("listen", settings.listen)?;
        let control = listen("control.listen", settings.control.listen)?;
        Ok(Self { proxy, control })
    }
}

/// Everything that the settings name, opened.
pub(super) struct Opened {
    pub(super) listeners: Listeners,
    pub(super) store: Store,
    pub(super) plan_file: Option<PlanFile>,
}

impl Opened {
    /// Opens the listeners first: they are what is most often taken, and they leave no trace.
    pub(super) fn from(settings: &Settings) -> Result<Self, StartError> {
        let listeners = Listeners::open(settings)?;
        let (store, plan_file) = open_store(&settings.store)?;
        Ok(Self { listeners, store, plan_file })
    }
}
