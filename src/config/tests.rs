//! The file as a user meets it: the contract's example, the smallest file, and a table of bad
//! input with what is said about it and where.

use std::net::SocketAddr;
use std::time::Duration;

use parallax_core::operation::Idempotent;
use parallax_core::redaction::Samples;
use parallax_core::rule::HeaderProfile;
use parallax_core::stage::InitialStage;

use super::*;

fn read(text: &str) -> Result<Settings, ConfigErrors> {
    let env = |name: &str| match name {
        "CANDIDATE_TOKEN" => Some("Bearer s3cret".to_owned()),
        "TOKEN" => Some("0123456789abcdef".to_owned()),
        "MARKER_KEY" => Some("a key of the markers".to_owned()),
        "TESTER" | "TESTER_SECRET" => Some("0123456789abcdef s3cret".replace(' ', "-")),
        "SPACED" => Some("a b".to_owned()),
        "CONTROL" => Some("a\u{1}b".to_owned()),
        _ => None,
    };
    parse(text, "parallax.yaml", &env)
}

const SMALLEST: &str = "
legacy: http://127.0.0.1:8081
candidate: http://127.0.0.1:8082
operations:
  - {id: getReturn, match: 'GET /returns/{return_id}'}
";

/// The contract's example, reduced to the keys of this version.
const EXAMPLE: &str = include_str!("example.yaml");

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn the_smallest_file_has_the_contracts_defaults() {
    let settings = read(SMALLEST).expect("settings");
    assert_eq!(settings.listen, address("127.0.0.1:8080"));
    assert_eq!(settings.control.listen, address("127.0.0.1:9900"));
    assert!(settings.control.tokens.is_empty());
    assert_eq!(settings.legacy.url.to_string(), "http://127.0.0.1:8081");
    assert_eq!(settings.legacy.timeout, None);
    assert_eq!(settings.legacy.host, HostPolicy::Preserve);
    assert_eq!(settings.candidate.timeout, Some(Duration::from_secs(10)));
    assert_eq!(settings.candidate.max_in_flight, 256);
    assert_eq!(settings.store, "sqlite://parallax.db");
    let limits = Limits {
        queue_checks: 10_000,
        queue_bytes: 256 << 20,
        stored_checks: 1_000_000,
        stored_bytes: 4 << 30,
        head_bytes: 32 << 10,
        headers: 100,
        uri_bytes: 8 << 10,
        body_bytes: None,
        head_time: Duration::from_secs(30),
        idle: Duration::from_secs(75),
        body_rate_bytes: Some(240),
        connections: 16_384,
        streams: 128,
    };
    assert_eq!(settings.limits, limits);
    assert_eq!(settings.sticky, Sticky { key: StickyKey::ClientIp, set: false, salt: "parallax".into() });
    assert_eq!(settings.retention, Duration::from_secs(604_800));
    assert_eq!(settings.forwarded, Forwarded::Off);
    assert_eq!((settings.marker_key, settings.access_log, settings.traces), (None, None, None));
    let operation = &settings.operations[0];
    assert_eq!(operation.matcher.to_string(), "GET /returns/{return_id}");
    assert_eq!(operation.initial_stage, InitialStage::Shadow);
    assert_eq!(operation.sample.to_string(), "100%");
    assert_eq!(operation.target.consistency.to_string(), "99.9%");
    assert_eq!(operation.target.min_checks, 1000);
    assert_eq!(operation.target.max_failed.to_string(), "1%");
    assert_eq!(operation.target.min_checked.to_string(), "90%");
    assert_eq!(operation.idempotent, Idempotent::Auto);
    assert_eq!(operation.body_limit, 1 << 20);
    assert_eq!(operation.redaction.samples, Samples::Masked);
    assert_eq!(operation.redaction.headers, ["authorization", "cookie", "set-cookie"]);
}

#[test]
fn the_contracts_example_is_understood() {
    let settings = read(EXAMPLE).expect("settings");
    assert_eq!(settings.sticky.key, StickyKey::Cookie("session".into()));
    let (name, value) = &settings.candidate.headers[0];
    assert_eq!((name.as_str(), value.to_str().ok()), ("authorization", Some("Bearer s3cret")));
    assert!(value.is_sensitive());
    assert_eq!(settings.marker_key, Some("a key of the markers".into()));
    let log = AccessLog { to: LogTarget::File("./access.log".into()), client: true, path: false };
    assert_eq!(settings.access_log, Some(log));
    let traces = settings.traces.expect("traces");
    assert_eq!(
        (traces.otlp.port, traces.sample.to_string(), traces.service.as_str()),
        (4318, "1%".into(), "parallax")
    );
    let operation = &settings.operations[0];
    assert_eq!(operation.target.consistency.to_string(), "99.5%");
    assert_eq!(operation.target.max_failed.to_string(), "1%");
    assert_eq!(
        operation.candidate_path.as_ref().map(ToString::to_string),
        Some("/v2/returns/{return_id}".into())
    );
}

#[test]
fn rules_and_redaction_come_from_the_defaults_and_the_operation() {
    let settings = read(
        &format!(
            "{SMALLEST}    compare:
      - {{at: $.body.tags, unordered: true}}
    headers: strict
    redact: {{body: [$.body..email]}}
defaults:
  compare:
    - {{at: \"$.headers['x-trace-id']\", ignore: true}}
"
        )
        .replace(
            "  - {id: getReturn, match: 'GET /returns/{return_id}'}",
            "  - id: getReturn\n    match: GET /returns/{return_id}",
        ),
    )
    .expect("settings");
    let rules = &settings.operations[0].rules;
    let places: Vec<&str> = rules.specs().iter().map(|spec| spec.at.as_str()).collect();
    assert_eq!(places, ["$.headers['x-trace-id']", "$.body.tags"]);
    assert_eq!(rules.headers(), HeaderProfile::Strict);
}

#[test]
fn comparison_has_limits_and_knows_the_sides_own_hosts() {
    let settings = read(
        "
legacy: {url: 'http://old.internal:8081', host: www.shop.example}
candidate: {url: 'http://new.internal:80', host: upstream}
origins: [Shop.example]
defaults: {compare_limits: {steps: 5000, ratio: 10}}
operations:
  - {id: a, match: GET /a, compare_limits: {decoded: 1KiB, steps: 6000}}
",
    )
    .expect("settings");
    let rules = &settings.operations[0].rules;
    let limits = rules.limits();
    assert_eq!((limits.decoded_bytes, limits.steps, limits.ratio), (1024, 6000, 10));
    assert_eq!(limits.nodes, parallax_core::rule::Limits::default().nodes);
    let origins = comparing::origins(
        Some(&settings.legacy),
        Some(&settings.candidate),
        (settings.listen, Scheme::Http),
        None,
        &mut error::Problems::default(),
    );
    assert_eq!(origins.legacy, ["old.internal:8081", "www.shop.example"]);
    assert_eq!(origins.candidate, ["new.internal"]);
}

/// What a side is told in `Host` it may write into its URLs.
#[test]
fn the_rule_origin_takes_the_configured_hosts_for_the_same() {
    use parallax_core::compare::{Comparison, compare};
    use parallax_core::exchange::{Answer, Body};

    let settings = read(&format!(
        "{SMALLEST}origins: [shop.example]\ndefaults: {{compare: [{{at: $.body.next, origin: true}}]}}\n"
    ))
    .expect("settings");
    let answer = |host: &str| Answer {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        body: Body::Whole(format!("{{\"next\":\"http://{host}/a\"}}").into()),
        trailers: None,
    };
    let is_same = |legacy: &str, candidate: &str| {
        let rules = &settings.operations[0].rules;
        let compared = compare(&answer(legacy), &answer(candidate), rules);
        matches!(compared.comparison, Comparison::Equal(_))
    };
    for (legacy, candidate) in [
        ("127.0.0.1:8081", "127.0.0.1:8082"),
        ("127.0.0.1:8080", "localhost:8080"),
        ("shop.example", "127.0.0.1:8082"),
    ] {
        assert!(is_same(legacy, candidate), "{legacy} {candidate}");
    }
    assert!(!is_same("127.0.0.1:8081", "elsewhere.example"));
    assert!(!is_same("127.0.0.1:8082", "127.0.0.1:8081"), "each side has its own");
}

#[test]
fn an_operation_starts_from_the_defaults() {
    let settings = read(&format!(
        "{SMALLEST}  - {{id: b, match: GET /b, stage: shadow, redact: {{headers: [x-b]}}}}
defaults: {{stage: legacy, sample: 5%, redact: {{headers: [x-a]}}, idempotent: true}}
"
    ))
    .expect("settings");
    let [first, second] = &settings.operations[..] else { panic!("two operations") };
    assert_eq!((first.initial_stage, second.initial_stage), (InitialStage::Legacy, InitialStage::Shadow));
    assert_eq!(second.sample.to_string(), "5%");
    assert_eq!(second.idempotent, Idempotent::True);
    assert_eq!(first.redaction.headers, ["authorization", "cookie", "set-cookie", "x-a"]);
    assert_eq!(second.redaction.headers, ["authorization", "cookie", "set-cookie", "x-a", "x-b"]);
}

#[test]
fn tokens_open_the_control_listener() {
    let settings = read(&format!(
        "{SMALLEST}control: {{listen: '0.0.0.0:0', tokens: [{{name: ann, role: operator, token: 'env:TOKEN'}}]}}\n"
    ))
    .expect("settings");
    let token = &settings.control.tokens[0];
    assert_eq!(
        (token.name.as_str(), token.role, token.secret.expose()),
        ("ann", Role::Operator, "0123456789abcdef")
    );
    assert!(!format!("{settings:?}").contains("0123456789abcdef"), "a secret in Debug");
}

#[test]
fn secrets_are_in_no_debug_output() {
    assert!(!format!("{:?}", read(EXAMPLE).expect("settings")).contains("s3cret"));
}

#[test]
fn null_is_the_same_as_leaving_a_key_out() {
    let text = format!("{SMALLEST}secondary: null\nqueue: store\nlisten:\ncontrol: ~\nsticky: client_ip\n");
    assert_eq!(read(&text).expect("settings").listen, address("127.0.0.1:8080"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = "
legacy: ftp://a
candidate: {url: http://b, timeout: 10, retries: 3}
retention: never
operations:
  - {id: a, match: 'GET /a/{x', sampel: 5%}
  - {id: other, match: POST a}
";
    let told = read(text).unwrap_err().to_string();
    let places: Vec<_> =
        told.lines().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    let expected = ["2:9", "3:37", "3:41", "4:12", "6:20", "6:33", "7:10", "7:24"];
    assert_eq!(places, expected.map(|place| format!("parallax.yaml:{place}")), "{told}");
    assert!(told.contains("unknown key `sampel` under `operations[0]`; did you mean `sample`?"), "{told}");
}

#[test]
fn bad_input_is_named_with_its_place_and_remedy() {
    let cases: Vec<&str> = include_str!("bad_input.txt").split("----\n").skip(1).collect();
    assert!(cases.len() > 130, "the table is read in pieces: {}", cases.len());
    for case in cases {
        let (text, expected) = case.split_once("====\n").expect("a text, a line of ====, what is said");
        let told = read(text).map_or_else(|errors| errors.to_string(), |_| "accepted".to_owned());
        assert_eq!(told, expected.trim_end(), "{text}");
    }
}

#[test]
fn the_schema_knows_every_key_and_marks_what_is_needed() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    assert_eq!(at("/required"), &serde_json::json!(["legacy", "candidate"]));
    assert_eq!(at("/$defs/Operation/required"), &serde_json::json!(["id"]));
    assert_eq!(at("/additionalProperties"), false);
    assert_eq!(at("/properties/defaults/additionalProperties"), false);
    assert!(schema.pointer("/properties/defaults/properties/id").is_none());
    let keys = |pointer: &str| at(pointer).as_object().expect("keys").keys().cloned().collect::<Vec<_>>();
    let mut own = keys("/$defs/Operation/properties");
    let words = keys("/$defs/Rule/properties");
    assert!(parallax_core::rule::RuleSpec::words().all(|word| words.iter().any(|key| key == word)));
    assert_eq!(words.len(), 14);
    assert_eq!(at("/$defs/CompareLimits/properties/differences/maximum"), 10_000);
    own.retain(|key| !["id", "match", "grpc", "candidate_path", "graphql"].contains(&key.as_str()));
    assert_eq!(own, keys("/properties/defaults/properties"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("none.yaml");
    let told = load(&path).unwrap_err().to_string();
    assert!(told.starts_with(&format!("{}: cannot read it: ", path.display())), "{told}");
    assert!(told.contains("-c FILE"), "{told}");
}

#[test]
fn a_file_reference_starts_from_the_files_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("token"), "from-file\n").expect("a file");
    let path = directory.path().join("parallax.yaml");
    let control = "control: {tokens: [{name: ann, role: intake, token: 'file:token'}]}\n";
    std::fs::write(&path, format!("{SMALLEST}{control}")).expect("a file");
    assert_eq!(load(&path).expect("settings").control.tokens[0].secret.expose(), "from-file");
}

#[test]
fn files_of_tls_start_from_the_files_directory() {
    use parallax_testkit::Authority;

    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = authority.write(directory.path(), "ca");
    let shop = authority.server(&["shop.test"]).write(directory.path(), "shop");
    let _ = authority.server(&["api.test"]).write(directory.path(), "api");
    let path = directory.path().join("parallax.yaml");
    let load_with = |key: &str| {
        let sides = "
legacy: https://legacy.test
candidate: {url: 'https://127.0.0.1:8443/v2', tls: {ca: ca.crt, server_name: candidate.test}}
operations: [{id: a, match: GET /a}]
";
        let clients = format!(
            "{sides}tls: {{cert: shop.crt, key: {key}, certificates: [{{cert: api.crt, key: api.key}}]}}\n"
        );
        std::fs::write(&path, clients).expect("a file");
        load(&path)
    };
    let settings = load_with("shop.key").expect("settings");
    assert_eq!((&settings.tls[0].cert, &settings.tls[0].key), (&shop.0, &shop.1));
    assert_eq!(settings.tls.len(), 2);
    let legacy = settings.legacy.tls.expect("TLS");
    assert_eq!(
        (legacy.ca, legacy.certificate, legacy.server_name.to_str()),
        (None, None, "legacy.test".into())
    );
    let candidate = settings.candidate.tls.expect("TLS");
    assert_eq!((candidate.ca, candidate.server_name.to_str()), (Some(ca), "candidate.test".into()));
    assert_eq!(settings.candidate.url.port, 8443);
    let told = load_with("api.key").unwrap_err().to_string();
    assert!(told.contains(":5:28: the key in `") && told.contains("api.key` does not belong to"), "{told}");
}

#[test]
fn hostile_files_are_refused_and_never_a_panic() {
    let bomb: String = (1..30)
        .map(|level| {
            let before = if level == 1 { "x".to_owned() } else { format!("*a{}", level - 1) };
            format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "))
        })
        .collect();
    let deep_maps: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in [
        bomb,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        deep_maps,
        "&a ".repeat(1_000),
    ] {
        assert!(read(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn no_slip_of_the_pen_is_a_panic() {
    let at = |position: usize| EXAMPLE.is_char_boundary(position);
    for position in (0..EXAMPLE.len()).step_by(23).filter(|&position| at(position) && at(position + 1)) {
        let (before, after) = (&EXAMPLE[..position], &EXAMPLE[position + 1..]);
        for slip in ["", "\n", ":", "{", "é", "- "] {
            let text = format!("{before}{slip}{after}");
            if let Err(errors) = read(&text) {
                assert!(!errors.list.is_empty(), "refused without a reason: {text}");
            }
        }
    }
}
