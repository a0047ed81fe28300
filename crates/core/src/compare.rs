//! Whether two answers are the same, and where not: status, headers, body, trailers.
//!
//! A known difference is evidence, whatever else cannot be compared: where status or headers differ
//! and the bodies are too large, the pair is different, not incomparable. The other way round,
//! nothing that could not be compared to its end ever counts as equal.

mod side;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use self::side::Side;
use crate::diff;
use crate::document::{Document, NodeId, View};
use crate::exchange::{self, Answer, Body, Digest};
use crate::format::{
    self, BodyKind, Codings, DecodeError, DigestStream, as_documents, declared_kind, decode, shaped,
    without_echoes,
};
use crate::header;
use crate::isolation::{Foreign, InProcess, Isolation};
use crate::path::{Path, Step};
use crate::rule::{self, Hit, Rules};
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
    let max_differences = rules.limits().differences;
    let over = found.kept.len().saturating_sub(max_differences);
    found.kept.truncate(max_differences);
    found.more += over;

    let comparison = match unknown {
        // Also where none is kept.
        _ if !found.kept.is_empty() || found.more > 0 => Comparison::Different(found),
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
        let kinds = (declared_kind(&self.legacy.headers), declared_kind(&self.candidate.headers));
        let may_be_equal = match kinds {
            // In one charset, other bytes are another text.
            (Some(BodyKind::Text), Some(BodyKind::Text)) => {
                self.legacy.headers.get(CONTENT_TYPE) != self.candidate.headers.get(CONTENT_TYPE)
            }
            (Some(ours), Some(theirs)) => ours == theirs && ours != BodyKind::Opaque,
            (Some(kind), None) | (None, Some(kind)) => kind != BodyKind::Opaque,
            (None, None) => true,
        };
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
        let most = |coded: &Bytes| self.rules.limits().decoded_from(coded.len());
        let left = left.and_then(|codings| decode(&codings, ours, most(ours)));
        let right = right.and_then(|codings| decode(&codings, theirs, most(theirs)));
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
        let ours = self.side(self.legacy, left, None)?;
        let theirs = self.side(self.candidate, right, ours.json())?;
        let difference = match (&ours, &theirs) {
            (Side::Tree(kind, ours), Side::Tree(other, theirs)) if kind == other => {
                return if kind.is_markup() {
                    self.markup(ours, theirs, masked)
                } else {
                    self.documents(ours, theirs, masked).map(|found| explained(*kind, found))
                };
            }
            (Side::Text(ours), Side::Text(theirs)) => return self.texts(ours, theirs, masked),
            (Side::Broken(..), Side::Broken(..)) => return Err(Cause::Undecodable),
            (Side::Empty, _) => at_body(Kind::Extra, None, Some(theirs.value(right))),
            (_, Side::Empty) => at_body(Kind::Missing, Some(ours.value(left)), None),
            (Side::Broken(kind, offset), _) => {
                let explanation = side::broken("legacy", *kind, *offset);
                unlike(Kind::Syntax, ours.value(left), theirs.value(right), explanation)
            }
            (_, Side::Broken(kind, offset)) => {
                let explanation = side::broken("the candidate", *kind, *offset);
                unlike(Kind::Syntax, ours.value(left), theirs.value(right), explanation)
            }
            (Side::Opaque, Side::Opaque) => unlike_bytes(left.len() as u64, right.len() as u64),
            (Side::Tree(..) | Side::Text(_) | Side::Opaque, _) => {
                let explanation = format!("{} instead of {}", theirs.called(), ours.called());
                unlike(Kind::Type, ours.whole(left), theirs.whole(right), explanation)
            }
        };
        Ok(one(difference))
    }

    fn side(&self, answer: &Answer, decoded: &Bytes, other: Option<&Document>) -> Result<Side, Cause> {
        Side::open(&answer.headers, decoded, other, self.rules.limits().nodes, self.isolation)
    }

    /// Compares two documents of markup, which are shaped alike first.
    fn markup(&self, ours: &Document, theirs: &Document, masked: &mut [u32]) -> Result<Found, Cause> {
        let (ours, theirs) = shaped(ours, theirs, self.rules.limits().nodes).map_err(|_| Cause::Budget)?;
        let mut found = self.documents(&ours, &theirs, masked)?;
        if let Found::Different(differences) = &mut found {
            without_echoes(differences);
            if differences.kept.is_empty() && differences.more == 0 {
                return Ok(Found::Same { identical: false });
            }
        }
        Ok(found)
    }

    /// Compares two texts: by line where there are several.
    fn texts(&self, ours: &str, theirs: &str, masked: &mut [u32]) -> Result<Found, Cause> {
        let (left, right) =
            as_documents(ours, theirs, self.rules.limits().nodes).map_err(|_| Cause::Budget)?;
        let found = self.documents(&left, &right, masked)?;
        match side::line_ends(ours, theirs) {
            Some(explanation) if matches!(found, Found::Different(_)) => {
                let (ours, theirs) = (side::text_value(ours), side::text_value(theirs));
                Ok(one(unlike(Kind::Value, ours, theirs, explanation)))
            }
            _ => Ok(found),
        }
    }

    fn documents(&self, ours: &Document, theirs: &Document, masked: &mut [u32]) -> Result<Found, Cause> {
        let at_root = self.rules.at_part("body");
        let (mut hits, mut other_hits) = (Vec::new(), Vec::new());
        let expand = |document, hits: &mut Vec<Hit>| {
            rule::expand(document, self.rules, at_root, hits).map_err(|_| Cause::Budget)
        };
        let (left, right) = (expand(ours, &mut hits)?, expand(theirs, &mut other_hits)?);
        count_decoded(&hits, &other_hits, masked);
        let view = |expanded, document, side| {
            View::new(Option::unwrap_or(expanded, document), self.rules, at_root, side)
        };
        let left = view(left.as_ref(), ours, exchange::Side::Legacy);
        let right = view(right.as_ref(), theirs, exchange::Side::Candidate);
        count_taken_out(&left, &right, masked);
        if let Some(by_rules) = left.in_step(&right) {
            by_rules.into_iter().for_each(|rule| masked[rule] = masked[rule].saturating_add(1));
            return Ok(Found::Same { identical: false });
        }
        let differences = diff::diff(&left, &right, masked).map_err(|_| Cause::Budget)?;
        if differences.kept.is_empty() && differences.more == 0 {
            return Ok(Found::Same { identical: false });
        }
        Ok(Found::Different(differences))
    }
}

/// Counts, by rule, the strings that differ and hold the same.
fn count_decoded(ours: &[Hit], theirs: &[Hit], masked: &mut [u32]) {
    for (one, other) in ours.iter().zip(theirs) {
        let is_masked =
            one.rule == other.rule && one.content == other.content && one.written != other.written;
        masked[one.rule] += u32::from(is_masked);
    }
}

/// Counts, by rule, what was taken out on one side without the same on the other.
fn count_taken_out(left: &View<'_>, right: &View<'_>, masked: &mut [u32]) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (left.taken_out().collect(), right.taken_out().collect());
    let same = |at: usize| match (ours.get(at), theirs.get(at)) {
        (Some(&(rule, node)), Some(&(other_rule, other))) => {
            rule == other_rule && left.is_alike_by_name(node, right, other)
        }
        _ => false,
    };
    // What is alike in its place cancels out unseen; only the rest is paired by hash.
    let sorted = |view: &View<'_>, taken_out: &[(usize, NodeId)]| {
        let rest = taken_out.iter().enumerate().filter(|&(at, _)| !same(at));
        let mut rest: Vec<(usize, u64)> =
            rest.map(|(_, &(rule, node))| (rule, view.hash_with_name(node))).collect();
        rest.sort_unstable();
        rest
    };
    let (ours, theirs) = (sorted(left, &ours), sorted(right, &theirs));
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

/// What two trees differ in, without what another difference explains.
fn explained(kind: BodyKind, found: Found) -> Found {
    match (kind, found) {
        (BodyKind::Foreign(Foreign::Pdf), Found::Different(mut differences)) => {
            format::pdf::explain(&mut differences);
            Found::Different(differences)
        }
        (_, found) => found,
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

fn unlike(kind: Kind, legacy: Value, candidate: Value, explanation: impl Into<String>) -> Difference {
    let explanation = Some(explanation.into().into());
    Difference { explanation, ..at_body(kind, Some(legacy), Some(candidate)) }
}

fn at_body(kind: Kind, legacy: Option<Value>, candidate: Option<Value>) -> Difference {
    let path = Path::from(vec![Step::name("body")]);
    Difference { part: Part::Body, path, kind, legacy, candidate, explanation: None }
}

fn one(difference: Difference) -> Found {
    Found::Different(Differences { kept: vec![difference], more: 0 })
}
