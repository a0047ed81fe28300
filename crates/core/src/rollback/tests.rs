use super::*;

const OVER: Duration = Duration::from_secs(5);

fn allowed() -> Ratio {
    "1%".parse().expect("a ratio")
}

/// xorshift64*: the same days every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        #[expect(clippy::cast_precision_loss, reason = "dice")]
        let uniform = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64;
        uniform
    }

    fn is(&mut self, chance: f64) -> bool {
        self.next() < chance
    }
}

/// Requests at this rate for so long, each with its time; the candidate answers `share` of them, and
/// each side fails by its own chance. Gives the candidate's errors until it is taken back.
struct Traffic {
    per_second: f64,
    share: f64,
    candidate: f64,
    legacy: f64,
}

impl Traffic {
    fn run(&self, watch: &Watch, dice: &mut Dice, from: Duration, long: Duration) -> Option<u32> {
        let (mut now, mut errors) = (from, 0);
        while now < from + long {
            now += Duration::from_secs_f64(-dice.next().ln() / self.per_second);
            if dice.is(self.share) {
                let is_bad = dice.is(self.candidate);
                errors += u32::from(is_bad);
                if watch.candidate(is_bad, now, allowed()).is_some() {
                    return Some(errors);
                }
            } else {
                watch.legacy(dice.is(self.legacy), now);
            }
        }
        None
    }
}

const HEALTHY: Traffic = Traffic { per_second: 500.0, share: 0.25, candidate: 0.002, legacy: 0.002 };

/// The candidate of a canary of 25 % of 500 requests a second begins to fail every one.
#[test]
fn a_candidate_that_fails_every_request_is_taken_back_after_a_few() {
    let mut most = 0;
    for seed in 1..=200 {
        let (watch, mut dice) = (Watch::new(Bad::Error, OVER), Dice(seed));
        assert_eq!(HEALTHY.run(&watch, &mut dice, Duration::ZERO, OVER * 4), None, "seed {seed}");
        let broken = Traffic { candidate: 1.0, ..HEALTHY };
        let errors = broken.run(&watch, &mut dice, OVER * 4, OVER).expect("it is taken back");
        most = most.max(errors);
    }
    println!("errors until it is taken back, the worst of 200 runs: {most}");
    assert!(most <= 20, "{most}");
}

#[test]
fn a_small_excess_is_told_when_there_are_answers_enough() {
    for (candidate, seconds) in [(0.5, 2), (0.1, 5), (0.05, 15), (0.03, 60)] {
        let (watch, mut dice) = (Watch::new(Bad::Error, OVER), Dice(7));
        assert_eq!(HEALTHY.run(&watch, &mut dice, Duration::ZERO, OVER * 20), None);
        let worse = Traffic { candidate, ..HEALTHY };
        let told = worse.run(&watch, &mut dice, OVER * 20, Duration::from_secs(seconds));
        assert!(told.is_some(), "{candidate} within {seconds} s");
    }
}

#[test]
fn few_requests_are_enough_where_all_of_them_fail() {
    let rare = Traffic { per_second: 0.2, share: 0.5, ..HEALTHY };
    let (watch, mut dice) = (Watch::new(Bad::Error, OVER), Dice(3));
    assert_eq!(rare.run(&watch, &mut dice, Duration::ZERO, Duration::from_secs(3_600)), None);
    let broken = Traffic { candidate: 1.0, ..rare };
    let errors = broken.run(&watch, &mut dice, Duration::from_secs(3_600), Duration::from_secs(600));
    assert!(errors.is_some_and(|errors| errors <= 12), "{errors:?}");
}

#[test]
fn what_both_sides_suffer_is_nobodys_fault() {
    for seed in 1..=100 {
        let (watch, mut dice) = (Watch::new(Bad::Error, OVER), Dice(seed));
        assert_eq!(HEALTHY.run(&watch, &mut dice, Duration::ZERO, OVER * 4), None);
        for (round, chance) in (4..).zip([1.0, 0.5, 0.1, 0.0, 1.0]) {
            let outage = Traffic { candidate: chance, legacy: chance, ..HEALTHY };
            assert_eq!(outage.run(&watch, &mut dice, OVER * round, OVER), None, "seed {seed}, {chance}");
        }
    }
}

/// Switched: legacy answers nobody any more, and what it did before is what the candidate is held
/// against.
#[test]
fn legacy_is_remembered_where_it_no_longer_answers() {
    let flaky = Traffic { share: 0.0, legacy: 0.08, candidate: 0.08, ..HEALTHY };
    let switched = Traffic { share: 1.0, ..flaky };
    let (watch, mut dice) = (Watch::new(Bad::Error, OVER), Dice(5));
    flaky.run(&watch, &mut dice, Duration::ZERO, OVER * 10);
    assert_eq!(switched.run(&watch, &mut dice, OVER * 10, OVER * 100), None, "it is no worse");
    let worse = Traffic { candidate: 0.3, ..switched };
    assert!(worse.run(&watch, &mut dice, OVER * 110, OVER).is_some());
    // Of a legacy of which nothing is known nothing good is assumed.
    let unknown = Watch::new(Bad::Error, OVER);
    assert_eq!(
        Traffic { candidate: 0.04, ..switched }.run(&unknown, &mut dice, Duration::ZERO, OVER * 20),
        None
    );
    assert!(worse.run(&unknown, &mut dice, OVER * 20, OVER).is_some());
}

/// Two sides that are equally healthy for ten thousand days, two requests a second, with an outage of
/// both each day: more than a billion requests. Good answers between two errors are noted at once.
#[test]
fn in_ten_thousand_healthy_days_hardly_ever_is_a_candidate_taken_back() {
    const DAYS: usize = 10_000;
    const PER_SECOND: f64 = 2.0;
    let mut dice = Dice(11);
    let (mut taken_back, mut answers, mut errors) = (0, 0, 0);
    for day in 0..DAYS {
        let watch = Watch::new(Bad::Error, OVER);
        let chance = [0.0001, 0.0005, 0.002][day % 3];
        let mut now = 0.0;
        let is_fine = loop {
            // From one error of either side to the next.
            let gap = -dice.next().ln() / (PER_SECOND * chance);
            let (from, until) = (Duration::from_secs_f64(now), Duration::from_secs_f64(now + gap));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of requests"
            )]
            let good = (gap * PER_SECOND) as u64;
            watch.candidate.note_good(good / 4, from, until);
            watch.legacy.note_good(good - good / 4, from, until);
            (now, answers, errors) = (now + gap, answers + good / 4, errors + 1);
            if now > 86_400.0 {
                break true;
            }
            if !dice.is(0.25) {
                watch.legacy(true, until);
            } else if watch.candidate(true, until, allowed()).is_some() {
                break false;
            }
        };
        let outage = Traffic { per_second: 20.0, share: 0.25, candidate: 0.4, legacy: 0.4 };
        let during = outage.run(&watch, &mut dice, Duration::from_secs_f64(now), Duration::from_secs(2));
        taken_back += u32::from(!is_fine || during.is_some());
    }
    println!(
        "{DAYS} healthy days, {answers} answers of the candidate, {errors} errors: taken back on {taken_back}"
    );
    assert!(taken_back <= 1, "{taken_back}");
}

#[test]
fn what_was_long_ago_is_forgotten() {
    let watch = Watch::new(Bad::Error, OVER);
    let ago = |seconds| Duration::from_secs(seconds);
    for second in 0..200 {
        watch.legacy(false, ago(second));
    }
    // Now and then one, with sixty-four good answers between.
    for second in 0..100 {
        assert_eq!(watch.candidate(true, ago(200 + second * 60), allowed()), None);
        for _ in 0..64 {
            assert_eq!(watch.candidate(false, ago(200 + second * 60), allowed()), None);
        }
    }
}

#[test]
fn an_excess_says_what_it_was() {
    let watch = Watch::new(Bad::Error, OVER);
    for _ in 0..1_000 {
        watch.legacy(false, Duration::from_secs(1));
    }
    let told = (0..10).find_map(|_| watch.candidate(true, Duration::from_secs(1), allowed()));
    assert_eq!(
        told.expect("it is taken back").to_string(),
        "the candidate failed 8 of its last 8 answers, where legacy fails 0.00% and 1% more is allowed"
    );
    watch.forget_candidate();
    assert_eq!(watch.candidate(true, Duration::from_secs(1), allowed()), None);
}
