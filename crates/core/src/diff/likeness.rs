//! Which elements are the same thing with something changed about it: those that share parts.
//!
//! Every part (a member, or a member of a member) that few elements have is a vote for each pair
//! that has it, and weighs the more the fewer they are; parts that many share tell nothing. The pair
//! with the most votes goes first. Ties are broken by content before position, so that a shuffle of
//! either side does not change who belongs to whom.

use super::{Diff, Element, OverBudget, Which};
use crate::document::{NodeId, NodeKind, View};

/// A part is a vote where at most so many pairs of elements share it.
const MAX_SHARING: usize = 64;
/// What a part weighs that one element a side has.
const FULL_WEIGHT: usize = 1024;
/// Parts of one element that are looked at, the same ones for like elements.
const MAX_PARTS: usize = 64;
/// Bytes of a text by which it is put in order.
const MAX_TELLING: usize = 64;

/// How much speaks for a pair: its positions in what is left on either side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) weight: usize,
    /// Whether they share half of their parts.
    pub(super) close: bool,
}

impl Diff<'_, '_> {
    /// All pairs that share a telling part.
    pub(super) fn votes(&mut self, left: &[Element], right: &[Element]) -> Result<Vec<Vote>, OverBudget> {
        if left.is_empty() || right.is_empty() {
            return Ok(Vec::new());
        }
        let (ours, theirs) = (self.all_parts(Which::Legacy, left)?, self.all_parts(Which::Candidate, right)?);
        let (by_part, others) = (index(&ours), index(&theirs));
        self.spend(by_part.len() + others.len())?;
        let mut ballots: Vec<(u32, u32, u32)> = Vec::new();
        for (lefts, rights) in shared(&by_part, &others) {
            let pairs = lefts.len() * rights.len();
            self.spend(pairs)?;
            let weight = (FULL_WEIGHT / pairs) as u32;
            for &(_, l) in lefts {
                ballots.extend(rights.iter().map(|&(_, r)| (l, r, weight)));
            }
        }
        ballots.sort_unstable();
        let votes = ballots.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)).map(|run| {
            let (left, right) = (run[0].0 as usize, run[0].1 as usize);
            let weight = run.iter().map(|ballot| ballot.2 as usize).sum();
            Vote { left, right, weight, close: is_close(&ours[left], &theirs[right]) }
        });
        Ok(votes.collect())
    }

    fn all_parts(&mut self, side: Which, elements: &[Element]) -> Result<Vec<Vec<u64>>, OverBudget> {
        let mut all = Vec::with_capacity(elements.len());
        for &(_, element) in elements {
            let mut parts = parts(self.view(side), element);
            self.spend(parts.len() + 1)?;
            parts.sort_unstable();
            parts.dedup();
            parts.truncate(MAX_PARTS);
            all.push(parts);
        }
        Ok(all)
    }
}

/// Takes pairs, the best first by `order`, each element once.
pub(super) fn best_first<K: Ord>(
    mut votes: Vec<Vote>,
    lengths: (usize, usize),
    order: impl Fn(&Vote) -> K,
) -> Vec<(usize, usize)> {
    votes.sort_by_cached_key(order);
    let (mut ours, mut theirs) = (vec![false; lengths.0], vec![false; lengths.1]);
    votes.retain(|vote| {
        let free = !ours[vote.left] && !theirs[vote.right];
        if free {
            (ours[vote.left], theirs[vote.right]) = (true, true);
        }
        free
    });
    votes.into_iter().map(|vote| (vote.left, vote.right)).collect()
}

/// Elements by the parts they have.
fn index(parts: &[Vec<u64>]) -> Vec<(u64, u32)> {
    let numbered = parts.iter().zip(0..);
    let mut index: Vec<(u64, u32)> =
        numbered.flat_map(|(parts, at)| parts.iter().map(move |&part| (part, at))).collect();
    index.sort_unstable();
    index
}

type Run<'r> = &'r [(u64, u32)];

/// The parts that both sides have and that few share.
fn shared<'r>(left: Run<'r>, right: Run<'r>) -> impl Iterator<Item = (Run<'r>, Run<'r>)> {
    let mut others = right.chunk_by(|one, other| one.0 == other.0).peekable();
    left.chunk_by(|one, other| one.0 == other.0).filter_map(move |run| {
        while others.next_if(|other| other[0].0 < run[0].0).is_some() {}
        let other = others.next_if(|other| other[0].0 == run[0].0)?;
        (run.len().saturating_mul(other.len()) <= MAX_SHARING).then_some((run, other))
    })
}

fn is_close(left: &[u64], right: &[u64]) -> bool {
    let both = left.iter().filter(|part| right.binary_search(part).is_ok()).count();
    2 * both >= left.len().max(right.len())
}

/// Hashes of what an element consists of, two levels down.
fn parts(view: &View<'_>, element: NodeId) -> Vec<u64> {
    let mut parts = Vec::new();
    for (name, value) in children(view, element) {
        parts.push(join(name, view.hash_of(value)));
        parts.extend(children(view, value).map(|(below, part)| join(join(name, below), view.hash_of(part))));
    }
    parts
}

/// Members by the hash of their name, elements without one.
fn children<'v>(view: &'v View<'_>, node: NodeId) -> impl Iterator<Item = (u64, NodeId)> + 'v {
    let members = view.members(node).map(|(name, value)| (view.hash_of(name), value));
    members.chain(view.elements(node).map(|(_, element)| (0, element)))
}

fn join(left: u64, right: u64) -> u64 {
    (left.rotate_left(17) ^ right).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What an element is like from outside: its type, and an object's names.
pub(super) fn shape(view: &View<'_>, element: NodeId) -> u64 {
    let kind = view.document.value_type(element) as u64;
    let names = view.members(element).map(|(name, _)| join(1, view.hash_of(name)));
    join(kind, names.fold(0, u64::wrapping_add))
}

/// A text by which elements without anything in common are put in order: their own, or that of the
/// first leaf below them, members taken in the order of their names' hashes.
pub(super) fn telling(view: &View<'_>, element: NodeId) -> Vec<u8> {
    let mut at = element;
    while let Some((_, first)) = children(view, at).min_by_key(|&(name, _)| name) {
        at = first;
    }
    let text = view.document.content(at);
    let text = &text[..text.len().min(MAX_TELLING)];
    match view.document.kind(at) {
        // Of two whole numbers the longer is the larger.
        NodeKind::Number => {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            [&[digits as u8], text].concat()
        }
        _ => text.to_vec(),
    }
}

/// Takes out of both sides pairs of one `class`, the first with the first and so on.
pub(super) fn pair_by<K: Ord>(
    left: &mut Vec<Element>,
    right: &mut Vec<Element>,
    class_of: impl Fn(Which, NodeId) -> K,
) -> Vec<(Element, Element)> {
    let classed = |side: Which, elements: &[Element]| {
        let mut classed: Vec<(K, usize)> =
            elements.iter().zip(0..).map(|(&(_, node), at)| (class_of(side, node), at)).collect();
        classed.sort();
        classed
    };
    let (ours, theirs) = (classed(Which::Legacy, left), classed(Which::Candidate, right));
    let mut taken = Vec::new();
    let (mut l, mut r) = (0, 0);
    while let (Some(one), Some(other)) = (ours.get(l), theirs.get(r)) {
        match one.0.cmp(&other.0) {
            std::cmp::Ordering::Less => l += 1,
            std::cmp::Ordering::Greater => r += 1,
            std::cmp::Ordering::Equal => {
                taken.push((one.1, other.1));
                (l, r) = (l + 1, r + 1);
            }
        }
    }
    take(left, right, &taken)
}

/// Takes pairs of positions out of both sides.
pub(super) fn take(
    left: &mut Vec<Element>,
    right: &mut Vec<Element>,
    taken: &[(usize, usize)],
) -> Vec<(Element, Element)> {
    let pairs = taken.iter().map(|&(l, r)| (left[l], right[r])).collect();
    let keep = |elements: &mut Vec<Element>, gone: Vec<usize>| {
        let mut stays = vec![true; elements.len()];
        gone.into_iter().for_each(|at| stays[at] = false);
        let mut stays = stays.into_iter();
        elements.retain(|_| stays.next().unwrap_or(true));
    };
    keep(left, taken.iter().map(|pair| pair.0).collect());
    keep(right, taken.iter().map(|pair| pair.1).collect());
    pairs
}
