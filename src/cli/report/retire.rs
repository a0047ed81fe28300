//! `parallax report --retire OP`: that an operation is complete, and what can go now.

use std::path::Path;
use std::process::ExitCode;

use parallax_core::readiness::Condition;
use parallax_core::transition::Transition;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::NOT_MET;
use crate::cli::client::{Client, encoded, operation_path};
use crate::cli::output::{Paint, Table, Tone, grouped, one_line, print};
use crate::cli::status::consistency;
use crate::cli::view::{OperationView, demanded, stage_text};
use crate::config::{self, OperationPlace};

/// What the API says of it.
#[derive(Debug, Deserialize)]
struct Retirement {
    retired: bool,
    requests_24h: Option<u64>,
    afterwards: Afterwards,
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Afterwards {
    operation_id: String,
    answered_by: Option<String>,
    as_now: bool,
}

/// A row of the audit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    at: String,
    who: String,
    to: String,
    reason: String,
    forced: bool,
    evidence: Value,
}

impl Row {
    fn retires(&self) -> bool {
        self.evidence.get(Transition::RETIRED) == Some(&Value::Bool(true))
    }

    /// `2026-01-02T03:04:05Z, by anna: why`.
    fn told(&self) -> String {
        let forced = if self.forced { ", forced" } else { "" };
        format!("{}, by {}{forced}: {}", self.at, self.who, self.reason)
    }

    /// `1200 matched, 0 unmatched, 3 failed, 40 skipped, target 99%`.
    fn counts(&self) -> String {
        let number = |name: &str| self.evidence.get(name).and_then(Value::as_u64);
        let names = ["matched", "unmatched", "failed", "skipped"];
        let counts = names.iter().filter_map(|name| Some(format!("{} {name}", grouped(number(name)?))));
        let target = self.evidence.get("target").and_then(Value::as_str);
        counts.chain(target.map(|target| format!("target {target}"))).collect::<Vec<_>>().join(", ")
    }
}

/// Something that there is because of the operation.
struct Leftover {
    what: &'static str,
    place: String,
    /// Whether it can go now.
    now: bool,
    todo: String,
}

struct Found {
    operation: OperationView,
    raw: Value,
    retirement: Retirement,
    raw_retirement: Value,
    /// The change that made it complete, and the one that retired it, as far as they are in force.
    complete: Option<Row>,
    retired: Option<Row>,
}

pub(super) fn run(client: &Client, id: &str, config: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = gather(client, id)?;
    let leftovers = if found.is_complete() { leftovers(&found, config) } else { Vec::new() };
    let text = if as_json {
        format!("{}\n", found.json(&leftovers))
    } else {
        found.text(&leftovers, Paint::for_stdout())
    };
    print(&text)?;
    Ok(if found.is_done() { ExitCode::SUCCESS } else { ExitCode::from(NOT_MET) })
}

fn gather(client: &Client, id: &str) -> anyhow::Result<Found> {
    let raw: Value = client.get(&operation_path(id))?;
    let raw_retirement: Value = client.get(&format!("{}/retire", operation_path(id)))?;
    let audit: Vec<Row> = client.get(&format!("/api/v1/audit?operation_id={}&limit=1000", encoded(id)))?;
    let mut rows = audit.into_iter();
    let mut newest = rows.next();
    let retired = newest.take_if(|row| row.retires());
    let complete = newest.into_iter().chain(rows).find(|row| !row.retires());
    Ok(Found {
        operation: serde_json::from_value(raw.clone())?,
        raw,
        retirement: serde_json::from_value(raw_retirement.clone())?,
        raw_retirement,
        complete: complete.filter(|row| row.to == "complete"),
        retired,
    })
}

impl Found {
    fn is_complete(&self) -> bool {
        self.operation.stage == "complete"
    }

    /// Whether nothing is missing.
    fn is_done(&self) -> bool {
        self.retirement.retired || self.missing().next().is_none()
    }

    fn missing(&self) -> impl Iterator<Item = &Condition> {
        let is_open = !self.retirement.retired;
        self.retirement.conditions.iter().filter(move |condition| is_open && !condition.met)
    }

    /// Who gets its requests once it is gone.
    fn afterwards(&self) -> String {
        let Afterwards { operation_id, answered_by, as_now } = &self.retirement.afterwards;
        let who = answered_by.as_deref().unwrap_or("either side, depending on the client,");
        let how = if *as_now { ", as now" } else { "" };
        format!("once it is not configured, {who} answers its requests{how} (`{operation_id}`)")
    }

    fn json(&self, leftovers: &[Leftover]) -> Value {
        let row = |row: &Option<Row>| {
            row.as_ref().map(|row| {
                json!({"at": row.at, "who": row.who, "reason": row.reason, "forced": row.forced,
                    "evidence": row.evidence})
            })
        };
        let leftover =
            |one: &Leftover| json!({"what": one.what, "place": one.place, "now": one.now, "todo": one.todo});
        json!({
            "operation": self.raw,
            "complete": row(&self.complete),
            "retired": row(&self.retired),
            "retirement": self.raw_retirement,
            "missing": self.missing().collect::<Vec<_>>(),
            "can_go": leftovers.iter().map(leftover).collect::<Vec<_>>(),
        })
    }

    fn text(&self, leftovers: &[Leftover], paint: Paint) -> String {
        let operation = &self.operation;
        let mut table = Table::default();
        let mut fact = |name: &str, tone: Tone, value: String| {
            table.row([(Tone::Faint, format!("  {name}")), (tone, one_line(&value))]);
        };
        let stage = stage_text(&operation.stage, operation.share.as_deref());
        match &self.complete {
            Some(row) => {
                fact("stage", Tone::Good, format!("{stage} since {}", row.told()));
                fact("evidence", Tone::Plain, row.counts());
            }
            None => fact("stage", Tone::Plain, stage),
        }
        if let Some(row) = &self.retired {
            fact("retired", Tone::Good, row.told());
        }
        let counts = &operation.counts;
        let checks = grouped(counts.checks());
        fact(
            "checks",
            Tone::Plain,
            format!("{} of {checks}, target {}", consistency(operation), operation.target),
        );
        let last = self.retirement.requests_24h.map_or("nobody knows how many".to_owned(), grouped);
        fact(
            "requests",
            Tone::Plain,
            format!("{} ever, {last} in the last 24 hours", grouped(counts.requests)),
        );
        fact("then", Tone::Plain, self.afterwards());
        for Condition { name, value, limit, .. } in self.missing() {
            fact("missing", Tone::Bad, format!("{name} is {value}, needs {}", demanded(name, limit)));
        }
        let title = format!("{}  {}", one_line(&operation.id), one_line(&operation.matcher));
        let mut text = format!("{title}\n{}", table.render(paint));
        for (heading, now) in
            [("What can go now:", true), ("What has to stay until nothing is missing:", false)]
        {
            let mut table = Table::default();
            for one in leftovers.iter().filter(|one| one.now == now) {
                let cells = [("  ".to_owned() + one.what), one_line(&one.place), one_line(&one.todo)];
                table.row(cells.map(|cell| (Tone::Plain, cell)));
            }
            if leftovers.iter().any(|one| one.now == now) {
                text.push_str(&format!("\n{heading}\n{}", table.render(paint)));
            }
        }
        text
    }
}

/// What there is because of an operation that is complete.
fn leftovers(found: &Found, config: &Path) -> Vec<Leftover> {
    let id = &found.operation.id;
    let may_go = found.is_done();
    let retire = if found.retirement.retired {
        String::new()
    } else {
        format!("after `parallax retire {id} --reason …` ")
    };
    let matcher = &found.operation.matcher;
    let leftover =
        |what, place: &str, now, todo: String| Leftover { what, place: place.to_owned(), now, todo };
    let mut all = vec![leftover(
        "code",
        matcher,
        true,
        "legacy's endpoint and what only it uses; from then on there is no way back".to_owned(),
    )];
    all.extend(places(id, config).into_iter().map(|(place, todo)| {
        leftover("configuration", &place, may_go, format!("{retire}{todo}, and reload"))
    }));
    all.extend([
        leftover(
            "routes",
            "`parallax export`",
            may_go,
            "print anew for skipper, nginx, haproxy, envoy and gateway-api, once it is out of the configuration; \
             `/routes.eskip` and `export: {skipper: FILE}` follow by themselves"
                .to_owned(),
        ),
        leftover(
            "panels, alerts",
            "–",
            true,
            "nothing: the dashboard and the rules name no operation".to_owned(),
        ),
    ]);
    all
}

/// Where the operation is configured, and what to do there.
fn places(id: &str, config: &Path) -> Vec<(String, &'static str)> {
    let file = config.display();
    let Some(OperationPlace { block, document }) = config::operation_place(config, id) else {
        return vec![(file.to_string(), "this file cannot be read: take it out of the server's")];
    };
    let mut places = Vec::new();
    match block {
        Some((first, last)) if first == last => places.push((format!("{file}:{first}"), "take it out")),
        Some((first, last)) => places.push((format!("{file}:{first}-{last}"), "take these lines out")),
        None => {}
    }
    match document {
        Some((document, Some(line))) => {
            places.push((format!("{}:{line}", document.display()), "take it out of the document"));
        }
        Some((document, None)) if block.is_none() => {
            places.push((
                document.display().to_string(),
                "take it out of the document, if it comes from there",
            ));
        }
        Some(_) | None => {}
    }
    if places.is_empty() {
        places.push((file.to_string(), "it is not in this file: take it out of the server's"));
    }
    places
}
