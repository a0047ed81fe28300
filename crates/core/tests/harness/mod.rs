//! Runs tests whose data is no part of this repository. Without the data they are *ignored*, which the
//! harness of the standard library cannot say at run time, so that this one speaks its format itself.

use std::process::ExitCode;

/// One test.
pub(crate) struct Test<D: ?Sized> {
    pub(crate) name: &'static str,
    /// What is wrong, if anything.
    pub(crate) run: fn(&D) -> Result<(), String>,
}

/// Runs the tests that the command line selects, over the data or, without it, not at all.
pub(crate) fn main<D: ?Sized, O: AsRef<D>>(tests: &[Test<D>], data: &Result<O, String>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listing = arguments.iter().any(|argument| argument == "--list");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let selected = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let chosen: Vec<_> = tests.iter().filter(|test| selected(test.name)).collect();
    if listing {
        chosen.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    run(&chosen, data.as_ref().map(AsRef::as_ref), tests.len() - chosen.len())
}

fn run<D: ?Sized>(chosen: &[&Test<D>], data: Result<&D, &String>, left_out: usize) -> ExitCode {
    println!("\nrunning {} tests", chosen.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for test in chosen {
        let (count, word) = match data.map(test.run) {
            Err(missing) => (&mut ignored, format!("ignored, {missing}")),
            Ok(Ok(())) => (&mut passed, "ok".to_owned()),
            Ok(Err(wrong)) => (&mut failed, format!("FAILED\n{wrong}")),
        };
        *count += 1;
        println!("test {} ... {word}", test.name);
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {left_out} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
