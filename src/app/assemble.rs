//! From settings and the store's memory to the operations as they stand now.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::stage::Stage;
use parallax_core::tally::Tally;

use super::StartError;
use crate::config::Settings;
use crate::routing::{Entry, Routing, SharedRouting};
use crate::store::{self, PlanFile, SeenSignature, Store, StoreError, StoreUrl, StoredStage};
use crate::telemetry::Telemetry;
use crate::tls::ServerTls;

/// What an earlier process left.
pub(super) struct Memory {
    pub(super) totals: BTreeMap<OperationId, Tally>,
    pub(super) stages: BTreeMap<OperationId, StoredStage>,
    pub(super) faults: Vec<SeenSignature>,
}

/// The store, and the plan file beside it.
pub(super) fn open_store(url: &str) -> Result<(Store, Option<PlanFile>), StoreError> {
    let plan_file = url.parse::<StoreUrl>()?.plan_file().map(PlanFile::at);
    Ok((store::open(url)?, plan_file))
}

/// What an earlier process left, of the operations that are configured.
pub(super) async fn remember(
    store: &Store,
    plan_file: Option<&PlanFile>,
    operations: &[Arc<Operation>],
) -> Result<Memory, StoreError> {
    let ids: Vec<OperationId> = operations.iter().map(|operation| operation.id.clone()).collect();
    let planned = plan_file.map(PlanFile::read).transpose()?.unwrap_or_default();
    let (totals, stages, faults) = store
        .read(move |backend| {
            let mut faults = Vec::new();
            for id in &ids {
                faults.extend(backend.signatures(id)?);
            }
            Ok((backend.totals()?, backend.stages()?, faults))
        })
        .await?;
    Ok(Memory { totals: totals.into_iter().collect(), stages: store::merge(stages, planned), faults })
}

/// The operations as they stand now.
pub(super) fn routing(
    operations: &[Arc<Operation>],
    memory: &Memory,
    telemetry: &Telemetry,
) -> Result<SharedRouting, StartError> {
    let entry = |operation: &Arc<Operation>| {
        let lasting = memory.totals.get(&operation.id).cloned().unwrap_or_default();
        let stored = memory.stages.get(&operation.id);
        Ok::<_, StartError>(Entry {
            operation: Arc::clone(operation),
            stage: stored.map_or(Stage::from(operation.initial_stage), |stored| stored.stage),
            revision: stored.map_or(0, |stored| stored.revision),
            meter: telemetry.meter(&operation.id, lasting, operation.rules.specs())?,
        })
    };
    let entries = operations.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Arc::new(ArcSwap::from_pointee(Routing::new(entries)?)))
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

/// Everything that the settings name, opened and read.
pub(super) struct Opened {
    pub(super) proxy: TcpListener,
    pub(super) control: TcpListener,
    pub(super) store: Store,
    pub(super) plan_file: Option<PlanFile>,
}

impl Opened {
    /// Opens the listeners first: they are what is most often taken, and they leave no trace.
    pub(super) fn from(settings: &Settings) -> Result<Self, StartError> {
        let proxy = listen("listen", settings.listen)?;
        let control = listen("control.listen", settings.control.listen)?;
        let (store, plan_file) = open_store(&settings.store)?;
        Ok(Self { proxy, control, store, plan_file })
    }
}
