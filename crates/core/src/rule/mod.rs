//! What may differ, and where.
//!
//! A rule is a path and an action. All rules of an operation compile into one automaton over path
//! steps that is walked along with the document, so a hundred rules cost one walk. A rule that can
//! never match, or that contradicts another, is refused when it is written and not found out by a
//! wrong verdict. Adding a rule: one file with its checks, one variant of [`Action`], one word in
//! `spec.rs`.

mod automaton;
mod ignore;
mod jsonpath;
mod select;
mod spec;
mod unordered;

use std::sync::Arc;

pub(crate) use automaton::{Automaton, States};
pub use jsonpath::PathError;
pub(crate) use jsonpath::{Filter, JsonPath, Selector};
pub use select::select;
pub use spec::RuleSpec;

/// What a rule does where it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The place is taken out of both answers.
    Ignore,
    /// The array is a multiset.
    Unordered,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Self] = &[Self::Ignore, Self::Unordered];

    /// The word by which a rule asks for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => ignore::WORD,
            Self::Unordered => unordered::WORD,
        }
    }

    /// Why it cannot stand at a place, if it cannot.
    fn refuses(self, path: &JsonPath) -> Option<&'static str> {
        match self {
            Self::Ignore => ignore::refuses(path),
            Self::Unordered => unordered::refuses(path),
        }
    }
}

/// Which header fields count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderProfile {
    /// All but those that say how or when an answer came rather than what it is.
    #[default]
    Default,
    /// All.
    Strict,
}

/// The compiled rules of one operation; cheap to clone.
///
/// ```
/// use parallax_core::rule::{Action, RuleSpec, Rules};
/// let spec = RuleSpec { at: "$.headers['x-trace-id']".into(), action: Action::Ignore };
/// assert!(Rules::compile(&[spec]).is_ok());
///
/// let spec = RuleSpec { at: "$.bdy.id".into(), action: Action::Ignore };
/// assert_eq!(
///     Rules::compile(&[spec]).unwrap_err().to_string(),
///     "rule 1, `$.bdy.id`: column 2: an answer has `status`, `headers`, `body` and `trailers`; did you mean `body`?"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules(Arc<Compiled>);

#[derive(Clone, Debug, Default)]
struct Compiled {
    specs: Vec<RuleSpec>,
    automaton: Automaton,
    profile: HeaderProfile,
}

/// Why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {}, `{at}`: {message}", index + 1)]
pub struct RuleError {
    /// Which rule of the list, from 0.
    pub index: usize,
    /// Its path.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Rules {
    /// Compiles rules, in order.
    ///
    /// # Errors
    /// The first rule with a bad path, that can never match or that contradicts another.
    pub fn compile(specs: &[RuleSpec]) -> Result<Self, RuleError> {
        let mut paths = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            let refuse = |message: String| RuleError { index, at: spec.at.clone(), message };
            let path = JsonPath::of_answer(&spec.at).map_err(|error| refuse(error.to_string()))?;
            if let Some(message) = spec.action.refuses(&path) {
                return Err(refuse(message.to_owned()));
            }
            paths.push(path);
        }
        unordered::check_indices(specs, &paths)?;
        let automaton = Automaton::compile(&paths).map_err(|too_many| RuleError {
            index: too_many.path,
            at: specs[too_many.path].at.clone(),
            message: too_many.to_string(),
        })?;
        Ok(Self(Arc::new(Compiled { specs: specs.to_vec(), automaton, profile: HeaderProfile::Default })))
    }

    /// The same rules with another header profile.
    #[must_use]
    pub fn with_headers(self, profile: HeaderProfile) -> Self {
        let mut compiled = Arc::unwrap_or_clone(self.0);
        compiled.profile = profile;
        Self(Arc::new(compiled))
    }

    /// Which header fields count.
    #[must_use]
    pub fn headers(&self) -> HeaderProfile {
        self.0.profile
    }

    /// The rules as they were written, in order: the index of a masked count is the index here.
    #[must_use]
    pub fn specs(&self) -> &[RuleSpec] {
        &self.0.specs
    }

    /// Changes when the rules change, and only then: evidence is gathered per rules.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::from(match self.0.profile {
            HeaderProfile::Default => "default",
            HeaderProfile::Strict => "strict",
        });
        for spec in &self.0.specs {
            text.push('\0');
            text.push_str(&spec.at);
            text.push('\0');
            text.push_str(spec.action.as_str());
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    pub(crate) fn automaton(&self) -> &Automaton {
        &self.0.automaton
    }

    pub(crate) fn action(&self, rule: usize) -> Action {
        self.0.specs[rule].action
    }

    /// The first rule that ignores the place where these states arrived.
    pub(crate) fn ignored(&self, states: &States) -> Option<usize> {
        self.automaton().accepted(states).find(|&rule| self.action(rule) == Action::Ignore)
    }

    /// What the rules know at a part of the answer: `status`, `headers`, `body` or `trailers`.
    pub(crate) fn at_part(&self, part: &str) -> States {
        let automaton = self.automaton();
        automaton.by_name(&automaton.start(), part.as_bytes(), |_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(at: &str, action: Action) -> RuleSpec {
        RuleSpec { at: at.into(), action }
    }

    fn with_unordered(array: &str, at: &str) -> Result<Rules, RuleError> {
        Rules::compile(&[spec(array, Action::Unordered), spec(at, Action::Ignore)])
    }

    #[test]
    fn an_index_into_an_unordered_array_is_refused() {
        for (array, at) in [
            ("$.body", "$.body[0]"),
            ("$.body.t", "$.body.t[0].x"),
            ("$.body.t", "$.body.*[1:].x"),
            ("$.body..t", "$.body.a.b.t[-1]"),
            ("$.body.a.t", "$.body..t[0]"),
            ("$.body.a.t", "$..[0]"),
            ("$.body[*].t", "$.body[3].t[1]"),
        ] {
            let error = with_unordered(array, at).unwrap_err();
            assert_eq!((error.index, error.at.as_str()), (1, at));
            assert!(error.message.contains(&format!("`{array}`, which is unordered")), "{error}");
        }
    }

    #[test]
    fn other_indices_are_fine() {
        for (array, at) in [
            ("$.body.t", "$.body.u[0]"),
            ("$.body.t", "$.body.t[*].x"),
            ("$.body.t", "$.body.t[:].x"),
            ("$.body.t", "$.body.t[*].x[0]"),
            ("$.body.t", "$.body.t[?@.id==1].x"),
            ("$.body[*].t", "$.body[3].u"),
        ] {
            assert!(with_unordered(array, at).is_ok(), "{array} {at}");
        }
    }

    #[test]
    fn rules_without_sense_are_refused() {
        let refused = |at: &str, action| Rules::compile(&[spec(at, action)]).unwrap_err().message;
        assert!(refused("$", Action::Ignore).contains("the whole answer"));
        assert!(refused("$.headers", Action::Unordered).contains("only an array of the body"));
        assert!(refused("$", Action::Unordered).contains("no array"));
        let many = vec![spec("$.body.a.b.c.d.e.f", Action::Ignore); 100];
        assert_eq!(Rules::compile(&many).unwrap_err().index, 64);
    }

    #[test]
    fn the_fingerprint_follows_the_rules() {
        let of = |specs: &[RuleSpec]| Rules::compile(specs).unwrap().fingerprint();
        let (a, b) = (spec("$.body.a", Action::Ignore), spec("$.body.a", Action::Unordered));
        assert_eq!(of(std::slice::from_ref(&a)), of(std::slice::from_ref(&a)));
        assert_ne!(of(std::slice::from_ref(&a)), of(std::slice::from_ref(&b)));
        assert_ne!(of(&[]), of(std::slice::from_ref(&a)));
        assert_eq!(of(&[]), Rules::default().fingerprint());
        let strict = Rules::default().with_headers(HeaderProfile::Strict);
        assert_ne!(strict.fingerprint(), Rules::default().fingerprint());
    }
}
