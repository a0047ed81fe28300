//! Envoy: a route configuration, as Envoy watches it in a file (`rds` with a `path_config_source`).
//!
//! Weighted clusters are picked by the hash of the client's key, with the candidate first, so that a
//! larger share moves nobody back. Envoy has one path for all clusters of a route: where the candidate's
//! path is another one, there is no canary.

use std::fmt::Write as _;

use super::notes::{Exported, Notes};
use super::path::{self, Part, Rewrite};
use super::plan::{ClientKey, HostPolicy, PresentPlan, Service};
use super::planned::{Answers, Planned, planned};
use super::yaml::text;
use crate::ratio::Ratio;

/// The plan as a route configuration for Envoy.
#[must_use]
pub fn envoy(plan: &PresentPlan) -> Exported {
    let mut notes = Notes::default();
    notes.common("Envoy", plan);
    notes.add(format!(
        "the clusters `legacy` ({}) and `candidate` ({}) have to be there, with TLS where the URL is https and HTTP/2 where the side speaks nothing else",
        plan.legacy.address(),
        plan.candidate.address(),
    ));
    notes.add("paths are matched as they come: leave `normalize_path` and `merge_slashes` off, as they are");
    let mut operations = planned(plan, &mut notes);
    for operation in &mut operations {
        limits(operation, plan, &mut notes);
    }
    if operations.iter().any(|operation| matches!(operation.answers, Answers::Share(_))) {
        notes.add("shares are sticky through `use_hash_policy`, which Envoy has since 1.36 (older ones refuse the file); its hash is not that of parallax, so a client may be on another side here");
        if plan.client_key == ClientKey::Address {
            notes.add("the client's address is the connection's, or what `xff_num_trusted_hops` makes of it");
        }
    }
    let mut body = "resources:\n- '@type': type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n  \
        name: parallax\n  virtual_hosts:\n  - name: parallax\n    domains: ['*']\n    routes:\n"
        .to_owned();
    body.push_str("    # A path with dot segments is of no operation.\n");
    let nothing = Route { name: "other-dots", matcher: vec![], path: None };
    let (cluster, other_side) = plan.other();
    body.push_str(&nothing.to(other_side, cluster, None));
    for operation in &operations {
        body.push_str(&routes(plan, operation));
    }
    body.push_str("    # Requests of no operation.\n");
    let other = Route { name: "other", matcher: vec![], path: Some(".*".to_owned()) };
    body.push_str(&other.to(other_side, cluster, None));
    notes.finish("#", "Envoy", &body, None)
}

fn limits(operation: &mut Planned<'_>, plan: &PresentPlan, notes: &mut Notes) {
    if operation.has_a_tenth_value() {
        operation.give_up(notes, "Envoy cannot name the tenth value of a path in another one");
    }
    let has_other_path =
        operation.rewrite != Rewrite::Same || plan.legacy.base_path != plan.candidate.base_path;
    if matches!(operation.answers, Answers::Share(_)) && has_other_path {
        operation.give_up(
            notes,
            "Envoy has one path for all clusters of a route, and the candidate's is another one (`candidate_path` or the URL's); there is no canary with it",
        );
    }
}

/// The routes of an operation, in the order in which Envoy tries them.
fn routes(plan: &PresentPlan, operation: &Planned<'_>) -> String {
    let mut out = format!("    # {}\n", operation.title());
    let template = &operation.route.template;
    let methods = operation.route.methods().iter().map(|method| path::literal(method)).collect::<Vec<_>>();
    let method = Header { name: ":method", expression: methods.join("|") };
    let plain = Route {
        name: operation.route.id.as_str(),
        matcher: vec![method.clone()],
        path: Some(path::expression(template, path::kept)),
    };
    match operation.answers {
        Answers::Legacy => out.push_str(&plain.to(&plan.legacy, "legacy", None)),
        Answers::Candidate => {
            out.push_str(&plain.to(&plan.candidate, "candidate", Some(&operation.rewrite)));
        }
        Answers::Share(share) => {
            let mut with_key = Route { matcher: vec![method], ..plain.clone() };
            with_key.matcher.extend(key(&plan.client_key));
            out.push_str(&with_key.split(plan, share.ratio()));
            if plan.client_key != ClientKey::Address {
                out.push_str(&plain.to(&plan.legacy, "legacy", None));
            }
        }
    }
    out
}

#[derive(Clone)]
struct Header<'a> {
    name: &'a str,
    expression: String,
}

/// Whoever has a key. Without one legacy answers.
fn key(key: &ClientKey) -> Option<Header<'_>> {
    match key {
        ClientKey::Address => None,
        ClientKey::Cookie(name) => {
            let expression = format!("(.*;)?[ \\t]*{}=[^;]*[^; \\t].*", path::literal(name));
            Some(Header { name: "cookie", expression })
        }
        ClientKey::Header(name) => Some(Header { name: name.as_str(), expression: ".+".to_owned() }),
    }
}

#[derive(Clone)]
struct Route<'a> {
    name: &'a str,
    matcher: Vec<Header<'a>>,
    /// None: every path with a dot segment.
    path: Option<String>,
}

impl Route<'_> {
    fn head(&self) -> String {
        let path = self.path.clone().unwrap_or_else(|| format!(".*{}.*", path::DOT_SEGMENT));
        let mut out = format!(
            "    - name: {}\n      match:\n        safe_regex: {{regex: {}}}\n",
            text(self.name),
            text(&path)
        );
        if !self.matcher.is_empty() {
            out.push_str("        headers:\n");
        }
        for Header { name, expression } in &self.matcher {
            let (name, expression) = (text(name), text(expression));
            let _ = writeln!(
                out,
                "        - {{name: {name}, string_match: {{safe_regex: {{regex: {expression}}}}}}}"
            );
        }
        out + "      route:\n        timeout: 0s\n"
    }

    fn to(&self, side: &Service, cluster: &str, rewrite: Option<&Rewrite<'_>>) -> String {
        let mut out = self.head();
        let _ = writeln!(out, "        cluster: {cluster}");
        if let Some(host) = host(side) {
            let _ = writeln!(out, "        host_rewrite_literal: {host}");
        }
        out + &self.set_path(side, rewrite)
    }

    fn split(&self, plan: &PresentPlan, share: Ratio) -> String {
        let mut out = self.head();
        let policy = match &plan.client_key {
            ClientKey::Address => "connection_properties: {source_ip: true}".to_owned(),
            ClientKey::Cookie(name) => format!("cookie: {{name: {}}}", text(name)),
            ClientKey::Header(name) => format!("header: {{header_name: {}}}", text(name.as_str())),
        };
        let _ = writeln!(out, "        hash_policy:\n        - {policy}");
        out.push_str("        weighted_clusters:\n          use_hash_policy: true\n          clusters:\n");
        let candidate = share.ppm();
        let sides = [
            ("candidate", &plan.candidate, candidate),
            ("legacy", &plan.legacy, Ratio::ONE.ppm() - candidate),
        ];
        for (cluster, side, weight) in sides {
            let host = host(side).map_or(String::new(), |host| format!(", host_rewrite_literal: {host}"));
            let _ = writeln!(out, "          - {{name: {cluster}, weight: {weight}{host}}}");
        }
        // Both sides have the same base path here.
        out + &self.set_path(&plan.candidate, None)
    }

    fn set_path(&self, side: &Service, rewrite: Option<&Rewrite<'_>>) -> String {
        let (expression, path) = match (rewrite, &self.path) {
            (Some(Rewrite::Parts(parts)), Some(expression)) => {
                let part = |part: &Part<'_>| match part {
                    Part::Text(text) => (*text).to_owned(),
                    Part::Value(number) => format!("\\{}", number + 1),
                };
                (expression.as_str(), parts.iter().map(part).collect::<String>())
            }
            _ if side.base_path.is_empty() => return String::new(),
            _ => ("(.*)", "\\1".to_owned()),
        };
        format!(
            "        regex_rewrite:\n          pattern: {{regex: {}}}\n          substitution: {}\n",
            text(&format!("^{expression}$")),
            text(&format!("{}{path}", side.base_path)),
        )
    }
}

fn host(side: &Service) -> Option<String> {
    match &side.host_policy {
        HostPolicy::Preserve => None,
        HostPolicy::Upstream => Some(text(&side.authority)),
        HostPolicy::Name(name) => Some(text(name)),
    }
}
