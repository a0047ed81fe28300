//! Real payloads, changed in ways whose result is known beforehand: another spelling changes nothing, one
//! edit is one difference at its place, the mirror image shows the same, and an array without order does not
//! mind a shuffle.
//!
//! The payloads are GitHub's webhooks as `scripts/fetch-test-data` fetches them; without them the tests are
//! ignored. The dice fall the same way every run.

mod dice;
mod harness;

use std::fs;
use std::path::Path as File;
use std::process::ExitCode;

use dice::Dice;
use harness::Test;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::path::{Path, Step};
use parallax_core::rule::{RuleSpec, Rules};
use parallax_core::verdict::{Difference, Kind};
use serde_json::{Number, Value, json};

const TESTS: [Test<[Value]>; 4] = [
    Test { name: "another_spelling_is_equal", run: other_spellings },
    Test { name: "one_edit_is_one_difference_at_its_place", run: one_edit },
    Test { name: "an_array_without_order_does_not_mind_a_shuffle", run: shuffles },
    Test { name: "one_edit_is_one_difference_also_when_shuffled", run: edits_under_shuffles },
];

/// Edits of one payload.
const EDITS: usize = 6;
const MAX_COMPLAINTS: usize = 12;

fn main() -> ExitCode {
    let file = File::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/test-data/webhooks/api.github.com/index.json");
    let text = fs::read(&file).map_err(|_| "scripts/fetch-test-data has not been run".to_owned());
    harness::main(&TESTS, &text.map(|text| payloads(&text)))
}

fn payloads(text: &[u8]) -> Vec<Value> {
    let events: Vec<Value> = serde_json::from_slice(text).expect("the payloads are JSON");
    let examples = |event: &Value| event["examples"].as_array().expect("examples").clone();
    let payloads: Vec<Value> = events.iter().flat_map(examples).collect();
    assert!(payloads.len() >= 150, "only {} payloads", payloads.len());
    payloads
}

/// Runs every payload with dice of its own, and gathers what is wrong.
fn each(payloads: &[Value], wrong: impl Fn(&Value, &mut Dice) -> Vec<String>) -> Result<(), String> {
    let mut complaints = Vec::new();
    for (number, payload) in payloads.iter().enumerate() {
        let mut dice = Dice::new(number as u64 + 1);
        complaints
            .extend(wrong(payload, &mut dice).into_iter().map(|one| format!("payload {number}: {one}")));
    }
    let count = complaints.len();
    complaints.truncate(MAX_COMPLAINTS);
    if count == 0 { Ok(()) } else { Err(format!("{count} in all\n{}", complaints.join("\n"))) }
}

fn other_spellings(payloads: &[Value]) -> Result<(), String> {
    let plain = Spelling::default();
    let spellings = [
        ("spaced", Spelling { spaced: true, ..plain }),
        ("members shuffled", Spelling { shuffled: true, ..plain }),
        ("escaped", Spelling { escaped: true, ..plain }),
        ("numbers spelt differently", Spelling { renumbered: true, ..plain }),
        ("all at once", Spelling { spaced: true, shuffled: true, escaped: true, renumbered: true }),
    ];
    each(payloads, |payload, dice| {
        let legacy = plain.write(payload, dice);
        let differing = |(name, spelling): &(&str, Spelling)| {
            let candidate = spelling.write(payload, dice);
            let found = differences(&legacy, &candidate, &Rules::default());
            (!found.is_empty()).then(|| format!("{name}: {}", summary(&found)))
        };
        spellings.iter().filter_map(differing).collect()
    })
}

fn one_edit(payloads: &[Value]) -> Result<(), String> {
    let plain = Spelling::default();
    // The rest is spelt differently, so that nothing is found for the bytes' sake.
    let other = Spelling { spaced: true, shuffled: true, escaped: true, renumbered: true };
    each(payloads, |payload, dice| {
        let legacy = plain.write(payload, dice);
        let mut wrong = Vec::new();
        for _ in 0..EDITS {
            let edit = Edit::random(payload, dice);
            let candidate = other.write(&edit.result, dice);
            let forth = differences(&legacy, &candidate, &Rules::default());
            let back = differences(&candidate, &legacy, &Rules::default());
            wrong.extend(edit.complaint(&forth, edit.kind, false).map(|one| format!("forth: {one}")));
            wrong.extend(edit.complaint(&back, mirrored(edit.kind), false).map(|one| format!("back: {one}")));
        }
        wrong
    })
}

fn shuffles(payloads: &[Value]) -> Result<(), String> {
    let (plain, rules) = (Spelling::default(), unordered_everywhere());
    each(payloads, |payload, dice| {
        let legacy = plain.write(payload, dice);
        let candidate = plain.write(&shuffled(payload, dice), dice);
        let found = differences(&legacy, &candidate, &rules);
        if found.is_empty() { Vec::new() } else { vec![summary(&found)] }
    })
}

fn edits_under_shuffles(payloads: &[Value]) -> Result<(), String> {
    let (plain, rules) = (Spelling::default(), unordered_everywhere());
    each(payloads, |payload, dice| {
        let mut wrong = Vec::new();
        for _ in 0..EDITS {
            let edit = Edit::random(payload, dice);
            let legacy = plain.write(&shuffled(payload, dice), dice);
            let candidate = plain.write(&shuffled(&edit.result, dice), dice);
            let found = differences(&legacy, &candidate, &rules);
            wrong.extend(edit.complaint(&found, edit.kind, true));
        }
        wrong
    })
}

fn unordered_everywhere() -> Rules {
    let rules = ["$.body", "$.body..*"].map(|at| json!({ "at": at, "unordered": true }));
    let specs = rules.map(|rule| serde_json::from_value::<RuleSpec>(rule).expect("a rule"));
    Rules::compile(&specs).expect("rules")
}

fn differences(legacy: &str, candidate: &str, rules: &Rules) -> Vec<Difference> {
    match compare(&answer(legacy), &answer(candidate), rules).comparison {
        Comparison::Equal(_) => Vec::new(),
        Comparison::Different(differences) => {
            assert_eq!(differences.more, 0, "more differences than are kept");
            differences.kept
        }
        Comparison::Incomparable(cause) => panic!("incomparable: {cause:?}"),
    }
}

fn answer(body: &str) -> Answer {
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Body::Whole(body.to_owned().into());
    Answer { status: StatusCode::OK, headers: HeaderMap::from_iter([json]), body, trailers: None }
}

fn summary(found: &[Difference]) -> String {
    let first: Vec<String> = found.iter().take(3).map(|one| format!("{} {}", one.kind, one.path)).collect();
    format!("{} differences {first:?}", found.len())
}

fn mirrored(kind: Kind) -> Kind {
    match kind {
        Kind::Missing => Kind::Extra,
        Kind::Extra => Kind::Missing,
        same
        @ (Kind::Type | Kind::Value | Kind::Order | Kind::Length | Kind::DuplicateKey | Kind::Syntax) => same,
    }
}

/// Every array in another order.
fn shuffled(value: &Value, dice: &mut Dice) -> Value {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(|element| shuffled(element, dice)).collect();
            dice.shuffle(&mut elements);
            Value::Array(elements)
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), shuffled(value, dice))).collect()
        }
        scalar => scalar.clone(),
    }
}

/// How a value is written.
#[derive(Clone, Copy, Default)]
struct Spelling {
    spaced: bool,
    shuffled: bool,
    escaped: bool,
    renumbered: bool,
}

impl Spelling {
    fn write(self, value: &Value, dice: &mut Dice) -> String {
        let mut text = String::new();
        self.value(value, dice, &mut text);
        text
    }

    fn value(self, value: &Value, dice: &mut Dice, text: &mut String) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if self.shuffled {
                    dice.shuffle(&mut members);
                }
                self.list("{", members, "}", dice, text, |(name, value), dice, text| {
                    self.string(name, dice, text);
                    text.push(':');
                    self.space(dice, text);
                    self.value(value, dice, text);
                });
            }
            Value::Array(elements) => {
                self.list("[", elements.iter().collect(), "]", dice, text, |element, dice, text| {
                    self.value(element, dice, text);
                });
            }
            Value::String(content) => self.string(content, dice, text),
            Value::Number(number) => self.number(number, dice, text),
            scalar @ (Value::Null | Value::Bool(_)) => text.push_str(&scalar.to_string()),
        }
    }

    fn list<T>(
        self,
        open: &str,
        parts: Vec<T>,
        close: &str,
        dice: &mut Dice,
        text: &mut String,
        write: impl Fn(T, &mut Dice, &mut String),
    ) {
        text.push_str(open);
        for (at, part) in parts.into_iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "," });
            self.space(dice, text);
            write(part, dice, text);
        }
        self.space(dice, text);
        text.push_str(close);
    }

    fn space(self, dice: &mut Dice, text: &mut String) {
        if self.spaced {
            text.push_str(["", " ", "\n\t", "\r\n  "][dice.below(4)]);
        }
    }

    fn string(self, content: &str, dice: &mut Dice, text: &mut String) {
        if !self.escaped {
            text.push_str(&json!(content).to_string());
            return;
        }
        text.push('"');
        for character in content.chars() {
            if character < ' ' || "\"\\".contains(character) || dice.below(3) == 0 {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units);
                text.extend(units.iter().map(|unit| {
                    if unit % 2 == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") }
                }));
            } else {
                text.push(character);
            }
        }
        text.push('"');
    }

    fn number(self, number: &Number, dice: &mut Dice, text: &mut String) {
        text.push_str(&number.to_string());
        let is_whole = !number.is_f64();
        if self.renumbered && is_whole {
            // `00` would be no number.
            let spellings = if number.as_u64() == Some(0) { 5 } else { 6 };
            text.push_str(["", ".0", "e0", "E+00", ".000e-0", "0e-1"][dice.below(spellings)]);
        } else if self.renumbered && !number.to_string().contains('e') {
            text.push_str(["", "0", "00e0"][dice.below(3)]);
        }
    }
}

/// One edit, and what must be found of it.
struct Edit {
    result: Value,
    kind: Kind,
    /// Where it may be found: an element that has its like beside it may be told from either.
    places: Vec<Vec<Step>>,
}

impl Edit {
    /// An edit at a random place.
    fn random(payload: &Value, dice: &mut Dice) -> Self {
        let places = places(payload);
        loop {
            let place = &places[dice.below(places.len())];
            let mut result = payload.clone();
            let at = node(&mut result, place);
            let same = |kind| Some((kind, vec![place.clone()]));
            let done = match dice.below(4) {
                0 => change(at).then(|| same(Kind::Value)).flatten(),
                1 => {
                    *at = if at.is_number() { json!("a text now") } else { json!(17) };
                    same(Kind::Type)
                }
                2 => extend(at, place, dice),
                _ => shrink(at, place, dice),
            };
            if let Some((kind, places)) = done {
                return Self { result, kind, places };
            }
        }
    }

    /// What is wrong with what was found, if anything.
    fn complaint(&self, found: &[Difference], kind: Kind, unordered: bool) -> Option<String> {
        let printed = |steps: &[Step]| {
            let body = std::iter::once(Step::name("body"));
            let steps = steps.iter().map(|step| match step {
                Step::Index(_) if unordered => Step::Index(0),
                other => other.clone(),
            });
            Path::from(body.chain(steps).collect::<Vec<_>>()).to_string()
        };
        let expected: Vec<String> = self.places.iter().map(|steps| printed(steps)).collect();
        let holds = match found {
            [one] => one.kind == kind && expected.contains(&printed(&one.path.steps()[1..])),
            _ => false,
        };
        (!holds).then(|| format!("expected {kind} at {}, found {}", expected[0], summary(found)))
    }
}

/// Another value of the same type; not of `null` nor of a container.
fn change(value: &mut Value) -> bool {
    *value = match &*value {
        Value::Bool(own) => json!(!own),
        Value::Number(own) if own.as_i64() == Some(424_242) => json!(424_243),
        Value::Number(_) => json!(424_242),
        Value::String(own) => json!(format!("{own}~")),
        Value::Null | Value::Array(_) | Value::Object(_) => return false,
    };
    true
}

type Done = Option<(Kind, Vec<Vec<Step>>)>;

/// One member or element more.
fn extend(value: &mut Value, place: &[Step], dice: &mut Dice) -> Done {
    let step = match value {
        Value::Object(members) => {
            members.insert("added~".into(), json!({ "x": [1, 2] }));
            Step::name("added~")
        }
        Value::Array(elements) => {
            let at = dice.below(elements.len() + 1);
            elements.insert(at, json!("added~"));
            Step::Index(at)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    Some((Kind::Extra, vec![below(place, step)]))
}

/// One member or element less.
fn shrink(value: &mut Value, place: &[Step], dice: &mut Dice) -> Done {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(dice.below(members.len()))?.clone();
            members.remove(&name);
            Some((Kind::Missing, vec![below(place, Step::name(name))]))
        }
        Value::Array(elements) if !elements.is_empty() => {
            let whole = elements.clone();
            elements.remove(dice.below(whole.len()));
            let without = |at: usize| whole[..at].iter().chain(&whole[at + 1..]);
            let alike = (0..whole.len()).filter(|&at| without(at).eq(elements.iter()));
            Some((Kind::Missing, alike.map(|at| below(place, Step::Index(at))).collect()))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

fn below(place: &[Step], step: Step) -> Vec<Step> {
    place.iter().cloned().chain([step]).collect()
}

/// Every place of a value, its own first.
fn places(value: &Value) -> Vec<Vec<Step>> {
    let mut places = vec![Vec::new()];
    let mut waiting = vec![(value, Vec::new())];
    while let Some((value, place)) = waiting.pop() {
        let children: Vec<(&Value, Vec<Step>)> = match value {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (value, below(&place, Step::name(name)))).collect()
            }
            Value::Array(elements) => {
                elements.iter().enumerate().map(|(at, one)| (one, below(&place, Step::Index(at)))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        places.extend(children.iter().map(|(_, place)| place.clone()));
        waiting.extend(children);
    }
    places
}

fn node<'v>(value: &'v mut Value, place: &[Step]) -> &'v mut Value {
    place.iter().fold(value, |value, step| match step {
        Step::Index(index) => &mut value[*index],
        Step::Name { name, .. } => &mut value[&**name],
    })
}
