//! What is written, held against what our own router does.

use regex::Regex;

use super::order::by_precedence;
use super::path::{self, Rewrite};
use super::plan::{PresentPlan, Route};
use crate::router::Router;
use crate::stage::Stage;
use crate::template::Template;

/// Templates and paths that come close to each other.
const TEMPLATES: [&str; 16] = [
    "/",
    "/a",
    "/a/",
    "/a/{x}",
    "/a/{x}/b",
    "/a/{x}/{y}",
    "/{x}/b",
    "/{x}/{y}/c",
    "/a/{x}.pdf",
    "/a/{x}-{y}",
    "/a/v{x}",
    "/a/v{x}.{y}.pdf",
    "/a/b%2fc",
    "/a/$1.(x)+[y]*",
    "/a/{x}/{y}-{z}",
    "/a/b",
];

const PATHS: [&str; 34] = [
    "/",
    "/a",
    "/a/",
    "/b",
    "/a/b",
    "/a/c",
    "/a//",
    "/a/b/b",
    "/a/b/",
    "/a/c/b",
    "/a/c/d",
    "/b/b",
    "/b/b/c",
    "/a/b/c",
    "/a/b/c/d",
    "/a/x.pdf",
    "/a/.pdf",
    "/a/x.pdf.pdf",
    "/a/x-y",
    "/a/-y",
    "/a/x-",
    "/a/x-y-z",
    "/a/--",
    "/a/v",
    "/a/v1",
    "/a/v1.2.pdf",
    "/a/v1.2.3.pdf",
    "/a/v..pdf",
    "/a/b%2Fc",
    "/a/b%2fc",
    "/a/b%2Fd",
    "/a/$1.(x)+[y]*",
    "/a/$1x(x)+[y]*",
    "/a/x/y-z",
];

fn template(text: &str) -> Template {
    text.parse().expect("a template")
}

fn route(number: usize) -> Route {
    Route {
        id: format!("op{number}").parse().expect("an id"),
        method: http::Method::GET,
        template: template(TEMPLATES[number]),
        candidate_path: None,
        stage: Stage::Shadow,
        revision: 0,
    }
}

fn expression(template: &Template) -> Regex {
    Regex::new(&format!("^{}$", path::expression(template, path::unkept))).expect("an expression")
}

#[test]
fn an_expression_takes_the_paths_that_its_template_takes() {
    for text in TEMPLATES {
        let template = template(text);
        assert!(!path::is_loose(&template), "{text}");
        let expression = expression(&template);
        for path in PATHS {
            assert_eq!(
                expression.is_match(path),
                template.capture(path).is_some(),
                "{text} {path} {expression}"
            );
        }
    }
}

#[test]
fn an_expression_finds_the_values_that_its_template_finds() {
    for text in TEMPLATES {
        let template = template(text);
        let expression = Regex::new(&format!("^{}$", path::expression(&template, path::kept))).expect("one");
        for path in PATHS {
            let Some(found) = template.capture(path) else { continue };
            let ours: Vec<&str> = found.iter().map(|(_, value)| *value).collect();
            let captures = expression.captures(path).expect("a match");
            let theirs: Vec<&str> = captures.iter().skip(1).flatten().map(|value| value.as_str()).collect();
            assert_eq!(ours, theirs, "{text} {path}");
        }
    }
}

#[test]
fn the_first_that_fits_is_the_one_that_the_router_finds_whatever_the_order_of_the_configuration() {
    for turn in 0..TEMPLATES.len() {
        let mut routes: Vec<Route> = (0..TEMPLATES.len()).map(route).collect();
        routes.rotate_left(turn);
        let mut router = Router::default();
        for (entry, route) in routes.iter().enumerate() {
            router.insert(route.method.clone(), &route.template, entry).expect("a new entry");
        }
        let ordered = by_precedence(&routes);
        for path in PATHS {
            let ours = router.find(&http::Method::GET, path).map(|entry| routes[entry].id.clone());
            let first = ordered.iter().find(|route| expression(&route.template).is_match(path));
            assert_eq!(first.map(|route| route.id.clone()), ours, "{path}");
        }
    }
}

#[test]
fn dot_segments_are_found_in_every_spelling() {
    let dots = Regex::new(path::DOT_SEGMENT).expect("an expression");
    for path in ["/..", "/a/.", "/a/%2e%2E/b", "/.%2e/", "/a/../b"] {
        assert!(dots.is_match(path), "{path}");
    }
    for path in ["/...", "/a.", "/.a", "/a/..b", "/%2f"] {
        assert!(!dots.is_match(path), "{path}");
    }
}

#[test]
fn no_path_is_made_that_could_lead_elsewhere() {
    let is_unsafe = |template: &str, candidate: &str| {
        let mut route = route(0);
        route.template = template.parse().expect("a template");
        route.candidate_path = Some(candidate.parse().expect("a template"));
        path::rewrite(&route) == Rewrite::Unsafe
    };
    assert!(is_unsafe("/{a}-{b}", "/{a}/{b}"));
    assert!(is_unsafe("/{a}", "/.{a}"));
    assert!(is_unsafe("/x{a}", "/{a}"));
    assert!(!is_unsafe("/{a}", "/v2/{a}"));
    assert!(!is_unsafe("/{a}-{b}", "/{a}.{b}"));
    assert!(!is_unsafe("/x{a}", "/y{a}"));
    assert!(!is_unsafe("/{a}", "/...{a}"));
}

#[test]
fn what_is_read_back_is_the_same_plan() {
    for text in
        [include_str!("../../tests/export/every_stage.json"), include_str!("../../tests/export/awkward.json")]
    {
        let plan: PresentPlan = serde_json::from_str(text).expect("a plan");
        let again = serde_json::to_string(&plan).expect("a text");
        assert_eq!(serde_json::from_str::<PresentPlan>(&again).expect("a plan"), plan);
    }
}

#[test]
fn what_could_be_more_than_a_value_elsewhere_is_no_plan() {
    let good = include_str!("../../tests/export/every_stage.json");
    assert!(serde_json::from_str::<PresentPlan>(good).is_ok());
    for (part, bad) in [
        ("http://127.0.0.1:8081", "http://a;b"),
        ("http://127.0.0.1:8081", "http://a$b"),
        ("http://127.0.0.1:8081", "http://user@a"),
        ("http://127.0.0.1:8081", "http://a/{}"),
        ("http://127.0.0.1:8081", "ftp://a"),
        ("127.0.0.1:8080", "a;b:1"),
        ("\"session\"", "\"a b\""),
        ("\"preserve\"", "\"a;b\""),
        ("GET /api/a/{id}", "GET /api/a\\n"),
        ("GET /api/a/{id}", "G;T /api/a"),
        ("authorization", "a: b"),
        ("\"id\": \"a\"", "\"id\": \"a b\""),
        ("1f2e3d4c5b6a7988", "1 2"),
        ("\"share\": \"10%\"", "\"share\": \"0%\""),
    ] {
        let text = good.replacen(part, bad, 1);
        assert_ne!(text, good, "{part}");
        assert!(serde_json::from_str::<PresentPlan>(&text).is_err(), "{bad}");
    }
}
