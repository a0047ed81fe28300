//! The paths of rules: the part of RFC 9535 that names places (names, wildcards, indices, slices,
//! descendants) and one filter, `[?@.k=='v']`. What else RFC 9535 has is refused by name and column,
//! never half understood.

mod parse;
mod selector;

pub(crate) use selector::{Filter, Literal, Selector};

use super::spec::nearest;

/// A path as it was written, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    pub(crate) segments: Vec<Segment>,
}

/// One step of a path, or with `..` any number of steps and then one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) descendant: bool,
    pub(crate) selectors: Vec<Selector>,
    /// Where it begins, in characters from 1.
    column: usize,
}

/// Why a text is no path of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct PathError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong there, and what to do.
    pub message: String,
}

/// What an answer consists of.
const PARTS: [&str; 4] = ["status", "headers", "body", "trailers"];

impl JsonPath {
    /// Reads a path over an answer, and refuses one that can never match.
    pub(crate) fn of_answer(text: &str) -> Result<Self, PathError> {
        let path = Self::parse(text)?;
        if let Some(first) = path.segments.first()
            && !first.descendant
        {
            for selector in &first.selectors {
                first.check_part(selector)?;
            }
            path.check_below(first)?;
        }
        Ok(path)
    }

    /// Whether it may lead into this part of the answer.
    pub(crate) fn reaches(&self, part: &str) -> bool {
        let Some(first) = self.segments.first() else { return true };
        first.descendant || first.selectors.iter().any(|selector| selector.may_be(part))
    }

    /// Whether every place that the other path selects is one of this path's places, or lies below one.
    /// It may say no where the answer is yes.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let Some((last, before)) = self.segments.split_last() else { return true };
        let plain = before.len() <= other.segments.len()
            && before
                .iter()
                .zip(&other.segments)
                .all(|(one, two)| !one.descendant && !two.descendant && one.covers(two));
        let rest = other.segments.get(before.len()..).unwrap_or_default();
        plain
            && match last.descendant {
                true => rest.iter().any(|segment| last.covers(segment)),
                false => rest.first().is_some_and(|segment| !segment.descendant && last.covers(segment)),
            }
    }

    /// Whether both are the same path, however they are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let alike = |(one, two): (&Segment, &Segment)| {
            one.descendant == two.descendant && one.selectors == two.selectors
        };
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&other.segments).all(alike)
    }

    /// Refuses what has no parts: below the status, and below a header other than `set-cookie`.
    fn check_below(&self, first: &Segment) -> Result<(), PathError> {
        let only = |names: &[&str]| {
            first
                .selectors
                .iter()
                .all(|selector| matches!(selector, Selector::Name(name) if names.contains(&&**name)))
        };
        if only(&["status"])
            && let Some(second) = self.segments.get(1)
        {
            return Err(second.error("the status is a number and has no parts".into()));
        }
        if !only(&["headers", "trailers"]) {
            return Ok(());
        }
        if let Some(second) = self.segments.get(1)
            && second.selectors.iter().all(|selector| {
                matches!(selector, Selector::Index(_) | Selector::Slice { .. } | Selector::Filter(_))
            })
        {
            return Err(
                second.error("headers are selected by name, for example `$.headers['x-trace-id']`".into())
            );
        }
        let cookies = |selector: &Selector| match selector {
            Selector::Name(name) => name.eq_ignore_ascii_case("set-cookie"),
            Selector::Wildcard => true,
            Selector::Index(_) | Selector::Slice { .. } | Selector::Filter(_) => false,
        };
        match (self.segments.get(1), self.segments.get(2), self.segments.get(3)) {
            (Some(second), Some(third), _) if !second.descendant && !second.selectors.iter().any(cookies) => {
                Err(third.error(
                    "a header's value has no parts; only `set-cookie` has, one for each cookie's name".into(),
                ))
            }
            (Some(second), Some(third), Some(fourth)) if !second.descendant && !third.descendant => {
                Err(fourth.error("a cookie has no parts that a rule could name".into()))
            }
            _ => Ok(()),
        }
    }
}

impl Segment {
    fn covers(&self, other: &Self) -> bool {
        other.selectors.iter().all(|theirs| self.selectors.iter().any(|own| own.covers(theirs)))
    }

    fn check_part(&self, selector: &Selector) -> Result<(), PathError> {
        let message = match selector {
            Selector::Wildcard => return Ok(()),
            Selector::Name(name) if PARTS.contains(&&**name) => return Ok(()),
            Selector::Name(name) => {
                let hint = nearest(name, PARTS.into_iter()).map(|near| format!("; did you mean `{near}`?"));
                format!(
                    "an answer has `status`, `headers`, `body` and `trailers`{}",
                    hint.unwrap_or_else(|| format!("; for a member of the body write `$.body.{name}`"))
                )
            }
            Selector::Index(_) | Selector::Slice { .. } | Selector::Filter(_) => {
                "an answer has `status`, `headers`, `body` and `trailers`; for an element of the body write `$.body[…]`".into()
            }
        };
        Err(self.error(message))
    }

    fn error(&self, message: String) -> PathError {
        PathError { column: self.column, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(bool, Vec<Selector>)> {
        let path = JsonPath::parse(text).unwrap();
        path.segments.into_iter().map(|segment| (segment.descendant, segment.selectors)).collect()
    }

    fn error(text: &str) -> String {
        JsonPath::of_answer(text).unwrap_err().to_string()
    }

    fn name(text: &str) -> Selector {
        Selector::Name(text.into())
    }

    #[test]
    fn reads_the_subset() {
        assert_eq!(parse("$"), []);
        assert_eq!(parse("$.body.größe"), [(false, vec![name("body")]), (false, vec![name("größe")])]);
        assert_eq!(parse("$..*"), [(true, vec![Selector::Wildcard])]);
        assert_eq!(parse("$..['a b', \"c\"]"), [(true, vec![name("a b"), name("c")])]);
        assert_eq!(parse(r"$['\'\u0041\ud83d\ude00\n']"), [(false, vec![name("'A😀\n")])]);
        assert_eq!(parse("$ [ -1 ]"), [(false, vec![Selector::Index(-1)])]);
        assert_eq!(
            parse("$[1:-1:2]"),
            [(false, vec![Selector::Slice { start: Some(1), end: Some(-1), step: 2 }])]
        );
        let filter = Filter { names: vec!["a".into(), "b".into()], value: Literal::Text("v".into()) };
        assert_eq!(parse("$[?@.a['b'] == 'v']"), [(false, vec![Selector::Filter(filter)])]);
    }

    #[test]
    fn says_where_and_what() {
        assert_eq!(error("body"), "column 1: a path starts with `$`, for example `$.body.items[*].price`");
        assert_eq!(error("$.body.x-id"), "column 9: a name with `-` is written `['like-this']`");
        assert_eq!(error("$.body['x"), "column 10: the quote is not closed");
        assert_eq!(error("$.body "), "column 8: expected `.name`, `..name` or `[…]`");
        assert_eq!(error("$.body[01]"), "column 10: `01` is no index");
        assert!(error("$.body[?@.a > 1]").contains("the only filter available"));
        assert!(error("$.items").contains("for a member of the body write `$.body.items`"));
        assert!(error("$.boddy").contains("did you mean `body`?"));
        assert!(error("$[0]").starts_with("column 2: an answer has"));
    }

    #[test]
    fn a_path_has_an_end() {
        assert!(JsonPath::parse(&format!("${}", "[0]".repeat(64))).is_ok());
        assert_eq!(error(&format!("$.body{}", "[0]".repeat(64))), "column 196: the path is too long");
        let wide = format!("[{}0]", "0,".repeat(63));
        assert!(JsonPath::parse(&format!("${}", wide.repeat(4))).is_ok());
        assert!(error(&format!("$.body{}", wide.repeat(4))).ends_with("the path is too long"));
    }

    #[test]
    fn refuses_what_can_never_match() {
        assert!(error("$.status.code").contains("has no parts"));
        assert!(error("$.headers.etag.x").contains("has no parts"));
        assert!(error("$.headers[0]").contains("selected by name"));
        assert!(error("$.headers['set-cookie'].session.path").contains("no parts"));
        assert!(JsonPath::of_answer("$.headers['Set-Cookie'].session").is_ok());
        assert!(JsonPath::of_answer("$..x").is_ok());
    }
}
