//! Pairing as many as possible where "the same" is no equivalence: of two values within a tolerance
//! of a third, only one can be its partner, and whoever takes the first that fits may leave another
//! without any. Hopcroft and Karp's maximum matching finds the most pairs; nothing recurses, and the
//! edges are asked for one by one, so that whoever answers can end it.

use super::{Diff, Element, OverBudget, Which};
use crate::document::{NodeId, RuledValues};

/// What one edge of a group costs, beside the comparison itself: it is kept until the end.
pub(super) const EDGE_STEPS: usize = 16;

/// Elements that belong together, and what has no partner.
#[derive(Debug, Default)]
pub(super) struct Matching {
    pub(super) pairs: Vec<(Element, Element)>,
    pub(super) left: Vec<Element>,
    pub(super) right: Vec<Element>,
}

impl Diff<'_, '_> {
    /// Pairs elements of one hash with what is [`same`](Diff::same), as many as can be.
    ///
    /// # Errors
    /// [`OverBudget`] when the group is too large to be paired exactly.
    pub(super) fn match_group(
        &mut self,
        left: &[Element],
        right: &[Element],
    ) -> Result<Matching, OverBudget> {
        let start = self.start();
        if let Some(matching) = self.matched_in_order(left, right)? {
            return Ok(matching);
        }
        self.forget(start);
        let (left, right) = (self.sorted(Which::Legacy, left)?, self.sorted(Which::Candidate, right)?);
        if let Some(matching) = self.matched_in_order(&left, &right)? {
            return Ok(matching);
        }
        self.forget(start);
        let found = self.maximum(&left, &right)?;
        self.forget(start);
        let pairs: Vec<_> = found.iter().map(|&(ours, theirs)| (left[ours], right[theirs])).collect();
        for &((_, ours), (_, theirs)) in &pairs {
            // Once more, so that what the rules mask is counted for these pairs alone.
            self.same(ours, theirs)?;
        }
        let mut taken = (vec![false; left.len()], vec![false; right.len()]);
        for &(ours, theirs) in &found {
            (taken.0[ours], taken.1[theirs]) = (true, true);
        }
        Ok(Matching { pairs, left: without(&left, &taken.0), right: without(&right, &taken.1) })
    }

    /// The first with the first and so on, if they are all the same: no matching has more pairs.
    fn matched_in_order(
        &mut self,
        left: &[Element],
        right: &[Element],
    ) -> Result<Option<Matching>, OverBudget> {
        let both = left.len().min(right.len());
        for (&(_, ours), &(_, theirs)) in left.iter().zip(right) {
            if !self.same(ours, theirs)? {
                return Ok(None);
            }
        }
        let pairs = left.iter().copied().zip(right.iter().copied()).collect();
        Ok(Some(Matching { pairs, left: left[both..].to_vec(), right: right[both..].to_vec() }))
    }

    /// The most pairs, whichever side is called the left one.
    fn maximum(&mut self, left: &[Element], right: &[Element]) -> Result<Vec<(usize, usize)>, OverBudget> {
        let texts = |side: Which, elements: &[Element]| -> Vec<Vec<u8>> {
            elements.iter().map(|&(_, node)| self.sort_key(side, node)).collect()
        };
        let mirrored = texts(Which::Candidate, right) < texts(Which::Legacy, left);
        let (rows, columns) = if mirrored { (right, left) } else { (left, right) };
        let mut found = maximum_matching(rows.len(), columns.len(), |row, column| {
            self.spend(EDGE_STEPS)?;
            let (ours, theirs) =
                if mirrored { (columns[column].1, rows[row].1) } else { (rows[row].1, columns[column].1) };
            self.same(ours, theirs)
        })?;
        if mirrored {
            found = found.into_iter().map(|(row, column)| (column, row)).collect();
        }
        found.sort_unstable();
        Ok(found)
    }

    fn sorted(&mut self, side: Which, elements: &[Element]) -> Result<Vec<Element>, OverBudget> {
        let nodes: Vec<NodeId> = elements.iter().map(|element| element.1).collect();
        Ok(self.tolerant_order(side, &nodes)?.into_iter().map(|at| elements[at]).collect())
    }

    /// Positions of subtrees of one hash in the order of the values that only a tolerant rule tells
    /// apart: where a perfect pairing exists, pairing in this order mostly is one.
    pub(super) fn tolerant_order(&mut self, side: Which, nodes: &[NodeId]) -> Result<Vec<usize>, OverBudget> {
        let view = self.view(side);
        let mut keyed: Vec<(RuledValues<'_>, usize)> = Vec::with_capacity(nodes.len());
        for (at, &node) in nodes.iter().enumerate() {
            self.spend((view.document.end(node) - node) as usize)?;
            keyed.push((view.ruled_values(node), at));
        }
        keyed.sort_by(|one, other| one.0.order(&other.0).then(one.1.cmp(&other.1)));
        Ok(keyed.into_iter().map(|(_, at)| at).collect())
    }

    /// By what a group is brought into an order in which neighbours are likely to be the same.
    fn sort_key(&self, side: Which, node: NodeId) -> Vec<u8> {
        super::likeness::telling(self.view(side), node)
    }
}

fn without(elements: &[Element], taken: &[bool]) -> Vec<Element> {
    elements.iter().zip(taken).filter(|&(_, taken)| !taken).map(|(element, _)| *element).collect()
}

/// As many pairs of a left and a right one as there can be with an edge between them, each in one
/// pair at most; in the order of the left. Every edge is asked for once.
///
/// # Errors
/// The first error of `edge`.
pub(super) fn maximum_matching<E>(
    left: usize,
    right: usize,
    mut edge: impl FnMut(usize, usize) -> Result<bool, E>,
) -> Result<Vec<(usize, usize)>, E> {
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(left);
    for row in 0..left {
        let mut columns = Vec::new();
        for column in 0..right {
            if edge(row, column)? {
                columns.push(column);
            }
        }
        edges.push(columns);
    }
    let mut search = Search { edges: &edges, row_of: vec![None; right], column_of: vec![None; left] };
    while let Some(mut levels) = search.levels() {
        let mut next = vec![0; left];
        for row in 0..left {
            if search.column_of[row].is_none() {
                search.augment(row, &mut levels, &mut next);
            }
        }
    }
    Ok(search.column_of.iter().enumerate().filter_map(|(row, column)| column.map(|it| (row, it))).collect())
}

/// A matching that grows.
struct Search<'e> {
    edges: &'e [Vec<usize>],
    row_of: Vec<Option<usize>>,
    column_of: Vec<Option<usize>>,
}

impl Search<'_> {
    /// How far each row is from a free one, or nothing when no path leads to a free column.
    fn levels(&self) -> Option<Vec<Option<usize>>> {
        let mut levels = vec![None; self.edges.len()];
        let mut waiting: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
        for (row, level) in levels.iter_mut().enumerate() {
            if self.column_of[row].is_none() {
                *level = Some(0);
                waiting.push_back(row);
            }
        }
        let mut reaches = false;
        while let Some(row) = waiting.pop_front() {
            let further = levels[row].map(|level| level + 1);
            for &column in &self.edges[row] {
                match self.row_of[column] {
                    None => reaches = true,
                    Some(other) if levels[other].is_none() => {
                        levels[other] = further;
                        waiting.push_back(other);
                    }
                    Some(_) => {}
                }
            }
        }
        reaches.then_some(levels)
    }

    /// Follows one shortest path from a free row to a free column and turns it over.
    fn augment(&mut self, start: usize, levels: &mut [Option<usize>], next: &mut [usize]) {
        let mut path: Vec<usize> = vec![start];
        while let Some(&row) = path.last() {
            let Some(&column) = self.edges[row].get(next[row]) else {
                levels[row] = None;
                path.pop();
                // What led here is spent.
                if let Some(&before) = path.last() {
                    next[before] += 1;
                }
                continue;
            };
            match self.row_of[column] {
                None => return self.turn_over(&path, next),
                Some(other) if levels[other].is_some() && levels[other] == levels[row].map(|it| it + 1) => {
                    path.push(other);
                }
                Some(_) => next[row] += 1,
            }
        }
    }

    /// Each row of a path gets the column at which it stands.
    fn turn_over(&mut self, path: &[usize], next: &[usize]) {
        for &row in path {
            let column = self.edges[row][next[row]];
            self.column_of[row] = Some(column);
            self.row_of[column] = Some(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(left: usize, right: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let found =
            maximum_matching(left, right, |l, r| Ok::<_, ()>(edges.contains(&(l, r)))).expect("no error");
        assert!(found.iter().all(|pair| edges.contains(pair)), "{found:?}");
        assert!(found.is_sorted_by(|a, b| a.0 < b.0), "{found:?}");
        let mut columns: Vec<_> = found.iter().map(|pair| pair.1).collect();
        columns.sort_unstable();
        assert!(columns.is_sorted_by(|a, b| a < b), "{found:?}");
        found
    }

    #[test]
    fn who_comes_first_makes_room() {
        assert_eq!(matched(2, 2, &[(0, 0), (0, 1), (1, 0)]), [(0, 1), (1, 0)]);
        assert_eq!(matched(3, 3, &[(0, 0), (0, 1), (1, 0), (1, 2), (2, 0)]).len(), 3);
    }

    #[test]
    fn what_has_no_partner_stays_alone() {
        assert_eq!(matched(0, 3, &[]), []);
        assert_eq!(matched(2, 2, &[]), []);
        assert_eq!(matched(3, 1, &[(1, 0), (2, 0)]).len(), 1);
    }

    #[test]
    fn a_long_chain_is_turned_over() {
        // Row n fits columns n and n + 1, the last row only its own: each must move by one.
        let rows = 500;
        let edge = |row: usize, column: usize| {
            Ok::<_, ()>(if row + 1 == rows { column == 0 } else { column == row || column == row + 1 })
        };
        assert_eq!(maximum_matching(rows, rows, edge).map(|found| found.len()), Ok(rows));
    }

    /// The most pairs by trying everything.
    fn most(left: usize, taken: u32, edges: &[u32]) -> u32 {
        let Some(columns) = edges.get(left) else { return 0 };
        let free = (0..6).filter(|column| columns & !taken & (1 << column) != 0);
        let with = free.map(|column| 1 + most(left + 1, taken | 1 << column, edges)).max();
        with.unwrap_or(0).max(most(left + 1, taken, edges))
    }

    #[test]
    fn no_matching_is_larger() {
        let mut state = 7_u32;
        for _ in 0..400 {
            let rows: Vec<u32> = (0..6)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let first = state >> 26;
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    first & (state >> 26)
                })
                .collect();
            let edge = |row: usize, column: usize| Ok::<_, ()>(rows[row] & (1 << column) != 0);
            let found = maximum_matching(6, 6, edge).map(|found| found.len() as u32);
            assert_eq!(found, Ok(most(0, 0, &rows)), "{rows:?}");
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        let mut asked = 0;
        let found = maximum_matching(1_000, 1_000, |_, _| {
            asked += 1;
            if asked > 10 { Err("enough") } else { Ok(true) }
        });
        assert_eq!((found, asked), (Err("enough"), 11));
    }
}
