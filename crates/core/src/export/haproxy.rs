//! HAProxy: a frontend and two backends, and a map with the share of every operation, which can be
//! changed while it runs.
//!
//! HAProxy has the hash that parallax has, and integers of 64 bits, so a client is in the same bucket
//! here: whoever is on the candidate in parallax is on the candidate in HAProxy.

use std::fmt::Write as _;

use super::notes::{Exported, Notes};
use super::path::{self, Part, Rewrite};
use super::plan::{ClientKey, HostPolicy, PresentPlan, Service};
use super::planned::{Answers, Planned, planned};
use crate::exchange::Side;

/// The bucket of clients without a key: above those that have one, and below [`EVERYBODY`].
const NO_KEY: u32 = 1_000_000;
/// The share of an operation whose clients are all answered by the candidate, with or without a key.
const EVERYBODY: u32 = 1_000_001;

/// The plan as a configuration file for HAProxy that reads the shares from `shares_file`; they are in
/// [`Exported::beside`].
#[must_use]
pub fn haproxy(plan: &PresentPlan, shares_file: &str) -> Exported {
    let mut notes = Notes::default();
    notes.common("HAProxy", plan);
    if plan.is_tls {
        notes.add("parallax speaks TLS to clients: add `ssl crt FILE alpn h2,http/1.1` to `bind`");
    }
    if plan.client_key == ClientKey::Address && !plan.trusted_proxies.is_empty() {
        notes.add("of X-Forwarded-For HAProxy takes the last address, also where that is a trusted proxy's");
    }
    let mut operations = planned(plan, &mut notes);
    if matches!(&plan.client_key, ClientKey::Cookie(name) if name.contains('\'')) {
        for operation in &mut operations {
            if let Answers::Share(_) = operation.answers {
                operation.give_up(&mut notes, "HAProxy cannot write a cookie's name with a quote in it");
            }
        }
    }
    for operation in operations.iter_mut().filter(|operation| operation.has_a_tenth_value()) {
        operation.give_up(&mut notes, "HAProxy cannot name the tenth value of a path in another one");
    }
    let file = File { plan, operations: &operations, shares_file };
    let body = [file.how_to_change(), file.frontend(), file.backends()].concat();
    notes.finish("#", "HAProxy", &body, Some(file.shares()))
}

struct File<'a> {
    plan: &'a PresentPlan,
    operations: &'a [Planned<'a>],
    shares_file: &'a str,
}

impl File<'_> {
    /// The shares in millionths. `#` begins a comment in a map.
    fn shares(&self) -> String {
        let mut text = format!(
            "# Millionths of the clients that the candidate answers; {EVERYBODY}: all, also without a key.\n"
        );
        for operation in self.operations {
            let share = match operation.answers {
                Answers::Legacy => 0,
                Answers::Share(share) => share.ratio().ppm(),
                Answers::Candidate => EVERYBODY,
            };
            let _ = writeln!(text, "{} {share}", operation.route.id);
        }
        text
    }

    fn how_to_change(&self) -> String {
        let in_canary =
            self.operations.iter().find(|operation| matches!(operation.answers, Answers::Share(_)));
        let example = in_canary.or(self.operations.first());
        let example = example.map_or("ID", |operation| operation.route.id.as_str());
        let file = one_line(self.shares_file);
        format!(
            "# The shares are in {file}, in millionths of the clients; {EVERYBODY} is all of them, also\n\
             # those without a key. To change one while HAProxy runs, with `stats socket PATH level admin` in\n\
             # `global`, and after a restart from the file:\n\
             #   echo \"set map {file} {example} 50000\" | socat stdio PATH\n\n"
        )
    }

    fn frontend(&self) -> String {
        let mut text = format!(
            "# The timeouts are yours to choose.\ndefaults parallax\n    mode http\n    timeout connect 5s\n    timeout client 1m\n    timeout server 1m\n\n\
             frontend parallax from parallax\n    bind {}\n",
            self.plan.listen
        );
        if self.plan.client_key == ClientKey::Address {
            for network in &self.plan.trusted_proxies {
                let _ = writeln!(
                    text,
                    "    http-request set-src req.hdr(x-forwarded-for,-1) if {{ src {network} }} {{ req.hdr(x-forwarded-for) -m found }}"
                );
            }
        }
        let dots = word(path::DOT_SEGMENT);
        let _ = write!(
            text,
            "    # The operation of a request, by its path as the client wrote it. The first that fits counts;\n    \
             # a path with dot segments is of none.\n    \
             http-request set-var(txn.plx_op) str(other) if {{ path -m reg {dots} }}\n"
        );
        for operation in self.operations {
            let path = path::expression(&operation.route.template, path::unkept);
            let _ = writeln!(text, "    # {}", operation.title());
            let _ = writeln!(
                text,
                "    http-request set-var(txn.plx_op) str({}) if !{{ var(txn.plx_op) -m found }} {{ method -m str {} }} {{ path -m reg {} }}",
                operation.route.id,
                operation.route.methods().iter().map(|method| word(method)).collect::<Vec<_>>().join(" "),
                word(&format!("^{path}$")),
            );
        }
        text + &self.side()
    }

    /// The client's bucket, from 0 to 999,999 as in parallax, against the operation's share.
    fn side(&self) -> String {
        // An address is hashed as text, as parallax does.
        let (key, cast, is_there) = match &self.plan.client_key {
            ClientKey::Address => ("src".to_owned(), "concat(),", "-m found"),
            ClientKey::Cookie(name) if name.contains('\'') => ("bool(0)".to_owned(), "", "-m len gt 1"),
            ClientKey::Cookie(name) => (format!("req.cook({name})"), "", "-m len gt 0"),
            ClientKey::Header(name) => (format!("req.fhdr({name},1)"), "", "-m len gt 0"),
        };
        // The hash has 64 bits and a sign here: the sign is turned, and the upper half taken.
        let seed = self.plan.seed.cast_signed();
        let bucket = format!(
            "{key},{cast}xxh3({seed}),xor(-9223372036854775808),and(-4294967296),div(4294967296),add(2147483648),mul(1000000),div(4294967296)"
        );
        format!(
            "    # The client's bucket, the same as in parallax, against the operation's share.\n    \
             http-request set-var(txn.plx_bucket) int({NO_KEY})\n    \
             http-request set-var(txn.plx_bucket) {} if {{ {} {is_there} }}\n    \
             http-request set-var(txn.plx_share) {}\n    \
             http-request set-var(txn.plx_beyond) var(txn.plx_bucket),sub(txn.plx_share)\n    \
             use_backend plx_candidate if {{ var(txn.plx_beyond) -m int lt 0 }}\n{}    \
             default_backend plx_legacy\n\n",
            word(&bucket),
            word(&key),
            word(&format!("var(txn.plx_op),map_str_int({},0)", one_line(self.shares_file))),
            self.other(),
        )
    }

    /// Requests of no operation, where the candidate answers them.
    fn other(&self) -> &'static str {
        match self.plan.other {
            Side::Legacy => "",
            Side::Candidate => {
                "    use_backend plx_candidate if !{ var(txn.plx_op) -m found } or { var(txn.plx_op) -m str other }\n"
            }
        }
    }

    fn backends(&self) -> String {
        let mut text = self.backend("legacy", &self.plan.legacy, "");
        let mut rewrites = String::new();
        for operation in self.operations {
            let Rewrite::Parts(parts) = &operation.rewrite else { continue };
            let path = path::expression(&operation.route.template, path::kept);
            let part = |part: &Part<'_>| match part {
                Part::Text(text) => literal(text),
                Part::Value(number) => format!("\\{}", number + 1),
            };
            let _ = writeln!(
                rewrites,
                "    http-request replace-path {} {} if {{ var(txn.plx_op) -m str {} }}",
                word(&format!("^{path}$")),
                word(&parts.iter().map(part).collect::<String>()),
                operation.route.id,
            );
        }
        text.push('\n');
        text + &self.backend("candidate", &self.plan.candidate, &rewrites)
    }

    fn backend(&self, name: &str, side: &Service, rewrites: &str) -> String {
        let mut text = format!("backend plx_{name} from parallax\n{rewrites}");
        match side.base_path.as_str() {
            "" => {}
            base => {
                let path = word(&format!("{}%[path]", literal(base)));
                let _ = writeln!(text, "    http-request set-path {path}");
            }
        }
        let host = match &side.host_policy {
            HostPolicy::Preserve => None,
            HostPolicy::Upstream => Some(&side.authority),
            HostPolicy::Name(name) => Some(name),
        };
        if let Some(host) = host {
            let _ = writeln!(text, "    http-request set-header Host {}", word(&literal(host)));
        }
        let mut server = format!("    server {name} {} init-addr last,libc,none", side.address());
        if side.is_tls {
            let host = &side.host;
            server.push_str(&format!(" ssl verify required ca-file @system-ca verifyhost {host}"));
            // An address is no server name (RFC 6066 section 3).
            if !host.contains(':') && !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                server.push_str(&format!(" sni str({host})"));
            }
        }
        if side.is_http2 {
            server.push_str(if side.is_tls { " alpn h2" } else { " proto h2" });
        }
        text + &server + "\n"
    }
}

/// A piece of a path in a format, where `%` begins a variable.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word in strong quotes, in which nothing means anything.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

/// A file's name comes from the command line, and must not begin a line of its own.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "_")
}
