//! Rules that may mask a fault, made from what is known of its differences.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::all_folds;
use crate::relation::{Amount, Distance, Relation};
use crate::rule::RuleSpec;
use crate::signature::Signature;
use crate::verdict::{Kind, Part};

/// A number that is further than a tenth of the larger magnitude away, and not rounded, is another
/// number: a tolerance for it would hide more than it says.
const MAX_SHARE: i32 = -1;

/// Every rule that may mask something, the narrowest first.
pub(super) fn of(signature: &Signature, relations: &[(Kind, &Relation)]) -> Vec<RuleSpec> {
    if signature.part == Part::Status || signature.path.contains('…') || relations.is_empty() {
        return Vec::new();
    }
    let mut words: Vec<(&str, Value)> = Vec::new();
    let folds = all_folds(relations);
    if !folds.is_empty() {
        words.push(("fold", json!(folds)));
    }
    words.extend(tolerance(relations));
    words.extend(within(relations));
    let shapes: BTreeSet<_> = relations.iter().flat_map(|(_, relation)| &relation.shapes).collect();
    words.extend(shapes.into_iter().map(|shape| ("format", json!(shape))));
    let nothing: BTreeSet<_> = relations.iter().filter_map(|(_, relation)| relation.nothing).collect();
    words.extend(nothing.into_iter().map(|nothing| ("absent", json!(nothing))));
    words.extend(order(relations));
    if relations.iter().any(|(_, relation)| relation.origin) {
        words.push(("origin", json!(true)));
    }
    let decodes: BTreeSet<_> = relations.iter().flat_map(|(_, relation)| &relation.decodes).collect();
    words.extend(decodes.into_iter().map(|decode| ("decode", json!(decode))));
    words.push(("ignore", json!(true)));
    words.into_iter().filter_map(|(word, argument)| rule(&signature.path, word, argument)).collect()
}

/// A rule as it would be read from a configuration.
fn rule(at: &str, word: &str, argument: Value) -> Option<RuleSpec> {
    let mut map = serde_json::Map::new();
    map.insert("at".to_owned(), Value::from(at));
    map.insert(word.to_owned(), argument);
    serde_json::from_value(Value::Object(map)).ok()
}

/// The least round amount that covers every number that is near, or the least share of it where the
/// amounts say nothing because the numbers are of very different sizes.
fn tolerance(relations: &[(Kind, &Relation)]) -> Option<(&'static str, Value)> {
    let is_near = |distance: &Distance| distance.rounded_to.is_some() || distance.rel <= MAX_SHARE;
    let near: Vec<Distance> =
        relations.iter().filter_map(|(_, relation)| relation.distance).filter(is_near).collect();
    let amount = amount(&near)?;
    let (least, most) = (near.iter().map(|one| one.abs).min()?, near.iter().map(|one| one.abs).max()?);
    let share = near.iter().map(|distance| distance.rel).max()?;
    let is_spread = most - least > 1 && share <= MAX_SHARE && near.iter().any(|one| one.rounded_to.is_none());
    Some((
        "tolerance",
        if is_spread { json!({ "rel": percent(share) }) } else { json!({ "abs": amount.lexeme() }) },
    ))
}

/// What covers all of these. Where one side rounds, samples that happen to be close to a round number
/// say less than the place that is rounded to: half a unit of it, unless that is far more.
fn amount(near: &[Distance]) -> Option<Amount> {
    let most = near.iter().map(|distance| distance.amount()).max()?;
    let halves: Option<Vec<Amount>> = near.iter().map(|distance| distance.half_of_place()).collect();
    let covering = halves.into_iter().flatten().filter(|half| *half >= most).min();
    Some(covering.filter(|half| half.is_near(most)).unwrap_or(most))
}

/// A power of ten as percent.
fn percent(power: i32) -> String {
    format!("{}%", crate::relation::power_of_ten(power + 2))
}

fn within(relations: &[(Kind, &Relation)]) -> Option<(&'static str, Value)> {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let span = relations.iter().filter_map(|(_, relation)| relation.within_ms).max()?;
    let unit = UNITS.iter().find(|(unit, _)| span > 0 && span.is_multiple_of(*unit));
    let text = unit.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", span / unit));
    Some(("within", Value::from(text)))
}

/// Another order: by a key, where every sample has the same, and as a multiset.
fn order(relations: &[(Kind, &Relation)]) -> Vec<(&'static str, Value)> {
    let orders: Vec<&Relation> =
        relations.iter().filter(|(kind, _)| *kind == Kind::Order).map(|(_, relation)| *relation).collect();
    let Some(first) = orders.first() else { return Vec::new() };
    let key = first.key.as_deref().filter(|key| orders.iter().all(|one| one.key.as_deref() == Some(key)));
    let key = key.map(|key| ("key", Value::from(key)));
    key.into_iter().chain([("unordered", Value::Bool(true))]).collect()
}
