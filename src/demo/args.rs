//! What can be said to `parallax demo`.

use std::time::Duration;

/// Runs a sample shop whose returns move out of a monolith: both services, the proxy, customers.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How long the customers are at it: 500ms, 30s, 2m, 1h
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = time)]
    pub duration: Duration,
    /// Requests a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub rate: u32,
    /// Goes on after the report, traffic and all, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// Longest time that a demo runs.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn time(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "write a number and a unit: 500ms, 30s, 2m, 1h".to_owned())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is no unit; use ms, s, m or h")),
    };
    let time = number.checked_mul(unit_ms).map(Duration::from_millis);
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| "a demo runs for 1ms to 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        for (text, expected) in [
            ("500ms", Ok(500)),
            ("30s", Ok(30_000)),
            ("2m", Ok(120_000)),
            ("24h", Ok(86_400_000)),
            ("30", Err("`` is no unit")),
            ("s", Err("write a number")),
            ("1d", Err("`d` is no unit")),
            ("0s", Err("1ms to 24h")),
            ("25h", Err("1ms to 24h")),
            ("99999999999999999999h", Err("write a number")),
            ("9999999999999999999h", Err("1ms to 24h")),
            ("1 s", Err("` s` is no unit")),
            ("-1s", Err("write a number")),
        ] {
            match (time(text), expected) {
                (Ok(time), Ok(ms)) => assert_eq!(time.as_millis(), ms, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
