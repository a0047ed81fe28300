use super::*;

fn spec(at: &str, action: Action) -> RuleSpec {
    RuleSpec { at: at.into(), action }
}

fn compile(rules: &str) -> Result<Rules, RuleError> {
    let specs: Vec<RuleSpec> = serde_saphyr::from_str(rules).unwrap();
    Rules::compile(&specs)
}

fn refused(rules: &str) -> String {
    compile(rules).unwrap_err().to_string()
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
    let keyed = "- {at: $.body.t, key: id}\n- {at: '$.body.t[0].x', ignore: true}";
    assert!(refused(keyed).contains("an index means nothing in `$.body.t`, which is unordered"));
    let referred = "- {at: $.body.t, unordered: true}\n- {at: '$.body.a', ref: {to: '$.body.t[0].a'}}";
    assert!(refused(referred).contains("an index means nothing"));
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
    assert!(refused("$.headers", Action::Unordered).contains("only in the body"));
    assert!(refused("$", Action::Unordered).contains("the whole answer"));
    assert!(refused("$.headers", Action::Origin).contains("a header's value"));
    assert!(refused("$.status", Action::Origin).contains("status"));
    let many: Vec<_> = (0..100).map(|at| spec(&format!("$.body.a.b.c.d.e.f{at}"), Action::Ignore)).collect();
    assert_eq!(Rules::compile(&many).unwrap_err().index, 64);
}

#[test]
fn contradictions_are_refused() {
    for (rules, message) in [
        (
            "- {at: $.body.a, within: 2s}\n- {at: $.body.a, format: uuid}",
            "`format` contradicts `within` at the same place; keep one of the two (the other is rule 1)",
        ),
        ("- {at: $.body.a, unordered: true}\n- {at: \"$['body']['a']\", key: id}", "contradicts `unordered`"),
        (
            "- {at: $.body.a, within: 2s}\n- {at: $.body.a, within: 2s}",
            "says what another rule says already; remove one of the two (the other is rule 1)",
        ),
        (
            "- {at: $.body.a, ignore: true}\n- {at: $.body.a.b, within: 2s}",
            "can never match: `ignore` at `$.body.a` takes its place out; remove one of the two (the other is rule 1)",
        ),
        (
            "- {at: $.body.a.b, within: 2s}\n- {at: $.body.a, ignore: true}",
            "takes its place out; remove one of the two (the other is rule 2)",
        ),
        ("- {at: '$.body..a', ignore: true}\n- {at: $.body.c.a.b, within: 2s}", "can never match"),
        ("- {at: '$.body[*].a', ignore: true}\n- {at: '$.body[1].a', within: 2s}", "can never match"),
        ("- {at: $.body.a, only: [b]}\n- {at: $.body.a.c, within: 2s}", "can never match"),
    ] {
        let error = refused(rules);
        assert!(error.contains(message), "{rules}\n{error}");
    }
}

#[test]
fn rules_beside_each_other_are_fine() {
    for rules in [
        "- {at: '$.body..a', within: 2s}\n- {at: $.body.b.a, within: 5s}",
        "- {at: $.body.a, within: 2s}\n- {at: $.body.a, absent: 'null'}",
        "- {at: $.body.a, ignore: true}\n- {at: $.body.b.a, within: 5s}",
        "- {at: '$.body[0].a', ignore: true}\n- {at: '$.body[*].a', within: 5s}",
        "- {at: $.body.a, only: [b]}\n- {at: $.body.a.b, within: 2s}\n- {at: '$.body.a.*', fold: case}",
        "- {at: $.body.a, decode: json}\n- {at: $.body.a.b, within: 2s}",
    ] {
        assert!(compile(rules).is_ok(), "{rules}");
    }
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
    let within = |text: &str| compile(&format!("- {{at: $.body.a, within: {text}}}")).unwrap().fingerprint();
    assert_ne!(within("2s"), within("3s"));
}
