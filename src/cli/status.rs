//! `parallax status`: where every operation stands, or one of them in detail.

mod load;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use parallax_core::operation::OperationId;
use parallax_core::ratio::Ratio;

use super::client::{Client, ServerArgs, operation_path};
use super::output::{Paint, Table, Tone, grouped, one_line, print, tallied};
use super::view::{CoverageView, OperationView, OtherView, Percentiles, RecheckView, demanded, stage_text};

/// How often `--watch` asks again.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Show where each operation stands: stage, checks, consistency against its target, readiness
/// and the latency of both sides
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parallax status\n  parallax status getReturn")]
pub(super) struct StatusArgs {
    /// Only this operation, with every condition of its readiness; `other` shows the requests that match none, and
    /// the operations that they could be
    #[arg(value_name = "OP")]
    operation: Option<String>,
    /// Print the API's JSON unchanged
    #[arg(long)]
    json: bool,
    /// Show it again every two seconds, until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let paint = Paint::for_stdout();
    loop {
        let text = report(&client, args, paint)?;
        if !args.watch {
            print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        print(&paint.fresh_screen(&text))?;
        std::thread::sleep(WATCH_EVERY);
    }
}

fn report(client: &Client, args: &StatusArgs, paint: Paint) -> anyhow::Result<String> {
    let path = match args.operation.as_deref() {
        None => "/api/v1/operations".to_owned(),
        Some(OperationId::OTHER) => "/api/v1/other".to_owned(),
        Some(id) => operation_path(id),
    };
    Ok(if args.json {
        format!("{}\n", client.text(&path)?.trim_end())
    } else if args.operation.as_deref() == Some(OperationId::OTHER) {
        other(&client.get(&path)?, paint)
    } else if args.operation.is_some() {
        let operation = client.get(&path)?;
        // A server of an earlier version has none.
        let coverage = client.get(&format!("{path}/coverage")).unwrap_or_default();
        let load: Vec<load::UnderLoadView> = client.get(&format!("{path}/load")).unwrap_or_default();
        detail(&operation, paint) + &documented(&coverage) + &load::table(&load, paint)
    } else {
        overview(&client.get::<Vec<_>>(&path)?, paint)
    })
}

/// A line per operation.
fn overview(operations: &[OperationView], paint: Paint) -> String {
    const HEAD: [&str; 8] = [
        "OPERATION",
        "STAGE",
        "CHECKS",
        "CONSISTENCY",
        "TARGET",
        "READINESS",
        "LEGACY p50/p99",
        "CANDIDATE p50/p99",
    ];
    if operations.is_empty() {
        return "no operations\n".to_owned();
    }
    let mut table = Table::default();
    table.row(HEAD.map(|name| (Tone::Faint, name.to_owned())));
    for operation in operations {
        table.row([
            (Tone::Plain, operation.id.clone()),
            (Tone::Plain, stage_text(&operation.stage, operation.share.as_deref())),
            (Tone::Plain, grouped(operation.counts.checks())),
            (Tone::Plain, consistency(operation)),
            (Tone::Plain, operation.target.clone()),
            readiness(operation),
            (Tone::Plain, latency(operation.latency.legacy.as_ref())),
            (Tone::Plain, latency(operation.latency.candidate.as_ref())),
        ]);
    }
    let advice = |operation: &OperationView| {
        let line = |text: &String| format!("\n{}: {}\n", one_line(&operation.id), one_line(text));
        operation.recheck.advice.iter().map(line).collect::<String>()
    };
    table.render(paint) + &operations.iter().map(advice).collect::<String>()
}

/// Requests of no operation.
fn other(view: &OtherView, paint: Paint) -> String {
    let requests = format!("{} requests matched no operation and went to legacy\n", grouped(view.requests));
    if view.suggestions.is_empty() {
        return requests;
    }
    let mut table = Table::default();
    table.row(["REQUESTS", "COULD BE", "ID"].map(|name| (Tone::Faint, name.to_owned())));
    for one in &view.suggestions {
        table.row(
            [grouped(one.requests), one.matcher.clone(), one.id.clone()].map(|text| (Tone::Plain, text)),
        );
    }
    let more = if view.more > 0 { format!("and {} more\n", view.more) } else { String::new() };
    format!(
        "{requests}\n{}{more}\n`parallax init --from-traffic` writes them into a configuration\n",
        table.render(paint)
    )
}

/// One operation with everything behind its readiness.
fn detail(operation: &OperationView, paint: Paint) -> String {
    let counts = &operation.counts;
    let (tone, state) = readiness(operation);
    let title = format!("{}  {}", one_line(&operation.id), one_line(&operation.matcher));
    let facts = [
        ("stage", Tone::Plain, stage_text(&operation.stage, operation.share.as_deref())),
        (
            "consistency",
            Tone::Plain,
            format!("{} of {} checks", consistency(operation), grouped(counts.checks())),
        ),
        ("readiness", tone, state),
        ("requests", Tone::Plain, grouped(counts.requests)),
        ("matched", Tone::Plain, grouped(counts.matched)),
        ("unmatched", Tone::Plain, grouped(counts.unmatched)),
        ("failed", Tone::Plain, or_none(tallied(&counts.failed))),
        ("skipped", Tone::Plain, or_none(tallied(&counts.skipped))),
        ("rechecked", Tone::Plain, or_none(rechecked(&operation.recheck))),
        ("in flight", Tone::Plain, grouped(counts.in_flight)),
        ("legacy p50/p99", Tone::Plain, latency(operation.latency.legacy.as_ref())),
        ("candidate p50/p99", Tone::Plain, latency(operation.latency.candidate.as_ref())),
    ];
    let mut table = Table::default();
    let version = operation.version.as_deref().map(|version| ("version", Tone::Plain, one_line(version)));
    for (name, tone, text) in facts.into_iter().chain(version) {
        table.row([(Tone::Faint, format!("  {name}")), (tone, text)]);
    }
    let mut conditions = Table::default();
    for condition in &operation.readiness.conditions {
        let (tone, met) = if condition.met { (Tone::Good, "met") } else { (Tone::Bad, "missing") };
        conditions.row([
            (tone, format!("  {met}")),
            (Tone::Plain, condition.name.clone()),
            (Tone::Plain, condition.value.clone()),
            (Tone::Faint, format!("needs {}", demanded(&condition.name, &condition.limit))),
        ]);
    }
    let advice: String =
        operation.recheck.advice.iter().map(|line| format!("\n{}\n", one_line(line))).collect();
    let (facts, conditions) = (table.render(paint), conditions.render(paint));
    format!("{title}\n{facts}{advice}\nConditions of readiness:\n{conditions}")
}

/// What the operation's document says of it and no check has met.
fn documented(coverage: &CoverageView) -> String {
    if coverage.documented == 0 {
        return String::new();
    }
    let mut text = format!("\nDocumented: {} of {} met by checks\n", coverage.exercised, coverage.documented);
    for (aspect, words) in [
        ("status", "statuses"),
        ("content_type", "content types"),
        ("parameter", "parameters"),
        ("request_type", "request types"),
    ] {
        let missing = coverage.items.iter().filter(|item| item.aspect == aspect && !item.exercised);
        let names: Vec<String> = missing.map(|item| one_line(&item.name)).collect();
        if !names.is_empty() {
            text += &format!("  not yet  {words} {}\n", names.join(", "));
        }
    }
    text
}

/// `confirmed 12 (80%), stale 3 (20%)`.
fn rechecked(recheck: &RecheckView) -> String {
    let one = |(finding, count): (&String, &u64)| {
        let share =
            recheck.shares.get(finding).map_or(String::new(), |share| format!(" ({:.0}%)", share * 100.0));
        format!("{} {}{share}", one_line(finding), grouped(*count))
    };
    recheck.counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// matched / (matched + unmatched), cut and never rounded up, so that a number below the target
/// does not read as if it met it.
pub(super) fn consistency(operation: &OperationView) -> String {
    let counts = &operation.counts;
    let checks = u128::from(counts.checks());
    if checks == 0 {
        return "–".to_owned();
    }
    let ppm = u128::from(counts.matched) * u128::from(Ratio::ONE.ppm()) / checks;
    Ratio::from_ppm(u32::try_from(ppm).unwrap_or(u32::MAX)).to_string()
}

/// Whether it may move up, in a word and what is missing.
pub(super) fn readiness(operation: &OperationView) -> (Tone, String) {
    let readiness = &operation.readiness;
    let missing = || {
        let names = readiness.conditions.iter().filter(|condition| !condition.met);
        names.map(|condition| condition.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let more = match readiness.more_matching_checks {
        Some(0) => String::new(),
        None => ", out of reach".to_owned(),
        Some(more) => format!(", {} more matching", grouped(more)),
    };
    match readiness.state.as_str() {
        "ready" => (Tone::Good, "ready".to_owned()),
        "gathering" => (Tone::Warning, format!("gathering{more}")),
        "below" => (Tone::Bad, format!("below: {}{more}", missing())),
        other => (Tone::Plain, other.to_owned()),
    }
}

/// `1.2/8.0 ms`.
pub(super) fn latency(percentiles: Option<&Percentiles>) -> String {
    let text = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
    match percentiles {
        Some(Percentiles { p50_ms: None, p99_ms: None }) | None => "–".to_owned(),
        Some(Percentiles { p50_ms, p99_ms }) => format!("{}/{} ms", text(*p50_ms), text(*p99_ms)),
    }
}

/// The names of all operations.
pub(super) fn ids(client: &Client) -> anyhow::Result<Vec<String>> {
    let operations: Vec<OperationView> = client.get("/api/v1/operations")?;
    Ok(operations.into_iter().map(|operation| operation.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(matched: u64, unmatched: u64) -> OperationView {
        serde_json::from_value(serde_json::json!({
            "id": "getReturn", "match": "GET /returns/{return_id}", "stage": "canary", "share": "5%", "revision": 3,
            "counts": {"requests": 2500, "matched": matched, "unmatched": unmatched, "failed": {"timeout": 2},
                       "skipped": {"sampled_out": 1200, "queue_full": 7}, "in_flight": 1},
            "consistency": 0.9987, "target": "99.9%",
            "readiness": {"state": "below", "more_matching_checks": 1000, "conditions": [
                {"name": "min_checks", "met": true, "value": "1290", "limit": "1000"},
                {"name": "target", "met": false, "value": "99.8449%", "limit": "99.9%"}]},
            "latency": {"legacy": {"p50_ms": 1.25, "p99_ms": 8.0}, "candidate": {"p50_ms": null, "p99_ms": null}}
        }))
        .expect("an operation")
    }

    #[test]
    fn a_line_per_operation() {
        let text = overview(&[operation(1288, 2)], Paint::never());
        assert_eq!(
            text,
            "\
OPERATION  STAGE      CHECKS  CONSISTENCY  TARGET  READINESS                           LEGACY p50/p99  CANDIDATE p50/p99
getReturn  canary 5%  1,290   99.8449%     99.9%   below: target, 1,000 more matching  1.2/8.0 ms      –
"
        );
    }

    #[test]
    fn a_consistency_below_the_target_never_reads_as_if_it_met_it() {
        assert_eq!(consistency(&operation(9_999_999, 1)), "99.9999%");
        assert_eq!(consistency(&operation(0, 0)), "–");
        assert_eq!(consistency(&operation(5, 0)), "100%");
    }

    #[test]
    fn what_mismatches_were_is_told_with_what_to_do() {
        let mut operation = operation(1288, 2);
        operation.recheck = serde_json::from_value(serde_json::json!({
            "counts": {"confirmed": 1200, "stale": 300}, "shares": {"confirmed": 0.8, "stale": 0.2},
            "advice": ["20 % of the mismatches are stale: why, and what to do"]
        }))
        .expect("a recheck");
        let text = detail(&operation, Paint::never());
        assert!(text.contains("rechecked          confirmed 1,200 (80%), stale 300 (20%)"), "{text}");
        let told = "20 % of the mismatches are stale: why, and what to do\n";
        assert!(text.contains(&format!("\n{told}")), "{text}");
        let text = overview(&[operation], Paint::never());
        assert!(text.ends_with(&format!("\ngetReturn: {told}")), "{text}");
    }

    #[test]
    fn one_operation_in_detail() {
        let text = detail(&operation(1288, 2), Paint::never());
        for line in [
            "getReturn  GET /returns/{return_id}",
            "  skipped            sampled_out 1,200, queue_full 7",
            "  missing  target      99.8449%  needs at least 99.9%",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line}\nin\n{text}");
        }
    }
}
