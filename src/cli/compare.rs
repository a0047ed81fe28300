//! `parallax compare`: two bodies in two files, compared as the proxy compares answers. For
//! trying rules out, and for scripts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parallax_core::compare::{Comparison, compare_with};
use parallax_core::exchange::{Answer, Body};
use parallax_core::rule::Rules;
use parallax_core::verdict::{Difference, Differences, Equality, Kind, Outcome, Value, ValueType};
use serde_json::json;

use super::output::{Paint, Tone, one_line, print};
use super::{NOT_MET, WRONG_USAGE};
use crate::config;
use crate::isolate::Children;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Compare two files as the answers of the two sides: exit 0 equal, 1 different, 2 incomparable
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax compare legacy.json candidate.json\n  parallax compare old.json new.json --rules rules.yaml --json\n\n\
    The rules are a list as under `compare:` in parallax.yaml:\n  - {at: \"$.body.tags\", unordered: true}"
)]
pub(super) struct CompareArgs {
    /// The body that legacy answered
    #[arg(value_name = "LEGACY")]
    legacy: PathBuf,
    /// The body that the candidate answered
    #[arg(value_name = "CANDIDATE")]
    candidate: PathBuf,
    /// Rules that say what may differ
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What the bodies are; without it, JSON, PDF and images are recognised and everything else is text or bytes
    #[arg(long, value_name = "TYPE")]
    content_type: Option<HeaderValue>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let rules = args.rules.as_deref().map(config::load_rules).transpose()?.unwrap_or_default();
    let legacy = answer(&args.legacy, args.content_type.as_ref())?;
    let candidate = answer(&args.candidate, args.content_type.as_ref())?;
    let comparison = compare_with(&legacy, &candidate, &rules, &Children::of_this_program()).comparison;
    let text =
        if args.json { as_json(&comparison)? } else { as_text(&comparison, &rules, Paint::for_stdout()) };
    print(&text)?;
    Ok(match comparison {
        Comparison::Equal(_) => ExitCode::SUCCESS,
        Comparison::Different(_) => ExitCode::from(NOT_MET),
        Comparison::Incomparable(_) => ExitCode::from(WRONG_USAGE),
    })
}

/// A file as the body of an answer.
fn answer(path: &Path, content_type: Option<&HeaderValue>) -> anyhow::Result<Answer> {
    use std::io::Read as _;

    let place = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    if read.with_context(place)? as u64 > MAX_BYTES {
        anyhow::bail!("{} is larger than {MAX_BYTES} bytes", path.display());
    }
    let headers = content_type.map(|value| (header::CONTENT_TYPE, value.clone()));
    Ok(Answer {
        status: StatusCode::OK,
        headers: HeaderMap::from_iter(headers),
        body: Body::Whole(bytes.into()),
        trailers: None,
    })
}

/// The contract's object.
fn as_json(comparison: &Comparison) -> anyhow::Result<String> {
    let none = Differences::default();
    let (outcome, equality, differences) = match comparison {
        Comparison::Equal(equality) => (Outcome::Matched, equality.as_str(), &none),
        Comparison::Different(differences) => (Outcome::Unmatched, "different", differences),
        Comparison::Incomparable(_) => (Outcome::Failed, "incomparable", &none),
    };
    let one = |difference: &Difference| {
        json!({
            "part": difference.part,
            "path": difference.path.to_string(),
            "kind": difference.kind,
            "legacy": difference.legacy.as_ref().map(value_json),
            "candidate": difference.candidate.as_ref().map(value_json),
            "explanation": difference.explanation,
        })
    };
    let object = json!({
        "outcome": outcome,
        "equality": equality,
        "differences": differences.kept.iter().map(one).collect::<Vec<_>>(),
        "more": differences.more,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
}

/// A value as JSON where it is JSON: numbers keep every digit, so that they are given as text when
/// reading them would lose some.
fn value_json(value: &Value) -> serde_json::Value {
    match value.kind {
        ValueType::String | ValueType::Bytes => json!(value.text),
        ValueType::Null | ValueType::Boolean | ValueType::Number | ValueType::Array | ValueType::Object => {
            without_loss(&value.text).unwrap_or_else(|| json!(value.text))
        }
    }
}

fn without_loss(text: &str) -> Option<serde_json::Value> {
    let read: serde_json::Value = serde_json::from_str(text).ok()?;
    let written = read.to_string();
    (written == text).then_some(read)
}

fn as_text(comparison: &Comparison, rules: &Rules, paint: Paint) -> String {
    match comparison {
        Comparison::Equal(Equality::Identical) => "identical: byte for byte\n".to_owned(),
        Comparison::Equal(Equality::Equal) => "equal: the same content, spelt differently\n".to_owned(),
        Comparison::Equal(Equality::Equivalent) => {
            format!("equivalent: equal under {}\n", counted(rules.specs().len(), "rule"))
        }
        Comparison::Incomparable(cause) => format!("incomparable: {cause}\n"),
        Comparison::Different(differences) => listing(differences, paint),
    }
}

fn listing(differences: &Differences, paint: Paint) -> String {
    let mut text = String::new();
    for difference in &differences.kept {
        let explained =
            difference.explanation.as_deref().map(|said| format!(" ({said})")).unwrap_or_default();
        let what = meaning(difference.kind);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{}: {what}{explained}", one_line(&difference.path.to_string()));
        for (sign, tone, value) in
            [("-", Tone::Bad, &difference.legacy), ("+", Tone::Good, &difference.candidate)]
        {
            if let Some(value) = value {
                let _ = writeln!(text, "{}", paint.text(tone, &format!("  {sign} {}", shown(value))));
            }
        }
    }
    let all = differences.kept.len() + differences.more;
    let more = if differences.more > 0 {
        format!(", {} of them not listed", differences.more)
    } else {
        String::new()
    };
    let _ = writeln!(text, "different: {}{more}", counted(all, "difference"));
    text
}

fn shown(value: &Value) -> String {
    match value.kind {
        ValueType::String => format!("\"{}\"", one_line(&value.text)),
        ValueType::Null
        | ValueType::Boolean
        | ValueType::Number
        | ValueType::Array
        | ValueType::Object
        | ValueType::Bytes => one_line(&value.text),
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
