//! What one step of a path selects: names, positions, slices, and the children a filter lets through.

use crate::document::Decimal;

/// What one step selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Name(Box<str>),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Filter),
}

/// `@.a.b == 'v'`: the child has this value there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) names: Vec<Box<str>>,
    pub(crate) value: Literal,
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(Box<str>),
    /// A number, `true`, `false` or `null`, as written.
    Other(Box<str>),
}

impl Literal {
    /// Whether a string is this value.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Text(value) if **value == *text)
    }

    /// Whether a value that is no string is this value.
    pub(crate) fn is_literal(&self, raw: &[u8]) -> bool {
        let number = |text: &[u8]| text.first().is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        match self {
            Self::Text(_) => false,
            Self::Other(value) if number(value.as_bytes()) && number(raw) => {
                Decimal::of(value.as_bytes()) == Decimal::of(raw)
            }
            Self::Other(value) => value.as_bytes() == raw,
        }
    }
}

impl Selector {
    /// Whether it selects by position, so that it means something only where there is an order.
    pub(crate) fn is_positional(&self) -> bool {
        match self {
            // `[:]` takes every element, whatever their order.
            Self::Slice { start: None | Some(0), end: None, step: 1 } => false,
            Self::Index(_) | Self::Slice { .. } => true,
            Self::Name(_) | Self::Wildcard | Self::Filter(_) => false,
        }
    }

    /// Whether it selects the members of this name and nothing else.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if **own == *name)
    }

    /// Whether it selects members of one name, and the name is such.
    pub(crate) fn names(&self, is_such: impl Fn(&str) -> bool) -> bool {
        matches!(self, Self::Name(own) if is_such(own))
    }

    /// Whether it selects every child that the other selects.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        *self == Self::Wildcard || self == other
    }

    /// Whether it may select a member of this name.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => **own == *name,
            Self::Wildcard | Self::Filter(_) => true,
            Self::Index(_) | Self::Slice { .. } => false,
        }
    }

    /// Whether some child may be selected by both.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(left), Self::Name(right)) => left == right,
            (Self::Name(_), Self::Index(_) | Self::Slice { .. })
            | (Self::Index(_) | Self::Slice { .. }, Self::Name(_)) => false,
            (Self::Index(left), Self::Index(right)) => left == right || (*left < 0) != (*right < 0),
            _ => true,
        }
    }

    /// Whether it selects the element at `index` of `length`.
    pub(crate) fn selects(&self, index: usize, length: usize) -> bool {
        let (Ok(index), Ok(length)) = (i64::try_from(index), i64::try_from(length)) else {
            return false;
        };
        match self {
            Self::Index(wanted) => index == if *wanted < 0 { length + wanted } else { *wanted },
            Self::Slice { start, end, step } => in_slice(index, length, *start, *end, *step),
            Self::Name(_) | Self::Wildcard | Self::Filter(_) => false,
        }
    }
}

/// RFC 9535 section 2.3.4.2.
fn in_slice(index: i64, length: i64, start: Option<i64>, end: Option<i64>, step: i64) -> bool {
    let normal = |bound: i64| if bound < 0 { length + bound } else { bound };
    if step > 0 {
        let lower = normal(start.unwrap_or(0)).clamp(0, length);
        let upper = normal(end.unwrap_or(length)).clamp(0, length);
        (lower..upper).contains(&index) && (index - lower) % step == 0
    } else if step < 0 {
        let upper = start.map_or(length - 1, normal).clamp(-1, length - 1);
        let lower = end.map_or(-1, |end| normal(end).clamp(-1, length - 1));
        lower < index && index <= upper && (upper - index) % step == 0
    } else {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::jsonpath::JsonPath;

    #[test]
    fn slices_select_as_the_rfc_says() {
        let picks = |text: &str| {
            let path = JsonPath::parse(text).unwrap();
            let selector = &path.segments[0].selectors[0];
            (0..7).filter(|&index| selector.selects(index, 7)).collect::<Vec<_>>()
        };
        assert_eq!(picks("$[1:3]"), [1, 2]);
        assert_eq!(picks("$[5:]"), [5, 6]);
        assert_eq!(picks("$[1:5:2]"), [1, 3]);
        assert_eq!(picks("$[5:1:-2]"), [3, 5]);
        assert_eq!(picks("$[::-1]"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(picks("$[-2:]"), [5, 6]);
        assert_eq!(picks("$[9:]"), [0_usize; 0]);
        assert_eq!(picks("$[-1]"), [6]);
    }
}
