//! Which rule would mask a fault, and what else it would hide.
//!
//! What is asked is the stored samples, whose values are gone; the [`Relation`] of each difference says
//! what a rule needs to know. Where it does not, a rule is taken to mask nothing: a suggestion never
//! promises more than the rule will do. Nobody is asked anything again.

mod candidates;
mod text;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::Decimal;
use crate::relation::{Fold, Nothing, Relation, Shape, folds};
use crate::report::{Report, ReportedDifference};
use crate::rule::{Action, Automaton, Format, JsonPath, RuleSpec, Rules, Selector, States};
use crate::signature::Signature;
use crate::verdict::Kind;

pub use text::{argument, as_yaml};

/// A rule that would mask differences of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The rule.
    pub rule: RuleSpec,
    /// The same as a line of the list under `compare:`.
    pub yaml: String,
    /// Of how many stored samples it would mask every difference of the signature.
    pub masks: usize,
    /// Stored samples that have the signature.
    pub of: usize,
    /// Of those that it masks, how many would still be unmatched for another difference.
    pub with_other_differences: usize,
    /// What it would hide, in a sentence.
    pub hides: String,
    /// Rules in force that it would have to take the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<RuleSpec>,
}

/// What rules would make of stored samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejudged {
    /// Samples that were looked at.
    pub samples: usize,
    /// Those of which no difference would be left.
    pub masked: usize,
    /// Those that would still be unmatched.
    pub unmatched: usize,
}

/// Rules that would mask the differences of a signature, the narrowest first; a rule that masks less
/// than half as many samples as another stands behind, and `ignore` is always the last. None for a
/// status: whoever wants to ignore one should have to think of it.
///
/// `in_force` are the rules under which the samples were judged. A rule that cannot stand beside them
/// is suggested in place of those that it contradicts.
///
/// ```
/// use parallax_core::rule::{Rules, RuleSpec};
/// use parallax_core::suggest::suggest;
/// # use parallax_core::{check::CheckId, exchange::Side, path::{Path, Step}, relation::Relation};
/// # use parallax_core::{report::{Report, ReportedDifference}, signature::Signature};
/// # use parallax_core::verdict::{Difference, Kind, Outcome, Part, Value, ValueType};
/// # let number = |text: &str| Some(Value { kind: ValueType::Number, text: text.to_owned() });
/// # let difference = Difference {
/// #     part: Part::Body,
/// #     path: Path::from(vec![Step::name("body"), Step::name("price")]),
/// #     kind: Kind::Value,
/// #     legacy: number("19.94"),
/// #     candidate: number("19.9"),
/// #     explanation: None,
/// # };
/// # let signature = Signature::of(&"getReturn".parse().unwrap(), &difference);
/// # let report = Report {
/// #     id: CheckId(1),
/// #     at: jiff::Timestamp::UNIX_EPOCH,
/// #     operation_id: "getReturn".parse().unwrap(),
/// #     answering: Side::Legacy,
/// #     outcome: Outcome::Unmatched,
/// #     reason: None,
/// #     recheck: None,
/// #     differences: vec![ReportedDifference {
/// #         signature: signature.id,
/// #         part: Part::Body,
/// #         path: difference.path.to_string(),
/// #         kind: Kind::Value,
/// #         legacy: Some("99.99".into()),
/// #         candidate: Some("99.9".into()),
/// #         explanation: None,
/// #         relation: Relation::of(&difference, &Rules::default()),
/// #     }],
/// #     more: 0,
/// #     signatures: vec![signature.clone()],
/// #     sample: None,
/// # };
/// // A price of which the candidate has one decimal less:
/// let suggestions = suggest(&signature, &[report], &[]);
/// assert_eq!(suggestions[0].yaml, r#"- {at: "$.body.price", tolerance: {abs: "0.05"}}"#);
/// assert_eq!((suggestions[0].masks, suggestions[0].of), (1, 1));
/// ```
#[must_use]
pub fn suggest(signature: &Signature, reports: &[Report], in_force: &[RuleSpec]) -> Vec<Suggestion> {
    let has_signature = |report: &&Report| own(report, signature).next().is_some();
    let reports: Vec<&Report> = reports.iter().filter(has_signature).collect();
    let relations: Vec<(Kind, &Relation)> = reports
        .iter()
        .flat_map(|report| own(report, signature))
        .map(|difference| (difference.kind, &difference.relation))
        .collect();
    let candidates = candidates::of(signature, &relations);
    let mut suggestions: Vec<Suggestion> = candidates
        .into_iter()
        .filter_map(|rule| judged(rule, signature, &reports, in_force))
        .filter(|suggestion| suggestion.masks > 0)
        .collect();
    let is_last = |suggestion: &Suggestion| suggestion.rule.action == Action::Ignore;
    let most = suggestions.iter().filter(|one| !is_last(one)).map(|one| one.masks).max().unwrap_or(0);
    suggestions.sort_by_key(|one| (is_last(one), one.masks * 2 < most));
    suggestions
}

/// Whether a rule would have masked a difference, as far as it is known.
#[must_use]
pub fn would_mask(rule: &RuleSpec, difference: &ReportedDifference) -> bool {
    Rules::compile(std::slice::from_ref(rule)).is_ok_and(|rules| masks(&rules, difference))
}

/// What rules would make of stored samples, without asking anybody. At least so many are masked: what
/// only the values could tell, a filter or a distance between two powers of ten, counts as unmatched.
#[must_use]
pub fn rejudge(reports: &[Report], rules: &Rules) -> Rejudged {
    let is_masked = |report: &&Report| {
        report.more == 0 && report.differences.iter().all(|difference| masks(rules, difference))
    };
    let masked = reports.iter().filter(is_masked).count();
    Rejudged { samples: reports.len(), masked, unmatched: reports.len() - masked }
}

/// The differences of a report that belong to a signature.
fn own<'r>(report: &'r Report, signature: &Signature) -> impl Iterator<Item = &'r ReportedDifference> {
    let id = signature.id;
    report.differences.iter().filter(move |difference| difference.signature == id)
}

/// What a rule would do to the samples; none when it cannot be among the rules in force.
fn judged(
    rule: RuleSpec,
    signature: &Signature,
    reports: &[&Report],
    in_force: &[RuleSpec],
) -> Option<Suggestion> {
    let replaces = fit(&rule, in_force)?;
    let rules = Rules::compile(std::slice::from_ref(&rule)).ok()?;
    let masked = |report: &&&Report| own(report, signature).all(|difference| masks(&rules, difference));
    let masked: Vec<&&Report> = reports.iter().filter(masked).collect();
    let has_others = |report: &&&&Report| {
        report.more > 0 || report.differences.iter().any(|difference| !masks(&rules, difference))
    };
    let with_other_differences = masked.iter().filter(has_others).count();
    let (yaml, hides) = (as_yaml(&rule), text::hides(&rule.action));
    Some(Suggestion {
        rule,
        yaml,
        masks: masked.len(),
        of: reports.len(),
        with_other_differences,
        hides,
        replaces,
    })
}

/// The rules that a new one would have to take the place of; none when even that would not do.
fn fit(rule: &RuleSpec, in_force: &[RuleSpec]) -> Option<Vec<RuleSpec>> {
    let stands = |beside: &[RuleSpec]| Rules::compile(&[beside, std::slice::from_ref(rule)].concat()).is_ok();
    if stands(in_force) {
        return Some(Vec::new());
    }
    let path = JsonPath::of_answer(&rule.at).ok()?;
    let gives_way = |other: &&RuleSpec| {
        JsonPath::of_answer(&other.at).is_ok_and(|other_path| match rule.action {
            Action::Ignore => path.covers(&other_path),
            _ => path.is_same(&other_path),
        })
    };
    let (replaced, rest): (Vec<&RuleSpec>, Vec<&RuleSpec>) = in_force.iter().partition(gives_way);
    let rest: Vec<RuleSpec> = rest.into_iter().cloned().collect();
    stands(&rest).then(|| replaced.into_iter().cloned().collect())
}

/// Whether some rule would have masked a difference.
fn masks(rules: &Rules, difference: &ReportedDifference) -> bool {
    let Ok(path) = JsonPath::parse(&difference.path) else { return false };
    let mut states = rules.automaton().start();
    let mut is_of_fields = false;
    for (depth, segment) in path.segments.iter().enumerate() {
        let [selector] = segment.selectors.as_slice() else { return false };
        if leaves_out(rules, &states, selector, is_of_fields && depth == 1) {
            return true;
        }
        states = step(rules.automaton(), &states, selector, is_of_fields && depth == 1);
        is_of_fields |= depth == 0 && ["headers", "trailers"].iter().any(|part| selector.is_name(part));
        if rules.ignored(&states).is_some() {
            return true;
        }
    }
    is_same(rules, &states, difference)
}

/// Whether a rule compares nothing of an object but other members.
fn leaves_out(rules: &Rules, states: &States, selector: &Selector, is_field: bool) -> bool {
    let Selector::Name(name) = selector else { return false };
    rules.accepted(states).any(|hold| match rules.action(hold.rule) {
        Action::Only(only) if is_field => !only.keeps_field(name),
        Action::Only(only) => !only.keeps(name.as_bytes()),
        _ => false,
    })
}

/// One step towards a place. A filter passes nothing, for it would ask for values; how long an array
/// was is not known either, so positions from its end are not found.
fn step(automaton: &Automaton, states: &States, selector: &Selector, is_field: bool) -> States {
    const SOME_LENGTH: usize = u32::MAX as usize;
    match selector {
        Selector::Name(name) if is_field => automaton.by_field(states, &name.to_ascii_lowercase()),
        Selector::Name(name) => automaton.by_name(states, name.as_bytes(), |_| false),
        Selector::Index(index) => match usize::try_from(*index) {
            Ok(index) => automaton.by_index(states, index, SOME_LENGTH, |_| false),
            Err(_) => States::default(),
        },
        Selector::Wildcard | Selector::Slice { .. } | Selector::Filter(_) => States::default(),
    }
}

/// Whether the rules at a place take both values for the same.
fn is_same(rules: &Rules, states: &States, difference: &ReportedDifference) -> bool {
    let relation = &difference.relation;
    let mut actions = rules.accepted(states).map(|hold| rules.action(hold.rule));
    match difference.kind {
        Kind::Value => {
            let by_value =
                rules.value_rule(states).is_some_and(|hold| is_same_value(rules.action(hold.rule), relation));
            by_value
                || actions
                    .any(|action| matches!(action, Action::Decode(way) if relation.decodes.contains(way)))
        }
        Kind::Order => actions.any(|action| match action {
            Action::Unordered => true,
            Action::Key(key) => relation.key.as_deref().is_some_and(|name| key.is_only(name)),
            _ => false,
        }),
        Kind::Missing | Kind::Extra => {
            let nothing = relation.nothing.map(Nothing::as_str);
            actions.any(|action| {
                matches!(action, Action::Absent(absent) if nothing == Some(absent.to_string().as_str()))
            })
        }
        Kind::Type | Kind::Length | Kind::DuplicateKey | Kind::Syntax => false,
    }
}

fn is_same_value(action: &Action, relation: &Relation) -> bool {
    match action {
        Action::Fold(rule) => {
            let covers = |fold: &Fold| {
                let one = folds(&[*fold]);
                (!one.case || rule.case) && (!one.whitespace || rule.whitespace) && (!one.nfc || rule.nfc)
            };
            !relation.folds.is_empty() && relation.folds.iter().all(covers)
        }
        Action::Tolerance(tolerance) => relation.distance.is_some_and(|distance| {
            let share = format!("1e{}", distance.rel);
            tolerance.covers_abs(Decimal::of(distance.amount().lexeme().as_bytes()))
                || tolerance.covers_rel(Decimal::of(share.as_bytes()))
        }),
        Action::Within(within) => relation.within_ms.is_some_and(|apart| within.covers_ms(apart)),
        Action::Format(format) => {
            let shape = match format {
                Format::Uuid => Some(Shape::Uuid),
                Format::IsoTime => Some(Shape::IsoTime),
                Format::Int => Some(Shape::Int),
                Format::Regex(_) => None,
            };
            shape.is_some_and(|shape| relation.shapes.contains(&shape))
        }
        Action::Origin => relation.origin,
        // Whether ids differ consistently, one difference does not say.
        Action::Ref(_)
        | Action::Ignore
        | Action::Only(_)
        | Action::TextOnly
        | Action::Unordered
        | Action::Key(_)
        | Action::Absent(_)
        | Action::Decode(_) => false,
    }
}

/// The foldings of all these relations together.
fn all_folds(relations: &[(Kind, &Relation)]) -> Vec<Fold> {
    let found: BTreeSet<Fold> =
        relations.iter().flat_map(|(_, relation)| relation.folds.iter().copied()).collect();
    found.into_iter().collect()
}

#[cfg(test)]
mod tests;
