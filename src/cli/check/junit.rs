//! What came of recorded checks, as JUnit XML, which every build server reads: one test case for each
//! operation, because a recording may have millions of requests. Values stay out: a build's report is
//! often open to more people than the data.

use std::fmt::Write as _;

use parallax_core::verdict::Outcome;

use crate::recordings::{Counts, OperationCounts};

/// Faults that are listed of an operation.
const LISTED: usize = 50;

pub(super) fn of(counts: &Counts) -> String {
    let checked: Vec<&OperationCounts> =
        counts.operations.iter().filter(|one| one.tally.requests > 0).collect();
    let is = |met: Option<bool>| checked.iter().filter(|one| one.is_met() == met).count();
    let errors = checked.iter().filter(|one| is_error(one)).count();
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(
        xml,
        "<testsuites>\n  <testsuite name=\"parallax check\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\" skipped=\"{}\">",
        checked.len(),
        is(Some(false)) - errors,
        is(None)
    );
    for one in &checked {
        case(one, &mut xml);
    }
    let [matched, unmatched, failed] =
        [Outcome::Matched, Outcome::Unmatched, Outcome::Failed].map(|outcome| counts.total(outcome));
    let _ = writeln!(
        xml,
        "    <system-out>matched {matched}, unmatched {unmatched}, failed {failed}</system-out>\n  </testsuite>\n</testsuites>"
    );
    xml
}

/// All of its checks failed, so that nothing is known.
fn is_error(one: &OperationCounts) -> bool {
    one.is_met() == Some(false) && one.tally.checks() == 0
}

fn case(one: &OperationCounts, xml: &mut String) {
    let operation = &one.operation;
    let (id, matcher) = (escaped(operation.id.as_str()), escaped(&operation.matcher.to_string()));
    let _ = write!(xml, "    <testcase classname=\"parallax.{id}\" name=\"{matcher}\"");
    let _ = match one.is_met() {
        Some(true) => writeln!(xml, "/>"),
        None => writeln!(xml, "><skipped message=\"no request of it was sent\"/></testcase>"),
        Some(false) if is_error(one) => {
            writeln!(xml, "><error message=\"all {} checks failed\"/></testcase>", one.tally.failed_total())
        }
        Some(false) => {
            let consistency = one.consistency().map(|ratio| ratio.to_string()).unwrap_or_default();
            let target = operation.target.consistency;
            writeln!(
                xml,
                "><failure message=\"consistency {consistency} is below {target}\">{}</failure></testcase>",
                escaped(&differences(one))
            )
        }
    };
}

fn differences(one: &OperationCounts) -> String {
    let mut text = format!("{} of {} checks differ\n", one.tally.unmatched, one.tally.checks());
    for fault in one.by_count().iter().take(LISTED) {
        let signature = &fault.signature;
        let explanation = signature.explanation.as_ref().map_or(String::new(), |text| format!("; {text}"));
        let _ = writeln!(text, "{} x {} {}{explanation}", fault.count, signature.path, signature.kind);
    }
    text
}

/// Text for XML 1.0, which has no control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\n");
    }
}
