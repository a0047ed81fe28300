//! The present plan for other tools, held against files: `NAME.json` is a plan as the API tells it,
//! `NAME.TOOL` what is written of it.
//!
//! To take the present texts over: `PARALLAX_UPDATE_EXPORTS=1 cargo test -p parallax-core --test export`,
//! then look at what changed under tests/export.

use std::path::PathBuf;

use parallax_core::export::{self, Exported, PresentPlan};

const TOOLS: [(&str, fn(&PresentPlan) -> Exported); 5] = [
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
