//! The three together, against simulated sides: time is a number, dice have a seed, and a minute
//! takes milliseconds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::{Breaker, Leave, Limit, Shift, Signal, Turn, Usual};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const TIMEOUT: Duration = Duration::from_secs(10);
const CEILING: usize = 256;
const FLOOR: usize = 2;

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn percent(&mut self) -> u64 {
        self.roll() % 100
    }

    /// Around a duration: from three quarters to one and a quarter of it.
    fn around(&mut self, time: Duration) -> Duration {
        time.mul_f64(0.75 + f64::from(u32::try_from(self.percent()).unwrap()) / 200.0)
    }
}

/// What a simulated side does with a request: the time until its answer, none for no answer.
type Side = Box<dyn FnMut(Duration, usize, &mut Dice) -> Option<Duration>>;

/// So many workers, each busy for so long with a request; the others wait for them in order.
fn with_workers(count: usize, work: Duration) -> Side {
    let mut free_at: BinaryHeap<Reverse<Duration>> = (0..count).map(|_| Reverse(Duration::ZERO)).collect();
    Box::new(move |now, _, dice| {
        let Reverse(free) = free_at.pop()?;
        let done = now.max(free) + dice.around(work);
        free_at.push(Reverse(done));
        Some(done - now)
    })
}

/// A steady stream of checks, run through a limit and the usual of each operation.
struct World {
    now: Duration,
    dice: Dice,
    limit: Limit,
    usual: Vec<Usual>,
    /// The first so many operations are asked for.
    asked: usize,
    side: Side,
    running: BinaryHeap<Reverse<(Duration, Duration, usize, bool)>>,
    waiting: VecDeque<(Duration, usize)>,
    shifts: Vec<Shift>,
    lost_checks: u64,
    answered: u64,
}

/// What a stretch of time showed.
struct Seen {
    most_in_flight: usize,
    least_limit: usize,
    answered: u64,
    dropped: u64,
}

impl World {
    fn new(seed: u64, operations: usize, side: Side) -> Self {
        Self {
            now: Duration::ZERO,
            dice: Dice(seed),
            limit: Limit::new(FLOOR, CEILING),
            usual: vec![Usual::default(); operations],
            asked: operations,
            side,
            running: BinaryHeap::new(),
            waiting: VecDeque::new(),
            shifts: Vec::new(),
            lost_checks: 0,
            answered: 0,
        }
    }

    /// Lets so much time pass, with a check every `every`.
    fn pass(&mut self, time: Duration, every: Duration) -> Seen {
        let (answered, dropped) = (self.answered, self.lost_checks);
        let mut seen = Seen { most_in_flight: 0, least_limit: usize::MAX, answered: 0, dropped: 0 };
        let end = self.now + time;
        let mut next = self.now + every;
        while next < end {
            self.finish_until(next);
            self.now = next;
            let operation = usize::try_from(self.dice.roll()).unwrap() % self.asked;
            self.waiting.push_back((next, operation));
            self.start();
            seen.most_in_flight = seen.most_in_flight.max(self.running.len());
            seen.least_limit = seen.least_limit.min(self.limit.copies());
            next += every;
        }
        self.now = end;
        seen.answered = self.answered - answered;
        seen.dropped = self.lost_checks - dropped;
        seen
    }

    fn start(&mut self) {
        while self.waiting.front().is_some_and(|(since, _)| self.now - *since > TIMEOUT) {
            self.waiting.pop_front();
            self.lost_checks += 1;
        }
        while self.running.len() < self.limit.copies() {
            let Some((_, operation)) = self.waiting.pop_front() else { break };
            let takes = (self.side)(self.now, operation, &mut self.dice);
            let complete = takes.is_some_and(|takes| takes < TIMEOUT);
            let end = self.now + takes.unwrap_or(TIMEOUT).min(TIMEOUT);
            self.running.push(Reverse((end, self.now, operation, complete)));
        }
    }

    fn finish_until(&mut self, until: Duration) {
        while let Some(Reverse((end, sent, operation, complete))) = self.running.peek().copied() {
            if end > until {
                break;
            }
            self.now = end;
            let in_flight = self.running.len();
            self.running.pop();
            self.answered += u64::from(complete);
            let usual = &mut self.usual[operation];
            let signal = if complete { usual.judge(end, end - sent) } else { Some(Signal::Lost) };
            if let Some(signal) = signal {
                self.shifts.extend(self.limit.observe(end, sent, in_flight, signal));
            }
            self.start();
        }
    }
}

const SEEDS: std::ops::Range<u64> = 1..6;
const MINUTE: Duration = Duration::from_secs(60);

/// A side that takes this long, whatever the load.
fn takes(time: Duration) -> Side {
    Box::new(move |_, _, dice| Some(dice.around(time)))
}

#[test]
fn a_side_that_slows_a_hundredfold_gets_few_copies_and_all_of_them_again_when_it_recovers() {
    for seed in SEEDS {
        let mut world = World::new(seed, 1, takes(ms(5)));
        assert_eq!(world.pass(ms(5000), ms(5)).dropped, 0);
        world.side = takes(ms(500));
        world.pass(ms(4000), ms(5));
        let strained = world.pass(ms(10_000), ms(5));
        assert!(strained.most_in_flight <= 16, "seed {seed}: {}", strained.most_in_flight);
        assert!(strained.answered > 0, "seed {seed}: it is never given up");
        world.side = takes(ms(5));
        world.pass(ms(15_000), ms(5));
        let recovered = world.pass(ms(5000), ms(5));
        assert_eq!((recovered.dropped, recovered.least_limit), (0, CEILING), "seed {seed}");
        assert_eq!(world.shifts, [Shift::GaveWay, Shift::Recovered], "seed {seed}: told once each");
    }
}

#[test]
fn a_side_that_stays_slow_is_taken_as_it_is_in_the_end() {
    for seed in SEEDS {
        let mut world = World::new(seed, 1, takes(ms(5)));
        world.pass(ms(5000), ms(10));
        world.side = takes(ms(500));
        world.pass(MINUTE * 5, ms(10));
        let late = world.pass(ms(10_000), ms(10));
        assert!(late.answered > 900, "seed {seed}: {} of 1000", late.answered);
    }
}

#[test]
fn a_healthy_mixture_is_never_held_back() {
    for slow_percent in [1, 5, 10, 20, 35, 50, 65, 80, 90, 99] {
        for seed in SEEDS {
            let side: Side = Box::new(move |_, _, dice| {
                let time = if dice.percent() < slow_percent { ms(100) } else { ms(1) };
                Some(dice.around(time))
            });
            let mut world = World::new(seed, 1, side);
            let seen = world.pass(MINUTE, ms(2));
            assert_eq!(seen.dropped, 0, "{slow_percent} % slow, seed {seed}");
            assert_eq!(world.shifts, [], "{slow_percent} % slow, seed {seed}");
        }
    }
}

#[test]
fn another_mix_of_operations_is_no_change_of_the_side() {
    for seed in SEEDS {
        // One operation takes 1 ms, three take 200 ms; at night nobody asks for the quick one.
        let of = |operation: usize| if operation == 3 { ms(1) } else { ms(200) };
        let mut world =
            World::new(seed, 4, Box::new(move |_, operation, dice| Some(dice.around(of(operation)))));
        world.pass(ms(20_000), ms(2));
        world.asked = 3;
        let night = world.pass(ms(20_000), ms(2));
        assert_eq!((night.dropped, night.least_limit), (0, CEILING), "seed {seed}");
    }
}

#[test]
fn a_side_at_its_capacity_is_kept_busy_and_its_queue_stays_short() {
    for (operations, seed) in [(1, 1), (1, 2), (4, 3), (10, 4), (10, 5)] {
        // Four workers of 20 ms: 200 a second, and 1000 come.
        let mut world = World::new(seed, operations, with_workers(4, ms(20)));
        world.pass(MINUTE, ms(1));
        for minute in 1..15 {
            let seen = world.pass(MINUTE, ms(1));
            let (busy, most) = (seen.answered, seen.most_in_flight);
            assert!(busy > 11_000, "{operations} operations, minute {minute}: {busy} of 12000");
            assert!(most <= 80, "{operations} operations, minute {minute}: {most} in flight");
        }
    }
}

#[test]
fn a_hung_side_holds_no_more_than_is_allowed_and_soon_almost_nothing() {
    let mut world = World::new(1, 1, Box::new(|_, _, _| None));
    assert!(world.pass(ms(9000), ms(1)).most_in_flight <= CEILING);
    world.pass(MINUTE * 6, ms(10));
    assert!(world.pass(MINUTE, ms(10)).most_in_flight <= FLOOR);
    world.side = takes(ms(5));
    world.pass(ms(25_000), ms(5));
    let recovered = world.pass(ms(5000), ms(5));
    assert_eq!((recovered.dropped, recovered.least_limit), (0, CEILING));
}

#[test]
fn the_limit_stays_between_its_bounds_whatever_comes() {
    let mut dice = Dice(7);
    let mut limit = Limit::new(3, 10);
    let mut now = Duration::ZERO;
    for _ in 0..100_000 {
        let sent = now;
        now += ms(dice.percent());
        let signal =
            [Signal::Usual, Signal::Slow, Signal::Lost][usize::try_from(dice.percent() % 3).unwrap()];
        limit.observe(now, sent, usize::try_from(dice.percent()).unwrap(), signal);
        assert!((3..=10).contains(&limit.copies()));
    }
    let least = Limit::new(0, 0);
    assert_eq!(least.copies(), 1, "never below one");
}

/// Loses copies, one each `every`, until the breaker turns; how many that were, and the turn.
fn lose_until_open(breaker: &mut Breaker, now: &mut Duration, every: Duration) -> (u32, Turn) {
    for count in 1..100_000 {
        let sent = *now;
        *now += every;
        let leave = breaker.leave(sent).expect("it is closed");
        if let Some(turn) = breaker.lost(*now, sent, leave, 0) {
            return (count, turn);
        }
    }
    panic!("it never opens");
}

#[test]
fn a_run_opens_the_breaker_when_it_is_long_in_number_and_in_time() {
    let (mut quick, mut slow) = (Breaker::default(), Breaker::default());
    let pause = ms(1000);
    let opened = lose_until_open(&mut quick, &mut ms(0), ms(1));
    assert_eq!(opened, (2000, Turn::Opened { lost: 2000, lasted: ms(2000), pause }));
    let opened = lose_until_open(&mut slow, &mut ms(0), ms(100));
    assert_eq!(opened, (50, Turn::Opened { lost: 50, lasted: ms(5000), pause }));
    assert!(slow.is_open());
}

#[test]
fn one_answer_in_between_keeps_it_closed() {
    let mut breaker = Breaker::default();
    for second in 0..1000_u64 {
        let now = ms(second * 1000);
        let lost =
            if second % 49 == 48 { breaker.answered(now) } else { breaker.lost(now, now, Leave::Copy, 0) };
        assert_eq!(lost, None);
    }
    // A hundred that were sent long before the last answer, and run out of time all at once.
    breaker.answered(ms(2_000_000));
    for _ in 0..100 {
        assert_eq!(breaker.lost(ms(2_000_001), ms(1_990_001), Leave::Copy, 0), None);
    }
}

#[test]
fn copies_that_hang_from_the_start_count_from_when_they_were_sent() {
    let mut breaker = Breaker::default();
    breaker.answered(ms(1000));
    let turns: Vec<Turn> =
        (0..60).filter_map(|_| breaker.lost(ms(12_000), ms(2000), Leave::Copy, 0)).collect();
    assert_eq!(turns, [Turn::Opened { lost: 50, lasted: ms(10_000), pause: ms(1000) }]);
}

#[test]
fn the_pause_doubles_to_a_bound_and_jitter_only_shortens_it() {
    let mut breaker = Breaker::default();
    let mut now = ms(0);
    lose_until_open(&mut breaker, &mut now, ms(100));
    for seconds in [2, 4, 8, 16, 30, 30, 30] {
        now += ms(40_000);
        let leave = breaker.leave(now).expect("the pause is over");
        let turn = breaker.lost(now, now, leave, 0);
        assert_eq!(turn, Some(Turn::StillOpen { pause: ms(seconds * 1000) }));
        assert_eq!(breaker.leave(now + ms(seconds * 1000 - 1)), None);
    }
    now += ms(40_000);
    let leave = breaker.leave(now).expect("the pause is over");
    let turn = breaker.lost(now, now, leave, u16::MAX);
    assert_eq!(turn, Some(Turn::StillOpen { pause: ms(22_500) }));
}

#[test]
fn a_few_probes_find_out_and_one_answer_closes() {
    let mut breaker = Breaker::default();
    let mut now = ms(0);
    lose_until_open(&mut breaker, &mut now, ms(100));
    assert_eq!(breaker.leave(now), None);
    now += ms(1000);
    let first = Leave::Probe { tries: 0 };
    let leaves: Vec<Option<Leave>> = (0..5).map(|_| breaker.leave(now)).collect();
    assert_eq!(leaves, [Some(first), Some(first), Some(first), None, None]);
    breaker.given_up(first);
    assert_eq!(breaker.leave(now), Some(first), "the place of one that told nothing");

    assert!(breaker.lost(now, now, first, 0).is_some());
    assert_eq!(breaker.lost(now, now, first, 0), None, "the second of the same try");
    now += ms(2000);
    let second = breaker.leave(now).expect("the pause is over");
    assert_eq!(breaker.lost(now, now, first, 0), None, "late, from the try before");
    assert_eq!(breaker.lost(now, now, Leave::Copy, 0), None, "late, from before it opened");
    assert_eq!(second, Leave::Probe { tries: 1 });
    assert_eq!(breaker.answered(now), Some(Turn::Closed));
    assert!(!breaker.is_open());
    assert_eq!(breaker.leave(now), Some(Leave::Copy));
}
