//! Every command in the guide and in the README is run, and prints what the page says.
//!
//! A page is read from top to bottom, in a directory of its own:
//!
//! - A block that is marked `yaml FILE` is written to that file. Where it does not say on which ports
//!   parallax listens, the defaults are written out, so that they can be replaced as below.
//! - In a block that is marked `console`, a line `$ command` is run by bash, and the lines after it
//!   are what it prints, on both outputs. `...` stands for any text within a line, and on a line
//!   of its own for any lines.
//! - A command has to end well, unless the next one is `echo $?`, which prints how it ended.
//! - A command that ends in ` &` goes on until the page is over or until `kill %1`. Where that is
//!   `parallax serve`, the page goes on when it listens.
//! - After a command that used curl, the page goes on when no check is in flight.
//! - The ports 8080, 8081, 8082 and 9900 of 127.0.0.1 are replaced by free ones. On 8081 and 8082
//!   there is a sample service, see [`legacy`] and [`candidate`]; only gifts differ.
//! - `cargo run --release -- demo` is the program that is being tested, with a demo of one second.

mod guide_page;
mod support;

use guide_page::Page;

#[tokio::test]
async fn put_it_in_front() {
    Page::read("docs/guide/put-it-in-front.md").run().await;
}

#[tokio::test]
async fn name_operations() {
    Page::read("docs/guide/name-operations.md").run().await;
}

#[tokio::test]
async fn read_a_difference() {
    Page::read("docs/guide/read-a-difference.md").run().await;
}

#[tokio::test]
async fn write_rules() {
    Page::read("docs/guide/write-rules.md").run().await;
}

#[tokio::test]
async fn switch_and_roll_back() {
    Page::read("docs/guide/switch-and-roll-back.md").run().await;
}

#[tokio::test]
async fn when_an_operation_is_ready() {
    Page::read("docs/guide/when-an-operation-is-ready.md").run().await;
}

#[tokio::test]
async fn what_is_safe_on_both_sides() {
    Page::read("docs/guide/what-is-safe-on-both-sides.md").run().await;
}

#[tokio::test]
async fn post_checks() {
    Page::read("docs/guide/post-checks.md").run().await;
}

#[tokio::test]
async fn switch_elsewhere() {
    Page::read("docs/guide/switch-elsewhere.md").run().await;
}

#[tokio::test]
async fn run_it_in_production() {
    Page::read("docs/guide/run-it-in-production.md").run().await;
}

#[tokio::test]
async fn check_recordings() {
    Page::read("docs/guide/check-recordings.md").run().await;
}

#[tokio::test]
async fn readme() {
    Page::read("README.md").run().await;
}

#[test]
fn every_page_with_commands_is_among_these() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    for page in std::fs::read_dir(guide).expect("the guide") {
        let path = page.expect("a page").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a page's text");
        let is_run = include_str!("guide.rs").contains(&format!("docs/guide/{name}"));
        assert!(is_run || !text.contains("```console"), "{name} is not run");
    }
}

/// The runner is worth what it can find fault with.
#[test]
fn what_a_command_prints_is_compared() {
    use guide_page::is_as_said;

    for (said, printed) in [
        ("", ""),
        ("a\nb", "a\nb\n"),
        ("a ... c", "a b c"),
        ("...", ""),
        ("...", "a\nb"),
        ("a\n...\nz", "a\nz"),
        ("a\n...\nz", "a\nb\nc\nz"),
        ("a...\n...b", "a1\nzb"),
    ] {
        assert!(is_as_said(said, printed), "{said:?} {printed:?}");
    }
    for (said, printed) in [
        ("", "a"),
        ("a", ""),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a ... c", "a b d"),
        ("a ... c", "a\nc"),
        ("a\n...\nz", "a\nb"),
        ("...a...a", "a"),
    ] {
        assert!(!is_as_said(said, printed), "{said:?} {printed:?}");
    }
}
