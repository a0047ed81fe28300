//! From a judged check to what may be kept of it. Everything that leaves here is redacted.

use http::{HeaderMap, HeaderName, header};

use super::layout::{self, Clip, Differing};
use super::{AnswerSample, Line, Report, ReportedDifference, RequestSample, Sample};
use crate::check::Check;
use crate::exchange::{Answer, Body, Request};
use crate::format::may_be_text;
use crate::header::split_outside_quotes;
use crate::operation::Operation;
use crate::path::{Path, Step};
use crate::redaction::{REDACTED, Redaction, Samples, mask, mask_number};
use crate::relation::Relation;
use crate::signature::{Signature, is_data, is_plain_name};
use crate::verdict::{Difference, Differences, Kind, Part, Value, ValueType, Verdict};

/// Headers whose values say how an answer is built, and nothing about anybody.
const STRUCTURAL: [HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::DATE,
    header::RETRY_AFTER,
    header::TRANSFER_ENCODING,
    header::VARY,
];

/// Headers that list media types, whose parameters may be anything.
const MEDIA_TYPES: [HeaderName; 2] = [header::ACCEPT, header::CONTENT_TYPE];

impl Report {
    /// What may be kept of a check, by its operation's redaction.
    #[must_use]
    pub fn new(
        check: &Check,
        legacy: Option<&Answer>,
        candidate: Option<&Answer>,
        verdict: &Verdict,
        at: jiff::Timestamp,
    ) -> Self {
        let operation = &check.operation;
        let none = Differences::default();
        let differences = if let Verdict::Unmatched(differences) = verdict { differences } else { &none };
        let by_line = [legacy, candidate].into_iter().flatten().any(|answer| may_be_text(&answer.headers));
        let view = View { operation, redaction: &operation.redaction, by_line };
        Self {
            id: check.id,
            at,
            operation_id: operation.id.clone(),
            answering: check.answered.side,
            outcome: verdict.outcome(),
            reason: if let Verdict::Failed(cause) = verdict { Some(*cause) } else { None },
            differences: differences.kept.iter().map(|difference| view.difference(difference)).collect(),
            more: differences.more,
            signatures: Signature::all_of(&operation.id, &differences.kept),
            sample: view.sample(&check.request, legacy, candidate, differences),
        }
    }
}

/// JSON without its indentation, for a value is told within a line. No string in it holds a line
/// break, so none of the spaces that are data is lost.
fn on_one_line(json: &str) -> String {
    json.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// An operation's answers as they may be seen.
struct View<'o> {
    operation: &'o Operation,
    redaction: &'o Redaction,
    /// Whether a place right in the body may be a line of text instead of a part of a tree.
    by_line: bool,
}

impl View<'_> {
    fn difference(&self, difference: &Difference) -> ReportedDifference {
        let value = |value: &Option<Value>| value.as_ref().and_then(|value| self.value(difference, value));
        ReportedDifference {
            signature: Signature::of(&self.operation.id, difference).id,
            part: difference.part,
            path: self.path(&difference.path),
            kind: difference.kind,
            legacy: value(&difference.legacy),
            candidate: value(&difference.candidate),
            explanation: difference.explanation.as_deref().map(str::to_owned),
            relation: Relation::of(difference, &self.operation.rules),
        }
    }

    /// A path whose names that are data are masked like values.
    fn path(&self, path: &Path) -> String {
        if self.redaction.samples == Samples::Plain {
            return path.to_string();
        }
        let shown = |(at, step): (usize, &Step)| match step {
            Step::Name { name, .. } if is_data(path, at) => Step::name(mask(name)),
            other => other.clone(),
        };
        Path::from(path.steps().iter().enumerate().map(shown).collect::<Vec<_>>()).to_string()
    }

    fn value(&self, difference: &Difference, value: &Value) -> Option<String> {
        match (difference.part, self.redaction.samples) {
            (_, Samples::None) => None,
            (Part::Status, _) => Some(value.text.clone()),
            (Part::Header | Part::Trailer, _) => {
                let name = difference.path.steps().get(1).and_then(|step| match step {
                    Step::Name { name, .. } => name.parse::<HeaderName>().ok(),
                    Step::Index(_) => None,
                });
                Some(name.map_or_else(|| mask(&value.text), |name| self.header_value(&name, &value.text)))
            }
            (Part::Body, Samples::Plain) if self.hides(&difference.path) => Some(REDACTED.to_owned()),
            (Part::Body, Samples::Plain) => Some(self.plain(difference, value)),
            (Part::Body, Samples::Masked) => Some(masked_value(value)),
        }
    }

    /// A value of a body that is kept as it is. A whole object or array may hold places that are
    /// redacted by name; then only its type is shown. So may a text where a tree was expected.
    fn plain(&self, difference: &Difference, value: &Value) -> String {
        let states = self.states_at(&difference.path);
        match value.kind {
            ValueType::Array | ValueType::Object if !states.is_dead() => value.kind.to_string(),
            ValueType::Array | ValueType::Object => on_one_line(&value.text),
            // Neither says anything but its type and length.
            ValueType::Null | ValueType::Bytes => value.text.clone(),
            ValueType::Boolean | ValueType::Number | ValueType::String => {
                let steps = difference.path.steps();
                let is_line = self.by_line && matches!(steps, [_, Step::Index(_)]);
                let whole = steps.len() == 1 || difference.kind == Kind::Type;
                let hidden = self.redaction.hides_scalar(&states, whole)
                    || is_line && self.redaction.hides_scalar(&self.redaction.at_body(), true);
                if hidden { REDACTED.to_owned() } else { value.text.clone() }
            }
        }
    }

    /// Whether a place, or one that holds it, is redacted by name.
    fn hides(&self, path: &Path) -> bool {
        let mut states = self.redaction.at_body();
        for step in path.steps().iter().skip(1) {
            if self.redaction.is_redacted(&states) {
                return true;
            }
            states = layout::step(self.redaction, &states, step);
        }
        self.redaction.is_redacted(&states)
    }

    fn states_at(&self, path: &Path) -> crate::rule::States {
        let start = self.redaction.at_body();
        path.steps().iter().skip(1).fold(start, |states, step| layout::step(self.redaction, &states, step))
    }

    fn sample(
        &self,
        request: &Request,
        legacy: Option<&Answer>,
        candidate: Option<&Answer>,
        differences: &Differences,
    ) -> Option<Sample> {
        if self.redaction.samples == Samples::None {
            return None;
        }
        let differing = Differing::new(differences);
        let answer = |answer: &Answer, other: Option<&Answer>| self.answer(answer, other, &differing);
        Some(Sample {
            request: self.request(request),
            legacy: legacy.map(|this| answer(this, candidate)),
            candidate: candidate.map(|this| answer(this, legacy)),
        })
    }

    fn request(&self, request: &Request) -> RequestSample {
        let target = match self.redaction.samples {
            Samples::Plain => request.target.to_string(),
            Samples::Masked | Samples::None => self.masked_target(request),
        };
        let headers = self.headers(&request.headers, &Differing::none(), "");
        let body = layout::body(&request.headers, &request.body, None, self.redaction, &Differing::none());
        let hidden = |lines: &[Line]| lines.iter().any(|line| line.text.ends_with(REDACTED));
        let masked = self.redaction.samples != Samples::Plain;
        let redacted = masked || hidden(&headers) || hidden(&body.lines);
        RequestSample {
            method: request.method.to_string(),
            target,
            headers,
            body: body.lines,
            redacted,
            masked,
        }
    }

    /// The template's own text stays, parameters and the query's values are masked.
    fn masked_target(&self, request: &Request) -> String {
        let template = &self.operation.matcher.template;
        let masked: Vec<(String, String)> = template
            .capture(request.target.path())
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, mask(value)))
            .collect();
        let value =
            |name: &str| masked.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let mut target = template.fill(value);
        if let Some(query) = request.target.query() {
            let pairs: Vec<String> = query.split('&').map(masked_pair).collect();
            target.push('?');
            target.push_str(&pairs.join("&"));
        }
        target
    }

    fn answer(&self, answer: &Answer, other: Option<&Answer>, differing: &Differing) -> AnswerSample {
        let body = match &answer.body {
            Body::Whole(bytes) => {
                let other = other.and_then(|other| match &other.body {
                    Body::Whole(bytes) => Some((&other.headers, bytes)),
                    Body::Digest(_) => None,
                });
                layout::body(&answer.headers, bytes, other, self.redaction, differing)
            }
            Body::Digest(digest) => {
                let text =
                    format!("{} bytes, more than `body_limit`; only a digest was compared", digest.length);
                Clip { lines: vec![Line { depth: 0, text, differs: differing.body() }], more: 0 }
            }
        };
        let trailers = answer.trailers.as_ref();
        AnswerSample {
            status: answer.status.as_u16(),
            headers: self.headers(&answer.headers, differing, "$.headers"),
            body: body.lines,
            more_lines: body.more,
            trailers: trailers
                .map(|trailers| self.headers(trailers, differing, "$.trailers"))
                .unwrap_or_default(),
        }
    }

    fn headers(&self, headers: &HeaderMap, differing: &Differing, part: &str) -> Vec<Line> {
        let line = |(name, value): (&HeaderName, &http::HeaderValue)| {
            let value = self.header_value(name, &String::from_utf8_lossy(value.as_bytes()));
            let differs = differing.header(part, name.as_str());
            Line { depth: 0, text: layout::clipped(format!("{name}: {value}")), differs }
        };
        headers.iter().take(layout::MAX_LINES).map(line).collect()
    }

    fn header_value(&self, name: &HeaderName, value: &str) -> String {
        if self.redaction.headers.contains(name) {
            return REDACTED.to_owned();
        }
        match self.redaction.samples {
            Samples::Plain => value.to_owned(),
            Samples::Masked | Samples::None if MEDIA_TYPES.contains(name) => masked_media_types(value),
            Samples::Masked | Samples::None if STRUCTURAL.contains(name) => value.to_owned(),
            Samples::Masked | Samples::None => mask(value),
        }
    }
}

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if is_plain_name(name) => format!("{name}={}", mask(value)),
        Some((name, value)) => format!("{}={}", mask(name), mask(value)),
        None => mask(pair),
    }
}

/// Types and charsets stay, every other parameter is masked.
fn masked_media_types(value: &str) -> String {
    let parameter = |piece: &str| match piece.split_once('=') {
        Some((name, value)) if is_plain_name(name.trim()) => {
            let stays = name.trim().eq_ignore_ascii_case("charset") && is_plain_name(value.trim_matches('"'));
            if stays { piece.to_owned() } else { format!("{name}={}", mask(value)) }
        }
        Some(_) | None => mask(piece),
    };
    let media_type = |text: &str| {
        let mut pieces = split_outside_quotes(text, ';');
        let essence = pieces.next().unwrap_or_default();
        let halves = essence.trim().split_once('/');
        let stays = halves.is_some_and(|(left, right)| is_media_word(left) && is_media_word(right));
        let essence = if stays { essence.to_owned() } else { mask(essence) };
        std::iter::once(essence).chain(pieces.map(parameter)).collect::<Vec<_>>().join(";")
    };
    split_outside_quotes(value, ',').map(media_type).collect::<Vec<_>>().join(",")
}

/// RFC 6838 section 4.2: at most 64 of these characters should make up each half of a type.
fn is_media_word(word: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
    word.len() <= 64 && word.bytes().all(allowed)
}

/// A value of a body without its content. An object or array is shown by its type: the sample
/// lays it out.
fn masked_value(value: &Value) -> String {
    match value.kind {
        ValueType::Null | ValueType::Array | ValueType::Object => value.kind.to_string(),
        ValueType::Boolean => "true|false".to_owned(),
        ValueType::Number => mask_number(&value.text),
        ValueType::String => mask(&value.text),
        ValueType::Bytes => "bytes".to_owned(),
    }
}
