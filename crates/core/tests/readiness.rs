//! Ten thousand operations that are watched from their first check, a hundred thousand checks each: how
//! many are called ready although they are not, and how long it takes those that are.
//!
//! Between two mismatches the proof only grows, so it is looked at just before each mismatch and at the
//! end: that is as good as looking at it after every check. The seeds are fixed, so the figures are too;
//! `cargo test -p parallax-core --test readiness -- --nocapture` prints them.

use std::fmt::Write as _;

use parallax_core::ratio::Ratio;
use parallax_core::readiness::{Confidence, Proof};

const OPERATIONS: u64 = 10_000;
const CHECKS: u64 = 100_000;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and good enough to draw gaps from.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Matching checks before the next mismatch, geometric.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a die"
    )]
    fn gap(&mut self, mismatches: f64) -> u64 {
        let uniform = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (uniform.ln() / (-mismatches).ln_1p()) as u64
    }
}

fn ratio(text: &str) -> Ratio {
    text.parse().expect("a ratio")
}

fn proof(target: &str, confidence: &str) -> Proof {
    Proof::of(ratio(target), Confidence::new(ratio(confidence)).expect("a confidence"))
}

/// After how many checks an operation of this true consistency is ready for the first time.
fn ready_after(proof: &Proof, truth: Ratio, dice: &mut Dice, limit: u64) -> Option<u64> {
    let mismatches = f64::from(1_000_000 - truth.ppm()) / 1e6;
    let (mut matched, mut unmatched) = (0, 0);
    while matched + unmatched < limit {
        let gap = dice.gap(mismatches).min(limit - matched - unmatched);
        if proof.is_given(matched + gap, unmatched) {
            return Some(unmatched + first(|more| proof.is_given(matched + more, unmatched), gap) + matched);
        }
        (matched, unmatched) = (matched + gap, unmatched + 1);
    }
    None
}

/// The least number up to `high` of which this holds.
fn first(holds: impl Fn(u64) -> bool, mut high: u64) -> u64 {
    let mut low = 0;
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    high
}

#[test]
fn of_operations_that_are_not_ready_no_more_are_called_so_than_the_confidence_allows() {
    let mut printed = String::new();
    for (target, confidence, truth) in [
        ("99.9%", "95%", "99.9%"),
        ("99.9%", "95%", "99.89%"),
        ("99.9%", "95%", "99.85%"),
        ("99.5%", "95%", "99.5%"),
        ("99%", "95%", "99%"),
        ("99%", "80%", "99%"),
        ("99%", "99%", "99%"),
    ] {
        let proof = proof(target, confidence);
        let is_ready = |seed: &u64| {
            let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
            ready_after(&proof, ratio(truth), &mut dice, CHECKS).is_some()
        };
        let ready = (0..OPERATIONS).filter(is_ready).count() as u64;
        writeln!(
            printed,
            "target {target} at {confidence}, true {truth}: {ready} of {OPERATIONS} called ready"
        )
        .unwrap();
        let allowed_ppm = u64::from(1_000_000 - ratio(confidence).ppm());
        assert!(ready * 1_000_000 <= OPERATIONS * allowed_ppm, "{printed}");
    }
    println!("{printed}");
}

/// The checks that it takes without a mismatch, and how many more when the truth comes near.
#[test]
fn what_closeness_costs() {
    let mut printed = String::new();
    for target in ["99%", "99.5%", "99.9%", "99.99%"] {
        let needed = first(|matched| proof(target, "95%").is_given(matched, 0), 1 << 40);
        let fewest = 20_f64.ln() / -ratio(target).as_f64().ln();
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let times = needed as f64 / fewest;
        writeln!(
            printed,
            "target {target}, no mismatch: {needed} checks, {times:.2} times the fewest possible"
        )
        .unwrap();
        assert!(times <= 1.5, "{printed}");
    }
    let proof = proof("99.9%", "95%");
    let mut medians = Vec::new();
    for truth in ["100%", "99.99%", "99.98%", "99.97%", "99.96%", "99.95%", "99.94%", "99.93%", "99.92%"] {
        let truth = ratio(truth);
        let run = |seed: u64| ready_after(&proof, truth, &mut Dice(seed), 1 << 24).unwrap_or(u64::MAX);
        let mut runs: Vec<u64> = (1..=1_000).map(run).collect();
        runs.sort_unstable();
        let (half, most) = (runs[499], runs[899]);
        let steady = steadily(&proof, truth);
        writeln!(printed, "target 99.9%, true {truth}: half of them after {half}, nine of ten after {most}; at its exact rate {steady}").unwrap();
        medians.push(half);
    }
    println!("{printed}");
    assert!(medians.is_sorted(), "{printed}");
    assert!((3_100..=4_200).contains(&medians[0]), "{printed}");
    assert!((15_000..=60_000).contains(&medians[5]) && (50_000..=200_000).contains(&medians[7]), "{printed}");
}

/// After how many checks a candidate is ready whose mismatches come at exactly the true rate.
fn steadily(proof: &Proof, truth: Ratio) -> u64 {
    let is_given = |checks: u64| {
        let unmatched = checks * u64::from(1_000_000 - truth.ppm()) / 1_000_000;
        proof.is_given(checks - unmatched, unmatched)
    };
    first(is_given, 1 << 30)
}
