//! An operation: an endpoint under migration, with its own matcher, rules, target and stage. The
//! article gives each endpoint its own metric and its own tolerance; so does this.

use std::fmt;
use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;

use crate::coverage::Documented;
use crate::evidence::VersionSource;
use crate::exchange::{Request, Side};
use crate::graphql::{self, GraphQl};
use crate::label::labels;
use crate::ratio::Ratio;
use crate::readiness::{Confidence, LatencyLimit};
use crate::recheck::Recheck;
use crate::redaction::Redaction;
use crate::rollback::RollbackWhen;
use crate::rule::Rules;
use crate::stage::{InitialStage, Steps};
use crate::template::{Template, is_dot_segment};
use crate::verdict::Skip;

/// The name of an operation, and the value of the metric label `operation_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId(Arc<str>);

/// Why a text names no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationIdError {
    /// Empty, too long, or with characters that a URL, a shell or a metric label would trip over.
    #[error("`{0}` is no operation id: use 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`")]
    Malformed(String),
    /// The name under which requests of no operation are counted.
    #[error("`other` is the name for requests that match no operation; choose another id")]
    Reserved,
}

impl OperationId {
    /// The name under which requests that match no operation are counted.
    pub const OTHER: &'static str = "other";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for OperationId {
    type Err = OperationIdError;

    fn from_str(text: &str) -> Result<Self, OperationIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        if text == Self::OTHER {
            return Err(OperationIdError::Reserved);
        }
        // `.` and `..` mean another place in every URL.
        let is_dots = matches!(text, "." | "..");
        if text.is_empty() || text.len() > 128 || is_dots || !text.bytes().all(allowed) {
            return Err(OperationIdError::Malformed(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for OperationId {
    type Error = OperationIdError;

    fn try_from(text: String) -> Result<Self, OperationIdError> {
        text.parse()
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Which requests belong to an operation: `GET /returns/{return_id}`. HEAD belongs to its GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The method, exact.
    pub method: Method,
    /// The path template.
    pub template: Template,
}

impl Matcher {
    /// Whether a request is one of these, by its method and its raw path without the query.
    #[must_use]
    pub fn takes(&self, method: &Method, path: &str) -> bool {
        let is_method = self.method == *method || (self.method == Method::GET && *method == Method::HEAD);
        is_method && self.template.capture(path).is_some()
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

labels! {
    /// Whether a request of the operation may run on both sides.
    pub enum Idempotent {
        /// GET, HEAD and OPTIONS may, others may not.
        Auto => "auto",
        /// Every request may.
        True => "true",
        /// None may: also for a GET with effects.
        False => "false",
    }
}

impl Idempotent {
    /// Whether a request with this method may be copied to the other side.
    #[must_use]
    pub fn may_copy(self, method: &Method) -> bool {
        match self {
            Self::Auto => matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS),
            Self::True => true,
            Self::False => false,
        }
    }
}

labels! {
    /// When the copy of a request leaves.
    pub enum When {
        /// After the answer.
        After => "after",
        /// Together with the request, where it has no body.
        Concurrent => "concurrent",
    }
}

/// An endpoint under migration, as configured.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// Which requests belong to it.
    pub matcher: Matcher,
    /// The candidate's path where it differs; the parameters are those of the matcher.
    pub candidate_path: Option<Template>,
    /// The stage it starts in when nothing is stored.
    pub initial_stage: InitialStage,
    /// The share of its requests that is checked.
    pub sample: Ratio,
    /// What is demanded before it may be switched.
    pub target: Target,
    /// Its way through canary.
    pub steps: Steps,
    /// When it is rolled back by itself.
    pub rollback_when: Option<RollbackWhen>,
    /// How the candidate's version is told, for each of which evidence is gathered anew.
    pub version: VersionSource,
    /// Whether its requests may run on both sides.
    pub idempotent: Idempotent,
    /// How its requests are read as GraphQL, where they are; then what they ask for decides.
    pub graphql: Option<GraphQl>,
    /// When its copies leave.
    pub when: When,
    /// Whether both sides are asked again after a mismatch, and when.
    pub recheck: Option<Recheck>,
    /// What its description promises; empty where there is none.
    pub documented: Documented,
    /// Whether checks of its proxied requests wait on disk, as posted ones do.
    pub durable: bool,
    /// Longest body, in bytes, that is kept for comparison.
    pub body_limit: usize,
    /// How answers are compared.
    pub rules: Rules,
    /// What may be kept of a sample.
    pub redaction: Redaction,
}

impl Operation {
    /// Whether a request may be checked at all, as far as its head tells, and why not. `dice` is uniform over
    /// all of u32.
    ///
    /// # Errors
    /// The reason under which the request is counted as skipped.
    pub fn admits(&self, method: &Method, query: Option<&str>, dice: u32) -> Result<(), Skip> {
        let may_copy = match &self.graphql {
            Some(graphql) => self.idempotent != Idempotent::False && graphql.may_only_read(method, query),
            None => self.idempotent.may_copy(method),
        };
        if !may_copy {
            return Err(Skip::NotIdempotent);
        }
        let drawn_ppm = (u64::from(dice) * 1_000_000) >> 32;
        if drawn_ppm >= u64::from(self.sample.ppm()) { Err(Skip::SampledOut) } else { Ok(()) }
    }

    /// Whether a whole request may run on the other side too.
    #[must_use]
    pub fn may_copy(&self, request: &Request) -> bool {
        match &self.graphql {
            Some(graphql) => self.idempotent != Idempotent::False && graphql.only_reads(request),
            None => self.idempotent.may_copy(&request.method),
        }
    }

    /// Longest body of a request, in bytes, that is kept for its copy.
    #[must_use]
    pub fn request_limit(&self) -> usize {
        if self.graphql.is_some() { self.body_limit.min(graphql::MOST_BYTES) } else { self.body_limit }
    }

    /// How a mismatch of a request with this method is looked at again. GET and HEAD are safe by their
    /// definition (RFC 9110 section 9.2.1); what else may be copied was never promised to be asked
    /// more than once of the side that has answered it already.
    #[must_use]
    pub fn recheck_of(&self, method: &Method) -> Option<Recheck> {
        self.recheck.filter(|_| matches!(*method, Method::GET | Method::HEAD))
    }
}

impl Operation {
    /// Path and query of a request as this side knows it: the candidate's path may be another
    /// one, with the same parameters. Everything that is not rewritten stays byte for byte, and so
    /// does a path whose values would become dot segments: those lead to another place.
    #[must_use]
    pub fn target_on(&self, side: Side, target: &PathAndQuery) -> PathAndQuery {
        let rewritten = match (side, &self.candidate_path) {
            (Side::Candidate, Some(template)) => self.rewrite(template, target),
            (Side::Candidate, None) | (Side::Legacy, _) => None,
        };
        rewritten.unwrap_or_else(|| target.clone())
    }

    fn rewrite(&self, template: &Template, target: &PathAndQuery) -> Option<PathAndQuery> {
        let values = self.matcher.template.capture(target.path())?;
        let value = |name: &str| values.iter().find(|(known, _)| known == name).map(|&(_, value)| value);
        let mut text = template.fill(value);
        if text.split('/').any(is_dot_segment) {
            return None;
        }
        if let Some(query) = target.query() {
            text.push('?');
            text.push_str(query);
        }
        PathAndQuery::try_from(text).ok()
    }
}

/// What is demanded of an operation before it may be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// matched / (matched + unmatched), at least.
    pub consistency: Ratio,
    /// How sure it has to be that the consistency is the target or better; none: the plain percentage is
    /// all that is asked for.
    pub confidence: Option<Confidence>,
    /// Checks (matched + unmatched), at least.
    pub min_checks: u64,
    /// Distinct requests among them, at least; told apart by method, target and body.
    pub min_distinct: u64,
    /// failed / (matched + unmatched + failed), at most.
    pub max_failed: Ratio,
    /// Checks that came to an outcome, of the requests that should have been checked, at least.
    pub min_checked: Ratio,
    /// How much slower the candidate may answer; none: no matter.
    pub latency: Option<LatencyLimit>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_candidate(target: &'static str) -> String {
        let operation = Operation {
            id: "op".parse().unwrap(),
            matcher: Matcher { method: Method::GET, template: "/v1/{a}-{b}".parse().unwrap() },
            candidate_path: Some("/v2/{a}/{b}".parse().unwrap()),
            initial_stage: InitialStage::Shadow,
            sample: Ratio::ONE,
            target: Target {
                consistency: Ratio::ONE,
                confidence: None,
                min_checks: 1,
                min_distinct: 1,
                max_failed: Ratio::ONE,
                min_checked: Ratio::ZERO,
                latency: None,
            },
            version: VersionSource::Off,
            idempotent: Idempotent::Auto,
            graphql: None,
            documented: Documented::default(),
            when: When::After,
            recheck: None,
            durable: false,
            steps: Steps::default(),
            rollback_when: None,
            body_limit: 1,
            rules: Rules::default(),
            redaction: Redaction::default(),
        };
        operation.target_on(Side::Candidate, &PathAndQuery::from_static(target)).to_string()
    }

    #[test]
    fn no_path_is_rewritten_into_dot_segments() {
        assert_eq!(on_candidate("/v1/x-y?q=../"), "/v2/x/y?q=../");
        assert_eq!(on_candidate("/v1/...-y"), "/v2/.../y");
        for target in ["/v1/..-x", "/v1/.-x", "/v1/x-..", "/v1/%2e%2E-x?q", "/v1/x-.%2e"] {
            assert_eq!(on_candidate(target), target);
        }
    }
}
