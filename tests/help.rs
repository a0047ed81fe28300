//! The help texts, held against files: a change of the command line is seen in review.
//!
//! To take the present texts over: `PARALLAX_UPDATE_HELP=1 cargo test --test help`, then look at
//! what changed under tests/help.

use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use parallax::cli::Cli;

#[test]
fn help_texts_are_as_they_were() {
    let mut program = Cli::command().term_width(100);
    program.build();
    let mut wrong = Vec::new();
    check(&mut program, &mut wrong);
    assert!(
        wrong.is_empty(),
        "the help of {wrong:?} has changed; take it over with `PARALLAX_UPDATE_HELP=1 cargo test --test help` and review tests/help"
    );
}

fn check(command: &mut Command, wrong: &mut Vec<String>) {
    let name = command.get_display_name().unwrap_or("parallax").to_owned();
    let help = format!("{}\n", command.render_long_help().to_string().trim_end());
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(format!("{name}.txt"));
    if std::env::var_os("PARALLAX_UPDATE_HELP").is_some() {
        std::fs::write(&file, help).expect("a help file");
    } else if std::fs::read_to_string(&file).ok().as_deref() != Some(help.as_str()) {
        wrong.push(name);
    }
    for subcommand in command.get_subcommands_mut() {
        check(subcommand, wrong);
    }
}
