//! Rules for faults that are none: which would mask them, and what given ones would mask of what is
//! stored. Nobody is asked again; the samples are judged by what is kept of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use parallax_core::check::CheckId;
use parallax_core::report::Report;
use parallax_core::suggest::{Suggestion, as_yaml, rejudge};

use super::super::client::{Client, operation_path};
use super::super::output::{Paint, Tone, one_line};
use super::super::view::SignatureView;
use super::{DifferencesArgs, LISTED, belongs, headline, more};
use crate::config;

/// Signatures whose samples are judged again.
const JUDGED: usize = 100;

/// Every signature with the rules that would mask it.
pub(super) fn suggested(client: &Client, args: &DifferencesArgs, paint: Paint) -> anyhow::Result<String> {
    let path = match args.signature {
        Some(id) => format!("/api/v1/signatures/{id}"),
        None => format!("{}/signatures?suggest=true", operation_path(&args.operation)),
    };
    if args.json {
        return Ok(format!("{}\n", client.text(&path)?.trim_end()));
    }
    let signatures: Vec<SignatureView> = match args.signature {
        Some(_) => vec![belongs(client.get(&path)?, &args.operation)?],
        None => client.get(&path)?,
    };
    if signatures.is_empty() {
        return Ok(format!("{}: no differences seen\n", args.operation));
    }
    let mut text = String::new();
    for (at, signature) in signatures.iter().take(LISTED).enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&headline(signature, paint));
        if signature.suggestions.is_empty() {
            text.push_str("     no rule is suggested: mend it, or write one that says why not\n");
        }
        signature.suggestions.iter().for_each(|suggestion| text.push_str(&one(suggestion, paint)));
    }
    text.push_str(&more(signatures.len()));
    Ok(text)
}

/// A rule to paste under `compare:`, and its effect.
fn one(suggestion: &Suggestion, paint: Paint) -> String {
    let Suggestion { yaml, masks, of, with_other_differences, hides, replaces, .. } = suggestion;
    let mut text = format!("     {}\n", paint.text(Tone::Good, &one_line(yaml)));
    let samples = if *of == 1 { "sample" } else { "samples" };
    let _ = write!(text, "         masks {masks} of {of} stored {samples}");
    if *with_other_differences > 0 {
        let _ = write!(text, "; {with_other_differences} of them have other differences too");
    }
    let _ = writeln!(text, "\n         hides {}", one_line(hides));
    for replaced in replaces {
        let _ = writeln!(text, "         in place of {}", one_line(&as_yaml(replaced)));
    }
    text
}

/// What these rules would make of the stored samples.
pub(super) fn tried(client: &Client, args: &DifferencesArgs, file: &Path) -> anyhow::Result<String> {
    let rules = config::load_rules(file)?;
    let ids = match args.signature {
        Some(id) => vec![id.to_string()],
        None => {
            let path = format!("{}/signatures", operation_path(&args.operation));
            let signatures: Vec<SignatureView> = client.get(&path)?;
            signatures.into_iter().take(JUDGED).map(|signature| signature.id).collect()
        }
    };
    let mut reports: BTreeMap<CheckId, Report> = BTreeMap::new();
    for id in ids {
        let signature = belongs(client.get(&format!("/api/v1/signatures/{id}"))?, &args.operation)?;
        reports.extend(signature.samples.into_iter().map(|report| (report.id, report)));
    }
    let reports: Vec<Report> = reports.into_values().collect();
    let judged = rejudge(&reports, &rules);
    if args.json {
        return Ok(format!("{}\n", serde_json::to_string(&judged)?));
    }
    let samples = if judged.samples == 1 { "sample" } else { "samples" };
    Ok(format!(
        "{}: under these rules {} of {} stored {samples} would match, {} would still be unmatched\n",
        args.operation, judged.masked, judged.samples, judged.unmatched
    ))
}
