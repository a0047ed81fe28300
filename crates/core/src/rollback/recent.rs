//! One side's answers of late, good and bad: the last 64 one by one, and how many there were in stretches
//! of the past up to a hundred times as long as asked for: an excess that is too small to be told from
//! chance within that time is followed for longer. Noting one takes a few atomic additions, from
//! any thread, and no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Answers;

/// Parts of a ring.
const SLOTS: u64 = 16;
/// Each ring's slots are this many times as long as those of the ring before.
const COARSER: u32 = 10;
/// Answers after which the usual share counts half of what it knew.
const REMEMBERED: u64 = 100_000;
/// So many answers tell what legacy does just now.
const JUST_NOW: u32 = 16;

/// One side's answers of late.
#[derive(Debug)]
pub struct Recent {
    rings: [Ring; 3],
    /// The last 64, the last one lowest; bad ones are ones.
    last: AtomicU64,
    /// How many of them there are, and when the last one came in milliseconds: 8 bits and 56.
    count: AtomicU64,
    /// What was answered until now, older answers for less: two times 32 bits.
    usual: AtomicU64,
    over_ms: AtomicU64,
}

impl Recent {
    pub(super) fn new(over: Duration) -> Self {
        let recent = Self {
            rings: Default::default(),
            last: AtomicU64::new(0),
            count: AtomicU64::new(0),
            usual: AtomicU64::new(0),
            over_ms: AtomicU64::new(0),
        };
        recent.look_over(over);
        recent
    }

    pub(super) fn look_over(&self, over: Duration) {
        if self.over_ms.swap(millis(over), Relaxed) == millis(over) {
            return;
        }
        let mut length = over;
        for ring in &self.rings {
            ring.forget();
            ring.slot_ms.store((millis(length) / SLOTS).max(1), Relaxed);
            length = length.saturating_mul(COARSER);
        }
    }

    /// Notes an answer; one that is excused is none of the last ones.
    pub(super) fn note(&self, is_bad: bool, now: Duration, is_excused: bool) {
        let now = millis(now);
        for ring in &self.rings {
            ring.note(is_bad, now);
        }
        if !is_excused {
            update(&self.last, |last| (last << 1) | u64::from(is_bad));
            update(&self.count, |count| (now << 8) | ((count & 0xff) + 1).min(64));
        }
        self.note_usual(is_bad);
    }

    pub(super) fn note_usual(&self, is_bad: bool) {
        update(&self.usual, |usual| {
            let (all, bad) = (usual >> 32, usual & 0xffff_ffff);
            let (all, bad) = if all >= REMEMBERED { (all / 2, bad / 2) } else { (all, bad) };
            ((all + 1) << 32) | (bad + u64::from(is_bad))
        });
    }

    /// Notes many good answers at once, evenly over this time.
    #[cfg(test)]
    pub(super) fn note_good(&self, many: u64, from: Duration, until: Duration) {
        let (from, until) = (millis(from), millis(until));
        for ring in &self.rings {
            ring.note_good(many, from, until);
        }
        update(&self.last, |last| last.checked_shl(u32::try_from(many).unwrap_or(64)).unwrap_or(0));
        update(&self.count, |count| (until << 8) | ((count & 0xff) + many).min(64));
        update(&self.usual, |usual| usual + (many << 32));
    }

    pub(super) fn forget(&self) {
        self.rings.iter().for_each(Ring::forget);
        self.last.store(0, Relaxed);
        self.count.store(0, Relaxed);
        self.usual.store(0, Relaxed);
    }

    /// The share of bad answers over the longer past, from so many answers on.
    pub(super) fn usual(&self, from: u64) -> Option<f64> {
        let usual = self.usual.load(Relaxed);
        let answers = Answers { all: usual >> 32, bad: usual & 0xffff_ffff };
        answers.share().filter(|_| answers.all >= from)
    }

    /// The worst that it was just now: over the last few answers, or more, or up to as long as is looked
    /// at. What is over soon may still be in what the other side has answered.
    pub(super) fn worst_just_now(&self, now: Duration) -> f64 {
        let many = self.lately(now).filter(|answers| answers.all >= JUST_NOW.into());
        many.filter_map(Answers::share).fold(0.0, f64::max)
    }

    /// The last one, the last two and so on where they came within the time that is looked at, and the
    /// stretches of that time.
    pub(super) fn lately(&self, now: Duration) -> impl Iterator<Item = Answers> {
        let is_fresh = (self.count.load(Relaxed) >> 8) + self.over_ms.load(Relaxed) >= millis(now);
        let [finest, ..] = &self.rings;
        self.last_ones().filter(move |_| is_fresh).chain(finest.stretches(millis(now)))
    }

    /// The last one, the last two and so on.
    pub(super) fn last_ones(&self) -> impl Iterator<Item = Answers> + use<> {
        let (last, count) = (self.last.load(Relaxed), self.count.load(Relaxed) & 0xff);
        (1..=u32::try_from(count).unwrap_or(0)).map(move |few| first_of(last, few))
    }

    /// All answers that a ring holds.
    pub(super) fn over_ring(&self, ring: usize, now: Duration) -> Answers {
        let ring = self.rings.get(ring).map(|ring| ring.stretches(millis(now)).last());
        ring.flatten().unwrap_or_default()
    }

    /// The answers in ever longer stretches that end now.
    pub(super) fn stretches(&self, now: Duration) -> impl Iterator<Item = Answers> {
        let now = millis(now);
        self.rings.iter().flat_map(move |ring| ring.stretches(now))
    }
}

fn first_of(last: u64, few: u32) -> Answers {
    let mask = u64::MAX.checked_shr(64 - few).unwrap_or(0);
    Answers { all: few.into(), bad: (last & mask).count_ones().into() }
}

/// Counts of a stretch of time in slots. A slot holds which turn it is of (16 bits), all answers and the
/// bad ones (24 bits each).
#[derive(Debug, Default)]
struct Ring {
    slot_ms: AtomicU64,
    slots: [AtomicU64; SLOTS as usize],
}

const MOST: u64 = 0xff_ffff;

impl Ring {
    fn forget(&self) {
        self.slots.iter().for_each(|slot| slot.store(0, Relaxed));
    }

    fn tick(&self, at_ms: u64) -> u64 {
        at_ms / self.slot_ms.load(Relaxed).max(1)
    }

    fn note(&self, is_bad: bool, now_ms: u64) {
        let (index, turn) = self.place(self.tick(now_ms));
        let Some(slot) = self.slots.get(index) else { return };
        update(slot, |held| {
            let (all, bad) = if held >> 48 == turn { ((held >> 24) & MOST, held & MOST) } else { (0, 0) };
            // A slot that is full tells no less by not going on.
            if all == MOST { held } else { (turn << 48) | ((all + 1) << 24) | (bad + u64::from(is_bad)) }
        });
    }

    #[cfg(test)]
    fn note_good(&self, many: u64, from_ms: u64, until_ms: u64) {
        let (first, last) = (self.tick(from_ms), self.tick(until_ms));
        let ticks = last - first + 1;
        for tick in last.saturating_sub(SLOTS - 1).max(first)..=last {
            let (index, turn) = self.place(tick);
            let share = many * (tick - first + 1) / ticks - many * (tick - first) / ticks;
            update(&self.slots[index], |held| {
                let held = if held >> 48 == turn { held } else { turn << 48 };
                held + (share << 24)
            });
        }
    }

    fn stretches(&self, now_ms: u64) -> impl Iterator<Item = Answers> {
        let newest = self.tick(now_ms);
        let ticks = (0..SLOTS).map_while(move |back| newest.checked_sub(back));
        ticks.scan(Answers::default(), |sum, tick| {
            *sum = sum.and(self.at(tick));
            Some(*sum)
        })
    }

    fn at(&self, tick: u64) -> Answers {
        let (index, turn) = self.place(tick);
        let held = self.slots.get(index).map_or(0, |slot| slot.load(Relaxed));
        if held >> 48 == turn {
            Answers { all: (held >> 24) & MOST, bad: held & MOST }
        } else {
            Answers::default()
        }
    }

    fn place(&self, tick: u64) -> (usize, u64) {
        let index = usize::try_from(tick % SLOTS).unwrap_or(0);
        // Zero is a slot that was never used.
        (index, (tick / SLOTS) % 0xffff + 1)
    }
}

fn update(value: &AtomicU64, new: impl Fn(u64) -> u64) {
    // It never gives up.
    value.fetch_update(Relaxed, Relaxed, |old| Some(new(old))).ok();
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 8)
}
