use super::*;
use crate::check::CheckId;
use crate::exchange::Side;
use crate::path::{Path, Step};
use crate::signature::Signature;
use crate::verdict::{Difference, Outcome, Part, Value, ValueType};

type Sides<'v> = (Option<(ValueType, &'v str)>, Option<(ValueType, &'v str)>);

fn difference(kind: Kind, steps: &[&str], (legacy, candidate): Sides<'_>) -> Difference {
    let value =
        |value: Option<(ValueType, &str)>| value.map(|(kind, text)| Value { kind, text: text.to_owned() });
    let step = |step: &&str| step.parse().map_or_else(|_| Step::name(step), Step::Index);
    Difference {
        part: if steps[0] == "headers" { Part::Header } else { Part::Body },
        path: Path::from(steps.iter().map(step).collect::<Vec<_>>()),
        kind,
        legacy: value(legacy),
        candidate: value(candidate),
        explanation: None,
    }
}

fn text(legacy: &str, candidate: &str) -> Difference {
    let (legacy, candidate) = ((ValueType::String, legacy), (ValueType::String, candidate));
    difference(Kind::Value, &["body", "items", "3", "name"], (Some(legacy), Some(candidate)))
}

fn number(legacy: &str, candidate: &str) -> Difference {
    let (legacy, candidate) = ((ValueType::Number, legacy), (ValueType::Number, candidate));
    difference(Kind::Value, &["body", "items", "3", "price"], (Some(legacy), Some(candidate)))
}

fn array(legacy: &str, candidate: &str) -> Difference {
    let (legacy, candidate) = ((ValueType::Array, legacy), (ValueType::Array, candidate));
    difference(Kind::Order, &["body", "tags"], (Some(legacy), Some(candidate)))
}

fn report(differences: &[&Difference]) -> Report {
    let operation_id: crate::operation::OperationId = "op".parse().unwrap();
    let reported = |difference: &&Difference| ReportedDifference {
        signature: Signature::of(&operation_id, difference).id,
        part: difference.part,
        path: difference.path.to_string(),
        kind: difference.kind,
        legacy: None,
        candidate: None,
        explanation: None,
        relation: Relation::of(difference, &Rules::default()),
    };
    Report {
        id: CheckId(1),
        at: jiff::Timestamp::UNIX_EPOCH,
        operation_id: operation_id.clone(),
        answering: Side::Legacy,
        outcome: Outcome::Unmatched,
        reason: None,
        recheck: None,
        differences: differences.iter().map(reported).collect(),
        more: 0,
        signatures: Vec::new(),
        sample: None,
    }
}

/// What is suggested for samples of one difference each.
fn suggested(samples: &[Difference]) -> Vec<String> {
    let reports: Vec<Report> = samples.iter().map(|difference| report(&[difference])).collect();
    let signature = Signature::of(&"op".parse().unwrap(), &samples[0]);
    let suggestions = suggest(&signature, &reports, &[]);
    suggestions.iter().map(|one| format!("{} {} of {}", one.yaml, one.masks, one.of)).collect()
}

fn spec(yaml: &str) -> RuleSpec {
    serde_saphyr::from_str(yaml).unwrap()
}

fn first(samples: &[Difference]) -> String {
    suggested(samples).remove(0)
}

#[test]
fn the_narrowest_rule_comes_first_and_ignore_last() {
    let ignore = r#"- {at: "$.body.items[*].name", ignore: true} 1 of 1"#;
    assert_eq!(
        suggested(&[text("Ann  Miller", "ann miller")]),
        [r#"- {at: "$.body.items[*].name", fold: [case, whitespace]} 1 of 1"#, ignore]
    );
    assert_eq!(
        suggested(&[text("2026-01-02T03:04:05Z", "2026-01-02T03:04:06.2Z")]),
        [
            r#"- {at: "$.body.items[*].name", within: "2s"} 1 of 1"#,
            r#"- {at: "$.body.items[*].name", format: iso-time} 1 of 1"#,
            ignore
        ]
    );
    assert_eq!(suggested(&[text("Ann", "Bob")]), [ignore]);
    assert!(first(&[text("http://old/a", "https://new/a")]).contains("origin: true"));
    assert!(first(&[text(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#)]).contains("decode: json"));
}

#[test]
fn a_tolerance_is_the_least_round_amount_that_covers() {
    let tolerance = |samples: &[Difference]| {
        let first = first(samples);
        first.split_once("tolerance: ").map_or(first.clone(), |(_, rest)| rest.to_owned())
    };
    assert_eq!(tolerance(&[number("19.94", "19.9")]), r#"{abs: "0.05"}} 1 of 1"#);
    assert_eq!(tolerance(&[number("19.94", "19.9"), number("100.96", "100.91")]), r#"{abs: "0.1"}} 2 of 2"#);
    // Prices that happen to be near a round one do not say how far the rounding goes; their place does.
    assert_eq!(tolerance(&[number("19.91", "19.9"), number("4.39", "4.4")]), r#"{abs: "0.05"}} 2 of 2"#);
    assert_eq!(tolerance(&[number("19.99", "20")]), r#"{abs: "0.01"}} 1 of 1"#);
    let spread = [number("1000000", "1000100"), number("10.5", "10.501")];
    assert_eq!(tolerance(&spread), r#"{rel: "0.01%"}} 2 of 2"#);
    assert!(first(&[number("4711", "12")]).contains("format: int"), "another number is no tolerance");
    // One of three is another number: said so, and not hidden by a wider tolerance.
    let one_is_wrong = [number("19.94", "19.9"), number("1.23", "1.2"), number("50.5", "7.25")];
    assert_eq!(tolerance(&one_is_wrong), r#"{abs: "0.05"}} 2 of 3"#);
}

#[test]
fn other_rules_for_other_kinds() {
    let extra = difference(Kind::Extra, &["body", "note"], (None, Some((ValueType::Null, "null"))));
    assert_eq!(first(&[extra]), r#"- {at: "$.body.note", absent: "null"} 1 of 1"#);
    let objects = array(r#"[{"id":1},{"id":2}]"#, r#"[{"id":2},{"id":1}]"#);
    assert_eq!(
        suggested(std::slice::from_ref(&objects))[..2],
        [r#"- {at: "$.body.tags", key: id} 1 of 1"#, r#"- {at: "$.body.tags", unordered: true} 1 of 1"#]
    );
    assert_eq!(
        first(&[objects, array("[1,2]", "[2,1]")]),
        r#"- {at: "$.body.tags", unordered: true} 2 of 2"#
    );
    let status = Difference { part: Part::Status, ..difference(Kind::Value, &["status"], (None, None)) };
    assert_eq!(suggest(&Signature::of(&"op".parse().unwrap(), &status), &[report(&[&status])], &[]), []);
}

#[test]
fn a_rule_that_masks_little_stands_behind_one_that_masks_much() {
    let uuid = |last: char| format!("a3bb189e-8bf9-3888-9912-ace4e654300{last}");
    let mut samples = vec![text(&uuid('a'), &uuid('A'))];
    samples.extend((1..=4_u8).map(|number| text(&uuid('0'), &uuid(char::from(b'0' + number)))));
    let found = suggested(&samples);
    assert!(
        found[0].contains("format: uuid} 5 of 5") && found[1].contains("fold: [case]} 1 of 5"),
        "{found:?}"
    );
}

#[test]
fn other_differences_of_a_sample_are_told() {
    let (price, name) = (number("19.94", "19.9"), text("Ann", "Bob"));
    let reports = [
        report(&[&price, &name]),
        report(&[&price]),
        report(&[&name]),
        Report { more: 1, ..report(&[&price]) },
    ];
    let found = suggest(&Signature::of(&"op".parse().unwrap(), &price), &reports, &[]);
    assert_eq!((found[0].masks, found[0].of, found[0].with_other_differences), (3, 3, 2));
    let rules = Rules::compile(&[found[0].rule.clone()]).unwrap();
    assert_eq!(rejudge(&reports, &rules), Rejudged { samples: 4, masked: 1, unmatched: 3 });
}

#[test]
fn a_rule_that_contradicts_one_in_force_takes_its_place() {
    let price = number("19.94", "19.9");
    let found = |in_force: &[RuleSpec]| {
        suggest(&Signature::of(&"op".parse().unwrap(), &price), &[report(&[&price])], in_force)
    };
    let narrow = spec(r#"{at: "$.body.items[*]['price']", tolerance: {abs: "0.01"}}"#);
    let other = spec("{at: $.body.tags, unordered: true}");
    let suggestions = found(&[other.clone(), narrow.clone()]);
    assert_eq!(suggestions[0].replaces, std::slice::from_ref(&narrow));
    assert_eq!(suggestions.last().unwrap().replaces, [narrow], "what is ignored needs no other rule");
    assert_eq!(found(&[other])[0].replaces, []);
}

#[test]
fn a_rule_masks_what_it_reaches_and_is_known_to_take_for_the_same() {
    let masks =
        |rule: &str, difference: &Difference| would_mask(&spec(rule), &report(&[difference]).differences[0]);
    let price = number("19.94", "19.9");
    for (rule, expected) in [
        ("{at: $.body..price, tolerance: {abs: 0.05}}", true),
        ("{at: $.body..price, tolerance: {abs: 0.04}}", false),
        ("{at: $.body..price, tolerance: {rel: 1%}}", true),
        ("{at: '$.body.items[3].price', tolerance: {abs: 1}}", true),
        ("{at: '$.body.items[2].price', tolerance: {abs: 1}}", false),
        ("{at: '$.body.items[0:5].price', ignore: true}", true),
        ("{at: '$.body.items[-1].price', ignore: true}", false),
        ("{at: \"$.body.items[?@.id==1].price\", ignore: true}", false),
        ("{at: $.body.items, ignore: true}", true),
        ("{at: '$.body.items[*]', only: [name]}", true),
        ("{at: '$.body.items[*]', only: [price]}", false),
        ("{at: $.body.other, ignore: true}", false),
        ("{at: $.body..price, format: int}", false),
        ("{at: $.bdy, ignore: true}", false),
    ] {
        assert_eq!(masks(rule, &price), expected, "{rule}");
    }
    let moment = text("2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00");
    assert!(masks("{at: '$.body.items[*].name', within: 0s}", &moment));
    let header = |name: &str| {
        let value = |text| Some((ValueType::String, text));
        difference(Kind::Value, &["headers", name], (value("http://a/x"), value("http://b/x")))
    };
    assert!(masks("{at: $.headers.Location, origin: true}", &header("location")));
    assert!(masks("{at: $.headers, only: [ETag]}", &header("location")));
    assert!(!masks("{at: $.headers, only: [Location]}", &header("location")));
    let order = array("[1,2]", "[2,1]");
    assert!(masks("{at: $.body.tags, unordered: true}", &order));
    assert!(
        !masks("{at: $.body.tags, key: id}", &order)
            && !masks("{at: $.body.tags, tolerance: {abs: 1}}", &order)
    );
}

#[test]
fn every_place_can_be_the_place_of_a_rule() {
    for names in [
        &["a.b"][..],
        &["it's \\ \"quoted\"\n"],
        &["größe", "0", "x-y"],
        &["4711", "a"],
        &["", "*"],
        &["\u{202e}"],
    ] {
        let steps: Vec<&str> = std::iter::once("body").chain(names.iter().copied()).collect();
        let sides = (Some((ValueType::String, "A")), Some((ValueType::String, "a")));
        let difference = difference(Kind::Value, &steps, sides);
        let signature = Signature::of(&"op".parse().unwrap(), &difference);
        let found = suggest(&signature, &[report(&[&difference])], &[]);
        assert_eq!(found.len(), 2, "{}: {found:?}", signature.path);
        assert_eq!((found[0].masks, found[0].rule.at.as_str()), (1, signature.path.as_str()));
        let read: Vec<RuleSpec> = serde_saphyr::from_str(&found[0].yaml).unwrap();
        assert_eq!(read, [found[0].rule.clone()], "{}", found[0].yaml);
    }
    let deep = vec!["body"; 1_000];
    let difference = difference(Kind::Missing, &deep, (Some((ValueType::Null, "null")), None));
    let signature = Signature::of(&"op".parse().unwrap(), &difference);
    assert_eq!(suggest(&signature, &[report(&[&difference])], &[]), [], "a clipped path is no path");
}
