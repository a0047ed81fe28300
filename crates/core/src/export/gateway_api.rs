//! The Gateway API of Kubernetes: an HTTPRoute for each operation, because one may have sixteen rules at
//! most, and one for the rest.
//!
//! Its weights draw lots for each request; there is nothing in the standard that keeps a client on a
//! side, and nothing that makes a path of parts of another.

use std::fmt::Write as _;

use super::notes::{Exported, Notes};
use super::path::{self, Part, Rewrite};
use super::plan::{HostPolicy, PresentPlan, Service};
use super::planned::{Answers, Planned, planned};
use super::yaml::text;
use crate::ratio::Ratio;

/// The methods that the standard knows.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
/// Most bytes of a path in a match.
const LONGEST_PATH: usize = 1024;

/// The plan as HTTPRoutes.
#[must_use]
pub fn gateway_api(plan: &PresentPlan) -> Exported {
    let mut notes = Notes::default();
    notes.common("the Gateway", plan);
    notes.add("put your Gateway in place of `gateway` under `parentRefs`");
    for (name, side) in [("legacy", &plan.legacy), ("candidate", &plan.candidate)] {
        if Backend::named(side).is_none() {
            notes.add(format!(
                "{} is no Service of the cluster: the Service `{name}` has to lead there",
                side.authority
            ));
        }
        if side.is_tls {
            notes.add(format!("{name} is reached through TLS: that is a BackendTLSPolicy for its Service"));
        }
    }
    let mut operations = planned(plan, &mut notes);
    for operation in &mut operations {
        limits(operation, plan, &mut notes);
    }
    if operations.iter().any(|operation| matches!(operation.answers, Answers::Share(_))) {
        notes.add("weights draw lots for each request: a client in canary changes sides, unless your Gateway keeps its sessions (`sessionPersistence` is experimental), and clients without a key are drawn too");
    }
    if operations.iter().any(|operation| operation.route.template.parameters().next().is_some()) {
        notes.add("paths with parameters are of type RegularExpression, which a Gateway need not support, and whose precedence is its own");
    }
    let routes: Vec<String> = operations
        .iter()
        .filter(|operation| is_known(operation))
        .map(|operation| route(plan, operation))
        .collect();
    let (other_name, other_side) = plan.other();
    let base = match other_side.base_path.as_str() {
        "" => String::new(),
        base => format!("{{type: ReplacePrefixMatch, replacePrefixMatch: {}}}", text(base)),
    };
    let other = format!(
        "{}  - matches:\n    - path: {{type: PathPrefix, value: '/'}}\n    backendRefs:\n{}",
        head("plx-other"),
        backend(plan, other_name, 1, &base)
    );
    let body: String = routes.into_iter().map(|route| route + "---\n").collect();
    notes.finish("#", "the Gateway API", &format!("{body}# Requests of no operation.\n{other}"), None)
}

fn is_known(operation: &Planned<'_>) -> bool {
    METHODS.contains(&operation.route.method.as_str()) && path_match(operation).1.len() <= LONGEST_PATH
}

fn limits(operation: &mut Planned<'_>, plan: &PresentPlan, notes: &mut Notes) {
    let id = &operation.route.id;
    if !is_known(operation) {
        operation.give_up(notes, "the Gateway API does not know its method, or its path is too long");
    } else if full_path(operation, CANDIDATE, plan) == FullPath::OfParts {
        operation.give_up(
            notes,
            "the Gateway API cannot make a path of parts of another (`candidate_path`, or a path in the candidate's URL)",
        );
    }
    if operation.answers != Answers::Candidate && full_path(operation, LEGACY, plan) == FullPath::OfParts {
        notes.of(id, "the path in legacy's URL cannot be put before its paths: the Service has to do it");
    }
    if matches!(operation.answers, Answers::Share(_)) {
        let is_set = |side| matches!(full_path(operation, side, plan), FullPath::Set(_));
        if is_set(CANDIDATE) || is_set(LEGACY) {
            notes.of(id, "filters of a backend set its path, which a Gateway need not support");
        }
    }
}

const LEGACY: &str = "legacy";
const CANDIDATE: &str = "candidate";

/// A side's path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FullPath {
    /// As it came.
    AsItCame,
    /// This one.
    Set(String),
    /// Another one, with parts of the one that came.
    OfParts,
}

fn full_path(operation: &Planned<'_>, side: &str, plan: &PresentPlan) -> FullPath {
    let base = if side == LEGACY { &plan.legacy.base_path } else { &plan.candidate.base_path };
    let template = &operation.route.template;
    match &operation.rewrite {
        Rewrite::Parts(parts) if side == CANDIDATE => {
            let mut path = base.clone();
            for part in parts {
                match part {
                    Part::Text(text) => path.push_str(text),
                    Part::Value(_) => return FullPath::OfParts,
                }
            }
            FullPath::Set(path)
        }
        Rewrite::Parts(_) | Rewrite::Same | Rewrite::Unsafe => {
            if base.is_empty() {
                FullPath::AsItCame
            } else if template.parameters().next().is_none() {
                FullPath::Set(format!("{base}{template}"))
            } else {
                FullPath::OfParts
            }
        }
    }
}

fn path_match(operation: &Planned<'_>) -> (&'static str, String) {
    let template = &operation.route.template;
    let is_exact = template.parameters().next().is_none() && !template.to_string().contains('%');
    if is_exact {
        ("Exact", template.to_string())
    } else {
        ("RegularExpression", path::expression(template, path::unkept))
    }
}

fn route(plan: &PresentPlan, operation: &Planned<'_>) -> String {
    let mut out =
        format!("# {}\n{}  - matches:\n", operation.title(), head(&name(operation.route.id.as_str())));
    let (kind, path) = path_match(operation);
    for method in operation.route.methods() {
        let _ = writeln!(out, "    - method: {method}\n      path: {{type: {kind}, value: {}}}", text(&path));
    }
    let weights = match operation.answers {
        Answers::Legacy => vec![(LEGACY, 1)],
        Answers::Candidate => vec![(CANDIDATE, 1)],
        Answers::Share(share) => {
            let share = share.ratio().ppm();
            vec![(CANDIDATE, share), (LEGACY, Ratio::ONE.ppm() - share)]
        }
    };
    out.push_str("    backendRefs:\n");
    for (name, weight) in weights {
        let path = match full_path(operation, name, plan) {
            FullPath::Set(path) => format!("{{type: ReplaceFullPath, replaceFullPath: {}}}", text(&path)),
            FullPath::AsItCame | FullPath::OfParts => String::new(),
        };
        out.push_str(&backend(plan, name, weight, &path));
    }
    out
}

/// A backend, with the path that it gets; empty: the one that came.
fn backend(plan: &PresentPlan, name: &str, weight: u32, path: &str) -> String {
    let side = if name == LEGACY { &plan.legacy } else { &plan.candidate };
    let service = Backend::named(side);
    let service_name = service.as_ref().map_or(name, |service| &service.name);
    let mut out =
        format!("    - name: {}\n      port: {}\n      weight: {weight}\n", text(service_name), side.port);
    if let Some(namespace) = service.as_ref().and_then(|service| service.namespace.as_deref()) {
        let _ = writeln!(out, "      namespace: {}", text(namespace));
    }
    let host = match &side.host_policy {
        HostPolicy::Preserve => None,
        HostPolicy::Upstream => Some(side.host.as_str()),
        // The standard has no port here.
        HostPolicy::Name(name) => name.split(':').next(),
    };
    if host.is_some() || !path.is_empty() {
        out.push_str("      filters:\n      - type: URLRewrite\n        urlRewrite:\n");
    }
    if let Some(host) = host {
        let _ = writeln!(out, "          hostname: {}", text(host));
    }
    if !path.is_empty() {
        let _ = writeln!(out, "          path: {path}");
    }
    out
}

fn head(name: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: {}\nspec:\n  \
         parentRefs:\n  - name: gateway\n  rules:\n",
        text(name)
    )
}

/// A name that an object may have (RFC 1123): small letters, digits and `-`. Where that is not enough to
/// tell operations apart, a number made of the whole id is added.
fn name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let written: String = id.chars().map(|c| plain(c.to_ascii_lowercase())).collect();
    if written == id && id != "other" && !id.ends_with('-') {
        return format!("plx-{id}");
    }
    let number = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
    format!("plx-{}-{number:016x}", written.trim_matches('-')).replace("--", "-")
}

/// A Service of the cluster.
struct Backend {
    name: String,
    namespace: Option<String>,
}

impl Backend {
    /// The Service that a side's host names: `name`, or `name.namespace.svc` and what may follow.
    fn named(side: &Service) -> Option<Self> {
        let labels: Vec<&str> = side.host.split('.').collect();
        let is_label = |label: &str| {
            label.starts_with(|c: char| c.is_ascii_lowercase())
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        match labels.as_slice() {
            ["localhost"] => None,
            [name] if is_label(name) => Some(Self { name: (*name).to_owned(), namespace: None }),
            [name, namespace, "svc", ..] if is_label(name) && is_label(namespace) => {
                Some(Self { name: (*name).to_owned(), namespace: Some((*namespace).to_owned()) })
            }
            _ => None,
        }
    }
}
