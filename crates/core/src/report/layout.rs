//! A body laid out for reading: one node or line of text a line, redacted, and marked where the
//! sides differ. Bounded in lines and in their length; nothing recurses.

use std::collections::HashMap;

use bytes::Bytes;
use http::HeaderMap;

use super::Line;
use crate::document::{Document, NodeId, NodeKind};
use crate::format::{self, Content};
use crate::path::{Path, Step, WIDE_SIBLINGS};
use crate::redaction::{REDACTED, Redaction, Samples, mask, mask_number};
use crate::rule::States;
use crate::signature::looks_like_id;
use crate::verdict::{Difference, Differences, Kind, Part};

/// Lines of a body that are kept.
pub(super) const MAX_LINES: usize = 400;
/// Longest line, in characters.
const MAX_LINE: usize = 200;

/// Lines, and how many there are beyond them.
pub(super) struct Clip {
    pub(super) lines: Vec<Line>,
    pub(super) more: usize,
}

/// The places where the sides differ.
pub(super) struct Differing {
    paths: HashMap<String, Kind>,
    whole_body: bool,
}

impl Differing {
    pub(super) fn new(differences: &Differences) -> Self {
        let place = |difference: &Difference| (difference.path.to_string(), difference.kind);
        let paths = differences.kept.iter().map(place).collect();
        let in_body = |part: Part| part == Part::Body;
        let whole_body = differences.kept.iter().any(|one| in_body(one.part) && one.path.steps().len() == 1);
        Self { paths, whole_body }
    }

    pub(super) fn none() -> Self {
        Self { paths: HashMap::new(), whole_body: false }
    }

    pub(super) fn body(&self) -> bool {
        self.whole_body
    }

    pub(super) fn header(&self, part: &str, name: &str) -> bool {
        let mut path = part.to_owned();
        // Writing into a string cannot fail.
        let _ = crate::path::write_name(&mut path, name);
        self.paths.contains_key(&path)
    }

    fn at(&self, steps: &[Step]) -> Option<Kind> {
        if self.paths.is_empty() {
            return None;
        }
        self.paths.get(&Path::from(steps.to_vec()).to_string()).copied()
    }
}

/// One step of the paths that redact.
pub(super) fn step(redaction: &Redaction, from: &States, step: &Step) -> States {
    match step {
        Step::Name { name, .. } => redaction.body().by_name(from, name.as_bytes(), |_| false),
        // Where the length of the array is not known, a position from its end matches nothing.
        Step::Index(index) => redaction.at_element(from, *index, usize::MAX),
    }
}

/// Lays a body out. Lines of text are marked where they are not the other side's.
pub(super) fn body(
    headers: &HeaderMap,
    bytes: &Bytes,
    other: Option<(&HeaderMap, &Bytes)>,
    redaction: &Redaction,
    differing: &Differing,
) -> Clip {
    match format::content(headers, bytes, other) {
        Content::Empty => Clip { lines: Vec::new(), more: 0 },
        Content::Document(document) => Layout::new(&document, redaction, differing).lay_out(),
        Content::Text(text) => {
            let other = other.map(|(headers, bytes)| format::content(headers, bytes, None));
            let theirs = if let Some(Content::Text(text)) = &other { text.as_ref() } else { "" };
            lines_of_text(&text, theirs, redaction, differing)
        }
        Content::Opaque(length) => {
            let line = Line { depth: 0, text: format!("{length} bytes"), differs: differing.whole_body };
            Clip { lines: vec![line], more: 0 }
        }
    }
}

fn lines_of_text(ours: &str, theirs: &str, redaction: &Redaction, differing: &Differing) -> Clip {
    let at_body = redaction.at_body();
    let is_plain = redaction.samples == Samples::Plain;
    let hidden = redaction.is_redacted(&at_body) || is_plain && redaction.hides_scalar(&at_body, true);
    let mut others = theirs.lines();
    let line = |(at, text): (usize, &str)| {
        let here = [Step::name("body"), Step::Index(at)];
        let differs = differing.whole_body && others.next() != Some(text) || differing.at(&here).is_some();
        let shown = match redaction.samples {
            _ if hidden => REDACTED.to_owned(),
            Samples::Plain => text.to_owned(),
            Samples::Masked | Samples::None => mask(text),
        };
        Line { depth: 0, text: clipped(shown), differs }
    };
    let lines = ours.lines().take(MAX_LINES).enumerate().map(line).collect();
    Clip { lines, more: ours.lines().skip(MAX_LINES).count() }
}

/// At most [`MAX_LINE`] characters of a line.
pub(super) fn clipped(text: String) -> String {
    match text.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether a line may have been cut.
pub(super) fn is_clipped(text: &str) -> bool {
    text.ends_with('…') && text.chars().count() > MAX_LINE
}

/// A container that is open.
struct Open {
    end: NodeId,
    close: char,
    /// The next element's index, in an array.
    next: Option<usize>,
    length: usize,
    states: States,
    hidden: bool,
    differs: bool,
}

/// A document that is being laid out.
struct Layout<'d> {
    document: &'d Document,
    redaction: &'d Redaction,
    differing: &'d Differing,
    open: Vec<Open>,
    steps: Vec<Step>,
    lines: Vec<Line>,
}

/// What is known of a value from where it stands.
struct Place {
    label: String,
    states: States,
    hidden: bool,
    differs: bool,
    /// Whether a value without parts stands here where a tree stands or might.
    whole: bool,
}

impl<'d> Layout<'d> {
    fn new(document: &'d Document, redaction: &'d Redaction, differing: &'d Differing) -> Self {
        let steps = vec![Step::name("body")];
        Self { document, redaction, differing, open: Vec::new(), steps, lines: Vec::new() }
    }

    fn lay_out(mut self) -> Clip {
        let nodes = self.document.end(self.document.root());
        let mut at = self.document.root();
        loop {
            self.close_until(at);
            if at >= nodes || self.lines.len() >= MAX_LINES {
                break;
            }
            at = self.value_at(at);
        }
        Clip { lines: self.lines, more: (nodes.saturating_sub(at)) as usize }
    }

    fn close_until(&mut self, at: NodeId) {
        while self.open.last().is_some_and(|open| open.end <= at) {
            let Some(open) = self.open.pop() else { return };
            self.push(open.close.to_string(), open.differs);
            if !self.open.is_empty() {
                self.steps.pop();
            }
        }
    }

    /// Writes the value at a node and gives the node that comes next.
    fn value_at(&mut self, node: NodeId) -> NodeId {
        let in_object = self.open.last().is_some_and(|open| open.next.is_none());
        let value = if in_object { node + 1 } else { node };
        let step = self.step_to(node, in_object);
        if let Some(step) = &step {
            self.steps.push(step.clone());
        }
        let place = self.place(node, in_object, step.as_ref());
        let opened = self.write(value, &place);
        if step.is_some() && !opened {
            self.steps.pop();
        }
        if opened { value + 1 } else { self.document.end(value) }
    }

    fn step_to(&mut self, node: NodeId, in_object: bool) -> Option<Step> {
        let wide = self.open.last()?.length > WIDE_SIBLINGS;
        if in_object {
            return Some(Step::member(&self.document.text(node), wide));
        }
        let index = self.open.last_mut()?.next.as_mut()?;
        *index += 1;
        Some(Step::Index(*index - 1))
    }

    fn place(&self, node: NodeId, in_object: bool, step: Option<&Step>) -> Place {
        let Some((parent, step)) = self.open.last().zip(step) else {
            let states = self.redaction.at_body();
            let differs = self.differing.whole_body;
            return Place {
                label: String::new(),
                hidden: self.redaction.is_redacted(&states),
                states,
                differs,
                whole: true,
            };
        };
        let paths = self.redaction.body();
        let states = match step {
            Step::Name { name, .. } => paths.by_name(&parent.states, name.as_bytes(), |_| false),
            Step::Index(index) => self.redaction.at_element(&parent.states, *index, parent.length),
        };
        let kind = self.differing.at(&self.steps);
        Place {
            label: if in_object { self.label(node, step) } else { String::new() },
            states,
            hidden: parent.hidden || self.redaction.is_redacted(&states),
            differs: parent.differs || kind.is_some(),
            whole: kind == Some(Kind::Type),
        }
    }

    fn label(&self, name: NodeId, step: &Step) -> String {
        let text = self.document.text(name);
        let is_data = matches!(step, Step::Name { name, wide } if *wide || looks_like_id(name));
        if is_data && self.redaction.samples != Samples::Plain {
            format!("\"{}\": ", mask(&text))
        } else {
            format!("{}: ", quoted(&text))
        }
    }

    /// Writes a value; tells whether it has opened a container that has something in it.
    fn write(&mut self, value: NodeId, place: &Place) -> bool {
        let kind = self.document.kind(value);
        let end = self.document.end(value);
        let (open, close, next) = match kind {
            NodeKind::Array => ('[', ']', Some(0)),
            NodeKind::Object => ('{', '}', None),
            NodeKind::Null
            | NodeKind::False
            | NodeKind::True
            | NodeKind::Number
            | NodeKind::String
            | NodeKind::Name => {
                let text = self.scalar(value, kind, place);
                self.push(format!("{}{text}", place.label), place.differs);
                return false;
            }
        };
        if end == value + 1 || place.hidden {
            let text = if place.hidden { REDACTED.to_owned() } else { format!("{open}{close}") };
            self.push(format!("{}{text}", place.label), place.differs);
            return false;
        }
        self.push(format!("{}{open}", place.label), place.differs);
        let length = self.document.elements(value).count().max(self.document.members(value).count());
        let Place { states, hidden, differs, .. } = *place;
        self.open.push(Open { end, close, next, length, states, hidden, differs });
        true
    }

    fn scalar(&self, value: NodeId, kind: NodeKind, place: &Place) -> String {
        let text = self.document.text(value);
        match (kind, self.redaction.samples) {
            _ if place.hidden => REDACTED.to_owned(),
            (NodeKind::Null, _) => "null".to_owned(),
            (_, Samples::Plain) if self.redaction.hides_scalar(&place.states, place.whole) => {
                REDACTED.to_owned()
            }
            (NodeKind::String | NodeKind::Name, Samples::Plain) => quoted(&text),
            (_, Samples::Plain) => text.into_owned(),
            (NodeKind::False | NodeKind::True, Samples::Masked | Samples::None) => "true|false".to_owned(),
            (NodeKind::Number, Samples::Masked | Samples::None) => mask_number(&text),
            (_, Samples::Masked | Samples::None) => quoted(&mask(&text)),
        }
    }

    fn push(&mut self, text: String, differs: bool) {
        let depth = u16::try_from(self.open.len()).unwrap_or(u16::MAX);
        self.lines.push(Line { depth, text: clipped(text), differs });
    }
}

/// A text in quotes, on one line.
fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for character in text.chars() {
        match character {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown.push('"');
    shown
}
