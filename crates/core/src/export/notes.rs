//! What is told beside the text: what the tool does otherwise than parallax, and why.

use std::fmt;

use super::plan::{PresentPlan, Service};
use crate::operation::OperationId;

/// A plan in the words of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The configuration.
    pub text: String,
    /// What the tool does otherwise than parallax; stands in the text too.
    pub notes: Vec<Note>,
    /// A second file that the configuration reads, where it needs one.
    pub beside: Option<String>,
}

impl Exported {
    /// Whether clients would be answered by another side than planned.
    #[must_use]
    pub fn departs(&self) -> bool {
        self.notes.iter().any(|note| note.is_departure)
    }
}

/// Something that the tool does otherwise than parallax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The operation that it is about; none: all of them.
    pub operation: Option<OperationId>,
    /// What it is.
    pub text: String,
    /// Whether clients are answered by another side than planned.
    pub is_departure: bool,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_departure {
            f.write_str("NOT AS PLANNED: ")?;
        }
        match &self.operation {
            Some(id) => write!(f, "{id}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Notes while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, text: impl Into<String>) {
        self.0.push(Note { operation: None, text: text.into(), is_departure: false });
    }

    pub(super) fn of(&mut self, id: &OperationId, text: impl Into<String>) {
        self.0.push(Note { operation: Some(id.clone()), text: text.into(), is_departure: false });
    }

    /// Legacy answers although the candidate should.
    pub(super) fn departs(&mut self, id: &OperationId, why: &str) {
        let text = format!("legacy answers, because {why}");
        self.0.push(Note { operation: Some(id.clone()), text, is_departure: true });
    }

    /// What is true of every tool.
    pub(super) fn common(&mut self, tool: &str, plan: &PresentPlan) {
        self.add(format!(
            "what {tool} routes to a side does not pass parallax and is not checked; to check, let {tool} route to parallax, or let the service post its checks"
        ));
        self.add(format!(
            "stages change in parallax alone: export again after a change, or the shares stay as they are here ({tool} does not answer from legacy by itself when the candidate cannot be reached)"
        ));
        for (name, side) in [("legacy", &plan.legacy), ("candidate", &plan.candidate)] {
            self.side(tool, name, side);
        }
    }

    fn side(&mut self, tool: &str, name: &str, side: &Service) {
        if !side.headers.is_empty() {
            let names: Vec<&str> = side.headers.iter().map(http::HeaderName::as_str).collect();
            self.add(format!(
                "parallax sets {} for {name}; values are not exported: set them in {tool}",
                names.join(", ")
            ));
        }
        if side.has_own_tls {
            self.add(format!(
                "{name} has keys under `tls` in parallax (authorities, certificate, server name): set them in {tool}"
            ));
        }
    }

    /// The text after its head, which says where it comes from and has the notes as comments.
    pub(super) fn finish(self, comment: &str, tool: &str, body: &str, beside: Option<String>) -> Exported {
        let mut text = format!("{comment} The plan of parallax for {tool}, by `parallax export`.\n");
        for note in &self.0 {
            text.push_str(&format!("{comment} - {note}\n"));
        }
        text.push('\n');
        text.push_str(body);
        Exported { text, notes: self.0, beside }
    }
}
