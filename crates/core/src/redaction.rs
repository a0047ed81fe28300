//! What may be kept of a sample. The article's GDPR consideration in code: sensitive data is not
//! stored in the first place. By default a sample keeps the shape and length of every value and
//! no value; a team that may keep more says so for an operation, and names what stays out.

mod mask;

use std::sync::Arc;

use http::{HeaderName, header};

use crate::label::labels;
use crate::path::clipped_name;
use crate::rule::{Automaton, JsonPath, Selector, States};

pub(crate) use mask::{mask, mask_number};

labels! {
    /// How much of a sample is kept.
    pub enum Samples {
        /// Shape and length of every value, no value.
        Masked => "masked",
        /// Values as they are, except those that are redacted by name.
        Plain => "plain",
        /// No sample at all.
        None => "none",
    }
}

/// What stands in place of a value that is redacted by name.
pub(crate) const REDACTED: &str = "[redacted]";

/// Headers that are redacted by name unless the configuration says otherwise.
pub const DEFAULT_HEADERS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE];

/// What may be kept of a sample of an operation.
#[derive(Clone, Debug)]
pub struct Redaction {
    /// How much of a sample is kept.
    pub samples: Samples,
    /// Headers that are never kept.
    pub headers: Vec<HeaderName>,
    /// Places in the body that are never kept.
    body: Arc<Automaton>,
}

/// Why a path of `redact.body` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{at}`: {message}")]
pub struct RedactionError {
    /// Which path, from 0.
    pub index: usize,
    /// The path.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { samples: Samples::Masked, headers: DEFAULT_HEADERS.to_vec(), body: Arc::default() }
    }
}

impl Redaction {
    /// Keeps so much, and neither these headers nor these places (`$.body..name`) at all. An index,
    /// slice or filter hides every child of its place: more than it names, never less.
    ///
    /// # Errors
    /// The first path that is none, or does not lie in the body.
    pub fn new(samples: Samples, headers: Vec<HeaderName>, body: &[String]) -> Result<Self, RedactionError> {
        let mut paths = Vec::with_capacity(body.len());
        for (index, at) in body.iter().enumerate() {
            let refuse = |message: String| RedactionError { index, at: at.clone(), message };
            if !at.starts_with("$.body") && !at.starts_with("$['body']") && !at.starts_with("$..") {
                return Err(refuse("write a path within the body, for example `$.body..email`".to_owned()));
            }
            paths.push(widened(JsonPath::of_answer(at).map_err(|error| refuse(error.to_string()))?));
        }
        let automaton = Automaton::compile(&paths).map_err(|error| RedactionError {
            index: error.path,
            at: body[error.path].clone(),
            message: error.to_string(),
        })?;
        Ok(Self { samples, headers, body: Arc::new(automaton) })
    }

    /// What the paths know at the root of the body.
    pub(crate) fn at_body(&self) -> States {
        self.body.by_name(&self.body.start(), b"body", |_| false)
    }

    /// The paths of `redact.body`.
    pub(crate) fn body(&self) -> &Automaton {
        &self.body
    }

    /// What the paths know in an element of an array. They also see through it: whether a name that
    /// occurs once or several times is an array depends on the answer where the format has no arrays,
    /// and `$.body.customer.email` is to hide every one of them.
    pub(crate) fn at_element(&self, array: &States, index: usize, length: usize) -> States {
        self.body.by_index(array, index, length, |_| false).or(array)
    }

    /// Whether a value without parts is never kept there: where parts were to be hidden, what came
    /// instead of them may hold the same. `whole` says that it stands where a tree stands: it is all
    /// of the body, or the other side has a tree there.
    pub(crate) fn hides_scalar(&self, states: &States, whole: bool) -> bool {
        if whole { !states.is_dead() } else { self.is_redacted(states) || self.body.awaits_child(states) }
    }

    /// Whether the place where these states arrived is never kept.
    pub(crate) fn is_redacted(&self, states: &States) -> bool {
        self.body.accepted(states).next().is_some()
    }
}

/// The path as it can be asked of a place alone: a position or a filter, which only the whole body
/// could answer, hides every child, and a name is clipped as the names of places are.
fn widened(mut path: JsonPath) -> JsonPath {
    for selector in path.segments.iter_mut().flat_map(|segment| &mut segment.selectors) {
        *selector = match selector {
            Selector::Name(name) => Selector::Name(clipped_name(name)),
            Selector::Wildcard | Selector::Index(_) | Selector::Slice { .. } | Selector::Filter(_) => {
                Selector::Wildcard
            }
        };
    }
    path
}
