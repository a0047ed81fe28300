//! Two sequences side by side: which elements of one are which of the other, in order.
//!
//! What occurs once on either side is an anchor; the longest chain of anchors that goes up on both
//! sides cuts the sequences into short gaps (patience diff). In a gap, Myers' algorithm finds the
//! fewest insertions and removals, up to a number of them; beyond it, the furthest that it has come
//! is taken and it starts again from there. So the work is linear but for a sort, and the same
//! sequences give the same pairs each time.

use std::ops::Range;

/// Probes that Myers' algorithm may spend on a pair of sequences, more or less.
const PROBES: usize = 4_000_000;
/// Insertions and removals that it looks for at once, at most and at least.
const MOST_EDITS: usize = 128;
const FEWEST_EDITS: usize = 4;

/// A position on the left and the one on the right that belongs to it.
pub(super) type Aligned = (usize, usize);

/// Pairs of positions that rise on both sides. `equal` is asked of a position on each side; where
/// it says yes, the hashes must be equal.
///
/// # Errors
/// The first error of `equal`.
pub(super) fn align<E>(
    left: &[u64],
    right: &[u64],
    mut equal: impl FnMut(usize, usize) -> Result<bool, E>,
) -> Result<Vec<Aligned>, E> {
    let mut anchors = Vec::new();
    for (l, r) in unique_on_both(left, right) {
        if equal(l, r)? {
            anchors.push((l, r));
        }
    }
    let mut pairs = Vec::with_capacity(left.len().min(right.len()));
    let (mut l, mut r) = (0, 0);
    let end = (left.len(), right.len());
    for (to_l, to_r) in longest_rising(&anchors).into_iter().chain([end]) {
        Gap { left, right, equal: &mut equal }.align(l..to_l, r..to_r, &mut pairs)?;
        if (to_l, to_r) != end {
            pairs.push((to_l, to_r));
        }
        (l, r) = (to_l + 1, to_r + 1);
    }
    Ok(pairs)
}

/// Where hashes stand that occur once on either side, in the order of the left.
fn unique_on_both(left: &[u64], right: &[u64]) -> Vec<Aligned> {
    let (ours, theirs) = (unique(left), unique(right));
    let mut others = theirs.iter().peekable();
    let mut both = Vec::new();
    for (hash, l) in ours {
        while others.next_if(|other| other.0 < hash).is_some() {}
        both.extend(others.next_if(|other| other.0 == hash).map(|&(_, r)| (l, r)));
    }
    both.sort_unstable();
    both
}

/// What occurs once, by hash.
fn unique(hashes: &[u64]) -> Vec<(u64, usize)> {
    let mut sorted: Vec<(u64, usize)> = hashes.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    sorted.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() == 1).map(|run| run[0]).collect()
}

/// The longest subsequence that rises on the right; the left rises already.
fn longest_rising(pairs: &[Aligned]) -> Vec<Aligned> {
    // For each length, the pair that ends the chain of that length lowest; and each one's previous.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![None; pairs.len()];
    for (at, &(_, r)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].1 < r);
        previous[at] = length.checked_sub(1).map(|before| ends[before]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut chain: Vec<Aligned> =
        std::iter::successors(ends.last().copied(), |&at| previous[at]).map(|at| pairs[at]).collect();
    chain.reverse();
    chain
}

/// What is asked within a gap between two anchors.
struct Gap<'g, F> {
    left: &'g [u64],
    right: &'g [u64],
    equal: &'g mut F,
}

impl<E, F: FnMut(usize, usize) -> Result<bool, E>> Gap<'_, F> {
    fn align(
        &mut self,
        mut left: Range<usize>,
        mut right: Range<usize>,
        pairs: &mut Vec<Aligned>,
    ) -> Result<(), E> {
        while !left.is_empty() && !right.is_empty() && (self.equal)(left.start, right.start)? {
            pairs.push((left.start, right.start));
            (left.start, right.start) = (left.start + 1, right.start + 1);
        }
        let mut suffix = Vec::new();
        while !left.is_empty() && !right.is_empty() && (self.equal)(left.end - 1, right.end - 1)? {
            (left.end, right.end) = (left.end - 1, right.end - 1);
            suffix.push((left.end, right.end));
        }
        let (ours, theirs) = self.shared(left, right);
        if !ours.is_empty() {
            self.myers(&ours, &theirs, pairs)?;
        }
        pairs.extend(suffix.into_iter().rev());
        Ok(())
    }

    /// The positions whose hash the other side has, too: nothing else can be aligned.
    fn shared(&self, left: Range<usize>, right: Range<usize>) -> (Vec<usize>, Vec<usize>) {
        if left.is_empty() || right.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let sorted = |hashes: &[u64]| {
            let mut sorted = hashes.to_vec();
            sorted.sort_unstable();
            sorted
        };
        let (ours, theirs) = (sorted(&self.left[left.clone()]), sorted(&self.right[right.clone()]));
        let in_both = |own: &[u64], at: &usize, other: &[u64]| other.binary_search(&own[*at]).is_ok();
        (
            left.filter(|at| in_both(self.left, at, &theirs)).collect(),
            right.filter(|at| in_both(self.right, at, &ours)).collect(),
        )
    }

    /// Myers' greedy algorithm, again and again from where it gave up.
    fn myers(&mut self, left: &[usize], right: &[usize], pairs: &mut Vec<Aligned>) -> Result<(), E> {
        let most = (PROBES / (left.len() + right.len())).clamp(FEWEST_EDITS, MOST_EDITS);
        let (mut x, mut y) = (0, 0);
        while x < left.len() && y < right.len() {
            let (ours, theirs) = (&left[x..], &right[y..]);
            let trace = self.trace(ours, theirs, most)?;
            pairs.extend(trace.diagonals().into_iter().map(|(x, y)| (ours[x], theirs[y])));
            (x, y) = (x + trace.reached.0, y + trace.reached.1);
        }
        Ok(())
    }

    fn trace(&mut self, left: &[usize], right: &[usize], most: usize) -> Result<Trace, E> {
        let mut trace = Trace { rows: Vec::new(), reached: (0, 0) };
        for edits in 0..=most {
            let mut row = Vec::with_capacity(edits + 1);
            for diagonal in 0..=edits {
                let (mut x, mut y) = trace.start(edits, diagonal);
                // Beyond an end there is nothing, and nothing to be found from there.
                while x < left.len() && y < right.len() && (self.equal)(left[x], right[y])? {
                    (x, y) = (x + 1, y + 1);
                }
                row.push((x, y));
            }
            let done = row.iter().copied().find(|&reached| reached == (left.len(), right.len()));
            trace.rows.push(row);
            if let Some(reached) = done {
                trace.reached = reached;
                return Ok(trace);
            }
        }
        let inside = |&&(x, y): &&Aligned| x <= left.len() && y <= right.len();
        let last = trace.rows.last().into_iter().flatten();
        trace.reached =
            last.filter(inside).copied().max_by_key(|&(x, y)| (x + y, x.min(y))).unwrap_or((1, 1));
        Ok(trace)
    }
}

/// How far each number of edits has come, on each diagonal: of `n` edits, `k` are insertions at
/// diagonal `k`.
struct Trace {
    rows: Vec<Vec<Aligned>>,
    reached: Aligned,
}

impl Trace {
    /// Where a diagonal starts: from the neighbour that came further, by one more edit.
    fn start(&self, edits: usize, diagonal: usize) -> Aligned {
        let Some(before) = edits.checked_sub(1).map(|before| &self.rows[before]) else { return (0, 0) };
        let removed = before.get(diagonal).map(|&(x, y)| (x + 1, y));
        let inserted = diagonal.checked_sub(1).and_then(|at| before.get(at)).map(|&(x, y)| (x, y + 1));
        removed.max(inserted).unwrap_or((0, 0))
    }

    /// The matches on the way to where it came.
    fn diagonals(&self) -> Vec<Aligned> {
        let Some(edits) = self.rows.len().checked_sub(1) else { return Vec::new() };
        let Some(mut diagonal) = self.rows[edits].iter().position(|&at| at == self.reached) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for edits in (0..=edits).rev() {
            let ((mut x, mut y), start) = (self.rows[edits][diagonal], self.start(edits, diagonal));
            while (x, y) != start {
                (x, y) = (x - 1, y - 1);
                found.push((x, y));
            }
            let Some(before) = edits.checked_sub(1) else { break };
            let inserted = diagonal.checked_sub(1).map(|at| self.rows[before][at]);
            if inserted.is_some_and(|(x, y)| (x, y + 1) == start)
                && self.rows[before].get(diagonal).is_none_or(|&(x, y)| (x + 1, y) != start)
            {
                diagonal -= 1;
            }
        }
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(left: &[u64], right: &[u64]) -> (Vec<Aligned>, usize) {
        let mut probes = 0;
        let pairs = align(left, right, |l, r| {
            probes += 1;
            Ok::<_, ()>(left[l] == right[r])
        })
        .expect("no error");
        assert!(pairs.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{pairs:?}");
        assert!(pairs.iter().all(|&(l, r)| left[l] == right[r]), "{pairs:?}");
        (pairs, probes)
    }

    fn random(length: usize, below: u64, seed: u64) -> Vec<u64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        (0..length).map(|_| next()).collect()
    }

    /// The length of the longest common subsequence, by the book.
    fn longest(left: &[u64], right: &[u64]) -> usize {
        let mut row = vec![0; right.len() + 1];
        for l in left {
            let mut corner = 0;
            for (at, r) in right.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if l == r { corner + 1 } else { above.max(row[at]) };
                corner = above;
            }
        }
        row[right.len()]
    }

    #[test]
    fn finds_the_longest_where_nothing_is_unique() {
        for seed in 0..300 {
            let twice = |values: Vec<u64>| [values.clone(), values].concat();
            let (left, right) = (twice(random(12, 4, seed)), twice(random(11, 4, seed + 1_000)));
            assert_eq!(aligned(&left, &right).0.len(), longest(&left, &right), "{left:?} {right:?}");
        }
    }

    #[test]
    fn an_insertion_moves_the_rest() {
        let left: Vec<u64> = (0..100).collect();
        let right: Vec<u64> = [1_000].into_iter().chain(0..50).chain(51..100).collect();
        assert_eq!(aligned(&left, &right).0.len(), 99);
    }

    #[test]
    fn the_work_does_not_grow_with_the_square() {
        for (length, below) in [(10_000, 2), (10_000, 10), (10_000, 5_000), (10_000, u64::MAX)] {
            let (left, right) = (random(length, below, 1), random(length, below, 2));
            let probes = aligned(&left, &right).1;
            assert!(probes < 2 * PROBES, "{length} below {below}: {probes}");
        }
    }

    #[test]
    fn a_chain_rises() {
        let pairs = [(0, 3), (1, 1), (2, 4), (3, 2), (4, 5)];
        assert_eq!(longest_rising(&pairs).len(), 3);
        assert!(longest_rising(&[]).is_empty());
    }
}
