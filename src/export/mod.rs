//! The present plan for other tools: made of the routing in force or of a configuration alone, and kept
//! in a file for Skipper where the configuration names one. What the tools are told is decided in core
//! (`parallax_core::export`); here are the clock, the disk and nothing else.

mod file;

use parallax_core::export::{ClientKey, HostPolicy, PlanError, PresentPlan, Route, Service};
use parallax_core::stage::{Bucket, Stage};

pub use file::{RoutesFile, replace};

use crate::config::{self, Protocol, Settings, StickyKey, Upstream};
use crate::routing::Routing;

/// The plan in force.
///
/// # Errors
/// When a side's URL has what cannot be written down for another tool.
pub fn in_force(routing: &Routing) -> Result<PresentPlan, PlanError> {
    let entries = routing.entries().iter();
    let routes = entries.map(|entry| Route::of(&entry.operation, entry.stage, entry.revision)).collect();
    plan(&routing.in_force().settings, routes)
}

/// The plan with which a configuration begins, whatever a server has made of it since.
///
/// # Errors
/// As for [`in_force`].
pub fn initial(settings: &Settings) -> Result<PresentPlan, PlanError> {
    let first = |stage| Stage::from(stage);
    let operations = settings.operations.iter();
    let routes =
        operations.map(|operation| Route::of(operation, first(operation.initial_stage), 0)).collect();
    plan(settings, routes)
}

fn plan(settings: &Settings, routes: Vec<Route>) -> Result<PresentPlan, PlanError> {
    let sides = (service(&settings.legacy)?, service(&settings.candidate)?);
    let key = match &settings.sticky.key {
        StickyKey::ClientIp => ClientKey::Address,
        StickyKey::Cookie(name) => ClientKey::Cookie(name.as_str().into()),
        StickyKey::Header(name) => ClientKey::Header(name.clone()),
    };
    let seed = Bucket::seed(&settings.sticky.salt);
    let networks = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    let plan = PresentPlan::new(&settings.listen.to_string(), sides, key, seed)?;
    let plan = plan.with_tls(!settings.tls.is_empty()).with_other(settings.other);
    Ok(plan.trusting(networks)?.with_routes(routes))
}

/// A side, without the values of its headers.
fn service(side: &Upstream) -> Result<Service, PlanError> {
    let host = match &side.host {
        config::HostPolicy::Preserve => HostPolicy::Preserve,
        config::HostPolicy::Upstream => HostPolicy::Upstream,
        config::HostPolicy::Name(name) => HostPolicy::Name(String::from_utf8_lossy(name.as_bytes()).into()),
    };
    Ok(Service::at(&side.url.to_string(), host)?
        .with_http2(side.protocol == Protocol::Http2)
        .with_own_tls(side.has_own_tls())
        .with_headers(side.headers.iter().map(|(name, _)| name.clone()).collect()))
}
