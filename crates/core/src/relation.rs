//! How two differing values are related, told without either of them.
//!
//! Samples are kept masked, so the values of a difference are gone when somebody asks which rule
//! would mask it. What a rule needs to know is therefore taken down while the values are there, in
//! classes so coarse that no value can be read from them: a distance as a power of ten, a time apart
//! as one of a handful of spans, a format that both have. A relation says no more of a value than its
//! mask and the explanation of the difference do.

mod distance;
mod key;

use serde::{Deserialize, Serialize};

use crate::document::Decimal;
use crate::label::labels;
use crate::rule::{Decode, Folds, Format, Rules, instant};
use crate::verdict::{Difference, Kind, Value, ValueType};

pub use distance::Distance;
pub(crate) use distance::{Amount, power_of_ten};

labels! {
    /// Spelling that may be folded away.
    pub enum Fold {
        /// Upper and lower case.
        Case => "case",
        /// How many blanks there are.
        Whitespace => "whitespace",
        /// How accents are composed.
        Nfc => "nfc",
    }
}

labels! {
    /// A format that both values have.
    pub enum Shape {
        /// RFC 9562.
        Uuid => "uuid",
        /// An ISO 8601 date and time.
        IsoTime => "iso-time",
        /// A whole number.
        Int => "int",
    }
}

labels! {
    /// What one side has where the other has no member, and that may be as good as none.
    pub enum Nothing {
        /// null.
        Null => "null",
        /// An empty string.
        Text => "\"\"",
        /// An empty array.
        Array => "[]",
        /// An empty object.
        Object => "{}",
    }
}

/// What is known of a difference beside its place and kind; nothing of it is a value.
///
/// ```
/// use parallax_core::path::{Path, Step};
/// use parallax_core::relation::{Fold, Relation};
/// use parallax_core::rule::Rules;
/// use parallax_core::verdict::{Difference, Kind, Part, Value, ValueType};
/// let text = |text: &str| Some(Value { kind: ValueType::String, text: text.to_owned() });
/// let difference = Difference {
///     part: Part::Body,
///     path: Path::from(vec![Step::name("body"), Step::name("name")]),
///     kind: Kind::Value,
///     legacy: text("Ann Miller"),
///     candidate: text("ANN MILLER"),
///     explanation: None,
/// };
/// assert_eq!(Relation::of(&difference, &Rules::default()).folds, [Fold::Case]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Relation {
    /// The fewest foldings under which the texts are the same; none when there are no such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<Fold>,
    /// How far apart two numbers are, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
    /// How many milliseconds two instants are apart, at most: one of [`SPANS_MS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
    /// Formats that both values have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<Shape>,
    /// Whether the texts are the same but for the sides' own hosts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub origin: bool,
    /// Ways to decode both texts that lead to the same document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decodes: Vec<Decode>,
    /// What the one side has where the other has no member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<Nothing>,
    /// Of arrays in another order: a field that every element has and no two share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The classes of a time apart, in milliseconds; what is further apart is in none.
pub const SPANS_MS: [u64; 15] = [
    0,
    1,
    10,
    100,
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    300_000,
    900_000,
    3_600_000,
    86_400_000,
    604_800_000,
];

impl Relation {
    /// What is known of a difference of an operation with these rules, which say what the sides' own
    /// hosts are.
    #[must_use]
    pub fn of(difference: &Difference, rules: &Rules) -> Self {
        match (difference.kind, &difference.legacy, &difference.candidate) {
            (Kind::Value, Some(legacy), Some(candidate)) if legacy.kind == candidate.kind => {
                of_values(legacy, candidate, rules)
            }
            (Kind::Missing | Kind::Extra, Some(value), None)
            | (Kind::Missing | Kind::Extra, None, Some(value)) => {
                Self { nothing: nothing(value), ..Self::default() }
            }
            (Kind::Order, Some(legacy), Some(candidate)) if is_whole(legacy) && is_whole(candidate) => {
                Self { key: key::shared(&legacy.text, &candidate.text), ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

fn of_values(legacy: &Value, candidate: &Value, rules: &Rules) -> Relation {
    if !is_whole(legacy) || !is_whole(candidate) {
        return Relation::default();
    }
    let (left, right) = (legacy.text.as_str(), candidate.text.as_str());
    let mut relation = match legacy.kind {
        ValueType::String => of_texts(left, right, rules),
        ValueType::Number => Relation::default(),
        ValueType::Null | ValueType::Boolean | ValueType::Array | ValueType::Object | ValueType::Bytes => {
            return Relation::default();
        }
    };
    let numbers = (Decimal::parse(left.as_bytes()), Decimal::parse(right.as_bytes()));
    relation.distance = match numbers {
        (Some(left), Some(right)) => Distance::between(left, right),
        _ => None,
    };
    let shapes = [(Shape::Uuid, Format::Uuid), (Shape::IsoTime, Format::IsoTime), (Shape::Int, Format::Int)];
    let both = |format: &Format| format.accepts(left) && format.accepts(right);
    relation.shapes = shapes.into_iter().filter(|(_, format)| both(format)).map(|(shape, _)| shape).collect();
    relation
}

fn of_texts(left: &str, right: &str, rules: &Rules) -> Relation {
    use crate::exchange::Side;

    let origins = rules.origins();
    Relation {
        folds: fewest_folds(left, right),
        within_ms: apart_ms(left, right),
        origin: origins.fold(Side::Legacy, left) == origins.fold(Side::Candidate, right),
        decodes: Decode::ALL.iter().copied().filter(|decode| decode.holds_same(left, right)).collect(),
        ..Relation::default()
    }
}

/// A text that fills its room may be only the beginning of the value, of which nothing is known.
fn is_whole(value: &Value) -> bool {
    value.text.len() + 4 <= Value::MAX_TEXT
}

/// The fewest foldings that make two texts the same.
fn fewest_folds(left: &str, right: &str) -> Vec<Fold> {
    use Fold::{Case, Nfc, Whitespace};
    const SETS: [&[Fold]; 7] = [
        &[Whitespace],
        &[Nfc],
        &[Case],
        &[Whitespace, Nfc],
        &[Case, Whitespace],
        &[Case, Nfc],
        &[Case, Whitespace, Nfc],
    ];
    let same = |set: &&&[Fold]| {
        let folds = folds(set);
        folds.fold(left) == folds.fold(right)
    };
    SETS.iter().find(same).map(|set| set.to_vec()).unwrap_or_default()
}

/// The foldings as a rule has them.
pub(crate) fn folds(set: &[Fold]) -> Folds {
    let has = |fold| set.contains(&fold);
    Folds { case: has(Fold::Case), whitespace: has(Fold::Whitespace), nfc: has(Fold::Nfc) }
}

/// The narrowest span that holds both instants, where the texts are such and can be compared.
fn apart_ms(left: &str, right: &str) -> Option<u64> {
    let (left, right) = (instant(left)?, instant(right)?);
    if left.has_offset != right.has_offset {
        return None;
    }
    let apart = left.nanoseconds.checked_sub(right.nanoseconds)?.checked_abs()?;
    SPANS_MS.into_iter().find(|&span| apart <= i128::from(span) * 1_000_000)
}

fn nothing(value: &Value) -> Option<Nothing> {
    let empty = |brackets: [char; 2]| {
        let inner = value.text.strip_prefix(brackets[0])?.strip_suffix(brackets[1])?;
        inner.trim().is_empty().then_some(())
    };
    match value.kind {
        ValueType::Null => Some(Nothing::Null),
        ValueType::String => value.text.is_empty().then_some(Nothing::Text),
        ValueType::Array => empty(['[', ']']).map(|()| Nothing::Array),
        ValueType::Object => empty(['{', '}']).map(|()| Nothing::Object),
        ValueType::Boolean | ValueType::Number | ValueType::Bytes => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{Path, Step};
    use crate::verdict::Part;

    fn relation(
        kind: Kind,
        legacy: Option<(ValueType, &str)>,
        candidate: Option<(ValueType, &str)>,
    ) -> Relation {
        let value = |value: Option<(ValueType, &str)>| {
            value.map(|(kind, text)| Value { kind, text: text.to_owned() })
        };
        let difference = Difference {
            part: Part::Body,
            path: Path::from(vec![Step::name("body"), Step::name("a")]),
            kind,
            legacy: value(legacy),
            candidate: value(candidate),
            explanation: None,
        };
        Relation::of(&difference, &Rules::default())
    }

    fn texts(legacy: &str, candidate: &str) -> Relation {
        relation(Kind::Value, Some((ValueType::String, legacy)), Some((ValueType::String, candidate)))
    }

    fn json(relation: &Relation) -> String {
        serde_json::to_string(relation).unwrap()
    }

    #[test]
    fn texts_are_related_by_what_a_rule_could_take_away() {
        assert_eq!(json(&texts("Straße 1", "STRASSE  1")), r#"{"folds":["case","whitespace"]}"#);
        assert_eq!(json(&texts("e\u{301}", "é")), r#"{"folds":["nfc"]}"#);
        assert_eq!(json(&texts("http://old/a", "https://new:8443/a")), r#"{"origin":true}"#);
        assert_eq!(json(&texts(r#"{"a":1,"b":2}"#, r#"{"b":2, "a":1}"#)), r#"{"decodes":["json"]}"#);
        assert_eq!(json(&texts("Ann", "Bob")), "{}");
        let uuids = texts("a3bb189e-8bf9-3888-9912-ace4e6543002", "b3bb189e-8bf9-3888-9912-ace4e6543002");
        assert_eq!(json(&uuids), r#"{"shapes":["uuid"]}"#);
    }

    #[test]
    fn instants_are_apart_by_a_span() {
        let within = |legacy: &str, candidate: &str| texts(legacy, candidate).within_ms;
        assert_eq!(within("2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00"), Some(0));
        assert_eq!(within("2026-01-02T03:04:05.2Z", "2026-01-02T03:04:06.5Z"), Some(2_000));
        assert_eq!(within("2026-01-02T03:04:05Z", "2027-01-02T03:04:05Z"), None);
        assert_eq!(within("2026-01-02T03:04:05Z", "2026-01-02T03:04:05"), None);
        let shapes = texts("2026-01-02T03:04:05Z", "2027-01-02T03:04:05Z").shapes;
        assert_eq!(shapes, [Shape::IsoTime]);
    }

    #[test]
    fn what_is_as_good_as_none_is_told_and_values_are_not() {
        let missing = |kind, text| relation(Kind::Missing, Some((kind, text)), None).nothing;
        assert_eq!(missing(ValueType::Null, "null"), Some(Nothing::Null));
        assert_eq!(missing(ValueType::String, ""), Some(Nothing::Text));
        assert_eq!(missing(ValueType::Array, "[ ]"), Some(Nothing::Array));
        assert_eq!(missing(ValueType::Object, "{}"), Some(Nothing::Object));
        for (kind, text) in
            [(ValueType::Number, "0"), (ValueType::Boolean, "false"), (ValueType::Array, "[1]")]
        {
            assert_eq!(missing(kind, text), None, "{text}");
        }
        let extra = relation(Kind::Extra, None, Some((ValueType::Null, "null")));
        assert_eq!(extra.nothing, Some(Nothing::Null));
    }

    #[test]
    fn of_the_beginning_of_a_value_nothing_is_known() {
        let long = |end: &str| "x".repeat(Value::MAX_TEXT - 1) + end;
        assert_eq!(texts(&long("a"), &long("A")), Relation::default());
    }

    #[test]
    fn a_type_and_another_are_not_related() {
        let relation = relation(Kind::Type, Some((ValueType::String, "1")), Some((ValueType::Number, "1")));
        assert_eq!(relation, Relation::default());
    }

    #[test]
    fn what_was_stored_before_relations_were_is_read() {
        assert_eq!(serde_json::from_str::<Relation>("{}").unwrap(), Relation::default());
        let known = texts("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z");
        assert_eq!(serde_json::from_str::<Relation>(&json(&known)).unwrap(), known);
    }
}
