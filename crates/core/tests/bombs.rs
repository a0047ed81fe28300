//! Small answers that are made to cost much: each ends in time, within its memory, and with the right
//! outcome. Never one of them is taken for equal because it was too much.
//!
//! Each bomb goes off in a process of its own, so that its peak of memory is its own: the test runs itself
//! again with the bomb's name in [`BOMB`], and the child measures itself by what the kernel says of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parallax_core::compare::{Comparison, compare};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::{RuleSpec, Rules};
use parallax_core::verdict::{Cause, Difference, Equality, Kind};

/// Names the bomb that this process is to set off.
const BOMB: &str = "PARALLAX_BOMB";
/// Without optimisation everything takes ten times as long.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
const MEMORY_KIB: u64 = 256 * 1024;

/// What must come out.
#[derive(Debug)]
enum Outcome {
    Equal,
    /// Different, with this many differences in all, the first of this kind at this path.
    Differ(usize, Kind, &'static str),
    /// Different at least here, however many there are.
    Unlike(Kind, &'static str),
    Incomparable(Cause),
}

use Outcome::{Differ, Equal, Incomparable, Unlike};

struct Bomb {
    name: &'static str,
    rules: &'static [&'static str],
    pair: fn() -> (Answer, Answer),
    outcome: Outcome,
}

const UNORDERED: &str = r#"{"at": "$.body", "unordered": true}"#;
const COUNT: usize = 50_000;

const BOMBS: &[Bomb] = &[
    Bomb {
        name: "nested_arrays",
        rules: &[],
        pair: || both("[".repeat(100_000), "[".repeat(100_000) + "]"),
        outcome: Incomparable(Cause::Budget),
    },
    Bomb {
        name: "nested_objects",
        rules: &[r#"{"at": "$.body..a[0]", "ignore": true}"#],
        pair: || both("{\"a\":".repeat(100_000), "{\"a\": ".repeat(100_000)),
        outcome: Incomparable(Cause::Budget),
    },
    Bomb {
        name: "as_many_equal_names_as_there_can_be",
        rules: &[],
        pair: || both(object(999_999, |_| "\"a\":1".into()), object(999_998, |_| "\"a\":1".into())),
        outcome: Differ(1, Kind::DuplicateKey, "$.body.a"),
    },
    Bomb {
        name: "equal_names_with_other_values",
        rules: &[],
        pair: || {
            both(
                object(200_000, |at| format!("\"a\":{at}")),
                object(200_000, |at| format!("\"a\":{}", at + 1)),
            )
        },
        outcome: Differ(200_000, Kind::Value, "$.body.a"),
    },
    Bomb {
        name: "names_in_reverse",
        rules: &[],
        pair: || {
            both(
                object(100_000, |at| format!("\"n{at}\":{at}")),
                object(100_000, |at| format!("\"n{0}\":{0}", 99_999 - at)),
            )
        },
        outcome: Equal,
    },
    Bomb {
        name: "a_billion_laughs",
        rules: &[],
        pair: || {
            let laughs = |at: usize| format!("<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10));
            let entities: String = (1..10).map(laughs).collect();
            let of = |end: &str| {
                typed(
                    "application/xml",
                    format!("<!DOCTYPE l [<!ENTITY l0 \"lol\">{entities}]><l>&l9;</l>{end}"),
                )
            };
            (of(""), of(" "))
        },
        outcome: Incomparable(Cause::Undecodable),
    },
    Bomb {
        name: "attributes_of_one_element_of_xml",
        rules: &[],
        pair: || (typed("text/xml", with_attributes("a", 1)), typed("text/xml", with_attributes("a", 2))),
        outcome: Differ(10_000, Kind::Value, "$.body.a['@a0']"),
    },
    Bomb {
        name: "attributes_of_one_element_of_html",
        rules: &[],
        pair: || (typed("text/html", with_attributes("p", 1)), typed("text/html", with_attributes("p", 2))),
        outcome: Unlike(Kind::Value, "$.body.html.body.p['@a0']"),
    },
    Bomb {
        name: "numbers_within_a_tolerance_in_any_order",
        rules: &[UNORDERED, r#"{"at": "$.body[*]", "tolerance": {"abs": 1}}"#],
        pair: || {
            let list = |start: usize| (0..COUNT).map(move |at| format!("{}.5", (at * 7_919 + start) % COUNT));
            both(
                format!("[{}]", list(0).collect::<Vec<_>>().join(",")),
                format!("[{}]", list(1).collect::<Vec<_>>().join(", ")),
            )
        },
        outcome: Equal,
    },
    Bomb {
        name: "elements_of_one_hash_that_are_not_the_same",
        rules: &[UNORDERED, r#"{"at": "$.body[*]", "tolerance": {"abs": 1}}"#],
        pair: || {
            let list =
                |step: usize| (0..COUNT).map(|at| (at * step).to_string()).collect::<Vec<_>>().join(",");
            both(format!("[{}]", list(3)), format!("[{}]", list(5)))
        },
        outcome: Incomparable(Cause::Budget),
    },
    Bomb {
        name: "numbers_beyond_arithmetic_within_a_tolerance",
        rules: &[r#"{"at": "$.body[*]", "tolerance": {"rel": "1%"}}"#],
        pair: || {
            let long = "9".repeat(1_000_000);
            both(format!("[1e999999999,{long},{long}.0]"), format!("[2e999999999,{long}0, {long}]"))
        },
        outcome: Differ(2, Kind::Value, "$.body[0]"),
    },
    Bomb {
        name: "ids_that_all_refer_to_another",
        rules: &[r#"{"at": "$.body[*]", "ref": {"to": "$.body.none"}}"#],
        pair: || both(array(COUNT, |at| at.to_string()), array(COUNT, |at| (at / 2).to_string())),
        outcome: Differ(COUNT / 2, Kind::Value, "$.body[1]"),
    },
    Bomb {
        name: "gzip_of_zeros",
        rules: &[],
        pair: || (coded("gzip", &gzip(&[b'0'; 1 << 20], 1024)), json("0".into())),
        outcome: Incomparable(Cause::TooLarge),
    },
    Bomb {
        name: "gzip_of_gzip",
        rules: &[],
        pair: || (coded("gzip, gzip", &gzip(&gzip(&[b'0'; 1 << 20], 256), 64)), json("0".into())),
        outcome: Incomparable(Cause::TooLarge),
    },
    Bomb {
        name: "a_few_bytes_of_brotli",
        rules: &[],
        pair: || {
            let bytes = include_bytes!("../../../fuzz/corpus-regressions/codings/brotli-that-swells");
            (coded("br", &bytes[1..]), json("0".into()))
        },
        outcome: Incomparable(Cause::TooLarge),
    },
    Bomb {
        name: "gzip_of_nothing_many_times",
        rules: &[],
        pair: || (coded("gzip", &gzip(b"", 1).repeat(400_000)), json("0".into())),
        outcome: Incomparable(Cause::TooLarge),
    },
    Bomb {
        name: "a_huge_exponent_spelt_differently",
        rules: &[],
        pair: || both("[1e999999999, 0e-999999999]".into(), "[10.0e999999998, 0]".into()),
        outcome: Equal,
    },
    Bomb {
        name: "a_huge_exponent_and_its_neighbour",
        rules: &[],
        pair: || both("[1e999999999, 1e-999999999]".into(), "[1e999999998, 1e-999999999]".into()),
        outcome: Differ(1, Kind::Value, "$.body[0]"),
    },
    Bomb {
        name: "endless_digits",
        rules: &[],
        pair: || both("9".repeat(1 << 20), "9".repeat((1 << 20) - 1) + "8"),
        outcome: Differ(1, Kind::Value, "$.body"),
    },
    Bomb {
        name: "equal_elements_one_more",
        rules: &[],
        pair: || both(array(COUNT, |_| "{\"a\":1}".into()), array(COUNT + 1, |_| "{\"a\": 1}".into())),
        outcome: Differ(1, Kind::Extra, "$.body[50000]"),
    },
    Bomb {
        name: "equal_elements_one_more_unordered",
        rules: &[UNORDERED],
        pair: || both(array(COUNT, |_| "{\"a\":1}".into()), array(COUNT + 1, |_| "{\"a\": 1}".into())),
        outcome: Unlike(Kind::Extra, ""),
    },
    Bomb {
        name: "two_kinds_of_elements_in_turn",
        rules: &[],
        pair: || both(array(COUNT, |at| (at % 2).to_string()), array(COUNT, |at| (1 - at % 2).to_string())),
        outcome: Differ(1, Kind::Order, "$.body"),
    },
    Bomb {
        name: "shuffled_unordered",
        rules: &[UNORDERED],
        pair: || {
            both(array(COUNT, |at| element(at, at)), array(COUNT, |at| element(scattered(at), scattered(at))))
        },
        outcome: Equal,
    },
    Bomb {
        name: "every_element_edited_unordered",
        rules: &[UNORDERED],
        pair: || {
            both(
                array(COUNT, |at| element(at, at)),
                array(COUNT, |at| element(scattered(at), scattered(at) + 1)),
            )
        },
        outcome: Unlike(Kind::Value, ""),
    },
    Bomb {
        name: "members_that_all_elements_share_unordered",
        rules: &[UNORDERED],
        pair: || {
            let shared =
                |at: usize, end: &str| format!("{{\"k\":{},\"l\":{},\"v\":\"{at}{end}\"}}", at % 15, at % 7);
            both(array(COUNT, |at| shared(at, "")), array(COUNT, |at| shared(scattered(at), "x")))
        },
        outcome: Unlike(Kind::Value, ""),
    },
    Bomb {
        name: "every_element_edited",
        rules: &[],
        pair: || both(array(COUNT, |at| element(at, at)), array(COUNT, |at| element(at, at + 1))),
        outcome: Differ(COUNT, Kind::Value, "$.body[0].n"),
    },
    Bomb {
        name: "nothing_in_common",
        rules: &[],
        pair: || {
            both(
                array(COUNT, |at| format!("\"a{at}\"")),
                array(COUNT, |at| format!("\"b{}\"", scattered(at))),
            )
        },
        outcome: Unlike(Kind::Value, "$.body[0]"),
    },
    Bomb {
        name: "equal_when_an_ignored_member_is_gone",
        rules: &[UNORDERED, r#"{"at": "$.body[*].id", "ignore": true}"#],
        pair: || both(array(COUNT, |at| element(at, 1)), array(COUNT, |at| element(scattered(at) + 1, 1))),
        outcome: Equal,
    },
    Bomb {
        name: "fields_of_one_name",
        rules: &[],
        pair: || {
            (
                fields("x-many", |at| format!("v{at}")),
                fields("x-many", |at| format!("v{}", scattered_of(at, 10_000))),
            )
        },
        outcome: Differ(1, Kind::Value, "$.headers['x-many']"),
    },
    Bomb {
        name: "words_of_a_set",
        rules: &[],
        pair: || {
            (
                fields("vary", |at| format!("v{at}")),
                fields("vary", |at| format!("V{}", scattered_of(at, 10_000))),
            )
        },
        outcome: Equal,
    },
    Bomb {
        name: "cookies_of_one_name",
        rules: &[],
        pair: || {
            (fields("set-cookie", |at| format!("a={at}")), fields("set-cookie", |at| format!("a={}", at + 1)))
        },
        outcome: Unlike(Kind::Value, ""),
    },
    Bomb {
        name: "cookies_of_many_names",
        rules: &[],
        pair: || {
            (
                fields("set-cookie", |at| format!("a{at}=1")),
                fields("set-cookie", |at| format!("a{}=1", scattered_of(at, 10_000))),
            )
        },
        outcome: Equal,
    },
    Bomb {
        name: "long_strings",
        rules: &[],
        pair: || both(format!("\"{}a\"", "x".repeat(8 << 20)), format!("\"{}b\"", "x".repeat(8 << 20))),
        outcome: Differ(1, Kind::Value, "$.body"),
    },
    Bomb {
        name: "long_strings_of_escapes",
        rules: &[],
        pair: || both(format!("\"{}\"", "\\u0041".repeat(2 << 20)), format!("\"{}\"", "A".repeat(2 << 20))),
        outcome: Equal,
    },
    Bomb {
        name: "long_names",
        rules: &[r#"{"at": "$.body..x", "ignore": true}"#],
        pair: || {
            let nested =
                |end: &str| format!("{{\"{0}\":", "n".repeat(64 << 10)).repeat(100) + end + &"}".repeat(100);
            both(nested("1"), nested("2"))
        },
        outcome: Unlike(Kind::Value, ""),
    },
    Bomb {
        name: "descendants_of_descendants",
        rules: &[
            r#"{"at": "$.body..*..*..*..*..*..*..x", "ignore": true}"#,
            r#"{"at": "$.body..[?@.a==1]..[-1:0:-1]", "ignore": true}"#,
        ],
        pair: || {
            let nested = |leaf: &str| {
                "[{\"a\":1,\"b\":".repeat(60) + &array(20_000, |_| leaf.into()) + &"}]".repeat(60)
            };
            both(nested("1"), nested("[2]"))
        },
        outcome: Unlike(Kind::Type, ""),
    },
    Bomb {
        name: "too_many_nodes",
        rules: &[],
        pair: || both(array(2_100_000, |_| "1".into()), array(2_100_000, |_| "2".into())),
        outcome: Incomparable(Cause::Budget),
    },
];

/// Bombs that cost more than they may, or that come out wrong, each with the reason. To be emptied.
const KNOWN: &[(&str, &str)] = &[];

#[test]
fn bombs_end_in_time_within_their_memory_and_with_the_right_outcome() {
    if let Ok(name) = std::env::var(BOMB) {
        return set_off(&name);
    }
    let mut wrong = String::new();
    for bomb in BOMBS {
        let complaint = in_a_child(bomb.name);
        let known = KNOWN.iter().find(|(name, _)| *name == bomb.name);
        match (complaint, known) {
            (Some(complaint), None) => writeln!(wrong, "{}: {complaint}", bomb.name).unwrap(),
            (None, Some(_)) => writeln!(wrong, "{}: fine now; strike it from the list", bomb.name).unwrap(),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Sets a bomb off in a process of its own, and tells what is wrong with how it ended.
fn in_a_child(name: &str) -> Option<String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "bombs_end_in_time_within_their_memory_and_with_the_right_outcome",
        "--nocapture",
    ]);
    let output = child.env(BOMB, name).output().unwrap();
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let end: Vec<&str> = said.lines().filter(|line| !line.starts_with("note:")).take(6).collect();
    Some(format!("{}: {}", output.status, end.join(" ")))
}

fn set_off(name: &str) {
    let bomb = BOMBS.iter().find(|bomb| bomb.name == name).unwrap();
    let specs: Vec<RuleSpec> = bomb.rules.iter().map(|rule| serde_json::from_str(rule).unwrap()).collect();
    let rules = Rules::compile(&specs).unwrap();
    let (legacy, candidate) = (bomb.pair)();
    let (forth, back) = (timed(&legacy, &candidate, &rules), timed(&candidate, &legacy, &rules));
    check(&bomb.outcome, &forth);
    let class = std::mem::discriminant::<Comparison>;
    assert_eq!(class(&forth), class(&back), "another outcome the other way round: {back:?}");
    let peak = peak_kib();
    assert!(peak <= MEMORY_KIB, "it took {peak} KiB");
}

#[expect(clippy::disallowed_methods, reason = "the core has no clock, and its test has to time it")]
fn timed(legacy: &Answer, candidate: &Answer, rules: &Rules) -> Comparison {
    let began = Instant::now();
    let found = compare(legacy, candidate, rules).comparison;
    let took = began.elapsed();
    eprintln!("note: {took:?}, {} KiB", peak_kib());
    assert!(took <= TIME, "it took {took:?}");
    found
}

fn check(expected: &Outcome, found: &Comparison) {
    let is_first = |found: &Difference, kind: Kind, path: &str| {
        found.kind == kind && (path.is_empty() || found.path.to_string() == path)
    };
    let holds = match (expected, found) {
        (Equal, Comparison::Equal(equality)) => *equality != Equality::Identical,
        (Differ(count, kind, path), Comparison::Different(differences)) => {
            differences.kept.len() + differences.more == *count && is_first(&differences.kept[0], *kind, path)
        }
        (Unlike(kind, path), Comparison::Different(differences)) => {
            differences.kept.iter().any(|one| is_first(one, *kind, path))
        }
        (Incomparable(expected), Comparison::Incomparable(cause)) => expected == cause,
        (Equal | Differ(..) | Unlike(..) | Incomparable(_), _) => false,
    };
    assert!(holds, "expected {expected:?}, found {}", summary(found));
}

fn summary(found: &Comparison) -> String {
    match found {
        Comparison::Different(differences) => {
            let first: Vec<String> =
                differences.kept.iter().take(3).map(|one| format!("{} {}", one.kind, one.path)).collect();
            format!("{} differences: {first:?}", differences.kept.len() + differences.more)
        }
        Comparison::Equal(_) | Comparison::Incomparable(_) => format!("{found:?}"),
    }
}

/// The most memory that this process has held at a time.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn answer(headers: HeaderMap, body: Vec<u8>) -> Answer {
    Answer { status: StatusCode::OK, headers, body: Body::Whole(Bytes::from(body)), trailers: None }
}

fn json_type() -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

fn json(body: String) -> Answer {
    answer(HeaderMap::from_iter([json_type()]), body.into_bytes())
}

fn both(legacy: String, candidate: String) -> (Answer, Answer) {
    (json(legacy), json(candidate))
}

fn coded(coding: &'static str, body: &[u8]) -> Answer {
    let coding = (CONTENT_ENCODING, HeaderValue::from_static(coding));
    answer(HeaderMap::from_iter([json_type(), coding]), body.to_vec())
}

/// So many times the same, as one gzip member.
fn gzip(piece: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..times).for_each(|_| encoder.write_all(piece).unwrap());
    encoder.finish().unwrap()
}

fn array(length: usize, element: impl Fn(usize) -> String) -> String {
    format!("[{}]", joined(length, element))
}

fn object(length: usize, member: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", joined(length, member))
}

fn joined(length: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for at in 0..length {
        text.push_str(if at == 0 { "" } else { "," });
        text.push_str(&piece(at));
    }
    text
}

fn element(id: usize, n: usize) -> String {
    format!("{{\"id\":{id},\"n\":{n}}}")
}

/// Ten thousand fields of one name.
fn fields(name: &'static str, value: impl Fn(usize) -> String) -> Answer {
    let value = |at| HeaderValue::from_str(&value(at)).unwrap();
    let headers = (0..10_000).map(|at| (HeaderName::from_static(name), value(at)));
    answer(headers.collect(), Vec::new())
}

/// Every number below [`COUNT`], once each, in another order.
fn scattered(at: usize) -> usize {
    scattered_of(at, COUNT)
}

fn scattered_of(at: usize, count: usize) -> usize {
    // Prime, and no divisor of any count here.
    at * 7_919 % count
}

fn typed(content_type: &'static str, body: String) -> Answer {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Answer { status: StatusCode::OK, headers, body: Body::Whole(body.into()), trailers: None }
}

fn with_attributes(name: &str, value: usize) -> String {
    let attributes: String = (0..10_000).map(|at| format!(" a{at}=\"{value}\"")).collect();
    format!("<{name}{attributes}></{name}>")
}
