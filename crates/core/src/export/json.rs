//! The plan as `GET /api/v1/plan` tells it, and back. What is read is held to the same checks as a
//! configuration, because it is written into other programs' configuration.

use std::sync::Arc;

use http::{HeaderName, Method};
use serde::{Deserialize, Serialize};

use super::plan::{ClientKey, HostPolicy, PlanError, PresentPlan, Route, Service};
use crate::exchange::Side;
use crate::operation::OperationId;
use crate::ratio::Ratio;
use crate::stage::{Share, Stage, StageName};

#[derive(Serialize, Deserialize)]
struct PlanJson {
    listen: String,
    #[serde(default)]
    tls: bool,
    legacy: ServiceJson,
    candidate: ServiceJson,
    sticky: StickyJson,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    /// Who answers requests of no operation; legacy where it is not told.
    #[serde(default)]
    other: Option<Side>,
    operations: Vec<RouteJson>,
}

#[derive(Serialize, Deserialize)]
struct ServiceJson {
    url: String,
    host: String,
    #[serde(default)]
    http2: bool,
    #[serde(default)]
    own_tls: bool,
    #[serde(default)]
    headers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StickyJson {
    /// `client_ip`, `cookie` or `header`.
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Sixteen hexadecimal digits: numbers of this size are not safe in JSON.
    seed: String,
}

#[derive(Serialize, Deserialize)]
struct RouteJson {
    id: OperationId,
    #[serde(rename = "match")]
    matcher: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate_path: Option<String>,
    stage: StageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Ratio>,
    revision: u64,
}

impl Serialize for PresentPlan {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlanJson::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PresentPlan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PlanJson::deserialize(deserializer)?.read().map_err(serde::de::Error::custom)
    }
}

impl From<&PresentPlan> for PlanJson {
    fn from(plan: &PresentPlan) -> Self {
        let (by, name) = match &plan.client_key {
            ClientKey::Address => ("client_ip", None),
            ClientKey::Cookie(name) => ("cookie", Some(name.to_string())),
            ClientKey::Header(name) => ("header", Some(name.to_string())),
        };
        Self {
            listen: plan.listen.clone(),
            tls: plan.is_tls,
            legacy: ServiceJson::from(&plan.legacy),
            candidate: ServiceJson::from(&plan.candidate),
            sticky: StickyJson { by: by.to_owned(), name, seed: format!("{:016x}", plan.seed) },
            trusted_proxies: plan.trusted_proxies.clone(),
            other: Some(plan.other),
            operations: plan.routes.iter().map(RouteJson::from).collect(),
        }
    }
}

impl From<&Service> for ServiceJson {
    fn from(side: &Service) -> Self {
        let host = match &side.host_policy {
            HostPolicy::Preserve => "preserve",
            HostPolicy::Upstream => "upstream",
            HostPolicy::Name(name) => name,
        };
        Self {
            url: format!("{}://{}{}", side.scheme(), side.authority, side.base_path),
            host: host.to_owned(),
            http2: side.is_http2,
            own_tls: side.has_own_tls,
            headers: side.headers.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&Route> for RouteJson {
    fn from(route: &Route) -> Self {
        Self {
            id: route.id.clone(),
            matcher: format!("{} {}", route.method, route.template),
            candidate_path: route.candidate_path.as_ref().map(ToString::to_string),
            stage: route.stage.name(),
            share: route.stage.share().map(Share::ratio),
            revision: route.revision,
        }
    }
}

impl PlanJson {
    fn read(self) -> Result<PresentPlan, PlanError> {
        let routes = self.operations.into_iter().map(RouteJson::read).collect::<Result<_, _>>()?;
        let (key, seed) = self.sticky.read()?;
        let plan = PresentPlan::new(&self.listen, (self.legacy.read()?, self.candidate.read()?), key, seed)?;
        let plan = plan.with_tls(self.tls).with_other(self.other.unwrap_or(Side::Legacy));
        Ok(plan.trusting(self.trusted_proxies)?.with_routes(routes))
    }
}

impl ServiceJson {
    fn read(self) -> Result<Service, PlanError> {
        let host = match self.host.as_str() {
            "preserve" => HostPolicy::Preserve,
            "upstream" => HostPolicy::Upstream,
            _ => HostPolicy::Name(self.host),
        };
        let headers = self.headers.iter().map(|name| header(name)).collect::<Result<_, _>>()?;
        let side = Service::at(&self.url, host)?;
        Ok(side.with_http2(self.http2).with_own_tls(self.own_tls).with_headers(headers))
    }
}

impl StickyJson {
    fn read(self) -> Result<(ClientKey, u64), PlanError> {
        let key = match (self.by.as_str(), self.name) {
            ("client_ip", None) => ClientKey::Address,
            ("cookie", Some(name)) => ClientKey::Cookie(Arc::from(name)),
            ("header", Some(name)) => ClientKey::Header(header(&name)?),
            _ => return Err(PlanError::new("sticky", &self.by, "is no key of a client")),
        };
        let seed = u64::from_str_radix(&self.seed, 16);
        Ok((key, seed.map_err(|_| PlanError::new("sticky", &self.seed, "is no seed"))?))
    }
}

impl RouteJson {
    fn read(self) -> Result<Route, PlanError> {
        let no_match = |why| PlanError::new("match", &self.matcher, why);
        let (method, path) = self.matcher.split_once(' ').ok_or_else(|| no_match("has no path"))?;
        let template =
            |text: &str| text.parse().map_err(|_| PlanError::new("a path", text, "is no path template"));
        let no_stage = |why| PlanError::new("stage", self.stage.as_str(), why);
        let share = self.share.map(Share::new).transpose().map_err(|_| no_stage("has no share"))?;
        Ok(Route {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| no_match("has no method"))?,
            template: template(path)?,
            candidate_path: self.candidate_path.as_deref().map(template).transpose()?,
            stage: Stage::from_parts(self.stage, share).map_err(|_| no_stage("has another share"))?,
            id: self.id,
            revision: self.revision,
        })
    }
}

fn header(name: &str) -> Result<HeaderName, PlanError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| PlanError::new("a header", name, "is no name"))
}
