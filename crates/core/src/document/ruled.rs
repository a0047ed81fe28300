//! The values of a subtree that a rule about values holds for, in an order of their own: where a
//! perfect pairing of elements exists, pairing them in this order mostly is one.

use std::borrow::Cow;
use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::number::{Decimal, mix};
use super::{NodeId, NodeKind, View};

/// A value in an order that is total, whatever the values are: numbers before instants before texts.
#[derive(Debug)]
enum Ruled<'d> {
    Number(Decimal<'d>),
    Moment(i128),
    Text(Cow<'d, [u8]>),
}

impl Ruled<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let rank = |value: &Self| match value {
            Self::Number(_) => 0,
            Self::Moment(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.order(other),
            (Self::Moment(one), Self::Moment(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// The values of one subtree, each with a hash of its way there, so that like is compared with like
/// in whatever order members and elements are written.
#[derive(Debug)]
pub(crate) struct RuledValues<'d>(Vec<(u64, Ruled<'d>)>);

impl RuledValues<'_> {
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let both = self.0.iter().zip(&other.0);
        let ordered = both.map(|(one, other)| one.0.cmp(&other.0).then_with(|| one.1.order(&other.1)));
        ordered.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl<'d> View<'d> {
    /// The values of a subtree that only a rule about values may tell apart.
    pub(crate) fn ruled_values(&self, node: NodeId) -> RuledValues<'d> {
        let mut found = Vec::new();
        let mut waiting = vec![(node, 0)];
        while let Some((node, way)) = waiting.pop() {
            if self.value_rule(node).is_some() {
                found.push((way, self.ruled(node)));
            }
            let name = |name| xxh3_64(&self.document.content(name));
            waiting.extend(self.members(node).map(|(own, value)| (value, mix(way, name(own)))));
            let is_ordered = self.order_rule(node).is_none();
            let index = |at: usize| if is_ordered { at as u64 } else { 0 };
            let elements = self.elements(node).enumerate();
            waiting.extend(elements.map(|(at, (_, element))| (element, mix(way, index(at)))));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| one.1.order(&other.1)));
        RuledValues(found)
    }

    fn ruled(&self, node: NodeId) -> Ruled<'d> {
        let content = self.document.content(node);
        let spelt = match &content {
            Cow::Borrowed(text) if self.document.kind(node) == NodeKind::Number => Some(Decimal::of(text)),
            Cow::Borrowed(text) if matches!(text.first(), Some(b'-' | b'0'..=b'9')) => Decimal::parse(text),
            Cow::Borrowed(_) | Cow::Owned(_) => None,
        };
        if let Some(number) = spelt {
            return Ruled::Number(number);
        }
        let moment = std::str::from_utf8(&content).ok().and_then(crate::rule::instant);
        match moment {
            Some(moment) => Ruled::Moment(moment.nanoseconds),
            None => Ruled::Text(content),
        }
    }
}
