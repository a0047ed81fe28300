//! The verdict table, row by row, and bodies of which only a digest is known.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;

use base64::Engine;
use http::{HeaderMap, HeaderName, StatusCode, header};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body, Side};
use parallax_core::format::DigestStream;
use parallax_core::judge::{self, Judged};
use parallax_core::rule::{Action, Limits, RuleSpec, Rules};
use parallax_core::verdict::{Cause, Equality, Kind, Verdict};

fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers(&[("content-type", content_type)]),
        body: Body::Whole(body.into().into()),
        trailers: None,
    }
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn json(status: u16, body: &str) -> Answer {
    answer(status, "application/json", body)
}

/// The same answer with only the digest of its body.
fn digested(answer: &Answer) -> Answer {
    let Body::Whole(bytes) = &answer.body else { panic!("already a digest") };
    let mut stream = DigestStream::new(answer.headers.get_all(header::CONTENT_ENCODING));
    stream.update(bytes);
    Answer { body: Body::Digest(stream.finish()), ..answer.clone() }
}

fn gzipped(answer: &Answer) -> Answer {
    let Body::Whole(bytes) = &answer.body else { panic!("a digest") };
    let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coded.write_all(bytes).unwrap();
    let mut answer = Answer { body: Body::Whole(coded.finish().unwrap().into()), ..answer.clone() };
    answer.headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    answer
}

fn ignoring(at: &str) -> Rules {
    Rules::compile(&[RuleSpec { at: at.into(), action: Action::Ignore }]).unwrap()
}

fn judge(answering: Side, answered: &Answer, other: &Result<Answer, Cause>, rules: &Rules) -> Verdict {
    judge::judge(answering, answered, other, rules).verdict
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Matched(equality) => format!("matched {equality}"),
        Verdict::Unmatched(differences) => {
            let shown: Vec<_> =
                differences.kept.iter().map(|one| format!("{} {}", one.kind, one.path)).collect();
            format!("unmatched {}", shown.join(", "))
        }
        Verdict::Failed(cause) => format!("failed {cause}"),
    }
}

#[test]
fn the_table_row_by_row() {
    let rules = Rules::default();
    for (legacy, candidate, expected) in [
        (json(200, "[1]"), json(200, "[1]"), "matched identical"),
        (json(200, "[1]"), json(200, "[ 1.0 ]"), "matched equal"),
        (json(404, "{}"), json(404, "{}"), "matched identical"),
        (json(201, "{}"), json(200, "{}"), "unmatched value $.status"),
        (json(200, "{}"), json(404, "{}"), "unmatched value $.status"),
        (json(200, "[1]"), json(200, "[2]"), "unmatched value $.body[0]"),
        (json(503, "{}"), json(503, "{}"), "failed both_5xx"),
        (json(503, "[1]"), json(503, "[1.0]"), "failed both_5xx"),
        (json(503, "{}"), json(200, "{}"), "unmatched value $.status"),
        (json(200, "{}"), json(503, "{}"), "unmatched value $.status"),
        (json(500, "{}"), json(503, "{}"), "unmatched value $.status"),
        (json(503, "[1]"), json(503, "[2]"), "unmatched value $.body[0]"),
        (json(200, "{"), json(200, "["), "failed undecodable"),
    ] {
        let forth = judge(Side::Legacy, &legacy, &Ok(candidate.clone()), &rules);
        assert_eq!(word(&forth), expected);
        // Who answered first says nothing: legacy stays the first of the two.
        assert_eq!(judge(Side::Candidate, &candidate, &Ok(legacy), &rules), forth);
    }
}

#[test]
fn no_complete_answer_is_no_evidence() {
    for cause in Cause::ALL {
        for status in [200, 503] {
            let verdict = judge(Side::Legacy, &json(status, "{}"), &Err(*cause), &Rules::default());
            assert_eq!(verdict, Verdict::Failed(*cause));
        }
    }
}

#[test]
fn a_fault_on_one_side_is_one_even_where_the_status_is_ignored() {
    let rules = ignoring("$.status");
    let verdict = |legacy: u16, candidate: u16| {
        word(&judge(Side::Legacy, &json(legacy, "{}"), &Ok(json(candidate, "{}")), &rules))
    };
    assert_eq!(verdict(201, 200), "matched equivalent");
    assert_eq!(verdict(200, 500), "unmatched value $.status");
    assert_eq!(verdict(500, 503), "failed both_5xx");
}

#[test]
fn the_legacy_value_is_legacys_whoever_answered() {
    let verdict =
        judge(Side::Candidate, &json(200, "[\"new\"]"), &Ok(json(200, "[\"old\"]")), &Rules::default());
    let Verdict::Unmatched(differences) = verdict else { panic!("{verdict:?}") };
    assert_eq!(differences.kept[0].legacy.as_ref().unwrap().text, "old");
    assert_eq!(differences.kept[0].candidate.as_ref().unwrap().text, "new");
}

#[test]
fn digests_match_or_differ_or_tell_nothing() {
    let none = Rules::default();
    let large = "x".repeat(5_000);
    let other = "y".repeat(5_000);
    let blob = |body: &str| answer(200, "application/octet-stream", body);
    let of = |legacy: &Answer, candidate: &Answer, rules: &Rules| {
        word(&judge(Side::Legacy, legacy, &Ok(candidate.clone()), rules))
    };
    assert_eq!(of(&digested(&blob(&large)), &digested(&blob(&large)), &none), "matched identical");
    assert_eq!(of(&digested(&blob(&large)), &digested(&gzipped(&blob(&large))), &none), "matched equal");
    assert_eq!(of(&digested(&blob(&large)), &blob(&large), &none), "matched identical");
    assert_eq!(of(&digested(&blob(&large)), &digested(&blob(&other)), &none), "unmatched value $.body");
    assert_eq!(of(&digested(&blob(&large)), &blob("x"), &none), "unmatched length $.body");

    let (one, two) = (digested(&json(200, "[1, 2]")), digested(&json(200, "[1, 3]")));
    assert_eq!(of(&one, &one, &none), "matched identical");
    assert_eq!(of(&one, &two, &none), "failed too_large");
    assert_eq!(
        of(&digested(&blob(&large)), &digested(&blob(&other)), &ignoring("$.body.x")),
        "failed too_large"
    );
    assert_eq!(of(&one, &two, &ignoring("$.body")), "matched equivalent");
    assert_eq!(of(&one, &two, &ignoring("$.headers.etag")), "failed too_large");
    assert_eq!(
        of(&one, &digested(&blob("x")), &none),
        "unmatched value $.headers['content-type'], length $.body"
    );

    // A known difference is evidence, whatever the bodies are.
    let created = Answer { status: StatusCode::CREATED, ..two };
    assert_eq!(of(&one, &created, &none), "unmatched value $.status");
}

#[test]
fn codings_are_how_an_answer_came() {
    let plain = json(200, "{\"a\": 1}");
    let compared = compare(&plain, &gzipped(&plain), &Rules::default());
    assert_eq!(compared.comparison, Comparison::Equal(Equality::Equal));

    let mut cut = gzipped(&plain);
    if let Body::Whole(bytes) = &mut cut.body {
        bytes.truncate(12);
    }
    assert_eq!(
        word(&judge(Side::Legacy, &plain, &Ok(cut.clone()), &Rules::default())),
        "unmatched syntax $.body"
    );
    assert_eq!(word(&judge(Side::Legacy, &cut, &Ok(cut.clone()), &Rules::default())), "matched identical");
}

#[test]
fn trailers_are_compared_like_headers() {
    let with = |value: &str| Answer { trailers: Some(headers(&[("grpc-status", value)])), ..json(200, "{}") };
    let of = |legacy: &Answer, candidate: &Answer, rules: &Rules| {
        word(&judge(Side::Legacy, legacy, &Ok(candidate.clone()), rules))
    };
    assert_eq!(of(&with("0"), &with("2"), &Rules::default()), "unmatched value $.trailers['grpc-status']");
    assert_eq!(
        of(&with("0"), &json(200, "{}"), &Rules::default()),
        "unmatched missing $.trailers['grpc-status']"
    );
    assert_eq!(of(&with("0"), &with("2"), &ignoring("$.trailers['Grpc-Status']")), "matched equivalent");
}

#[test]
fn every_rule_counts_what_it_masked() {
    let rules = Rules::compile(&[
        RuleSpec { at: "$.body[*].at".into(), action: Action::Ignore },
        RuleSpec { at: "$.body[*].tags".into(), action: Action::Unordered },
        RuleSpec { at: "$.headers.etag".into(), action: Action::Ignore },
        RuleSpec { at: "$.body[*].same".into(), action: Action::Ignore },
    ])
    .unwrap();
    let legacy = json(200, r#"[{"at":1,"tags":[1,2],"same":0},{"at":2,"tags":[3,4],"same":0}]"#);
    let mut candidate = json(200, r#"[{"at":8,"tags":[2,1],"same":0},{"at":9,"tags":[3,4],"same":0}]"#);
    candidate.headers.insert("etag", "x".parse().unwrap());
    let compared = compare(&legacy, &candidate, &rules);
    assert_eq!(compared.comparison, Comparison::Equal(Equality::Equivalent));
    assert_eq!(compared.masked, [2, 1, 1, 0]);
}

/// However many rules say the same of a place, and however often it is looked at.
#[test]
fn a_place_is_counted_once() {
    let masked = |rules: &str, legacy: &str, candidate: &str| {
        let rules: Vec<RuleSpec> = serde_json::from_str(rules).unwrap();
        compare(&json(200, legacy), &json(200, candidate), &Rules::compile(&rules).unwrap()).masked
    };
    let key = r#"[{"at": "$.body", "key": "id"}, {"at": "$.body[*].id", "fold": "case"}]"#;
    assert_eq!(masked(key, r#"[{"id":"a","v":1}]"#, r#"[{"id":"A","v":2}]"#), [0, 1]);
    let absent = r#"[{"at": "$.body..a", "absent": "null"}, {"at": "$.body.a", "absent": null}]"#;
    assert_eq!(masked(absent, r#"{"a":null}"#, "{}"), [0, 1]);
    let ignored = r#"[{"at": "$.body..a", "absent": "null"}, {"at": "$.body[?@.x==1]", "ignore": true}]"#;
    assert_eq!(masked(ignored, r#"{"b":{"x":1,"a":null}}"#, r#"{"b":{"x":1}}"#), [0, 1]);
    let unordered = r#"[{"at": "$.body", "unordered": true}, {"at": "$.body[*]", "tolerance": {"abs": 1}}]"#;
    assert_eq!(masked(unordered, "[1,5]", "[5,1]"), [1, 0]);
    assert_eq!(masked(unordered, "[1,2]", "[2,1]"), [0, 2]);
    assert_eq!(masked(unordered, "[1,5,9]", "[5,1,20]"), [1, 0]);
}

#[test]
fn a_limit_of_no_differences_is_no_match() {
    let limits = Limits { differences: 0, ..Limits::default() };
    let compared = compare(&json(200, "[1]"), &json(200, "[2]"), &Rules::default().with_limits(limits));
    let Comparison::Different(differences) = compared.comparison else { panic!("{compared:?}") };
    assert_eq!((differences.kept.len(), differences.more), (0, 1));
}

/// Each string is small and becomes large, and none of them is too large alone.
#[test]
fn compressed_strings_share_one_limit() {
    let limits = Limits { decoded_bytes: 100_000, ..Limits::default() };
    let rules: Vec<RuleSpec> = serde_json::from_str(r#"[{"at": "$.body[*]", "decode": "gzip"}]"#).unwrap();
    let rules = Rules::compile(&rules).unwrap().with_limits(limits);
    let strings = |count: usize, last: &str| {
        let Body::Whole(coded) = gzipped(&json(200, &"0".repeat(30_000))).body else { panic!() };
        let text = base64::engine::general_purpose::STANDARD.encode(&coded);
        json(200, &format!("[{}{last}]", format!("\"{text}\",").repeat(count)))
    };
    let of = |count: usize| compare(&strings(count, "1"), &strings(count, "1.0"), &rules).comparison;
    assert_eq!(of(3), Comparison::Equal(Equality::Equal));
    assert_eq!(of(4), Comparison::Incomparable(Cause::Budget));
}

/// One changed leaf is one difference, at its place.
#[test]
fn one_mutation_is_one_difference_at_its_place() {
    let document = serde_json::json!({
        "id": 17, "items": (0..20).map(|n| serde_json::json!({"sku": format!("s{n}"), "price": {"amount": n, "currency": "EUR"}, "tags": ["a", "b"]})).collect::<Vec<_>>(),
        "note": null, "open": true,
    });
    let legacy = document.to_string();
    for at in 0..20 {
        let mut changed = document.clone();
        changed["items"][at]["price"]["amount"] = serde_json::json!(at + 1000);
        let pretty = serde_json::to_string_pretty(&changed).unwrap();
        let found = compare(&json(200, &legacy), &json(200, &pretty), &Rules::default());
        let Comparison::Different(differences) = found.comparison else { panic!("{found:?}") };
        assert_eq!(differences.kept.len(), 1);
        assert_eq!(differences.kept[0].kind, Kind::Value);
        assert_eq!(differences.kept[0].path.to_string(), format!("$.body.items[{at}].price.amount"));
    }
}

/// Nothing quadratic and nothing recursive: hostile bodies end, with the right outcome. The sizes are such that
/// quadratic work would take minutes.
#[test]
fn hostile_bodies_end() {
    let unordered = Rules::compile(&[RuleSpec { at: "$.body".into(), action: Action::Unordered }]).unwrap();
    let list = |of: &dyn Fn(usize) -> String, count: usize| {
        format!("[{}]", (0..count).map(of).collect::<Vec<_>>().join(","))
    };
    let of = |legacy: &str, candidate: &str, rules: &Rules| {
        let verdict = judge(Side::Legacy, &json(200, legacy), &Ok(json(200, candidate)), rules);
        match verdict {
            Verdict::Unmatched(differences) => format!("{}", differences.kept.len() + differences.more),
            other => word(&other),
        }
    };
    let equal = list(&|_| "{\"a\":1}".into(), 50_000);
    assert_eq!(
        of(&equal, &list(&|n| format!("{{\"a\":{}}}", if n == 49_999 { 2 } else { 1 }), 50_000), &unordered),
        "1"
    );
    let edited = |shift: usize| list(&|n| format!("{{\"id\":{n},\"v\":{}}}", n * 7 + shift), 20_000);
    assert_eq!(of(&edited(0), &edited(1), &unordered), "20000");
    let all_alike =
        |shift: usize| list(&|n| format!("{{\"kind\":\"x\",\"v\":{}}}", n + shift * 100_000), 20_000);
    assert_eq!(of(&all_alike(0), &all_alike(1), &unordered), "20000");
    let repeated = |value: u8| format!("{{{}}}", vec![format!("\"a\":{value}"); 100_000].join(","));
    assert_eq!(of(&repeated(1), &repeated(2), &Rules::default()), "100000");
    assert_eq!(of(&"[".repeat(100_000), &"{".repeat(100_000), &Rules::default()), "failed budget");
    assert_eq!(of("[1e999999999]", "[1e999999998]", &Rules::default()), "1");
}

#[test]
fn a_fault_on_one_side_counts_also_where_the_status_is_ignored() {
    let rules = ignoring("$.status");
    for (legacy, candidate, expected) in [
        (json(503, "{"), json(200, "["), "unmatched value $.status"),
        (json(200, "{"), json(503, "["), "unmatched value $.status"),
        (json(503, "{}"), json(200, "{}"), "unmatched value $.status"),
        (json(503, "{"), json(500, "["), "failed undecodable"),
        (json(503, "{}"), json(500, "{}"), "failed both_5xx"),
        (json(404, "{"), json(200, "["), "failed undecodable"),
    ] {
        assert_eq!(word(&judge(Side::Legacy, &legacy, &Ok(candidate), &rules)), expected);
    }
}

#[test]
fn what_a_rule_masked_is_told_with_the_verdict() {
    let rules = Rules::compile(
        &["$.body.a", "$.body.b"].map(|at| RuleSpec { at: at.into(), action: Action::Ignore }),
    )
    .unwrap();
    let masked = |legacy: &Answer, candidate: &Answer| {
        let Judged { verdict, masked } = judge::judge(Side::Legacy, legacy, &Ok(candidate.clone()), &rules);
        (word(&verdict), masked)
    };
    let body = |status: u16, a: u8, c: u8| json(status, &format!("{{\"a\": {a}, \"b\": 1, \"c\": {c}}}"));
    let equivalent = "matched equivalent".to_owned();
    assert_eq!(masked(&body(200, 1, 1), &body(200, 2, 1)), (equivalent, vec![1, 0]));
    let other = "unmatched value $.body.c".to_owned();
    assert_eq!(masked(&body(200, 1, 1), &body(200, 2, 2)), (other, vec![1, 0]));
    let nothing = ("failed both_5xx".to_owned(), vec![]);
    assert_eq!(
        masked(&body(503, 1, 1), &body(503, 2, 1)),
        nothing,
        "a pair that proves nothing masks nothing"
    );
    let lost = judge::judge(Side::Legacy, &body(200, 1, 1), &Err(Cause::Timeout), &rules);
    assert_eq!(lost, Judged { verdict: Verdict::Failed(Cause::Timeout), masked: vec![] });
}

#[test]
fn of_an_answer_that_was_cut_off_only_the_head_and_the_length_are_known() {
    use parallax_core::isolation::InProcess;
    let verdict = |answered: &Answer, cut: &Answer, rules: &Rules| {
        word(&judge::judge_cut_off(Side::Legacy, answered, cut, rules, &InProcess).verdict)
    };
    let none = Rules::default();
    let long = json(200, r#"[1, 2, 3, 4]"#);
    let cut = |status, content_type: &str, body: &str| digested(&answer(status, content_type, body));
    let json_cut = |status| cut(status, "application/json", "[1, 2");
    assert_eq!(verdict(&long, &json_cut(200), &none), "failed too_large");
    assert_eq!(verdict(&json(500, "[1, 2, 3]"), &json_cut(500), &none), "failed too_large");
    for unlike in [json_cut(404), json_cut(500), cut(200, "text/html", "[1, 2")] {
        assert!(verdict(&long, &unlike, &none).starts_with("unmatched"), "{unlike:?}");
    }
    assert_eq!(verdict(&gzipped(&long), &json_cut(200), &none), "failed too_large", "another coding is none");
    let opaque = |body: &str| answer(200, "application/octet-stream", body);
    let opaque_cut = cut(200, "application/octet-stream", "abcd");
    assert!(verdict(&opaque("ab"), &opaque_cut, &none).starts_with("unmatched"), "it is longer");
    assert_eq!(verdict(&opaque("abcd"), &opaque_cut, &none), "failed too_large", "it may go on");
    assert_eq!(verdict(&json(200, "[1]"), &json_cut(200), &none), "failed too_large", "spelling may differ");
    assert!(verdict(&long, &json_cut(200), &ignoring("$.body")).starts_with("matched"));
    let trailers = Answer { trailers: Some(headers(&[("grpc-status", "0")])), ..long };
    assert_eq!(verdict(&trailers, &json_cut(200), &none), "failed too_large", "trailers come at the end");
}
