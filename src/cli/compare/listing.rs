//! What a comparison found, for people: the place, the kind and the explanation of each difference
//! with both values below it; then what the rules masked, and one line that sums it up.

use std::fmt::Write as _;

use parallax_core::compare::{Compared, Comparison};
use parallax_core::rule::Rules;
use parallax_core::verdict::{Cause, Difference, Differences, Equality, Kind};

use super::super::output::{Paint, Tone, one_line};
use super::shown::shown;

pub(super) fn of(compared: &Compared, rules: &Rules, paint: Paint) -> String {
    let mut text = String::new();
    if let Comparison::Different(differences) = &compared.comparison {
        differences.kept.iter().for_each(|difference| list(&mut text, difference, paint));
    }
    text.push_str(&sum(&compared.comparison, rules, paint));
    masked(&mut text, compared, rules, paint);
    text
}

fn list(text: &mut String, difference: &Difference, paint: Paint) {
    let path = one_line(&difference.path.to_string());
    let kind = paint.text(Tone::Warning, difference.kind.as_str());
    let about = difference.explanation.as_deref().unwrap_or_else(|| meaning(difference.kind));
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{path}  {kind}: {}", one_line(about));
    let (legacy, candidate) = shown(difference.legacy.as_ref(), difference.candidate.as_ref());
    for (sign, tone, value) in [("-", Tone::Bad, legacy), ("+", Tone::Good, candidate)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{}", paint.text(tone, &format!("  {sign} {value}")));
        }
    }
}

fn sum(comparison: &Comparison, rules: &Rules, paint: Paint) -> String {
    let (tone, text) = match comparison {
        Comparison::Equal(Equality::Identical) => (Tone::Good, "identical: byte for byte".to_owned()),
        Comparison::Equal(Equality::Equal) => {
            (Tone::Good, "equal: the same content, spelt differently".to_owned())
        }
        Comparison::Equal(Equality::Equivalent) => {
            (Tone::Good, format!("equivalent: equal under {}", counted(rules.specs().len(), "rule")))
        }
        Comparison::Incomparable(cause) => (Tone::Warning, incomparable(*cause)),
        Comparison::Different(differences) => (Tone::Bad, counted_differences(differences)),
    };
    format!("{}\n", paint.text(tone, &text))
}

/// Why two bodies could not be compared.
pub(super) fn incomparable(cause: Cause) -> String {
    let why = match cause {
        Cause::TooLarge => "a body is larger than the limits allow",
        Cause::Undecodable => "neither body can be read as what it is said to be",
        Cause::Budget => "comparing takes more values or steps than the limits allow",
        // What happens to requests, not to files.
        Cause::Both5xx
        | Cause::Refused
        | Cause::Timeout
        | Cause::Reset
        | Cause::Dns
        | Cause::Tls
        | Cause::Protocol
        | Cause::Stale
        | Cause::Flaky
        | Cause::DeadLetter => "the check proves nothing",
    };
    format!("incomparable: {cause}, {why}")
}

fn counted_differences(differences: &Differences) -> String {
    let all = counted(differences.kept.len() + differences.more, "difference");
    if differences.more > 0 {
        return format!("different: {all}, {} of them not listed", differences.more);
    }
    format!("different: {all}")
}

/// What each rule masked. One that masked nothing is listed too: it may not say what was meant.
fn masked(text: &mut String, compared: &Compared, rules: &Rules, paint: Paint) {
    for (index, (spec, count)) in rules.specs().iter().zip(&compared.masked).enumerate() {
        let what = match count {
            0 => "nothing".to_owned(),
            &count => counted(usize::try_from(count).unwrap_or(usize::MAX), "place"),
        };
        let (word, at) = (spec.action.as_str(), one_line(&spec.at));
        let line = format!("  rule {}, `{word}` at {at}, masked {what}", index + 1);
        let _ = writeln!(text, "{}", paint.text(Tone::Faint, &line));
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => "the candidate leaves it out",
        Kind::Extra => "only the candidate has it",
        Kind::Type => "another type",
        Kind::Value => "another value",
        Kind::Order => "the same elements in another order",
        Kind::Length => "another length",
        Kind::DuplicateKey => "a name that is repeated",
        Kind::Syntax => "cannot be decoded",
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
