//! `parallax demo` on the terminal: addresses, a progress line, the report.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::DemoArgs;
use super::live::{DemoError, Live};
use super::report::{bug_reports, grouped, table};
use super::traffic::Traffic;

/// How often the progress line asks how many checks there are.
const ASK: Duration = Duration::from_millis(500);
/// How long the customers go on once more with `--keep`.
const KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs the demo to its end: the report on standard output, everything else on standard error.
///
/// # Errors
/// When something cannot be started, or the API gives no answer.
pub async fn run(args: &DemoArgs) -> Result<(), DemoError> {
    let live = Live::start().await?;
    eprintln!("the sample monolith answers on       {}", live.services().legacy_url());
    eprintln!("its replacement answers on           {}", live.services().candidate_url());
    eprintln!("parallax stands before both on       {}", live.proxy_url());
    eprintln!("and shows what it finds on           {}", live.control_url());
    let traffic = shown_traffic(&live, args).await;
    let report = live.report().await?;
    println!("{}", in_words(&traffic));
    println!("\n{}", table(&report.operations));
    print!("{}", bug_reports(&report.operations, &report.findings));
    if args.keep {
        eprintln!("\nstill running, with customers: open {}; Ctrl-C ends it", live.control_url());
        tokio::select! {
            _ = live.traffic(args.rate, KEPT, |_| {}) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    live.stop().await;
    Ok(())
}

async fn shown_traffic(live: &Live, args: &DemoArgs) -> Traffic {
    let bar = bar(args.duration);
    let checked = Cell::new((0, 0));
    let tell = |traffic: &Traffic| {
        let (compared, unmatched) = checked.get();
        bar.set_position(as_ms(traffic.elapsed));
        bar.set_message(format!(
            "{} requests, {} checks, {} differ",
            grouped(traffic.sent),
            grouped(compared),
            grouped(unmatched)
        ));
    };
    let asking = async {
        loop {
            tokio::time::sleep(ASK).await;
            // The report says it when the API does not answer.
            if let Ok(operations) = live.operations().await {
                let counts = operations.iter().map(|operation| &operation.counts);
                let unmatched: u64 = counts.clone().map(|counts| counts.unmatched).sum();
                let matched: u64 = counts.map(|counts| counts.matched).sum();
                checked.set((matched + unmatched, unmatched));
            }
        }
    };
    let traffic = tokio::select! {
        traffic = live.traffic(args.rate, args.duration, tell) => traffic,
        () = asking => Traffic::default(),
    };
    bar.finish_and_clear();
    traffic
}

/// A line that is drawn on terminals only.
fn bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::new(as_ms(duration));
    // A template that does not parse leaves the default one.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn in_words(traffic: &Traffic) -> String {
    let answered: u64 = traffic.answered.values().sum();
    let mut words = format!(
        "{} requests in {:.1} s, {} answered",
        grouped(traffic.sent),
        traffic.elapsed.as_secs_f64(),
        grouped(answered)
    );
    if let Some(error) = &traffic.first_error {
        words.push_str(&format!(", {} not: {error}", grouped(traffic.errors)));
    }
    if traffic.left_out > 0 {
        words.push_str(&format!("; {} more found no room and were not sent", grouped(traffic.left_out)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_in_words_hides_no_error() {
        let mut traffic =
            Traffic { sent: 1_204, elapsed: Duration::from_millis(6_020), ..Traffic::default() };
        traffic.answered.insert(200, 1_200);
        assert_eq!(in_words(&traffic), "1,204 requests in 6.0 s, 1,200 answered");
        traffic.errors = 4;
        traffic.first_error = Some("it broke".to_owned());
        traffic.left_out = 2;
        let words = in_words(&traffic);
        assert!(
            words.ends_with("1,200 answered, 4 not: it broke; 2 more found no room and were not sent"),
            "{words}"
        );
    }
}
