//! `parallax differences`: the faults of an operation, in the words of a bug report.

mod curl;
mod suggest;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use parallax_core::report::{AnswerSample, Line, Report, ReportedDifference};
use parallax_core::signature::SignatureId;

use super::client::{Client, ServerArgs, operation_path};
use super::output::{Paint, Tone, grouped, in_short, one_line, print};
use super::view::SignatureView;

/// Signatures that are listed with a sample; the others are counted.
const LISTED: usize = 20;
/// Samples that are shown of one signature.
const SAMPLES: usize = 3;

/// Show how the two sides of an operation differ: each kind of fault with its count and a sample
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parallax differences getReturn\n  parallax differences getReturn --signature 00c0ffee00c0ffee\n  parallax differences getReturn --suggest\n  parallax differences getReturn --curl"
)]
pub(super) struct DifferencesArgs {
    /// The operation
    #[arg(value_name = "OP")]
    operation: String,
    /// Only this signature, with its newest samples
    #[arg(long, value_name = "ID")]
    signature: Option<SignatureId>,
    /// Suggest rules that would mask each of them, with what they would hide
    #[arg(long)]
    suggest: bool,
    /// Tell how many of the stored samples these rules would mask, a list as under `compare:`
    #[arg(long, value_name = "FILE", conflicts_with = "suggest")]
    rules: Option<PathBuf>,
    /// Print a curl command for a sample of each, with variables for what was redacted
    #[arg(long, conflicts_with_all = ["suggest", "rules", "json"])]
    curl: bool,
    /// Print the API's JSON unchanged; with `--rules`, the counts as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &DifferencesArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let paint = Paint::for_stdout();
    let text = match (args.signature, &args.rules) {
        (_, Some(rules)) => suggest::tried(&client, args, rules)?,
        _ if args.curl => curl::reproductions(&client, args)?,
        _ if args.suggest => suggest::suggested(&client, args, paint)?,
        (Some(id), None) => one_signature(&client, args, id, paint)?,
        (None, None) => all_signatures(&client, args, paint)?,
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn one_signature(
    client: &Client,
    args: &DifferencesArgs,
    id: SignatureId,
    paint: Paint,
) -> anyhow::Result<String> {
    let path = format!("/api/v1/signatures/{id}");
    if args.json {
        return Ok(format!("{}\n", client.text(&path)?.trim_end()));
    }
    let signature = belongs(client.get(&path)?, &args.operation)?;
    let mut text = headline(&signature, paint);
    for report in signature.samples.iter().take(SAMPLES) {
        text.push('\n');
        text.push_str(&sample(report, paint));
    }
    Ok(text)
}

fn all_signatures(client: &Client, args: &DifferencesArgs, paint: Paint) -> anyhow::Result<String> {
    let path = format!("{}/signatures", operation_path(&args.operation));
    if args.json {
        return Ok(format!("{}\n", client.text(&path)?.trim_end()));
    }
    let mut signatures: Vec<SignatureView> = client.get(&path)?;
    if signatures.is_empty() {
        return Ok(format!("{}: no differences seen\n", args.operation));
    }
    signatures.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.path.cmp(&other.path)));
    let kinds = if signatures.len() == 1 { "kind" } else { "kinds" };
    let mut text = format!("{}: {} {kinds} of difference\n", args.operation, signatures.len());
    for signature in signatures.iter().take(LISTED) {
        text.push('\n');
        text.push_str(&headline(signature, paint));
        let with_samples: SignatureView = client.get(&format!("/api/v1/signatures/{}", signature.id))?;
        if let Some(report) = with_samples.samples.first() {
            text.push_str(&first_values(report, signature, paint));
        }
    }
    text.push_str(&more(signatures.len()));
    Ok(text)
}

/// The signatures that are not listed.
fn more(signatures: usize) -> String {
    match signatures.checked_sub(LISTED) {
        Some(rest @ 1..) => format!("\n… and {rest} more; see them with `--json`\n"),
        Some(_) | None => String::new(),
    }
}

/// The signature, which has to be one of the operation.
fn belongs(signature: SignatureView, operation: &str) -> anyhow::Result<SignatureView> {
    let SignatureView { id, operation_id, .. } = &signature;
    if operation_id != operation {
        anyhow::bail!("the signature {id} belongs to the operation `{operation_id}`, not to `{operation}`");
    }
    Ok(signature)
}

/// `312 ×  $.body.refund.method  missing (legacy: string, candidate: nothing)`.
fn headline(signature: &SignatureView, paint: Paint) -> String {
    let SignatureView { id, path, kind, count, first_at, last_at, .. } = signature;
    let side = |name: &Option<String>| name.as_deref().unwrap_or("nothing").to_owned();
    let types =
        format!("legacy {}, candidate {}", side(&signature.legacy_type), side(&signature.candidate_type));
    let explanation = signature.explanation.as_ref().map_or(String::new(), |text| format!("; {text}"));
    let counted = paint.text(Tone::Bad, &format!("{} ×", grouped(*count)));
    let noise = match signature.noise {
        0 => String::new(),
        times => format!(
            "     noise: the answering side differed from itself here {} times; see `--suggest`\n",
            grouped(times)
        ),
    };
    let reversed = match signature.reversed {
        0 => String::new(),
        times if times == *count => {
            "     reverse shadow: seen only where the candidate had answered\n".to_owned()
        }
        times => {
            format!("     reverse shadow: the candidate had answered {} of these times\n", grouped(times))
        }
    };
    let (first, last) = (to_the_second(first_at), to_the_second(last_at));
    let about = paint.text(Tone::Faint, &one_line(&format!("signature {id}, first {first}, last {last}")));
    let what = one_line(&format!("{path}  {kind}: {types}{explanation}"));
    format!("{counted}  {what}\n     {about}\n{reversed}{noise}")
}

/// What the two sides have in the place, in the newest sample.
fn first_values(report: &Report, signature: &SignatureView, paint: Paint) -> String {
    let own = |difference: &&ReportedDifference| difference.signature.to_string() == signature.id;
    let Some(difference) = report.differences.iter().find(own) else { return String::new() };
    let at = one_line(&format!("     {} of {}", difference.path, request(report)));
    format!(
        "{}\n     legacy     {}\n     candidate  {}\n",
        paint.text(Tone::Faint, &at),
        in_short(difference.legacy.as_deref()),
        in_short(difference.candidate.as_deref())
    )
}

/// What was asked, where the operation keeps it; else the check's name.
fn request(report: &Report) -> String {
    report.sample.as_ref().map_or_else(
        || format!("check {}", report.id),
        |sample| format!("{} {}", sample.request.method, sample.request.target),
    )
}

/// An instant without its fraction of a second; what is none, as it is.
fn to_the_second(at: &str) -> String {
    at.parse::<jiff::Timestamp>()
        .map_or_else(|_| at.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// One sample: the request, and the lines of both answers that differ, each after the line it
/// belongs under.
fn sample(report: &Report, paint: Paint) -> String {
    let recheck = report.recheck.map_or(String::new(), |finding| format!(", {finding}"));
    let mut text = paint.text(Tone::Faint, &format!("check {} at {}{recheck}", report.id, report.at));
    text.push('\n');
    for difference in &report.differences {
        let (legacy, candidate) =
            (in_short(difference.legacy.as_deref()), in_short(difference.candidate.as_deref()));
        let path = one_line(&difference.path);
        let _ = writeln!(text, "  {path}  {}: legacy {legacy}, candidate {candidate}", difference.kind);
    }
    let Some(sample) = &report.sample else { return text };
    let _ = writeln!(text, "  {} {}", one_line(&sample.request.method), one_line(&sample.request.target));
    text.push_str(&answer("legacy", '-', sample.legacy.as_ref(), paint));
    text.push_str(&answer("candidate", '+', sample.candidate.as_ref(), paint));
    text
}

fn answer(side: &str, sign: char, answer: Option<&AnswerSample>, paint: Paint) -> String {
    let Some(answer) = answer else { return format!("  {side}: no answer\n") };
    let mut text = format!("  {side}: {}\n", answer.status);
    let tone = if sign == '-' { Tone::Bad } else { Tone::Good };
    for Line { depth, text: line, differs } in
        answer.headers.iter().chain(&answer.body).chain(&answer.trailers)
    {
        let (mark, tone) = if *differs { (sign, tone) } else { (' ', Tone::Plain) };
        let indent = "  ".repeat(usize::from(*depth).min(32));
        let _ = writeln!(text, "  {}", paint.text(tone, &format!("{mark} {indent}{}", one_line(line))));
    }
    if answer.more_lines > 0 {
        let _ = writeln!(text, "    … {} more lines", answer.more_lines);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::SHOWN;

    #[test]
    fn a_long_value_is_cut_and_takes_one_line() {
        let short = in_short(Some(&"ü".repeat(500)));
        assert!(short.ends_with("üü…"), "{short}");
        assert_eq!(short.chars().count(), SHOWN + 1);
        assert_eq!(in_short(Some("two\nlines")), "two\\nlines");
        assert_eq!(in_short(None), "–");
    }

    #[test]
    fn an_instant_is_told_to_the_second() {
        assert_eq!(to_the_second("2026-01-02T03:04:05.958797003Z"), "2026-01-02T03:04:05Z");
        assert_eq!(to_the_second("soon"), "soon");
    }
}
