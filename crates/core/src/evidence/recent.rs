//! The outcomes of the last checks, one bit each, in their order.

/// Checks that are looked at apart, so that a candidate that has become worse is not covered by a
/// long and good past.
pub const RECENT: usize = 1_000;

const WORDS: usize = RECENT.div_ceil(64);

/// The last [`RECENT`] outcomes, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// A set bit is a mismatch.
    bits: [u64; WORDS],
    /// Where the next one goes, and the oldest is once the ring is full.
    next: usize,
    length: usize,
    unmatched: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { bits: [0; WORDS], next: 0, length: 0, unmatched: 0 }
    }
}

impl Recent {
    /// How many there are; [`RECENT`] at most.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many of them are mismatches.
    #[must_use]
    pub fn unmatched(&self) -> usize {
        self.unmatched
    }

    /// How many of the last `length` are mismatches.
    #[must_use]
    pub fn unmatched_of_last(&self, length: usize) -> usize {
        let passed_over = self.length.saturating_sub(length);
        self.unmatched - self.oldest_first().take(passed_over).filter(|&is_unmatched| is_unmatched).count()
    }

    /// One more.
    pub fn push(&mut self, is_unmatched: bool) {
        let (word, bit) = (self.next / 64, 1_u64 << (self.next % 64));
        if self.length == RECENT {
            self.unmatched -= usize::from(self.bits[word] & bit != 0);
        } else {
            self.length += 1;
        }
        self.bits[word] = if is_unmatched { self.bits[word] | bit } else { self.bits[word] & !bit };
        self.unmatched += usize::from(is_unmatched);
        self.next = (self.next + 1) % RECENT;
    }

    /// Those that came later, behind these.
    pub fn add(&mut self, later: &Self) {
        later.oldest_first().for_each(|is_unmatched| self.push(is_unmatched));
    }

    fn oldest_first(&self) -> impl Iterator<Item = bool> + '_ {
        let first = (self.next + RECENT - self.length) % RECENT;
        (0..self.length).map(move |offset| {
            let at = (first + offset) % RECENT;
            self.bits[at / 64] & (1 << (at % 64)) != 0
        })
    }

    /// As bytes: how many, and a bit for each, the oldest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.length).unwrap_or(u16::MAX);
        let mut bytes = vec![0; 2 + self.length.div_ceil(8)];
        bytes[..2].copy_from_slice(&length.to_le_bytes());
        for (at, is_unmatched) in self.oldest_first().enumerate() {
            bytes[2 + at / 8] |= u8::from(is_unmatched) << (at % 8);
        }
        bytes
    }

    /// From bytes, unless they are none of [`Recent::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, bits) = bytes.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length));
        if length > RECENT || bits.len() != length.div_ceil(8) {
            return None;
        }
        let mut recent = Self::default();
        (0..length).for_each(|at| recent.push(bits[at / 8] & (1 << (at % 8)) != 0));
        Some(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mismatch at each number that `is_unmatched` names.
    fn recent(numbers: std::ops::Range<usize>, is_unmatched: fn(usize) -> bool) -> Recent {
        let mut recent = Recent::default();
        numbers.for_each(|number| recent.push(is_unmatched(number)));
        recent
    }

    #[test]
    fn only_the_last_ones_are_known() {
        let recent = recent(0..2_500, |number| number % 100 == 0 || number == 1_501);
        assert_eq!((recent.length(), recent.unmatched()), (1_000, 11));
        assert_eq!(recent.unmatched_of_last(900), 9);
        assert_eq!(recent.unmatched_of_last(100), 1);
        assert_eq!((recent.unmatched_of_last(0), recent.unmatched_of_last(9_999)), (0, 11));
    }

    #[test]
    fn what_came_later_comes_behind() {
        let is_unmatched = |number| number % 7 == 0;
        for cut in [0, 1, 999, 1_000, 1_001, 1_700] {
            let mut first = recent(0..cut, is_unmatched);
            first.add(&recent(cut..1_700, is_unmatched));
            let all = recent(0..1_700, is_unmatched);
            assert_eq!(first.to_bytes(), all.to_bytes(), "{cut}");
        }
    }

    #[test]
    fn bytes_are_read_as_they_were_written_and_others_are_refused() {
        for length in [0, 1, 8, 9, 1_000, 1_234] {
            let written = recent(0..length, |number| number % 3 == 0);
            let bytes = written.to_bytes();
            assert!(bytes.len() <= 127);
            let read = Recent::from_bytes(&bytes).unwrap();
            assert_eq!((read.to_bytes(), read.unmatched()), (bytes, written.unmatched()));
        }
        for odd in [&[][..], &[1], &[1, 0], &[0, 0, 0], &[0xe9, 3]] {
            assert_eq!(Recent::from_bytes(odd), None);
        }
    }
}
