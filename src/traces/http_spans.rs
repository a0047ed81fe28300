//! The spans of exchanges, with the attributes that OpenTelemetry's conventions for HTTP name.
//! `url.path` and `url.full`, which the conventions ask for too, are left out on purpose: they are
//! values.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};
use parallax_core::exchange::Side;
use parallax_core::operation::{Operation, OperationId};
use parallax_core::verdict::{Cause, Skip};

use super::{Attribute, Context, Kind, Span, Trace, Tracer};
use crate::telemetry::known_method;

/// A request of a client, from its head to the end of its answer.
#[derive(Clone, Copy, Debug)]
pub struct ServerSpan<'r> {
    /// Its place.
    pub trace: Trace,
    /// Its method.
    pub method: &'r Method,
    /// Its operation; none: it belongs to none.
    pub operation: Option<&'r Operation>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The version of HTTP that the client speaks.
    pub protocol: Version,
    /// When its head had arrived.
    pub start: SystemTime,
    /// From then to the end of the answer.
    pub duration: Duration,
    /// The answer's status; none where the client left before there was one.
    pub status: Option<StatusCode>,
    /// Who answered.
    pub answered_by: Option<&'static str>,
    /// Whether the other side is checked, and why not; none outside of operations.
    pub check: Option<Result<(), Skip>>,
    /// How it ended, where it was not at its end.
    pub broken: Option<&'static str>,
}

/// A request to a side, from its head to the head of its answer: how fast a client reads the rest
/// is not the side's doing.
#[derive(Clone, Copy, Debug)]
pub struct SideSpan<'r> {
    /// Its place.
    pub context: Context,
    /// The request that it is part of.
    pub parent: Option<u64>,
    /// The request whose copy it is.
    pub copy_of: Option<Context>,
    /// Whether it is a copy.
    pub is_copy: bool,
    /// Which side was asked.
    pub side: Side,
    /// The method.
    pub method: &'r Method,
    /// The operation; none: it belongs to none.
    pub operation: Option<&'r Operation>,
    /// When it was asked.
    pub start: SystemTime,
    /// From then to the head of the answer.
    pub duration: Duration,
    /// The answer's status, or why there is none.
    pub answer: Result<StatusCode, Cause>,
}

impl Tracer {
    /// Records a client's request.
    pub fn server(&self, request: &ServerSpan<'_>) {
        let method = known_method(request.method, request.operation);
        let route = request.operation.map(|operation| operation.matcher.template.to_string());
        let id = request.operation.map_or(OperationId::OTHER, |operation| operation.id.as_str());
        let failed = request.status.filter(StatusCode::is_server_error);
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.request.method", method.map_or("_OTHER".into(), |method| method.to_owned().into())),
            ("url.scheme", request.scheme.into()),
            ("network.protocol.version", protocol_version(request.protocol).into()),
            ("parallax.operation_id", id.to_owned().into()),
        ];
        let mut add = |key, value: Option<Attribute>| attributes.extend(value.map(|value| (key, value)));
        add("http.route", route.clone().map(Attribute::from));
        add("http.response.status_code", request.status.map(|status| status.as_u16().into()));
        add("parallax.answered_by", request.answered_by.map(Attribute::from));
        add("parallax.check", request.check.map(|check| check.err().map_or("checked", Skip::as_str).into()));
        let error = failed.map(|status| status.as_str().to_owned().into());
        add("error.type", error.or(request.broken.map(Attribute::from)));
        self.record(Span {
            context: request.trace.own,
            parent: request.trace.parent,
            link: None,
            kind: Kind::Server,
            name: name(method, route.as_deref()),
            start: request.start,
            duration: request.duration,
            is_error: failed.is_some() || request.broken.is_some(),
            attributes,
        });
    }

    /// Records a request to a side.
    pub fn side(&self, request: &SideSpan<'_>) {
        let method = known_method(request.method, request.operation);
        let template = request.operation.map(|operation| template_on(operation, request.side));
        let address = self.address(request.side);
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.request.method", method.map_or("_OTHER".into(), |method| method.to_owned().into())),
            ("server.address", address.host.clone().into()),
            ("server.port", address.port.into()),
            ("parallax.side", request.side.as_str().into()),
        ];
        let mut add = |key, value: Option<Attribute>| attributes.extend(value.map(|value| (key, value)));
        add("url.template", template.clone().map(Attribute::from));
        add("parallax.shadow", request.is_copy.then_some(Attribute::Flag(true)));
        // For whoever asks, an error of its own making is one too.
        let error: Option<Attribute> = match request.answer {
            Ok(status) => {
                add("http.response.status_code", Some(status.as_u16().into()));
                let failed = status.is_client_error() || status.is_server_error();
                failed.then(|| status.as_str().to_owned().into())
            }
            Err(cause) => Some(cause.as_str().into()),
        };
        let is_error = error.is_some();
        add("error.type", error);
        self.record(Span {
            context: request.context,
            parent: request.parent,
            link: request.copy_of,
            kind: Kind::Client,
            name: name(method, template.as_deref()),
            start: request.start,
            duration: request.duration,
            is_error,
            attributes,
        });
    }
}

fn template_on(operation: &Operation, side: Side) -> String {
    let own = match side {
        Side::Candidate => operation.candidate_path.as_ref(),
        Side::Legacy => None,
    };
    own.unwrap_or(&operation.matcher.template).to_string()
}

/// The method and the route, as far as they are known.
fn name(method: Option<&str>, route: Option<&str>) -> String {
    let method = method.unwrap_or("HTTP");
    route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

fn protocol_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        // The type is open; nothing else is spoken here.
        _ => "1.1",
    }
}
