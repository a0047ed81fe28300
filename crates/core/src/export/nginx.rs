//! nginx: what stands in its `http` block, complete with a server.
//!
//! Everything is decided by maps over the path as the client wrote it. Locations would see it decoded
//! and with its slashes merged, so that an encoded slash would end a segment. `split_clients` has its
//! shares from the start of one range, so that a larger share keeps those that were in a smaller one.

use std::fmt::Write as _;

use super::notes::{Exported, Notes};
use super::path::{self, Part, Rewrite};
use super::plan::{ClientKey, HostPolicy, PresentPlan, Service};
use super::planned::{Answers, Planned, planned};
use crate::exchange::Side;
use crate::ratio::Ratio;

/// The plan as a file for nginx's `http` block.
#[must_use]
pub fn nginx(plan: &PresentPlan) -> Exported {
    let mut notes = Notes::default();
    notes.common("nginx", plan);
    notes.add("nginx puts clients into other buckets than parallax (its own hash): a client may be on another side here, always the same one, and a larger share moves nobody back");
    if plan.is_tls {
        notes.add("parallax speaks TLS to clients: add `ssl` to `listen` and the certificate to `server`");
    }
    if plan.legacy.is_http2 || plan.candidate.is_http2 {
        notes
            .add("a side is spoken to in HTTP/2 only, which nginx does not do (grpc_pass is for gRPC alone)");
    }
    let mut operations = planned(plan, &mut notes);
    let key = key(plan, &mut notes);
    for operation in &mut operations {
        limits(operation, key.is_some(), &mut notes);
    }
    let file = File { plan, operations: &operations, key: key.as_deref() };
    let body =
        [file.upstreams(), file.routes(), file.clients(), file.answers(), file.targets(), file.server()];
    notes.finish("#", "nginx", &body.concat(), None)
}

fn limits(operation: &mut Planned<'_>, has_key: bool, notes: &mut Notes) {
    let Answers::Share(share) = operation.answers else { return };
    if !has_key {
        operation.give_up(notes, "nginx cannot read the header under `sticky`");
    } else if !share.ratio().ppm().is_multiple_of(100) {
        notes.of(&operation.route.id, "nginx knows shares down to 0.01%; this one is rounded down");
    }
}

/// What defines `$plx_key`, the client's key: empty where it has none. None where nginx cannot tell.
fn key(plan: &PresentPlan, notes: &mut Notes) -> Option<String> {
    match &plan.client_key {
        ClientKey::Address => Some("map $remote_addr $plx_key { default $remote_addr; }\n".to_owned()),
        ClientKey::Cookie(name) => {
            // The first that has a value, wherever it stands among the cookies.
            let name = path::literal(name);
            let cookie = quoted(&format!("~(?:^|;)[ \t]*{name}=(?<plx_cookie>[^;]*[^; \t])"));
            Some(format!("map $http_cookie $plx_key {{\n    {cookie} $plx_cookie;\n    default \"\";\n}}\n"))
        }
        ClientKey::Header(name) => {
            let is_variable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !name.as_str().bytes().all(is_variable) {
                return None;
            }
            if name.as_str().contains('_') {
                notes.add("a header with `_` is read because of `underscores_in_headers`, in nginx's default server only");
            }
            let variable = format!("$http_{}", name.as_str().replace('-', "_"));
            Some(format!("map {variable} $plx_key {{ default {variable}; }}\n"))
        }
    }
}

struct File<'a> {
    plan: &'a PresentPlan,
    operations: &'a [Planned<'a>],
    key: Option<&'a str>,
}

impl File<'_> {
    fn upstreams(&self) -> String {
        let mut text = String::new();
        for (name, side) in self.sides() {
            let address = side.address();
            let _ = writeln!(text, "upstream plx_{name} {{\n    server {address};\n    keepalive 32;\n}}");
        }
        text + "\n"
    }

    fn routes(&self) -> String {
        let mut text = format!(
            "# The operation of a request, by its path as the client wrote it. The first that fits counts;\n\
             # a path with dot segments is of none.\n\
             map $request_uri $plx_path {{\n    {} $plx_raw;\n    default \"\";\n}}\n\
             map \"$request_method $plx_path\" $plx_route {{\n    {} \"\";\n",
            quoted("~^(?<plx_raw>/[^?]*)"),
            quoted(&format!("~{}", path::DOT_SEGMENT)),
        );
        for (index, operation) in self.operations.iter().enumerate() {
            let methods =
                operation.route.methods().iter().map(|method| path::literal(method)).collect::<Vec<_>>();
            let named = |number: usize| format!("(?<plx_r{index}_{number}>");
            let path = match &operation.rewrite {
                Rewrite::Parts(_) => path::expression(&operation.route.template, named),
                Rewrite::Same | Rewrite::Unsafe => path::expression(&operation.route.template, path::unkept),
            };
            let key = quoted(&format!("~^(?:{}) {path}$", methods.join("|")));
            let _ = writeln!(text, "    {key} r{index}; # {}", operation.title());
        }
        text + "    default \"\";\n}\n\n"
    }

    fn clients(&self) -> String {
        let Some(key) = self.key.filter(|_| self.shares().next().is_some()) else { return String::new() };
        let mut text = format!(
            "# The client's key, and its side in each operation in canary. Without a key legacy answers.\n{key}"
        );
        for (index, operation, share) in self.shares() {
            let percent = match share.ppm() / 100 {
                0 => String::new(),
                hundredths => format!("{}.{:02}% candidate; ", hundredths / 100, hundredths % 100),
            };
            let id = &operation.route.id;
            let _ =
                writeln!(text, "split_clients $plx_key $plx_split_{index} {{ {percent}* legacy; }} # {id}");
            let _ = writeln!(
                text,
                "map $plx_key $plx_canary_{index} {{ \"\" legacy; default $plx_split_{index}; }}"
            );
        }
        text + "\n"
    }

    fn shares(&self) -> impl Iterator<Item = (usize, &Planned<'_>, Ratio)> {
        self.operations.iter().enumerate().filter_map(|(index, operation)| match operation.answers {
            Answers::Share(share) => Some((index, operation, share.ratio())),
            Answers::Legacy | Answers::Candidate => None,
        })
    }

    fn answers(&self) -> String {
        let mut text = "map $plx_route $plx_answers {\n".to_owned();
        for (index, operation) in self.operations.iter().enumerate() {
            let answers = match operation.answers {
                Answers::Legacy if self.plan.other == Side::Legacy => continue,
                Answers::Legacy => "legacy".to_owned(),
                Answers::Share(_) => format!("$plx_canary_{index}"),
                Answers::Candidate => "candidate".to_owned(),
            };
            let _ = writeln!(text, "    r{index} {answers}; # {}", operation.route.id);
        }
        text + &format!("    default {};\n}}\n", self.plan.other)
    }

    /// Where a request goes. A URL without a path lets it through as it came.
    fn targets(&self) -> String {
        let mut text = String::new();
        if self.needs_dollar() {
            text.push_str("geo $plx_dollar { default \"$\"; }\n");
        }
        text.push_str("map \"$plx_answers $plx_route\" $plx_target {\n");
        let (legacy, candidate) = (&self.plan.legacy, &self.plan.candidate);
        for (index, operation) in self.operations.iter().enumerate() {
            let Rewrite::Parts(parts) = &operation.rewrite else { continue };
            let mut path = literal(&candidate.base_path);
            for part in parts {
                match part {
                    Part::Text(text) => path.push_str(&literal(text)),
                    Part::Value(number) => path.push_str(&format!("${{plx_r{index}_{number}}}")),
                }
            }
            let url = format!("\"{}://plx_candidate{path}$is_args$args\"", candidate.scheme());
            let _ = writeln!(text, "    \"candidate r{index}\" {url}; # {}", operation.route.id);
        }
        let whole = |name: &str, side: &Service| match side.base_path.as_str() {
            "" => format!("\"{}://plx_{name}\"", side.scheme()),
            base => format!("\"{}://plx_{name}{}$request_uri\"", side.scheme(), literal(base)),
        };
        let _ = writeln!(text, "    \"~^candidate \" {};", whole("candidate", candidate));
        let _ = writeln!(text, "    default {};\n}}", whole("legacy", legacy));
        let host = |side: &Service| match &side.host_policy {
            HostPolicy::Preserve => "$http_host".to_owned(),
            HostPolicy::Upstream => quoted(&side.authority),
            HostPolicy::Name(name) => quoted(name),
        };
        let mut by_side = |variable: &str, candidate: String, legacy: String| {
            let _ =
                writeln!(text, "map $plx_answers {variable} {{ candidate {candidate}; default {legacy}; }}");
        };
        by_side("$plx_host", host(candidate), host(legacy));
        by_side("$plx_tls_name", quoted(&candidate.host), quoted(&legacy.host));
        text + "map $http_upgrade $plx_connection { \"\" \"\"; default upgrade; }\n\n"
    }

    fn needs_dollar(&self) -> bool {
        let mut texts = vec![self.plan.legacy.base_path.as_str(), &self.plan.candidate.base_path];
        for operation in self.operations {
            if let Rewrite::Parts(parts) = &operation.rewrite {
                texts.extend(parts.iter().filter_map(|part| match part {
                    Part::Text(text) => Some(*text),
                    Part::Value(_) => None,
                }));
            }
        }
        texts.iter().any(|text| text.contains('$'))
    }

    fn server(&self) -> String {
        let mut text = format!("server {{\n    listen {};\n", self.plan.listen);
        let client_key = &self.plan.client_key;
        if *client_key == ClientKey::Address && !self.plan.trusted_proxies.is_empty() {
            for network in &self.plan.trusted_proxies {
                let _ = writeln!(text, "    set_real_ip_from {network};");
            }
            text.push_str("    real_ip_header X-Forwarded-For;\n    real_ip_recursive on;\n");
        }
        if matches!(client_key, ClientKey::Header(name) if name.as_str().contains('_')) {
            text.push_str("    underscores_in_headers on;\n");
        }
        text.push_str(
            "    client_max_body_size 0;\n    \
             location / {\n        \
             proxy_pass $plx_target;\n        \
             proxy_http_version 1.1;\n        \
             proxy_set_header Host $plx_host;\n        \
             proxy_set_header Upgrade $http_upgrade;\n        \
             proxy_set_header Connection $plx_connection;\n",
        );
        if self.sides().iter().any(|(_, side)| side.is_tls) {
            text.push_str(
                "        proxy_ssl_server_name on;\n        \
                 proxy_ssl_name $plx_tls_name;\n        \
                 proxy_ssl_verify on;\n        \
                 proxy_ssl_verify_depth 4;\n        \
                 # Debian's place of the system's authorities.\n        \
                 proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;\n",
            );
        }
        text + "    }\n}\n"
    }

    fn sides(&self) -> [(&'static str, &Service); 2] {
        [("legacy", &self.plan.legacy), ("candidate", &self.plan.candidate)]
    }
}

/// A piece of a path within a quoted value, where `$` begins a variable.
fn literal(text: &str) -> String {
    text.replace('$', "${plx_dollar}")
}

/// A text in quotes. What comes here has neither quotes nor backslashes of its own, but for those of an
/// expression, which nginx leaves alone before an `x`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
