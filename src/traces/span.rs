//! A span: one stretch of work, in the words of OpenTelemetry's conventions for HTTP.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::Context;

/// A span that has ended.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Its place.
    pub(super) context: Context,
    /// The span that led to it, in the same trace.
    pub(super) parent: Option<u64>,
    /// A span of another trace that led to it.
    pub(super) link: Option<Context>,
    /// Whose view it is.
    pub(super) kind: Kind,
    /// The method and the route.
    pub(super) name: String,
    /// When it began.
    pub(super) start: SystemTime,
    /// How long it took.
    pub(super) duration: Duration,
    /// Whether it went wrong, in the eyes of its kind.
    pub(super) is_error: bool,
    /// What is known of it.
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// Whose view of an exchange a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of whoever answers.
    Server,
    /// Of whoever asks.
    Client,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}
