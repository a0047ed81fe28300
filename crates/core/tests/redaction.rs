//! Nothing that is not meant to be kept is in a report, whatever part of the exchange it was in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, StatusCode};
use parallax_core::check::{Check, CheckId};
use parallax_core::exchange::{Answer, Body, Exchange, Request, Side};
use parallax_core::judge::judge;
use parallax_core::operation::{Idempotent, Matcher, Operation, Target};
use parallax_core::ratio::Ratio;
use parallax_core::redaction::{Redaction, Samples};
use parallax_core::report::Report;
use parallax_core::rule::Rules;
use parallax_core::stage::InitialStage;

fn operation(redaction: Redaction) -> Arc<Operation> {
    Arc::new(Operation {
        id: "getReturn".parse().unwrap(),
        matcher: Matcher { method: Method::PUT, template: "/returns/{id}/notes".parse().unwrap() },
        candidate_path: None,
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
        version: parallax_core::evidence::VersionSource::Off,
        idempotent: Idempotent::True,
        when: parallax_core::operation::When::After,
        recheck: None,
        graphql: None,
        documented: parallax_core::coverage::Documented::default(),
        durable: false,
        steps: parallax_core::stage::Steps::default(),
        rollback_when: None,
        body_limit: 1 << 20,
        rules: Rules::default(),
        redaction,
    })
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn answer(content_type: &str, body: &str) -> Answer {
    let list = [
        ("content-type", content_type),
        ("set-cookie", "session=SecretCookie"),
        ("x-customer", "SecretHeader"),
    ];
    Answer {
        status: StatusCode::OK,
        headers: headers(&list),
        body: Body::Whole(body.to_owned().into()),
        trailers: Some(headers(&[("x-signed-by", "SecretTrailer")])),
    }
}

const TARGET: &str = "/returns/SecretParameter/notes?q=SecretQuery&x=1";

/// A report of a check between these two bodies, as JSON.
fn report(redaction: Redaction, content_type: &str, legacy: &str, candidate: &str) -> String {
    report_of(TARGET, redaction, &answer(content_type, legacy), &answer(content_type, candidate))
}

fn report_of(target: &str, redaction: Redaction, legacy: &Answer, candidate: &Answer) -> String {
    let request = Request {
        method: Method::PUT,
        target: target.parse().unwrap(),
        headers: headers(&[
            ("authorization", "Bearer SecretToken"),
            ("x-name", "SecretName"),
            ("content-type", "text/plain"),
        ]),
        body: "SecretBody".into(),
    };
    let operation = operation(redaction);
    let verdict = judge(Side::Legacy, legacy, &Ok(candidate.clone()), &operation.rules).verdict;
    let answered = Exchange { side: Side::Legacy, answer: legacy.clone(), latency: Duration::ZERO };
    let check = Check { id: CheckId(7), operation, request, answered };
    let report = Report::new(&check, Some(legacy), Some(candidate), &verdict, jiff::Timestamp::UNIX_EPOCH);
    assert!(!report.differences.is_empty(), "the sides differ");
    serde_json::to_string_pretty(&report).unwrap()
}

const LEGACY: &str = r#"{"name": "SecretValue", "paid": true, "price": 4711.42, "ann@secret.example": {"a": 1},
    "notes": ["SecretNote", {"deep": "SecretDeep"}], "only": {"x": "SecretMissing"}}"#;
const CANDIDATE: &str = r#"{"name": "SecretOther", "paid": false, "price": 4711.4, "ann@secret.example": {"a": 2},
    "notes": ["SecretNote", {"deep": "SecretElse"}]}"#;

#[test]
fn a_masked_report_has_shapes_and_no_values() {
    for (content_type, legacy, candidate) in [
        ("application/json", LEGACY, CANDIDATE),
        ("text/plain", "SecretLine\nSecretLine 2", "SecretLine\nSecretLine 3"),
        ("application/octet-stream", "SecretBytes 1", "SecretBytes 2"),
        ("application/json", "{\"a\": \"SecretBroken", "{\"a\": \"SecretWhole\"}"),
        ("application/x-ndjson", "{\"a\": \"SecretOne\"}\n", "{\"a\": \"SecretTwo\"}\n"),
        ("text/event-stream", "data: SecretOne\n\n", "data: {\"a\": \"SecretTwo\"}\n\n"),
        ("application/xml", "<a k='SecretKey'>SecretOne</a>", "<a k='SecretKey'>SecretTwo</a>"),
        ("application/xml", "<a>SecretOne</a>", "<!DOCTYPE a><a>SecretTwo</a>"),
        ("text/html", "<p id=SecretId>SecretOne", "<p id=SecretId>SecretTwo"),
        ("application/x-www-form-urlencoded", "a=SecretOne", "a=SecretTwo&b=SecretB"),
        ("text/csv", "a,b\nSecretOne,1\n", "a,b\nSecretTwo,1\n"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=a; filename=SecretFile\r\n\r\nSecretOne\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=a; filename=SecretFile\r\n\r\nSecretTwo\r\n--b--",
        ),
    ] {
        let report = report(Redaction::default(), content_type, legacy, candidate);
        for secret in ["Secret", "ann@", "4711", "Bearer"] {
            assert!(!report.contains(secret), "{secret} in {report}");
        }
        assert!(report.contains("/returns/XxxxxxXxxxxxxxx/notes?q=XxxxxxXxxxx&x=9"), "{report}");
    }
}

#[test]
fn every_difference_names_its_own_fault() {
    let (legacy, candidate) =
        (r#"{"items": [1, 2, 3], "name": "a"}"#, r#"{"items": [4, 5, 6], "name": "b"}"#);
    let report = report(Redaction::default(), "application/json", legacy, candidate);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let path_of = |id: &serde_json::Value| {
        let signatures = report["signatures"].as_array().unwrap();
        signatures.iter().find(|signature| signature["id"] == *id).unwrap()["path"].as_str().unwrap()
    };
    let differences = report["differences"].as_array().unwrap();
    let places = differences
        .iter()
        .map(|difference| (difference["path"].as_str().unwrap(), path_of(&difference["signature"])));
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            ("$.body.items[0]", "$.body.items[*]"),
            ("$.body.items[1]", "$.body.items[*]"),
            ("$.body.items[2]", "$.body.items[*]"),
            ("$.body.name", "$.body.name"),
        ]
    );
}

#[test]
fn a_masked_report_still_shows_where_and_how() {
    let report = report(Redaction::default(), "application/json", LEGACY, CANDIDATE);
    for shown in [
        "$.body.name",
        "$.body.price",
        "9999.99",
        "$.body.notes[1].deep",
        "XxxxxxXxxxx",
        "price\\\": 9999.99",
    ] {
        assert!(report.contains(shown), "{shown} not in {report}");
    }
}

#[test]
fn a_plain_report_keeps_values_except_those_redacted_by_name() {
    let paths = ["$.body..deep".to_owned(), "$.body.only".to_owned(), "$.body.name".to_owned()];
    let redaction = Redaction::new(Samples::Plain, Redaction::default().headers, &paths).unwrap();
    let report = report(redaction, "application/json", LEGACY, CANDIDATE);
    for hidden in ["SecretDeep", "SecretElse", "SecretMissing", "SecretValue", "SecretToken", "SecretCookie"]
    {
        assert!(!report.contains(hidden), "{hidden} in {report}");
    }
    for kept in ["SecretNote", "4711.42", "SecretQuery", "SecretHeader", "[redacted]"] {
        assert!(report.contains(kept), "{kept} not in {report}");
    }
}

#[test]
fn a_plain_object_is_told_within_a_line() {
    let legacy = "{\n  \"only\": {\n    \"note\": \"a  b\",\n    \"tags\": []\n  }\n}";
    let redaction = Redaction::new(Samples::Plain, vec![], &[]).unwrap();
    let report = report(redaction, "application/json", legacy, "{}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["differences"][0]["legacy"], r#"{ "note": "a  b", "tags": [] }"#);
}

#[test]
fn without_samples_only_the_places_are_kept() {
    let redaction = Redaction::new(Samples::None, vec![], &[]).unwrap();
    let report = report(redaction, "application/json", LEGACY, CANDIDATE);
    assert!(
        !report.contains("Secret") && !report.contains("Xxxxxx") && report.contains("$.body.name"),
        "{report}"
    );
}

#[test]
fn paths_outside_the_body_are_refused() {
    let error = Redaction::new(Samples::Plain, vec![], &["$.headers.x".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("within the body"), "{error}");
}

#[test]
fn a_huge_name_is_clipped_in_paths() {
    let body = |names: &[&str], value: u8| {
        let members = names.iter().map(|name| {
            let items = vec![value.to_string(); 150].join(",");
            format!("{:?}: [{items}]", name.repeat(1 << 18))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    for samples in [Samples::Masked, Samples::Plain, Samples::None] {
        let redaction = || Redaction::new(samples, vec![], &[]).unwrap();
        let both = report(redaction(), "application/json", &body(&["k"], 1), &body(&["k"], 2));
        let one = report(redaction(), "application/json", "{}", &body(&["k", "l"], 1));
        for report in [both, one] {
            assert!(report.len() < 200_000, "{} bytes with samples {samples}", report.len());
        }
    }
}

#[test]
fn positions_and_filters_hide_every_child() {
    let legacy = r#"{"a": [{"id": "SecretOne"}, {"id": "SecretTwo"}], "shown": "yes 1"}"#;
    let candidate = r#"{"a": [{"id": "SecretNew"}, {"id": "SecretTwo"}], "shown": "yes 2"}"#;
    for path in
        ["$.body.a[-1]", "$.body.a[0:1]", "$.body.a[?@.id == 'x']", "$.body.a[-1].id", "$..[?@.id==1]"]
    {
        let redaction = Redaction::new(Samples::Plain, vec![], &[path.to_owned()]).unwrap();
        let report = report(redaction, "application/json", legacy, candidate);
        for hidden in ["SecretOne", "SecretTwo", "SecretNew"] {
            assert!(!report.contains(hidden), "{path}: {hidden} in {report}");
        }
        assert!(
            report.contains("[redacted]") && (path.starts_with("$..") || report.contains("yes 2")),
            "{path}"
        );
    }
}

#[test]
fn what_came_instead_of_a_tree_with_hidden_parts_is_hidden() {
    let tree = r#"{"customer": {"email": "SecretMail"}}"#;
    let json = "application/json";
    for path in ["$.body..email", "$.body.customer.email"] {
        for (content_type, legacy, candidate) in [
            ("text/plain", "SecretLine 1", "SecretLine 2"),
            ("text/plain", "SecretLine 1\nSecretLine", "SecretLine 2\nSecretLine"),
            (
                "application/xml",
                "<customer><email>SecretA</email></customer>",
                "<customer><email>SecretB</email></customer>",
            ),
            (json, tree, r#"{"customer": "SecretText"}"#),
            (json, r#""SecretRoot""#, tree),
            (json, r#"{"customer": ["Secret 1"]}"#, r#"{"customer": "SecretText"}"#),
        ] {
            let redaction = Redaction::new(Samples::Plain, vec![], &[path.to_owned()]).unwrap();
            let report = report(redaction, content_type, legacy, candidate);
            // Nothing that stands in the tree at another place is hidden, and the query is not.
            let report = report.replace("SecretQuery", "").replace("Secret 1", "");
            for hidden in
                ["SecretMail", "SecretText", "SecretLine", "SecretA", "SecretB", "SecretRoot", "SecretBody"]
            {
                assert!(!report.contains(hidden), "{path}, {content_type}: {hidden} in {report}");
            }
            assert!(report.contains("[redacted]"), "{report}");
        }
    }
    let redaction = Redaction::new(Samples::Plain, vec![], &["$.body.customer.email".to_owned()]).unwrap();
    let report = report(redaction, json, r#"{"customer": "SecretOne"}"#, r#"{"customer": "SecretTwo"}"#);
    assert!(!report.contains("SecretOne") && !report.contains("SecretTwo"), "{report}");
}

#[test]
fn trees_of_other_formats_are_redacted_by_path() {
    let redaction = || Redaction::new(Samples::Plain, vec![], &["$.body..email".to_owned()]).unwrap();
    for (content_type, legacy, candidate) in [
        ("application/x-ndjson", "{\"email\": \"SecretA\"}\n{}", "{\"email\": \"SecretB\"}\n{}"),
        ("text/csv", "email,name\nSecretA,x\n", "email,name\nSecretB,x\n"),
        ("application/x-www-form-urlencoded", "email=SecretA", "email=SecretB"),
        (
            "application/xml",
            "<c><a/><email k='SecretK'>SecretA</email></c>",
            "<c><a/><email>SecretB</email></c>",
        ),
        ("text/event-stream", "data: {\"email\": \"SecretA\"}\n\n", "data: {\"email\": \"SecretB\"}\n\n"),
    ] {
        let report = report(redaction(), content_type, legacy, candidate);
        for hidden in ["SecretA", "SecretB", "SecretK"] {
            assert!(!report.contains(hidden), "{content_type}: {hidden} in {report}");
        }
        assert!(report.contains("[redacted]"), "{report}");
    }
}

#[test]
fn lines_that_differ_are_marked() {
    let report = report(Redaction::default(), "text/plain", "one\ntwo\nthree", "one\n2wo\nthree");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let lines = report["sample"]["legacy"]["body"].as_array().unwrap();
    let marks: Vec<_> = lines.iter().map(|line| line["differs"].as_bool().unwrap()).collect();
    assert_eq!(marks, [false, true, false]);
}

#[test]
fn a_masked_report_keeps_no_query_without_a_plain_name() {
    let target = "/returns/1/notes?SecretWord&SecretWithALongNameThatNobodyWouldWriteByHand=1&sort_by=Secret&Se%20cret=1&=Secret";
    let report =
        report_of(target, Redaction::default(), &answer("text/plain", "a"), &answer("text/plain", "b"));
    assert!(!report.contains("Secret") && !report.contains("cret="), "{report}");
    assert!(report.contains("sort_by=Xxxxxx"), "{report}");
}

#[test]
fn a_masked_report_keeps_of_media_types_only_type_and_charset() {
    let legacy = "Application/Vnd.Shop+json; charset=\"UTF-8\"; profile=\"SecretA;x\"; SecretB, Secret, a/b;charset=Secret@C";
    let report =
        report_of(TARGET, Redaction::default(), &answer(legacy, "{}"), &answer("Secret Type/x", "{\"a\":1}"));
    assert!(!report.contains("Secret"), "{report}");
    for kept in ["Application/Vnd.Shop+json; charset=", "UTF-8", "profile=*XxxxxxX;x*"] {
        assert!(report.contains(kept), "{kept} not in {report}");
    }
}

#[test]
fn names_of_cookies_that_are_data_are_masked() {
    let name = ".AspNetCore.Correlation.SecretNyLkbTqRsWvUmHjGfDsAqWeRtYuIoPlKjHgFdSaZxC";
    let with = |value: &str| {
        let mut answer = answer("text/plain", "same");
        answer.headers.append("set-cookie", format!("{name}={value}").parse().unwrap());
        answer
    };
    let report = report_of(TARGET, Redaction::default(), &with("N"), &with("M"));
    assert!(!report.contains("Secret"), "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["signatures"][0]["path"], "$.headers['set-cookie'].*");
}

#[test]
fn a_relation_has_no_digits_of_a_value() {
    let legacy = r#"{"price": 83719.64, "at": "2037-11-29T13:47:58.377Z", "no": 4711, "n": "83719", "list": [{"id": 61537}, {"id": 61538}],
        "url": "http://61537.example/a", "zip": "  83719"}"#;
    let candidate = r#"{"price": 83719.6, "at": "2037-11-29T13:47:59.377Z", "no": 61537, "n": "83720", "list": [{"id": 61538}, {"id": 61537}],
        "url": "https://61538.example/a", "zip": "83719 "}"#;
    let report = report(Redaction::default(), "application/json", legacy, candidate);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let relations: Vec<&serde_json::Value> =
        report["differences"].as_array().unwrap().iter().map(|one| &one["relation"]).collect();
    assert_eq!(
        relations,
        [
            &serde_json::json!({"distance": {"abs": -1, "rel": -6, "rounded_to": 1}}),
            &serde_json::json!({"within_ms": 1000, "shapes": ["iso-time"]}),
            &serde_json::json!({"distance": {"abs": 5, "rel": 0}, "shapes": ["int"]}),
            &serde_json::json!({"distance": {"abs": 0, "rel": -4}, "shapes": ["int"]}),
            &serde_json::json!({"key": "id"}),
            &serde_json::json!({"origin": true}),
            &serde_json::json!({"folds": ["whitespace"]}),
        ]
    );
    let text = report["differences"].to_string();
    for digits in ["837", "19.6", "47", "6153", "203", "1347", "13:47", "377", "58"] {
        let written = text.matches(digits).count();
        let in_signatures: usize = report["differences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["signature"].as_str().unwrap().matches(digits).count())
            .sum();
        assert_eq!(written, in_signatures, "{digits} in {text}");
    }
}
