//! The present plan for other tools, held against files: `NAME.json` is a plan as the API tells it,
//! `NAME.TOOL` what is written of it.
//!
//! To take the present texts over: `PARALLAX_UPDATE_EXPORTS=1 cargo test -p parallax-core --test export`,
//! then look at what changed under tests/export.

use std::path::PathBuf;

use parallax_core::export::{self, Exported, PresentPlan};

/// Writes a plan for a tool.
type Write = fn(&PresentPlan) -> Exported;

const TOOLS: [(&str, Write); 5] = [
    ("eskip", export::skipper),
    ("nginx.conf", export::nginx),
    ("haproxy.cfg", |plan| export::haproxy(plan, "/etc/haproxy/parallax.shares")),
    ("envoy.yaml", export::envoy),
    ("gateway.yaml", export::gateway_api),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/export").join(name)
}

fn plan(name: &str) -> PresentPlan {
    let text = std::fs::read_to_string(path(&format!("{name}.json"))).expect("a plan");
    serde_json::from_str(&text).expect("a plan")
}

fn check(case: &str, tool: &str, text: &str, wrong: &mut Vec<String>) {
    let file = path(&format!("{case}.{tool}"));
    if std::env::var_os("PARALLAX_UPDATE_EXPORTS").is_some() {
        std::fs::write(&file, text).expect("a file");
    } else if std::fs::read_to_string(&file).ok().as_deref() != Some(text) {
        wrong.push(format!("{case}.{tool}"));
    }
}

#[test]
fn texts_are_as_they_were() {
    let mut wrong = Vec::new();
    for case in ["every_stage", "awkward"] {
        let plan = plan(case);
        for (tool, write) in TOOLS {
            let exported = write(&plan);
            check(case, tool, &exported.text, &mut wrong);
            if let Some(beside) = exported.beside {
                check(case, "shares", &beside, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} have changed; see the top of this file");
}

#[test]
fn where_the_candidate_answers_requests_of_no_operation_it_is_told_to_every_tool() {
    let text = std::fs::read_to_string(path("every_stage.json")).expect("a plan");
    let legacy: PresentPlan = serde_json::from_str(&text).expect("a plan");
    let text = text.replacen('{', "{\"other\": \"candidate\",", 1);
    let candidate: PresentPlan = serde_json::from_str(&text).expect("a plan");
    assert_eq!(serde_json::to_value(&legacy).expect("JSON")["other"], "legacy");
    assert_eq!(serde_json::to_value(&candidate).expect("JSON")["other"], "candidate");
    for ((tool, write), expected) in TOOLS.iter().zip([
        vec!["plx_other: * -> preserveHost(\"true\") -> \"http://127.0.0.1:8082\";"],
        vec!["    r0 legacy; # a", "    default candidate;"],
        vec!["    use_backend plx_candidate if !{ var(txn.plx_op) -m found } or { var(txn.plx_op) -m str other }"],
        vec!["        cluster: candidate"],
        vec!["    - name: 'candidate'", "      port: 8082"],
    ]) {
        let (before, after) = (write(&legacy).text, write(&candidate).text);
        let added: Vec<&str> = after.lines().filter(|line| count(&before, line) < count(&after, line)).collect();
        assert!(expected.iter().all(|line| added.contains(line)), "{tool}: {added:?}");
    }
}

fn count(text: &str, wanted: &str) -> usize {
    text.lines().filter(|line| *line == wanted).count()
}

/// Splits eskip into its tokens, as Skipper's lexer does (`eskip/lexer.go`), and fails where that fails.
fn eskip_tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens) = (0, Vec::new());
    while at < bytes.len() {
        let rest = &text[at..];
        let length = match bytes[at] {
            b' ' | b'\n' => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            quote @ (b'"' | b'/') => {
                let mut end = 1;
                while *bytes.get(at + end).expect("the quote is closed") != quote {
                    end += if bytes[at + end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            b'&' if rest.starts_with("&&") => 2,
            b'-' if rest.starts_with("->") => 2,
            b'*' | b'(' | b')' | b':' | b';' | b',' => 1,
            byte if byte.is_ascii_digit() => {
                rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())
            }
            byte if byte.is_ascii_alphabetic() => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            other => panic!("`{}` begins no token: {rest}", char::from(other)),
        };
        tokens.push(rest[..length].to_owned());
        at += length;
    }
    tokens
}

/// `id: predicate && … -> filter -> … -> "backend";`, and each id once.
fn check_eskip(text: &str) {
    let mut seen = std::collections::BTreeSet::new();
    let tokens = eskip_tokens(text);
    let routes = tokens.split(|token| token == ";");
    for route in routes.filter(|route| !route.is_empty()) {
        assert_eq!(route[1], ":", "{route:?}");
        assert!(route[0].starts_with("plx_") && seen.insert(route[0].clone()), "{route:?}");
        let steps: Vec<_> = route[2..].split(|token| token == "->").collect();
        for predicate in steps[0].split(|token| token == "&&") {
            assert!(predicate == ["*"] || is_call(predicate), "{predicate:?}");
        }
        let (backend, filters) = steps[1..].split_last().expect("a backend");
        assert!(filters.iter().all(|filter| is_call(filter)), "{route:?}");
        assert!(backend.len() == 1 && backend[0].starts_with("\"http"), "{route:?}");
    }
}

/// `name(argument,…)`.
fn is_call(tokens: &[String]) -> bool {
    let is_value = |token: &String| token.starts_with(|c: char| c == '"' || c == '/' || c.is_ascii_digit());
    match tokens {
        [name, open, arguments @ .., close] => {
            let separators = arguments.iter().skip(1).step_by(2).all(|token| token == ",");
            name.chars().all(|c| c.is_ascii_alphabetic())
                && (open.as_str(), close.as_str()) == ("(", ")")
                && separators
                && arguments.iter().step_by(2).all(is_value)
        }
        _ => false,
    }
}

/// A plan with every byte that may stand in a template, each in its turn.
fn odd_plan() -> PresentPlan {
    let odd = ('!'..='~').filter(|c| !"\"<>\\^`|{}?#/".contains(*c));
    let operations: Vec<_> = odd
        .enumerate()
        .map(|(number, c)| {
            let revision = number % 3;
            serde_json::json!({
                "id": format!("{number}_{}", ["a-b", "a.b", "a_b", "a__b", "a/b", "a:b"][number % 6]),
                "match": format!("GET /{number}/q{c}{c}/{c}{{x}}{c}/{{y.z}}"),
                "candidate_path": format!("/n/{number}/q{c}/a{{x}}{c}/{{y.z}}"),
                "stage": "canary", "share": "33.3333%", "revision": revision
            })
        })
        .collect();
    let side = |name: &str| serde_json::json!({"url": format!("http://{name}.example/-._~$&'()*+,;=:@"), "host": "upstream"});
    serde_json::from_value(serde_json::json!({
        "listen": "127.0.0.1:1", "legacy": side("l"), "candidate": side("c"),
        "sticky": {"by": "cookie", "name": "a'b", "seed": "0000000000000000"}, "operations": operations
    }))
    .expect("a plan")
}

#[test]
fn whatever_a_template_holds_is_a_value_for_skipper() {
    for plan in [plan("every_stage"), plan("awkward"), odd_plan()] {
        check_eskip(&export::skipper(&plan).text);
    }
}

#[test]
fn what_is_written_for_envoy_and_the_gateway_api_is_yaml_of_their_structure() {
    for plan in [plan("every_stage"), plan("awkward"), odd_plan()] {
        let envoy: serde_json::Value = serde_saphyr::from_str(&export::envoy(&plan).text).expect("YAML");
        let routes = envoy["resources"][0]["virtual_hosts"][0]["routes"].as_array().expect("routes").clone();
        assert!(routes.len() > 5);
        for route in &routes {
            let expression = route["match"]["safe_regex"]["regex"].as_str().expect("an expression");
            regex::Regex::new(expression).expect("an expression");
            let action = &route["route"];
            let clusters = action["weighted_clusters"]["clusters"].as_array();
            assert_ne!(action["cluster"].is_string(), clusters.is_some(), "one of them: {route}");
            if let Some(clusters) = clusters {
                assert_eq!(clusters[0]["name"], "candidate", "its share is at the start: {route}");
                let sum: u64 = clusters.iter().map(|one| one["weight"].as_u64().expect("a weight")).sum();
                assert_eq!(sum, 1_000_000);
                assert_eq!(action["hash_policy"].as_array().map(Vec::len), Some(1), "{route}");
            }
        }
        assert!(routes.last().expect("a last")["match"]["safe_regex"]["regex"] == ".*");

        let mut names = std::collections::BTreeSet::new();
        for document in export::gateway_api(&plan).text.split("\n---\n") {
            let route: serde_json::Value = serde_saphyr::from_str(document).expect("YAML");
            assert_eq!(route["kind"], "HTTPRoute");
            let name = route["metadata"]["name"].as_str().expect("a name").to_owned();
            let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.len() < 254 && name.chars().all(is_label) && !name.ends_with('-'), "{name}");
            assert!(names.insert(name), "a name twice: {route}");
            for rule in route["spec"]["rules"].as_array().expect("rules") {
                assert!(rule["matches"].as_array().is_some_and(|all| (1..=64).contains(&all.len())));
                assert!(rule["backendRefs"].as_array().is_some_and(|all| (1..=16).contains(&all.len())));
            }
        }
    }
}

/// A client of Skipper with its cookies.
#[derive(Clone, Default)]
struct Visitor(std::collections::BTreeMap<String, String>);

impl Visitor {
    /// Asks for the operation `c` of these routes, as Skipper does: the heaviest route whose predicates hold.
    /// `lot` is what `Traffic` draws, from 0 to 1. Gives the port of the backend.
    fn ask(&mut self, eskip: &str, lot: f64) -> char {
        let tokens = eskip_tokens(eskip);
        let routes = tokens.split(|token| token == ";").filter(|route| !route.is_empty());
        let mut routes: Vec<&[String]> = routes.filter(|route| is_get_of_c(route)).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(number(argument(route, "Weight", 0))));
        let route = routes.into_iter().find(|route| self.fits(route, lot)).expect("a route");
        if route.iter().any(|token| token == "responseCookie") {
            assert_eq!(argument(route, "responseCookie", 3), "change-only");
            let (name, value) = (argument(route, "responseCookie", 0), argument(route, "responseCookie", 1));
            self.0.insert(name.to_owned(), value.to_owned());
        }
        route.last().expect("a backend").trim_end_matches('"').chars().last().expect("a port")
    }

    fn fits(&self, route: &[String], lot: f64) -> bool {
        let has = |predicate: &str| route.iter().any(|token| token == predicate);
        if has("Cookie") {
            assert_eq!(argument(route, "Cookie", 1), "/^c$/");
            return self.0.get(argument(route, "Cookie", 0)).is_some_and(|value| value == "c");
        }
        if has("Traffic") {
            let chance: f64 = argument(route, "Traffic", 0).parse().expect("a chance");
            return match self.0.get(argument(route, "Traffic", 1)) {
                Some(group) => group == argument(route, "Traffic", 2),
                None => lot < chance,
            };
        }
        true
    }
}

fn is_get_of_c(route: &[String]) -> bool {
    argument(route, "Path", 0) == "/api/c/:id" && argument(route, "Method", 0) == "GET"
}

/// An argument of a predicate or filter, without its quotes.
fn argument<'r>(route: &'r [String], name: &str, index: usize) -> &'r str {
    let at = route.iter().position(|token| token == name);
    at.map_or("", |at| route[at + 2 + 2 * index].trim_matches('"'))
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[test]
fn a_larger_share_in_skipper_moves_nobody_back_and_a_rollback_moves_everybody() {
    let eskip = |stage: &str, revision: u64| {
        let text = std::fs::read_to_string(path("every_stage.json")).expect("a plan");
        let canary = r#""stage": "canary", "share": "10%", "revision": 3"#;
        assert!(text.contains(canary));
        let text = text.replace(canary, &format!("{stage}, \"revision\": {revision}"));
        export::skipper(&serde_json::from_str(&text).expect("a plan")).text
    };
    let canary = |share: &str| format!(r#""stage": "canary", "share": "{share}""#);
    let mut visitors = vec![Visitor::default(); 400];
    let mut lots = (0_u32..).map(|turn| f64::from(turn.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX));
    let mut visit = |eskip: &str| -> Vec<char> {
        visitors.iter_mut().map(|visitor| visitor.ask(eskip, lots.next().expect("a lot"))).collect()
    };
    let candidate = |sides: &[char]| sides.iter().filter(|side| **side == '2').count();

    let mut before = visit(&eskip(r#""stage": "shadow""#, 0));
    assert_eq!(candidate(&before), 0);
    for (step, (share, few, many)) in [("5%", 8, 40), ("20%", 60, 140), ("100%", 400, 400)].iter().enumerate()
    {
        let routes = eskip(&canary(share), 1 + step as u64);
        // The first visit of a step draws, the others stay.
        let first = visit(&routes);
        for _ in 0..3 {
            assert_eq!(visit(&routes), first, "{share}: a client has changed sides");
        }
        assert!(before.iter().zip(&first).all(|(before, now)| before <= now), "{share}: moved back");
        assert!((*few..=*many).contains(&candidate(&first)), "{share}: {}", candidate(&first));
        before = first;
    }
    assert_eq!(candidate(&visit(&eskip(r#""stage": "shadow""#, 4))), 0);
    let again = visit(&eskip(&canary("5%"), 5));
    assert!((8..=40).contains(&candidate(&again)), "the canary begins anew: {}", candidate(&again));
}
