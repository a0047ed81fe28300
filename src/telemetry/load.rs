//! How both sides answer under load: second by second, how many requests came and how long the answers of
//! that second took. Of a side that is fast while nobody asks, it tells where that ends; and from it a team
//! takes the goals for the service that is to replace the other.
//!
//! Seconds with about as many requests are kept together, in steps of two, so that the table has a few
//! lines whatever comes.

use std::time::{Duration, Instant};

use parallax_core::exchange::Side;
use prometheus::Histogram;

use super::latency::Reading;

/// Lines of the table: the last holds all seconds with more than half a million requests.
const LINES: usize = 20;

/// What was measured until now.
pub(super) struct Load {
    since: Instant,
    before: [Reading; 2],
    lines: Vec<Line>,
}

#[derive(Clone, Default)]
struct Line {
    time: Duration,
    sides: [Reading; 2],
    in_flight: u64,
}

/// How the sides answered while so many requests a second came.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct UnderLoad {
    /// Requests a second, from here on ...
    pub from_per_second: u64,
    /// ... and fewer than this; none in the last line.
    pub below_per_second: Option<u64>,
    /// For how many seconds that was so.
    pub seconds: f64,
    /// Requests being answered and checks under way, at most.
    pub in_flight: u64,
    /// Legacy.
    pub legacy: AtLoad,
    /// The candidate, its copies among it.
    pub candidate: AtLoad,
}

/// How one side answered.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AtLoad {
    /// What it answered, a second.
    pub per_second: f64,
    /// Median in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
}

impl Default for Load {
    fn default() -> Self {
        Self { since: Instant::now(), before: Default::default(), lines: vec![Line::default(); LINES] }
    }
}

impl Load {
    /// Takes what has come since the last time: the answers of both sides, by these histograms, and what
    /// is in flight.
    pub(super) fn take(&mut self, now: Instant, histograms: &[Histogram], in_flight: u64) {
        let time = now.saturating_duration_since(self.since);
        let sides = Side::ALL.iter().map(|&side| histograms.get(side as usize));
        let readings: Vec<Reading> = sides.map(|side| side.map(Reading::of).unwrap_or_default()).collect();
        let Ok(readings) = <[Reading; 2]>::try_from(readings) else { return };
        let came = [0, 1].map(|side| readings[side].clone().since(&self.before[side]));
        (self.since, self.before) = (now, readings);
        // The busier side has seen all requests; the other one may be asked for a part of them only.
        let most = came.iter().map(Reading::total).max().unwrap_or(0);
        let Some(line) = line_of(most, time).and_then(|at| self.lines.get_mut(at)) else { return };
        line.time += time;
        line.in_flight = line.in_flight.max(in_flight);
        for (kept, came) in line.sides.iter_mut().zip(&came) {
            kept.add(came);
        }
    }

    /// The lines that have anything, the least load first.
    pub(super) fn table(&self) -> Vec<UnderLoad> {
        let lines = self.lines.iter().enumerate().filter(|(_, line)| !line.time.is_zero());
        lines.map(|(at, line)| line.told(at)).collect()
    }
}

impl Line {
    fn told(&self, at: usize) -> UnderLoad {
        let seconds = self.time.as_secs_f64();
        let side = |side: Side| {
            let reading = &self.sides[side as usize];
            #[expect(clippy::cast_precision_loss, reason = "a rate to be shown")]
            let per_second = reading.total() as f64 / seconds;
            AtLoad { per_second, p50_ms: reading.quantile_ms(0.5), p99_ms: reading.quantile_ms(0.99) }
        };
        UnderLoad {
            from_per_second: if at == 0 { 0 } else { 1 << (at - 1) },
            below_per_second: (at + 1 < LINES).then_some(1 << at),
            seconds,
            in_flight: self.in_flight,
            legacy: side(Side::Legacy),
            candidate: side(Side::Candidate),
        }
    }
}

/// The line for so many answers in that time: the first is below one a second, then one, two, four and so
/// on. A time in which nothing came says nothing.
fn line_of(answers: u64, time: Duration) -> Option<usize> {
    let millis = u64::try_from(time.as_millis()).ok().filter(|&millis| millis > 0)?;
    if answers == 0 {
        return None;
    }
    let per_second = answers.saturating_mul(1_000) / millis;
    let at = u64::BITS - per_second.leading_zeros();
    Some(usize::try_from(at).unwrap_or(LINES).min(LINES - 1))
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    fn histogram() -> Histogram {
        let options = HistogramOpts::new("a", "a").buckets(vec![0.001, 0.01, 0.1, 1.0]);
        Histogram::with_opts(options).expect("a histogram")
    }

    #[test]
    fn lines_are_steps_of_two() {
        let second = Duration::from_secs(1);
        for (answers, line) in
            [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(2)), (4, Some(3)), (1_000, Some(10))]
        {
            assert_eq!(line_of(answers, second), line, "{answers}");
        }
        assert_eq!(line_of(1, second * 10), Some(0));
        assert_eq!(line_of(u64::MAX, second), Some(LINES - 1));
        assert_eq!(line_of(5, Duration::ZERO), None);
    }

    #[test]
    fn each_second_goes_to_the_line_of_its_load() {
        let sides = [histogram(), histogram()];
        let mut load = Load::default();
        let mut now = load.since;
        let mut second = |answers: u32, legacy_s: f64, candidate_s: f64, copies: u32| {
            (0..answers).for_each(|_| sides[0].observe(legacy_s));
            (0..copies).for_each(|_| sides[1].observe(candidate_s));
            now += Duration::from_secs(1);
            load.take(now, &sides, u64::from(answers) / 2);
        };
        second(10, 0.005, 0.005, 5);
        second(0, 0.0, 0.0, 0);
        second(100, 0.05, 0.5, 100);
        second(12, 0.005, 0.005, 6);
        let table = load.table();
        let told: Vec<_> = table
            .iter()
            .map(|line| (line.from_per_second, line.below_per_second, line.seconds, line.in_flight))
            .collect();
        assert_eq!(told, [(8, Some(16), 2.0, 6), (64, Some(128), 1.0, 50)]);
        assert_eq!((table[0].legacy.per_second, table[0].candidate.per_second), (11.0, 5.5));
        assert!(
            table[0].candidate.p99_ms < Some(10.1) && table[1].candidate.p99_ms > Some(100.0),
            "{table:?}"
        );
    }
}
