//! Arrays whose elements have a key: a member, or a member of a member, says which element of the
//! other side is meant, wherever it stands. What has no key is a multiset of its own, as in
//! `unordered.rs`; what has a key that the other side lacks is missing or extra, however alike.

use super::{Diff, Element, OverBudget, PlaceId, Which};
use crate::document::NodeId;

/// An element with its key: its hash and its node.
struct Keyed {
    hash: u64,
    element: Element,
    key: NodeId,
}

impl Diff<'_, '_> {
    /// Compares two arrays by `key`: the names that lead from an element to it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the rule that asks for it comes with the rules"))]
    pub(super) fn keyed(
        &mut self,
        left: NodeId,
        right: NodeId,
        place: PlaceId,
        rule: usize,
        key: &[Box<str>],
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
            for (one, other) in group.iter().zip(partners) {
                if self.same(one.key, other.key)? {
                    order.push((one.element.0, other.element.0));
                    pairing.pairs.push((one.element, other.element));
                } else {
                    pairing.missing.push(one.element);
                    pairing.extra.push(other.element);
                }
            }
            let both = group.len().min(partners.len());
            pairing.missing.extend(group[both..].iter().map(|entry| entry.element));
            pairing.extra.extend(partners[both..].iter().map(|entry| entry.element));
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
        key: &[Box<str>],
    ) -> Result<(Vec<Keyed>, Vec<Element>), OverBudget> {
        let elements: Vec<Element> = self.view(side).elements(array).collect();
        self.spend(2 * elements.len())?;
        let (mut keyed, mut alone) = (Vec::with_capacity(elements.len()), Vec::new());
        for element in elements {
            match self.key_of(side, element.1, key)? {
                Some(key) => keyed.push(Keyed { hash: self.view(side).hash_of(key), element, key }),
                None => alone.push(element),
            }
        }
        keyed.sort_by_key(|entry| (entry.hash, entry.element.0));
        Ok((keyed, alone))
    }

    fn key_of(
        &mut self,
        side: Which,
        element: NodeId,
        key: &[Box<str>],
    ) -> Result<Option<NodeId>, OverBudget> {
        let view = self.view(side);
        let mut at = element;
        for name in key {
            let mut seen = 0;
            // The last of a repeated name counts, as in most readers.
            let named = view
                .members(at)
                .inspect(|_| seen += 1)
                .filter(|&(member, _)| *view.document.content(member) == *name.as_bytes());
            let found = named.last();
            self.spend(seen)?;
            match found {
                Some((_, value)) => at = value,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Diff, Place, PlaceStep};
    use crate::document::{View, read};
    use crate::rule::Rules;
    use crate::verdict::Differences;

    /// Differences as `path kind`, and how often the rule has masked an order.
    fn by_key(left: &str, right: &str, key: &[&str]) -> (Vec<String>, u32) {
        let of = |text: &str| read(text.to_owned().into(), 1_000).unwrap();
        let (left, right, rules) = (of(left), of(right), Rules::default());
        let view = |document| View::new(document, &rules, rules.at_part("body"));
        let (left, right, mut masked) = (view(&left), view(&right), [0]);
        let mut diff = Diff {
            legacy: &left,
            candidate: &right,
            masked: &mut masked,
            steps: 0,
            places: vec![Place { parent: 0, step: PlaceStep::Body }],
            work: Vec::new(),
            found: Differences::default(),
        };
        let key: Vec<Box<str>> = key.iter().map(|&name| name.into()).collect();
        diff.keyed(0, 0, 0, 0, &key).unwrap();
        diff.work.reverse();
        diff.work_off().unwrap();
        let shown = diff.found.kept.iter().map(|one| format!("{} {}", one.path, one.kind)).collect();
        (shown, masked[0])
    }

    #[test]
    fn pairs_by_key_whatever_else_differs() {
        let left = r#"[{"id":1,"a":1,"b":1},{"id":2,"a":2,"b":2}]"#;
        let right = r#"[{"id":2,"a":1,"b":1},{"id":1,"a":1,"b":1}]"#;
        let found = by_key(left, right, &["id"]);
        assert_eq!(found, (vec!["$.body[1].a value".to_owned(), "$.body[1].b value".to_owned()], 1));
    }

    #[test]
    fn order_is_free_and_counted() {
        assert_eq!(by_key(r#"[{"k":"a"},{"k":"b"}]"#, r#"[{"k":"b"},{"k":"a"}]"#, &["k"]), (vec![], 1));
        assert_eq!(by_key(r#"[{"k":1},{"k":2}]"#, r#"[{"k":1.0},{"k":2e0}]"#, &["k"]), (vec![], 0));
    }

    #[test]
    fn another_key_is_another_element() {
        let found = by_key(r#"[{"id":1,"n":"x"}]"#, r#"[{"id":2,"n":"x"}]"#, &["id"]);
        assert_eq!(found, (vec!["$.body[0] missing".to_owned(), "$.body[0] extra".to_owned()], 0));
        let found = by_key(r#"[{"id":"1"}]"#, r#"[{"id":1}]"#, &["id"]);
        assert_eq!(found.0.len(), 2);
    }

    #[test]
    fn a_repeated_key_pairs_in_order() {
        let left = r#"[{"id":1,"n":1},{"id":1,"n":2},{"id":1,"n":3}]"#;
        let right = r#"[{"id":1,"n":1},{"id":1,"n":9}]"#;
        let found = by_key(left, right, &["id"]);
        assert_eq!(found.0, ["$.body[1].n value", "$.body[2] missing"]);
    }

    #[test]
    fn what_has_no_key_is_a_multiset() {
        let left = r#"[{"n":1},{"id":1},7,null]"#;
        let right = r#"[null,7,{"id":1},{"n":2}]"#;
        assert_eq!(by_key(left, right, &["id"]), (vec!["$.body[0].n value".to_owned()], 1));
    }

    #[test]
    fn a_key_may_lie_deeper() {
        let left = r#"[{"of":{"id":1},"n":1},{"of":{"id":2},"n":2}]"#;
        let right = r#"[{"of":{"id":2},"n":2},{"of":{"id":1},"n":3}]"#;
        assert_eq!(by_key(left, right, &["of", "id"]).0, ["$.body[0].n value"]);
    }
}
