//! Whether two answers are the same, and where not: status, headers, body, trailers.
//!
//! A known difference is evidence, whatever else cannot be compared: where status or headers differ
//! and the bodies are too large, the pair is different, not incomparable. The other way round,
//! nothing that could not be compared to its end ever counts as equal.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::diff::{self, MAX_DIFFERENCES};
use crate::document::{Document, View};
use crate::exchange::{Answer, Body, Digest};
use crate::format::{
    self, BodyKind, Codings, DecodeError, DigestStream, MAX_DECODED, Opened, declared_kind, decode, open,
};
use crate::header;
use crate::isolation::{Foreign, InProcess, Isolation, Refusal};
use crate::path::{Path, Step};
use crate::rule::Rules;
use crate::verdict::{Cause, Difference, Differences, Equality, Kind, Part, Value, ValueType};

/// What comparing two answers found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They agree.
    Equal(Equality),
    /// They disagree, here.
    Different(Differences),
    /// It cannot be known.
    Incomparable(Cause),
}

/// What comparing two answers found, and what the rules masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What it found.
    pub comparison: Comparison,
    /// By rule, in the order of [`Rules::specs`]: places where the sides had something different
    /// and the rule made it count for nothing.
    pub masked: Vec<u32>,
}

/// Compares what the two sides answered, legacy first.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, StatusCode};
/// use parallax_core::compare::{Comparison, compare};
/// use parallax_core::exchange::{Answer, Body};
/// use parallax_core::rule::Rules;
/// let answer = |body: &'static str| Answer {
///     status: StatusCode::OK,
///     headers: HeaderMap::new(),
///     body: Body::Whole(Bytes::from_static(body.as_bytes())),
///     trailers: None,
/// };
/// let compared = compare(&answer(r#"{"price": 12.345}"#), &answer(r#"{"price": 12.35}"#), &Rules::default());
/// let Comparison::Different(differences) = compared.comparison else { panic!() };
/// assert_eq!(differences.kept[0].path.to_string(), "$.body.price");
/// assert_eq!(differences.kept[0].explanation.as_deref(), Some("rounded to 2 decimals"));
/// ```
#[must_use]
pub fn compare(legacy: &Answer, candidate: &Answer, rules: &Rules) -> Compared {
    compare_with(legacy, candidate, rules, &InProcess)
}

/// The same, with foreign formats decoded by `isolation`.
#[must_use]
pub fn compare_with(
    legacy: &Answer,
    candidate: &Answer,
    rules: &Rules,
    isolation: &dyn Isolation,
) -> Compared {
    let mut masked = vec![0; rules.specs().len()];
    let empty = HeaderMap::new();
    let trailers =
        (legacy.trailers.as_ref().unwrap_or(&empty), candidate.trailers.as_ref().unwrap_or(&empty));
    let status = status(legacy, candidate, rules, &mut masked);
    let headers = header::compare(Part::Header, &legacy.headers, &candidate.headers, rules, &mut masked);
    let body = Bodies { legacy, candidate, rules, isolation }.compare(&mut masked);
    let trailers = header::compare(Part::Trailer, trailers.0, trailers.1, rules, &mut masked);
    let identical = headers.identical && trailers.identical;

    let mut found = Differences::default();
    found.kept.extend(status);
    found.kept.extend(headers.differences);
    let (in_body, unknown) = match body {
        Ok(Found::Same { identical }) => (None, Ok(identical)),
        Ok(Found::Different(differences)) => (Some(differences), Ok(false)),
        Err(cause) => (None, Err(cause)),
    };
    if let Some(differences) = in_body {
        found.more += differences.more;
        found.kept.extend(differences.kept);
    }
    found.kept.extend(trailers.differences);
    let over = found.kept.len().saturating_sub(MAX_DIFFERENCES);
    found.kept.truncate(MAX_DIFFERENCES);
    found.more += over;

    let comparison = match unknown {
        _ if !found.kept.is_empty() => Comparison::Different(found),
        Err(cause) => Comparison::Incomparable(cause),
        Ok(_) if masked.iter().any(|&count| count > 0) => Comparison::Equal(Equality::Equivalent),
        Ok(true) if identical => Comparison::Equal(Equality::Identical),
        Ok(_) => Comparison::Equal(Equality::Equal),
    };
    Compared { comparison, masked }
}

fn status(legacy: &Answer, candidate: &Answer, rules: &Rules, masked: &mut [u32]) -> Option<Difference> {
    if legacy.status == candidate.status {
        return None;
    }
    if let Some(rule) = rules.ignored(&rules.at_part("status")) {
        masked[rule] += 1;
        return None;
    }
    Some(unlike_status(legacy, candidate))
}

/// The difference of two statuses, whatever the rules say of them.
pub(crate) fn status_alone(legacy: &Answer, candidate: &Answer) -> Differences {
    Differences { kept: vec![unlike_status(legacy, candidate)], more: 0 }
}

fn unlike_status(legacy: &Answer, candidate: &Answer) -> Difference {
    let value =
        |answer: &Answer| Some(Value { kind: ValueType::Number, text: answer.status.as_str().to_owned() });
    Difference {
        part: Part::Status,
        path: Path::from(vec![Step::name("status")]),
        kind: Kind::Value,
        legacy: value(legacy),
        candidate: value(candidate),
        explanation: None,
    }
}

/// What comparing the bodies found.
enum Found {
    Same { identical: bool },
    Different(Differences),
}

struct Bodies<'a> {
    legacy: &'a Answer,
    candidate: &'a Answer,
    rules: &'a Rules,
    isolation: &'a dyn Isolation,
}

/// One side's body, opened.
enum Side {
    Empty,
    Json(Box<Document>),
    Foreign(Foreign, Box<Document>),
    Text,
    Opaque,
    /// Of a foreign format by its type, but not by its content.
    NotForeign(Foreign),
    /// JSON by its type, but not by its content.
    Broken(usize),
}

impl Side {
    fn document(&self) -> Option<&Document> {
        match self {
            Self::Json(document) => Some(document),
            // Trees of foreign formats are small, and another decoder's besides.
            Self::Empty
            | Self::Text
            | Self::Opaque
            | Self::Broken(_)
            | Self::Foreign(..)
            | Self::NotForeign(_) => None,
        }
    }
}

impl Bodies<'_> {
    fn compare(&self, masked: &mut [u32]) -> Result<Found, Cause> {
        let at_body = self.rules.at_part("body");
        let (legacy, candidate) = (&self.legacy.body, &self.candidate.body);
        if let Some(rule) = self.rules.ignored(&at_body) {
            let identical = match (legacy, candidate) {
                (Body::Whole(ours), Body::Whole(theirs)) => ours == theirs,
                (Body::Digest(ours), Body::Digest(theirs)) => ours == theirs,
                (Body::Whole(_), Body::Digest(_)) | (Body::Digest(_), Body::Whole(_)) => false,
            };
            masked[rule] += u32::from(!identical);
            return Ok(Found::Same { identical });
        }
        match (legacy, candidate) {
            (Body::Whole(ours), Body::Whole(theirs)) => self.whole(ours, theirs, masked),
            (Body::Digest(ours), Body::Digest(theirs)) => self.digests(*ours, *theirs),
            (Body::Whole(ours), Body::Digest(theirs)) => self.digests(digest(self.legacy, ours), *theirs),
            (Body::Digest(ours), Body::Whole(theirs)) => self.digests(*ours, digest(self.candidate, theirs)),
        }
    }

    /// Equal digests match. Unequal ones are a difference only where no other spelling and no rule
    /// could make the contents equal.
    fn digests(&self, ours: Digest, theirs: Digest) -> Result<Found, Cause> {
        if ours == theirs {
            let identical =
                self.legacy.headers.get(CONTENT_ENCODING) == self.candidate.headers.get(CONTENT_ENCODING);
            return Ok(Found::Same { identical });
        }
        let may_be_tree = |answer: &Answer| {
            declared_kind(&answer.headers)
                .is_none_or(|kind| matches!(kind, BodyKind::Json | BodyKind::Foreign(_)))
        };
        let may_be_equal = may_be_tree(self.legacy) && may_be_tree(self.candidate);
        if may_be_equal || !self.rules.at_part("body").is_dead() {
            return Err(Cause::TooLarge);
        }
        Ok(one(unlike_bytes(ours.length, theirs.length)))
    }

    fn whole(&self, ours: &Bytes, theirs: &Bytes, masked: &mut [u32]) -> Result<Found, Cause> {
        let (left, right) = (Codings::of(&self.legacy.headers), Codings::of(&self.candidate.headers));
        let same_coding =
            self.legacy.headers.get_all(CONTENT_ENCODING) == self.candidate.headers.get_all(CONTENT_ENCODING);
        if ours == theirs && (same_coding || left == right && left.is_ok()) {
            return Ok(Found::Same { identical: true });
        }
        let left = left.and_then(|codings| decode(&codings, ours, MAX_DECODED));
        let right = right.and_then(|codings| decode(&codings, theirs, MAX_DECODED));
        match (left, right) {
            (Err(DecodeError::TooLarge), _) | (_, Err(DecodeError::TooLarge)) => Err(Cause::TooLarge),
            (Err(DecodeError::Undecodable), Err(DecodeError::Undecodable)) => Err(Cause::Undecodable),
            (Err(DecodeError::Undecodable), Ok(_)) | (Ok(_), Err(DecodeError::Undecodable)) => {
                Ok(one(at_body(Kind::Syntax, Some(bytes_value(ours.len())), Some(bytes_value(theirs.len())))))
            }
            (Ok(left), Ok(right)) if left == right => Ok(Found::Same { identical: false }),
            (Ok(left), Ok(right)) => self.decoded(&left, &right, masked),
        }
    }

    /// Compares two bodies whose decoded bytes are not the same.
    fn decoded(&self, left: &Bytes, right: &Bytes, masked: &mut [u32]) -> Result<Found, Cause> {
        let ours = self.opened(&self.legacy.headers, left, None)?;
        let theirs = self.opened(&self.candidate.headers, right, ours.document())?;
        let difference = match (&ours, &theirs) {
            (Side::Json(ours), Side::Json(theirs)) => return self.documents(ours, theirs, masked),
            (Side::Foreign(what, ours), Side::Foreign(other, theirs)) if what == other => {
                let found = self.documents(ours, theirs, masked)?;
                return Ok(explained(*what, found));
            }
            (Side::Broken(_), Side::Broken(_)) => return Err(Cause::Undecodable),
            (Side::NotForeign(what), Side::NotForeign(other)) if what == other => {
                return Err(Cause::Undecodable);
            }
            (Side::NotForeign(what), Side::Foreign(..)) => {
                not_foreign("legacy", *what, shown(&ours, left), shown(&theirs, right))
            }
            (Side::Foreign(..), Side::NotForeign(what)) => {
                not_foreign("the candidate", *what, shown(&ours, left), shown(&theirs, right))
            }
            (Side::Empty, _) => at_body(Kind::Extra, None, Some(shown(&theirs, right))),
            (_, Side::Empty) => at_body(Kind::Missing, Some(shown(&ours, left)), None),
            (Side::Broken(offset), Side::Json(_)) => {
                syntax("legacy", *offset, shown(&ours, left), shown(&theirs, right))
            }
            (Side::Json(_), Side::Broken(offset)) => {
                syntax("the candidate", *offset, shown(&ours, left), shown(&theirs, right))
            }
            (Side::Text, Side::Text) => {
                let (legacy, candidate) = (shown(&ours, left), shown(&theirs, right));
                let whole = left.len().max(right.len()) <= Value::MAX_TEXT;
                let explanation =
                    if whole { diff::explain_texts(&legacy.text, &candidate.text) } else { None };
                Difference { explanation, ..at_body(Kind::Value, Some(legacy), Some(candidate)) }
            }
            (Side::Opaque, Side::Opaque) => unlike_bytes(left.len() as u64, right.len() as u64),
            _ => at_body(Kind::Type, Some(shown(&ours, left)), Some(shown(&theirs, right))),
        };
        Ok(one(difference))
    }

    fn opened(&self, headers: &HeaderMap, decoded: &Bytes, other: Option<&Document>) -> Result<Side, Cause> {
        use crate::document::ReadError;
        if decoded.is_empty() {
            return Ok(Side::Empty);
        }
        match open(headers, decoded, other) {
            Ok(Opened::Document(document)) => Ok(Side::Json(document)),
            Ok(Opened::Foreign(what)) => match self.isolation.decode(what, decoded) {
                Ok(document) => Ok(Side::Foreign(what, Box::new(document))),
                Err(Refusal::Broken) => Ok(Side::NotForeign(what)),
                Err(refusal) => Err(refusal.cause()),
            },
            Ok(Opened::Text) => Ok(Side::Text),
            Ok(Opened::Opaque) => Ok(Side::Opaque),
            Err(ReadError::Syntax { offset }) => Ok(Side::Broken(offset)),
            Err(ReadError::Depth { .. } | ReadError::Nodes { .. }) => Err(Cause::Budget),
        }
    }

    fn documents(&self, ours: &Document, theirs: &Document, masked: &mut [u32]) -> Result<Found, Cause> {
        let at_root = self.rules.at_part("body");
        let (left, right) = (View::new(ours, self.rules, at_root), View::new(theirs, self.rules, at_root));
        count_ignored(&left, &right, masked);
        if left.is_in_step(&right) {
            return Ok(Found::Same { identical: false });
        }
        let differences = diff::diff(&left, &right, masked).map_err(|_| Cause::Budget)?;
        if differences.kept.is_empty() {
            return Ok(Found::Same { identical: false });
        }
        Ok(Found::Different(differences))
    }
}

/// Counts, by rule, what was ignored on one side without the same on the other.
fn count_ignored(left: &View<'_>, right: &View<'_>, masked: &mut [u32]) {
    let same = |at: usize| match (left.ignored.get(at), right.ignored.get(at)) {
        (Some(&(rule, node)), Some(&(other_rule, other))) => {
            rule == other_rule && left.is_alike(node, right, other)
        }
        _ => false,
    };
    // What is alike in its place cancels out unseen; only the rest is paired by hash.
    let sorted = |view: &View<'_>| {
        let rest = view.ignored.iter().enumerate().filter(|&(at, _)| !same(at));
        let mut rest: Vec<(usize, u64)> =
            rest.map(|(_, &(rule, node))| (rule, view.hash_alone(node))).collect();
        rest.sort_unstable();
        rest
    };
    let (ours, theirs) = (sorted(left), sorted(right));
    if ours.is_empty() && theirs.is_empty() {
        return;
    }
    let mut alone = vec![(0_u32, 0_u32); masked.len()];
    let (mut left, mut right) = (ours.as_slice(), theirs.as_slice());
    loop {
        match (left.split_first(), right.split_first()) {
            (Some((a, rest)), Some((b, other_rest))) if a == b => (left, right) = (rest, other_rest),
            (Some((a, rest)), b) if b.is_none_or(|(b, _)| a < b) => {
                alone[a.0].0 += 1;
                left = rest;
            }
            (_, Some((b, rest))) => {
                alone[b.0].1 += 1;
                right = rest;
            }
            (Some(_) | None, None) => break,
        }
    }
    for (count, (ours, theirs)) in masked.iter_mut().zip(alone) {
        *count = count.saturating_add(ours.max(theirs));
    }
}

fn digest(answer: &Answer, bytes: &Bytes) -> Digest {
    let mut stream = DigestStream::new(answer.headers.get_all(CONTENT_ENCODING));
    stream.update(bytes);
    stream.finish()
}

/// What two trees of a foreign format differ in, without what another difference explains.
fn explained(what: Foreign, found: Found) -> Found {
    match (what, found) {
        (Foreign::Pdf, Found::Different(mut differences)) => {
            format::pdf::explain(&mut differences);
            Found::Different(differences)
        }
        (_, found) => found,
    }
}

/// A whole body as the value of a difference.
fn shown(side: &Side, decoded: &Bytes) -> Value {
    match side {
        Side::Json(document) => document.value(document.root()),
        Side::Text => {
            let longest = decoded.len().min(Value::MAX_TEXT);
            let text = String::from_utf8_lossy(&decoded[..longest]);
            Value { kind: ValueType::String, text: crate::document::clip(&text, Value::MAX_TEXT).to_owned() }
        }
        // What is no JSON cannot be redacted by path, so its text is not shown either.
        Side::Opaque | Side::Empty | Side::Broken(_) | Side::Foreign(..) | Side::NotForeign(_) => {
            bytes_value(decoded.len())
        }
    }
}

fn bytes_value(length: usize) -> Value {
    Value { kind: ValueType::Bytes, text: format!("{length} bytes") }
}

fn unlike_bytes(ours: u64, theirs: u64) -> Difference {
    let kind = if ours == theirs { Kind::Value } else { Kind::Length };
    let value = |length: u64| Some(Value { kind: ValueType::Bytes, text: format!("{length} bytes") });
    at_body(kind, value(ours), value(theirs))
}

fn syntax(side: &str, offset: usize, legacy: Value, candidate: Value) -> Difference {
    let explanation = Some(format!("{side} sent no JSON from byte {offset} on").into());
    Difference { explanation, ..at_body(Kind::Syntax, Some(legacy), Some(candidate)) }
}

fn not_foreign(side: &str, what: Foreign, legacy: Value, candidate: Value) -> Difference {
    let explanation = Some(format!("{side} sent what cannot be decoded as {what}").into());
    Difference { explanation, ..at_body(Kind::Syntax, Some(legacy), Some(candidate)) }
}

fn at_body(kind: Kind, legacy: Option<Value>, candidate: Option<Value>) -> Difference {
    let path = Path::from(vec![Step::name("body")]);
    Difference { part: Part::Body, path, kind, legacy, candidate, explanation: None }
}

fn one(difference: Difference) -> Found {
    Found::Different(Differences { kept: vec![difference], more: 0 })
}
