//! `parallax report` of a real run: it says where everything stands, needs nothing but itself, and holds
//! no value of a request or an answer.

mod support;

use std::path::Path;

use parallax_testkit::{Behaviour, Reply};
use serde_json::{Value, json};
use support::House;
use support::process::command;

const OPERATIONS: &str = "defaults: {recheck: off, samples: plain}
operations:
- {id: getReturn, match: 'GET /returns/{return_id}'}
- {id: 'shop/list:v1', match: GET /returns}
";

async fn house() -> House {
    let side = |amount| Behaviour::always(Reply::json(format!(r#"{{"amount":"{amount}"}}"#)));
    let house = House::new(side("secret-19"), side("secret-20"), OPERATIONS).await;
    for _ in 0..3 {
        house.get("/returns/secret-id").await;
    }
    house.at_rest("getReturn").await;
    let reason = "<script>alert(1)</script>\u{1b}[31m & first customers";
    let body = json!({"stage": "canary", "share": "5%", "reason": reason, "force": true});
    house.stage("getReturn", body).await;
    house
}

fn report(house: &House, directory: &Path, words: &[&str]) -> String {
    let server = format!("http://{}", house.running.control);
    let output = command(directory, &[&["report", "--server", &server], words].concat()).output();
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_says_where_everything_stands() {
    let house = house().await;
    let text = report(&house, Path::new("."), &[]);
    for part in [
        "\n0 of 2 operations are complete; canary 1, shadow 1\n",
        "\ngetReturn  GET /returns/{return_id}\n",
        "canary 5% since 20",
        "0% of 3 checks, target 99.9%",
        "min_checks is 3, needs at least 1000",
        "3 × $.body.amount value",
        "shadow → canary 5%  local, forced: <script>",
        "\nshop/list:v1  GET /returns\n",
        "shadow, as it began",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_one_file_in_which_nothing_is_loaded_or_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = house().await;
    assert_eq!(report(&house, directory.path(), &["--html", "report.html"]), "");
    let page = std::fs::read_to_string(directory.path().join("report.html")).expect("the page");
    for part in [
        "<!DOCTYPE html>",
        "0 of 2 operations are complete",
        "3 × $.body.amount value",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "href=\"#operation-0\"",
        "default-src 'none'",
    ] {
        assert!(page.contains(part), "{part}\nin\n{page}");
    }
    for loaded in ["<script", "src=", "<link", "url(", "@import", "href=\"http"] {
        assert!(!page.contains(loaded), "{loaded}\nin\n{page}");
    }
    assert!(!page.contains("secret") && !page.contains('\u{1b}'), "{page}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_it_is_what_the_api_says() {
    let house = house().await;
    let report: Value = serde_json::from_str(&report(&house, Path::new("."), &["--json"])).expect("JSON");
    assert_eq!(report["stages"], json!({"canary": 1, "shadow": 1}));
    let operation = &report["operations"][0];
    assert_eq!(operation["id"], "getReturn");
    assert_eq!(operation["counts"], house.operation("getReturn").await["counts"]);
    assert_eq!(operation["signatures"][0]["count"], 3);
    assert_eq!(operation["audit"][0]["to"], "canary");
    assert_eq!(report["operations"][1]["audit"], json!([]));
}
