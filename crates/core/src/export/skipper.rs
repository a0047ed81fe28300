//! Skipper: one route a line, in eskip.
//!
//! Skipper cannot hash a client's key, so in canary it draws lots and writes the outcome into cookies.
//! A client on the candidate keeps one that no later step looks behind, so that a larger share moves
//! nobody back; a client that drew legacy keeps one that is named after the step, so that the next step
//! draws again. The syntax and these facts were checked against Skipper's own parser and sources.

use super::notes::{Exported, Notes};
use super::path::{self, Part, Rewrite};
use super::plan::{HostPolicy, PresentPlan, Service};
use super::planned::{Answers, Planned, planned};
use crate::ratio::Ratio;
use crate::template::{Piece, Segment, Template};

/// How long a client's group is kept, in seconds: a week.
const GROUP_S: u32 = 604_800;

/// The plan as routes for Skipper.
#[must_use]
pub fn skipper(plan: &PresentPlan) -> Exported {
    let mut notes = Notes::default();
    notes.common("Skipper", plan);
    notes.add("Skipper matches decoded and cleaned paths: an encoded slash is a slash there, `//` is `/`");
    if plan.legacy.is_http2 || plan.candidate.is_http2 {
        notes.add("a side is spoken to in HTTP/2 only, which Skipper does not do without TLS");
    }
    let mut operations = planned(plan, &mut notes);
    for operation in &mut operations {
        limits(operation, &plan.candidate, &mut notes);
    }
    if plan.legacy.base_path.contains('%') {
        notes.add("Skipper encodes paths itself, and the path in legacy's URL has an encoded byte: it arrives encoded twice");
    }
    if operations.iter().any(|operation| matches!(operation.answers, Answers::Share(_))) {
        notes.add(
            "in canary Skipper draws lots for each operation and keeps the outcome in cookies (plx_…), not by the key under `sticky`: a client may be on another side than in parallax, and on both in two operations; one without cookies changes sides; a smaller share takes nobody back, only a rollback does; and when the share is raised, clients that drew legacy draw again, so that it becomes somewhat more",
        );
    }
    let mut body = String::new();
    for index in 0..operations.len() {
        let weight = weight(&operations, index);
        Lines { plan, operation: &operations[index], weight }.write(&mut body);
    }
    body.push_str("// Requests of no operation.\n");
    body.push_str(&format!("plx_other: *{};\n", backend(plan.other().1, "", &[])));
    notes.finish("//", "Skipper", &body, None)
}

fn limits(operation: &mut Planned<'_>, candidate: &Service, notes: &mut Notes) {
    let route = operation.route;
    let has_percent = |template: &Template| template.to_string().contains('%');
    if has_percent(&route.template) {
        operation.give_up(notes, "Skipper sees paths decoded, and `match` has an encoded byte");
    }
    let is_encoded =
        operation.rewrite != Rewrite::Same && route.candidate_path.as_ref().is_some_and(has_percent);
    if is_encoded || candidate.base_path.contains('%') {
        operation
            .give_up(notes, "Skipper encodes paths itself, and the candidate's path has an encoded byte");
    }
}

/// Routes with one path in Skipper's tree are tried by weight: what our router tries first weighs more.
fn weight(operations: &[Planned<'_>], index: usize) -> usize {
    let tree = |operation: &Planned<'_>| tree_path(&operation.route.template, |_| String::new());
    let own = tree(&operations[index]);
    1000 + 100 * operations[index + 1..].iter().filter(|later| tree(later) == own).count()
}

struct Lines<'a> {
    plan: &'a PresentPlan,
    operation: &'a Planned<'a>,
    weight: usize,
}

impl Lines<'_> {
    fn write(&self, body: &mut String) {
        body.push_str(&format!("// {}\n", self.operation.title()));
        for method in self.operation.route.methods() {
            self.write_method(method, body);
        }
    }

    fn write_method(&self, method: &str, body: &mut String) {
        let route = self.operation.route;
        let name = format!("plx_{}", symbol(route.id.as_str()));
        let id = if method == "HEAD" { format!("{name}_head") } else { name.clone() };
        let mut line = |suffix: &str, more: &str, weight: usize, end: &str| {
            let requests = format!("{} && Method({}){more}", self.path(), quoted(method));
            body.push_str(&format!("{id}{suffix}: {requests} && Weight({weight}){end};\n"));
        };
        let group = |cookie: &str, value: &str| {
            format!("responseCookie({}, {}, {GROUP_S}, \"change-only\")", quoted(cookie), quoted(value))
                .replace(", ", ",")
        };
        let is_in = format!(" && Cookie({},/^c$/)", quoted(&name));
        match self.operation.answers {
            Answers::Legacy if route.revision > 0 && route.stage.candidate_share() == Ratio::ZERO => {
                // Perhaps taken back: whoever was on the candidate shall not start there in the next canary.
                line("_out", &is_in, self.weight + 30, &self.legacy(&[group(&name, "l")]));
                line("", "", self.weight, &self.legacy(&[]));
            }
            Answers::Legacy => line("", "", self.weight, &self.legacy(&[])),
            Answers::Candidate => line("", "", self.weight, &self.candidate(&[])),
            Answers::Share(share) => {
                let step = format!("{name}_l{}", route.revision);
                let drawn = format!(" && Traffic({},{},\"c\")", decimal(share.ratio()), quoted(&step));
                line("_in", &is_in, self.weight + 30, &self.candidate(&[]));
                line("_new", &drawn, self.weight + 10, &self.candidate(&[group(&name, "c")]));
                line("", "", self.weight, &self.legacy(&[group(&step, "l")]));
            }
        }
    }

    /// A segment that Skipper's tree cannot match is a wildcard there, and the rest an expression's.
    fn path(&self) -> String {
        let template = &self.operation.route.template;
        let names: Vec<&str> = template.parameters().collect();
        // A free name: parameters are named by us or as `plx_0`.
        let name = |number: Option<usize>| number.map_or("plx".to_owned(), |number| wildcard(&names, number));
        let path = tree_path(template, name);
        let mut text = format!("Path({})", quoted(&path));
        if !template.segments.iter().all(is_for_tree) {
            let expression = path::expression(template, path::unkept);
            text.push_str(&format!(" && PathRegexp({})", quoted(&format!("^{expression}$"))));
        }
        text
    }

    fn legacy(&self, filters: &[String]) -> String {
        backend(&self.plan.legacy, "", filters)
    }

    fn candidate(&self, filters: &[String]) -> String {
        backend(&self.plan.candidate, &set_path(self.operation), filters)
    }
}

/// The filters and the backend. Skipper takes no path from a backend's URL.
fn backend(side: &Service, set_path: &str, filters: &[String]) -> String {
    let host = match &side.host_policy {
        HostPolicy::Preserve => "preserveHost(\"true\")".to_owned(),
        HostPolicy::Upstream => "preserveHost(\"false\")".to_owned(),
        HostPolicy::Name(name) => format!("setRequestHeader(\"Host\",{})", quoted(name)),
    };
    let base = match side.base_path.as_str() {
        "" => String::new(),
        base => format!("modPath(\"^\",{})", quoted(&base.replace('$', "$$"))),
    };
    let url = quoted(&format!("{}://{}", side.scheme(), side.authority));
    let steps = [host, set_path.to_owned(), base].into_iter().chain(filters.iter().cloned()).chain([url]);
    steps.filter(|step| !step.is_empty()).map(|step| format!(" -> {step}")).collect()
}

/// The filter that makes the candidate's path.
fn set_path(operation: &Planned<'_>) -> String {
    let Rewrite::Parts(parts) = &operation.rewrite else { return String::new() };
    let template = &operation.route.template;
    let names: Vec<&str> = template.parameters().collect();
    let is_in_tree = template.segments.iter().all(path::is_plain);
    let join = |text: fn(&str) -> String, value: &dyn Fn(usize) -> String| -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(literal) => text(literal),
            Part::Value(number) => format!("${{{}}}", value(*number)),
        };
        parts.iter().map(part).collect()
    };
    if is_in_tree {
        let path = join(str::to_owned, &|number| wildcard(&names, number));
        return format!("setPath({})", quoted(&path));
    }
    // Of a segment's parts only an expression knows.
    let path = join(|text| text.replace('$', "$$"), &|number| (number + 1).to_string());
    let expression = format!("^{}$", path::expression(template, path::kept));
    format!("modPath({},{})", quoted(&expression), quoted(&path))
}

/// The path for Skipper's tree. `wildcard` names one: by the parameter that it stands for, or none
/// where it stands for a segment that an expression looks at.
fn tree_path(template: &Template, wildcard: impl Fn(Option<usize>) -> String) -> String {
    let mut path = String::new();
    let mut number = 0;
    for segment in &template.segments {
        path.push('/');
        match segment.as_literal() {
            Some(literal) if is_for_tree(segment) => path.push_str(literal),
            _ => path.push_str(&format!(":{}", wildcard(path::whole(segment).map(|_| number)))),
        }
        number += segment.pieces.iter().filter(|piece| matches!(piece, Piece::Parameter(_))).count();
    }
    path
}

/// Whether Skipper's tree matches the segment as we do: no part of one, and nothing that it would take
/// for a wildcard.
fn is_for_tree(segment: &Segment) -> bool {
    match segment.as_literal() {
        Some(literal) => !literal.starts_with([':', '*']),
        None => path::whole(segment).is_some(),
    }
}

/// A parameter's name where Skipper can have it in a placeholder, else one of ours.
fn wildcard(names: &[&str], number: usize) -> String {
    match names.get(number) {
        Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            (*name).to_owned()
        }
        Some(_) | None => format!("plx_{number}"),
    }
}

/// An id for routes and cookies: letters, digits and `_`. Two operations never get the same, nor one that
/// another gets with a suffix: what else an id may have, a `_` after another, and one that begins an end
/// like our suffixes become `__` and two digits.
fn symbol(id: &str) -> String {
    let mut symbol = String::new();
    let mut last = 0;
    for (at, byte) in id.bytes().enumerate() {
        let is_plain_line = byte == b'_' && last != b'_' && !is_suffix(&id[at..]);
        if byte.is_ascii_alphanumeric() || is_plain_line {
            symbol.push(char::from(byte));
        } else {
            symbol.push_str(&format!("__{byte:02x}"));
        }
        last = byte;
    }
    symbol
}

/// Whether this is what we put behind a route's or a cookie's name.
fn is_suffix(end: &str) -> bool {
    let is_step = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    matches!(end, "_in" | "_new" | "_out" | "_head") || end.strip_prefix("_l").is_some_and(is_step)
}

/// A text in eskip: only the quote and the backslash mean something in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `0.05`, exactly and without an exponent.
fn decimal(ratio: Ratio) -> String {
    match ratio.ppm() {
        ppm if ppm >= 1_000_000 => "1".to_owned(),
        ppm => format!("0.{ppm:06}").trim_end_matches('0').to_owned(),
    }
}
