//! What a report is made of, from the API.

use std::collections::BTreeMap;

use parallax_core::transition::Transition;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::client::{Client, operation_path};
use crate::cli::view::{OperationView, SignatureView, stage_text};

/// Changes of stage that are asked for, of each operation.
const HISTORY: usize = 1000;

/// Where the migration stands.
#[derive(Debug)]
pub(super) struct Report {
    /// When it was asked for.
    pub(super) at: String,
    /// Which server was asked.
    pub(super) server: String,
    pub(super) operations: Vec<Reported>,
}

/// An operation with all that a report says of it.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) operation: OperationView,
    /// The most frequent first.
    pub(super) faults: Vec<SignatureView>,
    /// The newest first.
    pub(super) history: Vec<Change>,
    /// The same as the API told it.
    raw: Value,
}

/// A change of stage, as the audit tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    pub(super) at: String,
    pub(super) who: String,
    from: String,
    to: String,
    share: Option<String>,
    pub(super) reason: String,
    pub(super) forced: bool,
    pub(super) automatic: bool,
    evidence: Value,
}

impl Change {
    /// Whether the operation was retired, and not moved.
    pub(super) fn retires(&self) -> bool {
        self.evidence.get(Transition::RETIRED) == Some(&Value::Bool(true))
    }

    /// `shadow → canary 5%`.
    pub(super) fn step(&self) -> String {
        if self.retires() {
            return format!("{}, retired", self.to);
        }
        format!("{} → {}", self.from, stage_text(&self.to, self.share.as_deref()))
    }

    /// Who made it, and how, where it was no plain change by a person.
    pub(super) fn by(&self) -> String {
        let how = match (self.forced, self.automatic) {
            (true, _) => ", forced",
            (false, true) => ", automatic",
            (false, false) => "",
        };
        format!("{}{how}", self.who)
    }
}

impl Report {
    pub(super) fn json(&self) -> Value {
        let operations: Vec<&Value> = self.operations.iter().map(|reported| &reported.raw).collect();
        json!({"at": self.at, "server": self.server, "stages": self.stages(), "operations": operations})
    }

    /// How many operations are in each stage that has any.
    pub(super) fn stages(&self) -> BTreeMap<&str, usize> {
        let mut stages = BTreeMap::new();
        for reported in &self.operations {
            *stages.entry(reported.operation.stage.as_str()).or_default() += 1;
        }
        stages
    }

    /// `1 of 3 operations is complete; canary 1, shadow 1`.
    pub(super) fn summary(&self) -> String {
        let mut stages = self.stages();
        let complete = stages.remove("complete").unwrap_or_default();
        let is = if complete == 1 { "is" } else { "are" };
        let all = self.operations.len();
        let mut text = format!("{complete} of {all} operations {is} complete");
        // In the order of the way.
        let way = ["switched", "canary", "shadow", "legacy"];
        let counts = way.iter().filter_map(|stage| Some(format!("{stage} {}", stages.get(stage)?)));
        let counts: Vec<String> = counts.collect();
        if !counts.is_empty() {
            text.push_str(&format!("; {}", counts.join(", ")));
        }
        text
    }
}

/// Asks the server for everything.
pub(super) fn gather(client: &Client) -> anyhow::Result<Report> {
    let operations: Vec<Value> = client.get("/api/v1/operations")?;
    let operations = operations.into_iter().map(|raw| one(client, raw)).collect::<anyhow::Result<_>>()?;
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Ok(Report { at, server: client.url(), operations })
}

fn one(client: &Client, mut raw: Value) -> anyhow::Result<Reported> {
    let operation: OperationView = serde_json::from_value(raw.clone())?;
    let path = operation_path(&operation.id);
    let faults: Value = client.get(&format!("{path}/signatures"))?;
    let id = path.rsplit('/').next().unwrap_or_default();
    let history: Value = client.get(&format!("/api/v1/audit?operation_id={id}&limit={HISTORY}"))?;
    raw["signatures"] = faults.clone();
    raw["audit"] = history.clone();
    let mut faults: Vec<SignatureView> = serde_json::from_value(faults)?;
    faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
    Ok(Reported { operation, faults, history: serde_json::from_value(history)?, raw })
}
