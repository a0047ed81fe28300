//! Whether a consistency is proven: an *anytime-valid* lower confidence bound. Whoever looks at a usual
//! confidence interval again and again until it says what is hoped for will see it say so, sooner or
//! later, by chance alone. This one may be looked at after every check, for ever, and is wrong in no more
//! than 1 − confidence of all operations (Ville's inequality; Robbins 1970, "Statistical methods related
//! to the law of the iterated logarithm"; Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic
//! confidence sequences").
//!
//! The bound is the least p with B(a+S, b+F) / (B(a, b) p^S (1−p)^F) < 1/α, for S matched and F unmatched
//! checks: how much better the data fit a mixture of all consistencies than p alone. The mixture is
//! Beta(a, b) with b = ½ and a = 1.5 / (1 − target): most of its weight lies where the mismatches are fewer
//! than the target tolerates, by whatever factor. An operation without a mismatch is ready
//! within 1.5 times the checks that ln(1/α) / −ln(target) says are the fewest possible.
//!
//! Everything here is `f64`: these are probabilities and not amounts, and the decision hangs on a number
//! whose errors are below a millionth, up to a hundred million checks and more.

use crate::ratio::Ratio;

/// Of the mixture; the other one is tuned to the target.
const B: f64 = 0.5;
/// ½ ln 2π.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;
/// From here on Stirling's series has all digits after four terms.
const LARGE: f64 = 16.0;

/// How sure one wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confidence(Ratio);

/// Why a percentage is no confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a confidence is 50% at least and below 100%: nothing is ever certain")]
pub struct ConfidenceError;

impl Confidence {
    /// At least one half and less than certain.
    ///
    /// # Errors
    /// When it is neither.
    pub fn new(ratio: Ratio) -> Result<Self, ConfidenceError> {
        let is_confidence = (500_000..Ratio::ONE.ppm()).contains(&ratio.ppm());
        is_confidence.then_some(Self(ratio)).ok_or(ConfidenceError)
    }

    /// As a percentage.
    #[must_use]
    pub fn ratio(self) -> Ratio {
        self.0
    }

    /// ln(1/α).
    fn ln_demanded(self) -> f64 {
        -complement(self.0).ln()
    }
}

/// What is to be proven: a consistency, with a confidence.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    target: Ratio,
    confidence: Confidence,
    a: f64,
    ln_beta: f64,
}

impl Proof {
    /// Of a target below 100 %: that one is beyond proof.
    #[must_use]
    pub fn of(target: Ratio, confidence: Confidence) -> Self {
        let a = 1.5 / complement(target).max(1e-6);
        Self { target, confidence, a, ln_beta: ln_beta(a, B) }
    }

    /// Whether so many checks prove the target: the bound is there or above.
    ///
    /// ```
    /// use parallax_core::readiness::{Confidence, Proof};
    /// let confidence = Confidence::new("95%".parse().unwrap()).unwrap();
    /// let proof = Proof::of("99.9%".parse().unwrap(), confidence);
    /// assert!(!proof.is_given(3_000, 0));
    /// assert!(proof.is_given(4_000, 0));
    /// assert!(!proof.is_given(4_000, 1));
    /// ```
    #[must_use]
    pub fn is_given(&self, matched: u64, unmatched: u64) -> bool {
        let checks = matched.saturating_add(unmatched);
        if self.target == Ratio::ZERO {
            return true;
        }
        // Beyond the likeliest consistency the data speak against it from the other side.
        let is_above = checks > 0 && !complemented(self.target).is_met_by(unmatched, checks);
        is_above
            && self.ln_e(matched, unmatched, self.target.as_f64(), complement(self.target))
                >= self.confidence.ln_demanded()
    }

    /// The bound itself, rounded down; for display.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number between 0 and a million"
    )]
    pub fn bound(&self, matched: u64, unmatched: u64) -> Ratio {
        let checks = matched.saturating_add(unmatched);
        if matched == 0 {
            return Ratio::ZERO;
        }
        // In terms of 1 − p, which has all its digits where p is next to 1.
        let (mut low, mut high) = (unmatched as f64 / checks as f64, 1.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let is_beyond =
                self.ln_e(matched, unmatched, 1.0 - middle, middle) >= self.confidence.ln_demanded();
            if is_beyond { high = middle } else { low = middle }
        }
        let bound = Ratio::from_ppm(((1.0 - high) * 1e6).floor() as u32);
        // Where both are the same but for rounding, the gate is right.
        match self.is_given(matched, unmatched) {
            true => bound.max(self.target),
            false if bound >= self.target => Ratio::from_ppm(self.target.ppm().saturating_sub(1)),
            false => bound,
        }
    }

    /// ln of how much better the mixture fits than p = 1 − q. The large terms of the Beta function and of
    /// the likelihood all but cancel, so they are never formed: Stirling's formula turns them into
    /// logarithms of ratios next to 1.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 checks")]
    fn ln_e(&self, matched: u64, unmatched: u64, p: f64, q: f64) -> f64 {
        let (s, f) = (matched as f64, unmatched as f64);
        let (x, y) = (self.a + s, B + f);
        let sum = x + y;
        let likelihoods = s * ln_ratio(x, sum * p) + f * ln_ratio(y, sum * q);
        let rest = (self.a - 0.5) * ln_ratio(x, sum) + (B - 0.5) * ln_ratio(y, sum) - 0.5 * sum.ln();
        likelihoods + rest + HALF_LN_TAU + stirling(x) + stirling(y) - stirling(sum) - self.ln_beta
    }
}

/// 1 − ratio, exact before it is rounded.
fn complement(ratio: Ratio) -> f64 {
    complemented(ratio).as_f64()
}

fn complemented(ratio: Ratio) -> Ratio {
    Ratio::from_ppm(Ratio::ONE.ppm() - ratio.ppm())
}

/// ln(one / other), with all its digits where they are next to each other.
fn ln_ratio(one: f64, other: f64) -> f64 {
    ((one - other) / other).ln_1p()
}

fn ln_beta(x: f64, y: f64) -> f64 {
    let sum = x + y;
    (x - 0.5) * ln_ratio(x, sum) + (y - 0.5) * ln_ratio(y, sum) - 0.5 * sum.ln()
        + HALF_LN_TAU
        + stirling(x)
        + stirling(y)
        - stirling(sum)
}

/// What Stirling's formula lacks: ln Γ(z) − ((z − ½) ln z − z + ½ ln 2π), for z > 0.
fn stirling(z: f64) -> f64 {
    let (mut z, mut sum) = (z, 0.0);
    while z < LARGE {
        sum += (z + 0.5) * (1.0 / z).ln_1p() - 1.0;
        z += 1.0;
    }
    let square = 1.0 / (z * z);
    sum + (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1_260.0 - square / 1_680.0))) / z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(target: &str, confidence: &str) -> Proof {
        let confidence = Confidence::new(confidence.parse().expect("a ratio")).expect("a confidence");
        Proof::of(target.parse().expect("a ratio"), confidence)
    }

    fn ln_e(proof: &Proof, matched: u64, unmatched: u64) -> f64 {
        proof.ln_e(matched, unmatched, proof.target.as_f64(), complement(proof.target))
    }

    fn assert_near(one: f64, other: f64, allowed: f64) {
        assert!((one - other).abs() <= allowed, "{one} is not {other}");
    }

    /// Γ(½) = √π and Γ(n) = (n − 1)!.
    #[test]
    fn stirling_lacks_what_the_gamma_function_says() {
        let ln_gamma = |z: f64| (z - 0.5) * z.ln() - z + HALF_LN_TAU + stirling(z);
        assert_near(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln(), 1e-13);
        assert_near(ln_gamma(1.0), 0.0, 1e-13);
        assert_near(ln_gamma(11.0), 3_628_800_f64.ln(), 1e-13);
        assert_near(ln_gamma(21.0), 2_432_902_008_176_640_000_f64.ln(), 1e-13);
        assert_near(ln_beta(2.0, 3.0), (1_f64 / 12.0).ln(), 1e-13);
    }

    /// Each check multiplies by (a + S) / ((a + b + n) p) or (b + F) / ((a + b + n) q), which needs no
    /// function at all.
    #[test]
    fn it_is_the_product_over_all_checks() {
        for (target, every) in [("99.9%", 1_500), ("99%", 70), ("50%", 3), ("99.9999%", u64::MAX)] {
            let proof = proof(target, "95%");
            let (p, q) = (proof.target.as_f64(), complement(proof.target));
            let (mut s, mut f, mut sum, mut lost) = (0_u64, 0_u64, 0.0_f64, 0.0_f64);
            for number in 1..=400_000_u64 {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let (x, y) = (proof.a + s as f64, B + f as f64);
                let (term, count) = if number % every == 0 {
                    ((y / ((x + y) * q)).ln(), &mut f)
                } else {
                    (ln_ratio(x, (x + y) * p), &mut s)
                };
                *count += 1;
                // Kahan's summation.
                let (more, before) = (term - lost, sum);
                sum += more;
                lost = (sum - before) - more;
                if number % 40_000 == 0 || number < 20 {
                    assert_near(ln_e(&proof, s, f), sum, 1e-8);
                }
            }
        }
    }

    /// Values computed with 60 digits (Python's `decimal`, ln Γ by Stirling's series after a shift to 400).
    #[test]
    fn a_hundred_million_checks_are_as_exact() {
        for (target, matched, unmatched, expected) in [
            ("99.9%", 99_950_000, 50_000, 15349.194217401724),
            ("99.9%", 99_900_100, 99_900, -6.655919119803637),
            ("99.99%", 99_995_000, 5_000, 1529.5832144098174),
            ("99.9999%", 99_999_950, 50, 12.836666258001951),
            ("50%", 60_000_000, 40_000_000, 2013541.7220644737),
            ("99.9%", 0, 100, 317.05502915781165),
            ("99.9%", 3_000_000_000, 2_900_000, 1776.9285163035197),
        ] {
            assert_near(ln_e(&proof(target, "95%"), matched, unmatched), expected, 1e-6);
        }
    }

    #[test]
    fn without_a_mismatch_it_takes_no_more_than_half_again_of_what_is_possible() {
        for target in ["50%", "90%", "99%", "99.5%", "99.9%", "99.99%", "99.999%", "99.9999%"] {
            for confidence in ["50%", "80%", "95%", "99%", "99.9999%"] {
                let proof = proof(target, confidence);
                let fewest = proof.confidence.ln_demanded() / -proof.target.as_f64().ln();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
                let (fewest, most) = (fewest.ceil() as u64, (1.5 * fewest).floor() as u64);
                // Of a handful, half more may be none.
                let most = most.max(fewest + 1);
                assert!(proof.is_given(most, 0), "{target} at {confidence}: {most}");
                assert!(!proof.is_given(fewest - 1, 0), "{target} at {confidence}: {fewest}");
            }
        }
        let first = (1..).find(|&matched| proof("99.9%", "95%").is_given(matched, 0)).unwrap();
        assert!((3_100..=4_200).contains(&first), "{first}");
    }

    #[test]
    fn the_bound_is_where_the_gate_opens() {
        let proof = proof("99.9%", "95%");
        for (matched, unmatched) in
            [(1, 0), (3_500, 0), (10_000, 5), (99_900, 100), (0, 10), (10, 990), (99_980_000, 20_000)]
        {
            let bound = proof.bound(matched, unmatched);
            let is_given =
                |ppm: u32| Proof { target: Ratio::from_ppm(ppm), ..proof }.is_given(matched, unmatched);
            assert!(bound == Ratio::ZERO || is_given(bound.ppm()), "{bound}");
            assert!(!is_given(bound.ppm() + 2), "{bound} for {matched} and {unmatched}");
        }
        assert_eq!(proof.bound(0, 0), Ratio::ZERO);
        assert!(proof.bound(10, 990) < Ratio::from_ppm(30_000), "what speaks against it proves nothing");
    }

    #[test]
    fn nothing_is_certain_and_less_than_half_is_no_confidence() {
        assert!(Confidence::new(Ratio::ONE).is_err());
        assert!(Confidence::new("49.9999%".parse().unwrap()).is_err());
        assert!(Confidence::new("50%".parse().unwrap()).is_ok());
    }
}
