//! Holds the direction of dependencies, the purity of the core and the size of files. The table
//! below is the one place where an edge between modules is decided; ARCHITECTURE.md explains it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Each top-level module of `src/`, lowest first, with the modules that it may use. The core is
/// below all of them and knows none.
const MODULES: &[(&str, &[&str])] = &[
    ("tasks", &[]),
    ("tls", &[]),
    ("config", &["tls"]),
    ("isolate", &[]),
    ("telemetry", &[]),
    ("upstream", &["config", "tasks", "telemetry", "tls"]),
    ("marker", &["config"]),
    ("access_log", &["config", "telemetry"]),
    ("traces", &["config", "telemetry", "upstream"]),
    ("queue", &["telemetry", "upstream"]),
    ("store", &["tasks"]),
    ("routing", &["config", "telemetry", "upstream"]),
    ("export", &["config", "routing"]),
    ("durable", &["config", "queue", "routing", "store", "tasks", "telemetry"]),
    // Beside each other: none of these knows another, but for the runner, whose findings are recorded.
    (
        "proxy",
        &[
            "access_log",
            "config",
            "marker",
            "queue",
            "routing",
            "tasks",
            "telemetry",
            "tls",
            "traces",
            "upstream",
        ],
    ),
    ("recorder", &["store", "tasks", "telemetry"]),
    ("runner", &["marker", "queue", "recorder", "tasks", "telemetry", "traces", "upstream"]),
    ("recordings", &["config", "marker", "queue", "runner", "tasks", "telemetry", "tls", "upstream"]),
    ("rollout", &["config", "routing", "store", "tasks", "telemetry", "upstream"]),
    ("intake", &["durable", "routing", "store"]),
    (
        "api",
        &[
            "config",
            "export",
            "intake",
            "queue",
            "recorder",
            "rollout",
            "routing",
            "store",
            "tasks",
            "telemetry",
        ],
    ),
    ("ui", &["api", "config", "recorder", "rollout", "routing", "store", "tasks", "telemetry"]),
    (
        "app",
        &[
            "access_log",
            "api",
            "config",
            "durable",
            "export",
            "intake",
            "isolate",
            "marker",
            "proxy",
            "queue",
            "recorder",
            "rollout",
            "routing",
            "runner",
            "store",
            "tasks",
            "telemetry",
            "tls",
            "traces",
            "ui",
            "upstream",
        ],
    ),
    ("demo", &["app", "config", "tasks"]),
    ("cli", &["app", "config", "demo", "export", "isolate", "recordings"]),
    ("main", &["cli"]),
];

/// What the core must not name, and why.
const NOT_IN_THE_CORE: &[(&str, &str)] = &[
    ("std::fs", "the core does no IO"),
    ("std::net", "the core does no IO"),
    ("std::thread", "the core starts no thread"),
    ("std::process", "the core starts no process"),
    ("std::env", "the core reads no environment; take the value as an argument"),
    ("tokio", "the core knows no runtime"),
    ("Instant::now", "the core has no clock; take the time as an argument"),
    ("SystemTime::now", "the core has no clock; take the time as an argument"),
    ("Timestamp::now", "the core has no clock; take the time as an argument"),
    ("fastrand", "the core rolls no dice; take the number as an argument"),
    ("getrandom", "the core rolls no dice; take the number as an argument"),
];

const LONGEST_FILE: usize = 500;

#[test]
fn modules_use_only_what_is_below_them() {
    let mut complaints = String::new();
    for source in sources("src") {
        let Some(module) = top_module(&source.path) else { continue };
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            if module != "lib" {
                writeln!(complaints, "{}: `{module}` has no row in MODULES", source.path.display()).unwrap();
            }
            continue;
        };
        for edge in edges(&source) {
            if edge.to != module && !allowed.contains(&edge.to.as_str()) {
                let Edge { line, to } = edge;
                writeln!(complaints, "{}:{line}: {module} must not use {to}", source.path.display()).unwrap();
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn every_row_of_the_table_is_a_module() {
    let modules: Vec<Source> = sources("src");
    for (name, _) in MODULES {
        let found = modules.iter().any(|source| top_module(&source.path) == Some(*name));
        assert!(found, "`{name}` has a row in MODULES and is no module");
    }
}

#[test]
fn the_table_has_no_circle() {
    for (position, (module, uses)) in MODULES.iter().enumerate() {
        for used in *uses {
            let below = MODULES[..position].iter().any(|(name, _)| name == used);
            assert!(below, "{module} may use {used}, which has no row above it");
        }
    }
}

#[test]
fn the_core_does_no_io_and_has_no_clock() {
    let mut complaints = String::new();
    for source in sources("crates/core/src") {
        for (number, line) in source.code() {
            for (word, why) in NOT_IN_THE_CORE.iter().filter(|(word, _)| line.contains(word)) {
                writeln!(complaints, "{}:{number}: {word}: {why}", source.path.display()).unwrap();
            }
        }
    }
    let manifest = fs::read_to_string(root().join("crates/core/Cargo.toml")).unwrap();
    for word in ["tokio", "hyper", "rusqlite", "fastrand", "getrandom", "parallax\"", "parallax."] {
        if manifest.lines().any(|line| line.starts_with(word)) {
            writeln!(complaints, "crates/core/Cargo.toml: the core must not depend on {word}").unwrap();
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut complaints = String::new();
    for source in ["src", "crates"].into_iter().flat_map(sources) {
        let lines = source.production().count();
        if lines > LONGEST_FILE {
            let path = source.path.display();
            writeln!(complaints, "{path}: {lines} lines without tests; split it by what it does").unwrap();
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut complaints = String::new();
    // Put together, so that this file does not contain what it looks for.
    let forbidden = [format!("#[{}(", "allow"), format!("#![{}(", "allow")];
    for source in ["src", "crates", "tests"].into_iter().flat_map(sources) {
        for (number, line) in source.lines() {
            if forbidden.iter().any(|attribute| line.contains(attribute)) {
                let path = source.path.display();
                writeln!(complaints, "{path}:{number}: use #[expect(..., reason = \"...\")]").unwrap();
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// The checks above are worth what [`edges`] sees.
#[test]
fn every_way_to_name_another_module_is_seen() {
    for (path, text, expected) in [
        ("src/queue/mod.rs", "use crate::telemetry::Ticket;", &["telemetry"][..]),
        ("src/queue/mod.rs", "use crate::{store, telemetry::{Meter, Ticket}};", &["store", "telemetry"]),
        ("src/queue/mod.rs", "use crate::{\n    store,\n    routing::Entry,\n};", &["store", "routing"]),
        ("src/queue/mod.rs", "fn f(s: crate::store::Store, t: crate::tasks::T) {}", &["store", "tasks"]),
        ("src/queue/mod.rs", "use super::proxy::Shared;", &["proxy"]),
        ("src/queue/budget.rs", "use super::super::proxy::Shared;", &["proxy"]),
        ("src/queue/budget.rs", "use super::waiting::Waiting;", &[]),
        ("src/queue/budget.rs", "// crate::proxy is not used\n/// nor [`crate::proxy`]", &[]),
        ("src/queue.rs", "use super::proxy;", &["proxy"]),
        ("src/queue.rs", "mod tests {\n    use super::budget;\n}", &[]),
        ("src/main.rs", "parallax::cli::run()", &["cli"]),
    ] {
        let source = Source { path: PathBuf::from(path), text: text.to_owned() };
        let seen: Vec<String> = edges(&source).into_iter().map(|edge| edge.to).collect();
        assert_eq!(seen, expected, "{path}: {text}");
    }
}

struct Source {
    /// From the repository's root.
    path: PathBuf,
    text: String,
}

impl Source {
    /// All lines, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines before the unit tests, which stand last in a file; none of a file of tests.
    fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_tests = self.path.file_stem().is_some_and(|name| name == "tests" || name == "contract")
            || self.path.components().any(|part| part.as_os_str() == "tests");
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        let end = if is_tests { 0 } else { tests.unwrap_or(lines.len()) };
        self.lines().take(end)
    }

    /// The production lines that are no comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.production().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

struct Edge {
    line: usize,
    to: String,
}

/// The modules of the program that a file names, in the order of the lines.
fn edges(source: &Source) -> Vec<Edge> {
    let mut edges = Vec::new();
    let code: Vec<(usize, &str)> =
        source.lines().filter(|(_, line)| !line.trim_start().starts_with("//")).collect();
    for (index, &(line, text)) in code.iter().enumerate() {
        let mut roots = vec!["crate::".to_owned()];
        if source.path.ends_with("main.rs") {
            roots.push("parallax::".to_owned());
        }
        // An inline module, indented, is one level further from the root than its file.
        let levels = depth(&source.path) + usize::from(text.starts_with(' '));
        roots.push("super::".repeat(levels));
        for root in roots {
            for (start, _) in text.match_indices(&root).filter(|(start, _)| begins_a_path(text, *start)) {
                let rest = std::iter::once(&text[start + root.len()..])
                    .chain(code[index + 1..].iter().map(|(_, line)| *line));
                edges.extend(heads(&rest.collect::<Vec<_>>().join("\n")).map(|to| Edge { line, to }));
            }
        }
    }
    edges
}

/// Whether what starts here is not the end of a longer path or word.
fn begins_a_path(text: &str, start: usize) -> bool {
    !text[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
}

/// The first segment of each path in `a::b` or `{a::b, c}`.
fn heads(rest: &str) -> impl Iterator<Item = String> {
    let mut heads = Vec::new();
    if let Some(group) = rest.strip_prefix('{') {
        let (mut nested, mut head) = (0_u32, String::new());
        for character in group.chars() {
            match character {
                '{' => nested += 1,
                '}' if nested == 0 => break,
                '}' => nested -= 1,
                ',' if nested == 0 => heads.push(std::mem::take(&mut head)),
                _ if nested == 0 => head.push(character),
                _ => {}
            }
        }
        heads.push(head);
    } else {
        heads.push(rest.to_owned());
    }
    let first = |head: String| -> String {
        head.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    heads.into_iter().map(first).filter(|head| !head.is_empty() && head != "super" && head != "self")
}

/// How many `super::` lead from the top of this file to the crate's root.
fn depth(path: &Path) -> usize {
    let below_src = path.components().count() - 1;
    if path.file_stem().is_some_and(|name| name == "mod") { below_src - 1 } else { below_src }
}

/// `store` for `src/store/url.rs` and for `src/store.rs`.
fn top_module(path: &Path) -> Option<&str> {
    let second = Path::new(path.components().nth(1)?.as_os_str());
    second.file_stem()?.to_str()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory of the repository.
fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root().join(&directory)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = directory.join(entry.file_name());
            if entry.file_type().expect("a kind of file").is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(root().join(&path)).expect("a text");
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no Rust file below {directory}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}
