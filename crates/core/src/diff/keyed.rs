//! Arrays whose elements have a key: a member, or a member of a member, says which element of the
//! other side is meant, wherever it stands. What has no key is a multiset of its own, as in
//! `unordered.rs`; what has a key that the other side lacks is missing or extra, however alike.

use super::matching::{EDGE_STEPS, maximum_matching};
use super::{Diff, Element, OverBudget, PlaceId, Which};
use crate::document::NodeId;
use crate::rule::Key;

/// An element with its key: the fields and their hash.
struct Keyed {
    hash: u64,
    element: Element,
    fields: Vec<NodeId>,
}

impl Diff<'_, '_> {
    /// Compares two arrays by the key of their elements.
    pub(super) fn keyed(
        &mut self,
        left: NodeId,
        right: NodeId,
        place: PlaceId,
        rule: usize,
        key: &Key,
    ) -> Result<(), OverBudget> {
        let (ours, ours_alone) = self.split_by_key(Which::Legacy, left, key)?;
        let (theirs, theirs_alone) = self.split_by_key(Which::Candidate, right, key)?;
        let (mut order, mut pairing) = self.pair_multisets(ours_alone, theirs_alone)?;
        let mut others = theirs.chunk_by(|one, other| one.hash == other.hash).peekable();
        for group in ours.chunk_by(|one, other| one.hash == other.hash) {
            while let Some(alone) = others.next_if(|other| other[0].hash < group[0].hash) {
                pairing.extra.extend(alone.iter().map(|entry| entry.element));
            }
            let partners = others.next_if(|other| other[0].hash == group[0].hash).unwrap_or_default();
            let mut taken = (vec![false; group.len()], vec![false; partners.len()]);
            for (one, other) in self.key_partners(group, partners)? {
                (taken.0[one], taken.1[other]) = (true, true);
                let (one, other) = (group[one].element, partners[other].element);
                order.push((one.0, other.0));
                pairing.pairs.push((one, other));
            }
            let alone = |entries: &[Keyed], taken: Vec<bool>| -> Vec<Element> {
                let alone = entries.iter().zip(taken).filter(|(_, taken)| !taken);
                alone.map(|(entry, _)| entry.element).collect()
            };
            pairing.missing.extend(alone(group, taken.0));
            pairing.extra.extend(alone(partners, taken.1));
        }
        pairing.extra.extend(others.flatten().map(|entry| entry.element));
        self.mask_order(order, rule);
        self.tell(pairing, place)
    }

    /// Elements with a key, by its hash and then in order; and those without.
    fn split_by_key(
        &mut self,
        side: Which,
        array: NodeId,
        key: &Key,
    ) -> Result<(Vec<Keyed>, Vec<Element>), OverBudget> {
        let elements: Vec<Element> = self.view(side).elements(array).collect();
        self.spend(2 * elements.len())?;
        let (mut keyed, mut alone) = (Vec::with_capacity(elements.len()), Vec::new());
        for element in elements {
            match self.view(side).key_fields(element.1, key) {
                Some(fields) => {
                    keyed.push(Keyed { hash: self.view(side).hash_together(&fields), element, fields });
                }
                None => alone.push(element),
            }
        }
        keyed.sort_by_key(|entry| (entry.hash, entry.element.0));
        Ok((keyed, alone))
    }

    /// Who belongs to whom among elements whose keys have one hash: in order where that fits, as it
    /// does for a key that is repeated; of keys under a tolerant rule, as many as can be.
    fn key_partners(&mut self, ours: &[Keyed], theirs: &[Keyed]) -> Result<Vec<(usize, usize)>, OverBudget> {
        let mut in_order = Vec::with_capacity(ours.len().min(theirs.len()));
        for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
            if !self.same_fields(&one.fields, &other.fields)? {
                return maximum_matching(ours.len(), theirs.len(), |row, column| {
                    self.spend(EDGE_STEPS)?;
                    self.same_fields(&ours[row].fields, &theirs[column].fields)
                });
            }
            in_order.push((at, at));
        }
        Ok(in_order)
    }

    /// Whether two keys are the same. What the rules mask in them is counted with their elements.
    fn same_fields(&mut self, ours: &[NodeId], theirs: &[NodeId]) -> Result<bool, OverBudget> {
        let start = self.start();
        let mut same = true;
        for (&one, &other) in ours.iter().zip(theirs) {
            same = same && self.same(one, other)?;
        }
        self.forget(start);
        Ok(same)
    }
}
