//! What may differ, and where.
//!
//! A rule is a path and an action. All rules of an operation compile into one automaton over path
//! steps that is walked along with the document, so a hundred rules cost one walk. A rule that can
//! never match, or that contradicts another, is refused when it is written and not found out by a
//! wrong verdict. Adding a rule: one file with its word, argument and meaning, one variant of
//! [`Action`], one line in `word.rs`.
//!
//! - `ignore`, `only`, `text-only` take places out of both answers.
//! - `unordered`, `key` say how the elements of an array belong together.
//! - `fold`, `format`, `origin` rewrite a value before it is hashed; `tolerance`, `within`, `ref` are
//!   no equivalences, so their values are checked after everything else has been paired.
//! - `absent` takes a member for one that is not there; `decode` puts a document in the place of a
//!   string that holds it.
//!
//! Where several rules say something of one value, the last of the list counts, so that an
//! operation's own rule comes before the defaults.

mod absent;
mod automaton;
mod conflict;
mod decode;
mod fold;
mod format;
mod ignore;
mod jsonpath;
mod key;
mod only;
mod origin;
mod reference;
mod select;
mod spec;
mod text_only;
mod tolerance;
mod unordered;
mod value;
mod within;
mod word;

use std::sync::Arc;

use http::HeaderName;

pub use absent::Absent;
pub(crate) use automaton::{Automaton, States};
pub use decode::Decode;
pub(crate) use decode::{Hit, expand};
pub use fold::Folds;
pub use format::Format;
pub use jsonpath::PathError;
pub(crate) use jsonpath::{Filter, JsonPath, Selector};
pub use key::Key;
pub use only::Only;
pub use origin::Origins;
pub use reference::Reference;
pub use select::select;
pub use spec::RuleSpec;
pub(crate) use text_only::KEPT as TEXT_ONLY_KEEPS;
pub use tolerance::Tolerance;
pub(crate) use value::{Canonical, Leaf};
pub use within::Within;
pub(crate) use within::instant;

/// What a rule does where it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The place is taken out of both answers.
    Ignore,
    /// Of the object, nothing but these members is compared.
    Only(Only),
    /// Of a document with pages, nothing but their words is compared.
    TextOnly,
    /// The array is a multiset.
    Unordered,
    /// The array's elements belong together by a field.
    Key(Key),
    /// Numbers may differ by so much.
    Tolerance(Tolerance),
    /// Instants may differ by so much.
    Within(Within),
    /// Both values only need the format.
    Format(Format),
    /// Spelling that says nothing is folded away.
    Fold(Folds),
    /// A member with this value is as good as none.
    Absent(Absent),
    /// A document within a string.
    Decode(Decode),
    /// Ids may differ, but consistently.
    Ref(Reference),
    /// The sides' own hosts are the same.
    Origin,
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
    /// Behind the paths of the rules, in their order, those of their references: the rule of each.
    references: Vec<usize>,
    profile: HeaderProfile,
    /// A field that tells who has answered, and is no part of the answer.
    signed_by: Option<HeaderName>,
    origins: Origins,
    limits: Limits,
}

/// How much work one comparison may be, all of it counted and none of it timed, so that the same
/// pair has the same verdict on every machine. Beyond a limit a pair is incomparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that one body is decoded to.
    pub decoded_bytes: usize,
    /// Most bytes that one byte of a coded body is decoded to, beyond the first MiB.
    pub ratio: usize,
    /// Most values and names of one body.
    pub nodes: usize,
    /// Steps of comparing and pairing, each some hundred nanoseconds at worst.
    pub steps: u64,
    /// Differences that are kept.
    pub differences: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded_bytes: 32 * 1024 * 1024,
            ratio: 500,
            nodes: 2_000_000,
            steps: 20_000_000,
            differences: 200,
        }
    }
}

impl Limits {
    /// Most bytes that a coded body of so many is decoded to.
    pub(crate) fn decoded_from(&self, coded_bytes: usize) -> usize {
        const FREE: usize = 1024 * 1024;
        self.decoded_bytes.min(FREE.max(coded_bytes.saturating_mul(self.ratio)))
    }
}

/// A rule that a path of the automaton belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) rule: usize,
    /// Whether the place refers to an id that another place gives.
    pub(crate) refers: bool,
}

/// Why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {}, `{at}`: {message}{}", index + 1, other.map_or_else(String::new, |other| format!(" (the other is rule {})", other + 1)))]
pub struct RuleError {
    /// Which rule of the list, from 0.
    pub index: usize,
    /// Its path.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The rule that it does not go together with, from 0.
    pub other: Option<usize>,
    /// Whether it is the rule's argument that is wrong, not its path.
    pub in_argument: bool,
}

impl RuleError {
    fn new(index: usize, at: &str, message: String) -> Self {
        Self { index, at: at.to_owned(), message, other: None, in_argument: false }
    }

    /// The same, because of another rule.
    fn beside(self, other: usize) -> Self {
        Self { other: Some(other), ..self }
    }
}

impl Rules {
    /// Compiles rules, in order.
    ///
    /// # Errors
    /// The first rule with a bad path, that can never match or that contradicts another.
    pub fn compile(specs: &[RuleSpec]) -> Result<Self, RuleError> {
        let (mut paths, mut references, mut referred) =
            (Vec::with_capacity(specs.len()), Vec::new(), Vec::new());
        for (index, spec) in specs.iter().enumerate() {
            let refuse = |message: String| RuleError::new(index, &spec.at, message);
            let path = JsonPath::of_answer(&spec.at).map_err(|error| refuse(error.to_string()))?;
            if let Some(message) = spec.action.refuses(&path) {
                return Err(refuse(message.to_owned()));
            }
            if let Action::Ref(reference) = &spec.action {
                let to = reference
                    .path()
                    .map_err(|error| RuleError { in_argument: true, ..refuse(format!("`to`: {error}")) })?;
                referred.push(to);
                references.push(index);
            }
            paths.push(path);
        }
        conflict::check(specs, &paths)?;
        paths.extend(referred);
        unordered::check_indices(specs, &paths)?;
        let automaton = Automaton::compile(&paths).map_err(|too_many| {
            let index = references.get(too_many.path.wrapping_sub(specs.len())).copied();
            let index = index.unwrap_or(too_many.path);
            RuleError::new(index, &specs[index].at, too_many.to_string())
        })?;
        let compiled = Compiled { specs: specs.to_vec(), automaton, references, ..Compiled::default() };
        Ok(Self(Arc::new(compiled)))
    }

    /// The same rules with another header profile.
    #[must_use]
    pub fn with_headers(self, profile: HeaderProfile) -> Self {
        self.with(|compiled| compiled.profile = profile)
    }

    /// The same rules, by which this field tells who has answered and is no part of the answer.
    ///
    /// ```
    /// use parallax_core::rule::Rules;
    /// let rules = Rules::default().with_signature("x-version".parse().unwrap());
    /// assert_ne!(rules.fingerprint(), Rules::default().fingerprint());
    /// ```
    #[must_use]
    pub fn with_signature(self, field: HeaderName) -> Self {
        self.with(|compiled| compiled.signed_by = Some(field))
    }

    /// The same rules, with the hosts that each side calls its own.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        self.with(|compiled| compiled.origins = origins)
    }

    /// The same rules within other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.with(|compiled| compiled.limits = limits)
    }

    fn with(self, change: impl FnOnce(&mut Compiled)) -> Self {
        let mut compiled = Arc::unwrap_or_clone(self.0);
        change(&mut compiled);
        Self(Arc::new(compiled))
    }

    /// Which header fields count.
    #[must_use]
    pub fn headers(&self) -> HeaderProfile {
        self.0.profile
    }

    /// How much work one comparison may be.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The rules as they were written, in order: the index of a masked count is the index here.
    #[must_use]
    pub fn specs(&self) -> &[RuleSpec] {
        &self.0.specs
    }

    /// Changes when the rules change, the headers that count or the limits, and only then: evidence is
    /// gathered per rules. Never zero.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::from(match self.0.profile {
            HeaderProfile::Default => "default",
            HeaderProfile::Strict => "strict",
        });
        for spec in &self.0.specs {
            for word in [spec.at.as_str(), spec.action.as_str(), &spec.action.argument().to_string()] {
                text.push('\0');
                text.push_str(word);
            }
        }
        if let Some(field) = &self.0.signed_by {
            text.push_str(&format!("\0signed by\0{field}"));
        }
        if self.0.limits != Limits::default() {
            let Limits { decoded_bytes, ratio, nodes, steps, differences } = self.0.limits;
            text.push_str(&format!("\0limits\0{decoded_bytes} {ratio} {nodes} {steps} {differences}"));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1)
    }

    /// Whether a field tells who has answered and is no part of the answer.
    pub(crate) fn is_signature(&self, field: &str) -> bool {
        self.0.signed_by.as_ref().is_some_and(|name| name.as_str() == field)
    }

    pub(crate) fn automaton(&self) -> &Automaton {
        &self.0.automaton
    }

    pub(crate) fn action(&self, rule: usize) -> &Action {
        &self.0.specs[rule].action
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Whether some rule decodes.
    pub(crate) fn decodes(&self) -> bool {
        self.0.specs.iter().any(|spec| matches!(spec.action, Action::Decode(_)))
    }

    /// The rules whose place this is, in order.
    pub(crate) fn accepted(&self, states: &States) -> impl Iterator<Item = Hold> + '_ {
        let compiled = &*self.0;
        compiled.automaton.accepted(states).map(|path| match path.checked_sub(compiled.specs.len()) {
            None => Hold { rule: path, refers: false },
            Some(reference) => Hold { rule: compiled.references[reference], refers: true },
        })
    }

    /// The first rule that ignores the place where these states arrived.
    pub(crate) fn ignored(&self, states: &States) -> Option<usize> {
        self.accepted(states).map(|hold| hold.rule).find(|&rule| *self.action(rule) == Action::Ignore)
    }

    /// The rule by which a header field of this name, in lower case, is not compared because only
    /// others are.
    pub(crate) fn left_out(&self, at_part: &States, name: &str) -> Option<usize> {
        self.accepted(at_part).map(|hold| hold.rule).find(|&rule| match self.action(rule) {
            Action::Only(only) => !only.keeps_field(name),
            _ => false,
        })
    }

    /// The rule that says which values count as the same at the place where these states arrived.
    pub(crate) fn value_rule(&self, states: &States) -> Option<Hold> {
        self.accepted(states).filter(|hold| self.action(hold.rule).is_of_values()).last()
    }

    /// What the rules know at a part of the answer: `status`, `headers`, `body` or `trailers`.
    pub(crate) fn at_part(&self, part: &str) -> States {
        let automaton = self.automaton();
        automaton.by_name(&automaton.start(), part.as_bytes(), |_| false)
    }
}

#[cfg(test)]
mod tests;
