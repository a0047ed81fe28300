//! Beside an independent comparison: Python's deepdiff is asked about the same pairs, ordered and unordered.
//! Both must tell equal from different alike, and where both mean the same by a place, name the same places.
//! Where they part, the reason is one of [`REASONS`], each with a proof; any other disagreement fails.
//!
//! deepdiff comes by `scripts/fetch-test-data`; without it the tests are ignored. The dice fall the same way
//! every run.

mod dice;
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use dice::Dice;
use harness::Test;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::path::Step;
use parallax_core::rule::{RuleSpec, Rules};
use parallax_core::verdict::Kind;
use serde_json::{Value, json};

const PAIRS: usize = 1_500;
const MAX_COMPLAINTS: usize = 12;

const TESTS: [Test<Path>; 2] = [
    Test { name: "agrees_on_ordered_pairs", run: |python| agree(python, false) },
    Test { name: "agrees_on_unordered_pairs", run: |python| agree(python, true) },
];

fn main() -> ExitCode {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-data/deepdiff/bin/python");
    let here =
        if python.exists() { Ok(python) } else { Err("scripts/fetch-test-data has not been run".into()) };
    harness::main(&TESTS, &here)
}

/// Two texts, and how the second came from the first.
struct Pair {
    legacy: String,
    candidate: String,
    /// Edits that were made.
    edits: usize,
    /// Whether one of them moved elements of an array.
    moved: bool,
}

/// What one comparison says: kinds and places, an element of an unordered array at `*`.
type Places = BTreeSet<(String, String)>;

/// A reason by name, and what proves it for a pair.
type Reason = (&'static str, fn(&Case<'_>) -> bool);

/// Why the two may part, each with what proves it for a pair. Whichever it is, both must find the pair equal,
/// or both must find it different, once it is read as Python reads it.
const REASONS: &[Reason] = &[
    // 1 and 1.00000000000000000001 are one double, `true` is 1, and only the last of equal names is kept.
    ("python reads numbers as doubles, booleans as numbers, and one of equal names", |case| {
        case.as_read.iter().any(|read| read == case.theirs)
    }),
    // We say that an element has become another; deepdiff pairs what is of one type, and tells apart the
    // element that is gone and the one that has come.
    ("an element that is another one has several names", |case| {
        case.unordered && case.as_read.iter().any(|read| by_element(read) == by_element(case.theirs))
    }),
    // Where one of several equal elements is gone or edited, deepdiff says that they have become fewer.
    ("of equal elements deepdiff tells the count", |case| {
        let counts = case.theirs.iter().any(|(kind, _)| kind == "repetition");
        case.unordered && counts && case.agrees()
    }),
    // Elements that moved: we name the whole array, or say which element is another one. deepdiff goes by
    // position or by its own alignment.
    ("elements moved, and an alignment is not unique", |case| case.pair.moved && case.agrees()),
    // Several edits may leave several elements over, and which of them belong together is a guess.
    ("several elements are left over, and their pairing is a guess", |case| {
        case.unordered && case.pair.edits > 1 && case.agrees()
    }),
];

/// Places where a whole element is not the same count for one, whatever it is called.
fn by_element(places: &Places) -> Places {
    let name = |(kind, place): &(String, String)| {
        let is_element = place.ends_with("\"*\"]");
        (if is_element { "element".to_owned() } else { kind.clone() }, place.clone())
    };
    places.iter().map(name).collect()
}

/// What Python has read of a text: every number is a double. A boolean is a number there too, but not
/// everywhere in deepdiff.
fn as_read(text: &str, booleans: bool) -> String {
    fn read(value: Value, booleans: bool) -> Value {
        match value {
            Value::Bool(own) if booleans => json!(f64::from(u8::from(own))),
            Value::Number(number) => json!(number.as_f64()),
            Value::Array(elements) => elements.into_iter().map(|one| read(one, booleans)).collect(),
            Value::Object(members) => {
                members.into_iter().map(|(name, value)| (name, read(value, booleans))).collect()
            }
            other => other,
        }
    }
    read(serde_json::from_str(text).expect("the pairs are JSON"), booleans).to_string()
}

struct Case<'p> {
    pair: &'p Pair,
    unordered: bool,
    /// What we find in what Python has read, with booleans as such and as numbers.
    as_read: [Places; 2],
    theirs: &'p Places,
}

impl Case<'_> {
    fn agrees(&self) -> bool {
        self.as_read.iter().any(|read| read.is_empty() == self.theirs.is_empty())
    }
}

fn agree(python: &Path, unordered: bool) -> Result<(), String> {
    let pairs: Vec<Pair> = (0..PAIRS).map(|seed| pair(&mut Dice::new(seed as u64 + 1))).collect();
    let answers = ask(python, &pairs, unordered).map_err(|error| format!("deepdiff: {error}"))?;
    let (mut complaints, mut explained, mut equal) = (Vec::new(), BTreeMap::new(), 0);
    for (seed, (pair, theirs)) in pairs.iter().zip(&answers).enumerate() {
        let ours = ours(&pair.legacy, &pair.candidate, unordered);
        equal += usize::from(ours.is_empty());
        if ours == *theirs {
            continue;
        }
        let read = |booleans| {
            let texts = [&pair.legacy, &pair.candidate].map(|text| as_read(text, booleans));
            self::ours(&texts[0], &texts[1], unordered)
        };
        let case = Case { pair, unordered, as_read: [read(false), read(true)], theirs };
        match REASONS.iter().find(|(_, proves)| proves(&case)) {
            Some((reason, _)) => *explained.entry(*reason).or_insert(0) += 1,
            None => complaints.push(format!(
                "pair {seed}\n  legacy    {}\n  candidate {}\n  ours   {ours:?}\n  theirs {theirs:?}",
                pair.legacy, pair.candidate
            )),
        }
    }
    println!("{PAIRS} pairs, {equal} equal, {} unexplained, {explained:?}", complaints.len());
    let count = complaints.len();
    complaints.truncate(MAX_COMPLAINTS);
    let (little, much) = (PAIRS / 10, PAIRS / 2);
    if count > 0 {
        return Err(format!("{count} disagreements\n{}", complaints.join("\n")));
    }
    if !(little..much).contains(&equal) {
        return Err(format!("{equal} equal pairs of {PAIRS}: the generator tests one side only"));
    }
    let parted: usize = explained.values().sum();
    if parted > much { Err(format!("{parted} of {PAIRS} had to be explained")) } else { Ok(()) }
}

fn ours(legacy: &str, candidate: &str, unordered: bool) -> Places {
    let rules = ["$.body", "$.body..*"].map(|at| json!({ "at": at, "unordered": true }));
    let specs = rules.map(|rule| serde_json::from_value::<RuleSpec>(rule).expect("a rule"));
    let rules = Rules::compile(if unordered { &specs } else { &[] }).expect("rules");
    let found = match compare(&answer(legacy), &answer(candidate), &rules).comparison {
        Comparison::Equal(_) => return Places::new(),
        Comparison::Different(differences) => differences.kept,
        Comparison::Incomparable(cause) => panic!("incomparable: {cause:?}"),
    };
    let place = |steps: &[Step]| {
        let step = |step: &Step| match step {
            Step::Index(_) if unordered => json!("*"),
            Step::Index(index) => json!(index),
            Step::Name { name, .. } => json!(name),
        };
        steps[1..].iter().map(step).collect::<Value>().to_string()
    };
    found.iter().map(|one| (word(one.kind).to_owned(), place(one.path.steps()))).collect()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => "missing",
        Kind::Extra => "extra",
        Kind::Type => "type",
        Kind::Value => "value",
        Kind::Order => "order",
        Kind::Length | Kind::DuplicateKey | Kind::Syntax => "other",
    }
}

fn answer(body: &str) -> Answer {
    let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Body::Whole(body.to_owned().into());
    Answer { status: StatusCode::OK, headers: HeaderMap::from_iter([json]), body, trailers: None }
}

/// Asks one process about all pairs: a line for a line, so that neither side waits for a full pipe.
fn ask(python: &Path, pairs: &[Pair], unordered: bool) -> Result<Vec<Places>, Box<dyn std::error::Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle_deepdiff.py");
    let mut command = Command::new(python);
    let mut child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut asked = child.stdin.take().ok_or("no pipe")?;
    let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let mut found = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let Pair { legacy, candidate, .. } = pair;
        writeln!(asked, "{}", json!({ "legacy": legacy, "candidate": candidate, "unordered": unordered }))?;
        let line = answers.next().ok_or("it ended early")??;
        found.push(theirs(&serde_json::from_str(&line)?, unordered));
    }
    drop(asked);
    child.wait()?;
    Ok(found)
}

fn theirs(answer: &Value, unordered: bool) -> Places {
    let place = |steps: &Value| {
        let steps = steps.as_array().expect("steps").iter();
        let step = |step: &Value| if unordered && step.is_number() { json!("*") } else { step.clone() };
        steps.map(step).collect::<Value>().to_string()
    };
    let found = answer.as_array().expect("places").iter();
    found.map(|one| (their_word(one[0].as_str().expect("a kind")).to_owned(), place(&one[1]))).collect()
}

fn their_word(kind: &str) -> &'static str {
    match kind {
        "dictionary_item_removed" | "iterable_item_removed" => "missing",
        "dictionary_item_added" | "iterable_item_added" => "extra",
        "type_changes" => "type",
        "values_changed" => "value",
        // One more or one less of the same: which of them is over nobody can say.
        "repetition_change" => "repetition",
        _ => "other",
    }
}

/// A value as it is written, so that a number keeps its spelling.
#[derive(Clone)]
enum Tree {
    Leaf(&'static str),
    Array(Vec<Tree>),
    Object(Vec<(&'static str, Tree)>),
}

const LEAVES: [&str; 24] = [
    "0",
    "-0.0",
    "1",
    "1.0",
    "10e-1",
    "2",
    "2.5",
    "25e-1",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"1\"",
    "\"true\"",
    "\"A\"",
    "-1",
    "100",
    "1e2",
    "12345678901234567890",
    "12345678901234567891",
    "0.1",
    "0.10000000000000000001",
];
const NAMES: [&str; 7] = ["id", "name", "n", "tags", "a b", "ü", "items"];

fn pair(dice: &mut Dice) -> Pair {
    let legacy = tree(dice, 0);
    let mut candidate = legacy.clone();
    let edits = dice.below(4);
    let mut moved = false;
    for _ in 0..edits {
        moved |= edit(&mut candidate, dice);
    }
    let (legacy, candidate) = (written(&legacy), written(&candidate));
    Pair { legacy, candidate, edits, moved }
}

fn tree(dice: &mut Dice, depth: usize) -> Tree {
    let count = dice.below(5);
    match if depth == 0 { 3 + dice.below(2) } else { dice.below(3 + 3_usize.saturating_sub(depth)) } {
        3 | 5 => Tree::Array((0..count).map(|_| tree(dice, depth + 1)).collect()),
        4 => {
            let first = dice.below(NAMES.len());
            let name = |at: usize| NAMES[(first + at) % NAMES.len()];
            Tree::Object((0..count).map(|at| (name(at), tree(dice, depth + 1))).collect())
        }
        _ => Tree::Leaf(LEAVES[dice.below(LEAVES.len())]),
    }
}

/// Changes one place, and tells whether elements of an array moved by it.
fn edit(tree: &mut Tree, dice: &mut Dice) -> bool {
    let here = dice.below(3) == 0;
    match tree {
        Tree::Array(elements) if elements.is_empty() || here => {
            match dice.below(3) {
                0 => elements.insert(dice.below(elements.len() + 1), Tree::Leaf("\"new\"")),
                1 if !elements.is_empty() => drop(elements.remove(dice.below(elements.len()))),
                _ => dice.shuffle(elements),
            }
            true
        }
        Tree::Object(members) if members.is_empty() || here => {
            match dice.below(4) {
                0 => members.push(("added", Tree::Leaf("1"))),
                1 if !members.is_empty() => drop(members.remove(dice.below(members.len()))),
                2 if !members.is_empty() => members.insert(0, (members[0].0, Tree::Leaf("\"twice\""))),
                _ => dice.shuffle(members),
            }
            false
        }
        Tree::Array(elements) => {
            let at = dice.below(elements.len());
            edit(&mut elements[at], dice)
        }
        Tree::Object(members) => {
            let at = dice.below(members.len());
            edit(&mut members[at].1, dice)
        }
        Tree::Leaf(leaf) => {
            *leaf = LEAVES[dice.below(LEAVES.len())];
            false
        }
    }
}

fn written(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(leaf) => (*leaf).to_owned(),
        Tree::Array(elements) => format!("[{}]", elements.iter().map(written).collect::<Vec<_>>().join(",")),
        Tree::Object(members) => {
            let member = |(name, value): &(&str, Tree)| format!("{}:{}", json!(name), written(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}
