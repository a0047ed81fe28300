//! XML and HTML as trees with paths that a person would write: `$.body.order.item[2].price`.
//!
//! A parser gives the neutral form: an element is `[name, {attributes}, children…]`, a text is a
//! string. Both sides are then shaped together, so that the same place has the same shape in both:
//!
//! - An element is an object of its attributes (`@id`), its children by name, and its texts (`#text`).
//! - One that has neither attributes nor children, wherever its like stands on either side, is a string.
//! - A name that repeats in one place, on either side, is an array in all of its places.
//! - The order of unlike siblings counts. Mostly it follows from their names, because one stands
//!   before the other everywhere; then nothing needs to be said. Names that come in either order get
//!   a list `#order` in their parent: a swap is one difference there, and whoever does not care
//!   ignores `$.body..['#order']`.
//!
//! "Alike" are elements with the same names from the root down. Nothing here recurses.

use std::collections::{HashMap, HashSet};

use crate::document::{Builder, Document, NodeId, NodeKind, ReadError};
use crate::path::Step;
use crate::verdict::{Difference, Differences, Kind, ValueType};

/// What stands for a text among the names of children.
const TEXT: &str = "#text";
/// The member with the order of children whose names do not tell it.
const ORDER: &str = "#order";

/// Shapes the two sides' neutral forms alike.
///
/// # Errors
/// What passes a limit.
pub(crate) fn shaped(
    left: &Document,
    right: &Document,
    max_nodes: usize,
) -> Result<(Document, Document), ReadError> {
    let mut names = Names::default();
    names.learn(left);
    names.learn(right);
    names.settle();
    Ok((names.shape(left, max_nodes)?, names.shape(right, max_nodes)?))
}

/// Shapes one document for itself.
///
/// # Errors
/// What passes a limit.
pub(crate) fn shaped_alone(document: &Document, max_nodes: usize) -> Result<Document, ReadError> {
    let mut names = Names::default();
    names.learn(document);
    names.settle();
    names.shape(document, max_nodes)
}

/// Takes out what a list of names says of children that are missing or extra: the children say it
/// themselves. What remains are the names that have moved.
pub(crate) fn without_echoes(differences: &mut Differences) {
    if differences.more > 0 {
        // Those that were not kept might be what the others echo.
        return;
    }
    let moved = moved(&differences.kept);
    let mut at = 0;
    differences.kept.retain(|difference| {
        at += 1;
        order_of(difference).is_none() || moved.contains(&(at - 1))
    });
}

/// The differences within lists of names that are more than an echo.
fn moved(kept: &[Difference]) -> HashSet<usize> {
    let mut lists: HashMap<&[Step], Vec<usize>> = HashMap::new();
    for (at, difference) in kept.iter().enumerate() {
        if let Some(list) = order_of(difference) {
            lists.entry(list).or_default().push(at);
        }
    }
    let mut moved = HashSet::new();
    for places in lists.values() {
        let names = |side: fn(&Difference) -> Option<&str>| -> HashSet<&str> {
            places.iter().filter_map(|&at| side(&kept[at])).collect()
        };
        let gone = names(|one| one.legacy.as_ref().map(|value| value.text.as_str()));
        let come = names(|one| one.candidate.as_ref().map(|value| value.text.as_str()));
        let whole = |at: &&usize| kept[**at].kind == Kind::Order;
        let has_moved = gone.iter().any(|name| come.contains(name));
        moved.extend(places.iter().filter(|at| has_moved || whole(at)));
    }
    moved
}

/// The list of names in which a difference lies, or which it is.
fn order_of(difference: &Difference) -> Option<&[Step]> {
    let steps = difference.path.steps();
    let is_list = |steps: &[Step]| matches!(steps.last(), Some(Step::Name { name, .. }) if &**name == ORDER);
    if is_list(steps) {
        return Some(steps);
    }
    let (_, outer) = steps.split_last()?;
    is_list(outer).then_some(outer)
}

/// What is known of all elements with the same names from the root down.
#[derive(Debug, Default)]
struct Name {
    text: Box<str>,
    /// Whether any has attributes or children.
    has_parts: bool,
    /// Whether any stands beside another of the same name.
    repeats: bool,
    /// Whether siblings of this name and others come in either order.
    is_free: bool,
    /// In which parent it was last seen, to notice that it repeats.
    seen_in: Option<(usize, NodeId)>,
}

type NameId = usize;

/// Every name in its place, of both documents.
#[derive(Debug)]
struct Names {
    all: Vec<Name>,
    ids: HashMap<NameId, HashMap<Box<str>, NameId>>,
    /// Which name directly follows which among siblings.
    follows: HashSet<(NameId, NameId)>,
    documents: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { all: vec![Name::default()], ids: HashMap::new(), follows: HashSet::new(), documents: 0 }
    }
}

const ROOT: NameId = 0;

impl Names {
    /// Learns from every element of a document.
    fn learn(&mut self, document: &Document) {
        self.documents += 1;
        self.all[ROOT].has_parts = true;
        let mut open = vec![(document.root(), ROOT)];
        while let Some((element, name)) = open.pop() {
            let mut last = None;
            for child in children(document, element) {
                let id = self.id(name, &name_of(document, child));
                let here = Some((self.documents, element));
                self.all[id].repeats |= self.all[id].seen_in == here;
                self.all[id].seen_in = here;
                if let Some(last) = last.filter(|&last| last != id) {
                    self.follows.insert((last, id));
                }
                last = Some(id);
                if document.kind(child) == NodeKind::Array {
                    self.all[name].has_parts = true;
                    open.push((child, id));
                }
            }
            self.all[name].has_parts |= attributes(document, element).is_some();
        }
    }

    fn id(&mut self, parent: NameId, name: &str) -> NameId {
        let ids = self.ids.entry(parent).or_default();
        if let Some(&id) = ids.get(name) {
            return id;
        }
        let id = self.all.len();
        ids.insert(name.into(), id);
        self.all.push(Name { text: name.into(), ..Name::default() });
        id
    }

    /// Finds the names whose order does not follow from the names: those that are left when again
    /// and again the ones are taken away that nothing stands before, and that nothing stands behind.
    fn settle(&mut self) {
        let forth: Vec<_> = self.follows.iter().copied().collect();
        let back: Vec<_> = forth.iter().map(|&(one, next)| (next, one)).collect();
        let (first, last) = (self.in_circles(&forth), self.in_circles(&back));
        for (name, (first, last)) in self.all.iter_mut().zip(first.into_iter().zip(last)) {
            name.is_free = first && last;
        }
    }

    /// What no order can be begun or ended with: all that lies on or behind a circle.
    fn in_circles(&self, edges: &[(NameId, NameId)]) -> Vec<bool> {
        let mut before = vec![0_usize; self.all.len()];
        let mut next: HashMap<NameId, Vec<NameId>> = HashMap::new();
        for &(from, to) in edges {
            before[to] += 1;
            next.entry(from).or_default().push(to);
        }
        let mut ready: Vec<NameId> = (0..self.all.len()).filter(|&name| before[name] == 0).collect();
        while let Some(name) = ready.pop() {
            for &to in next.get(&name).into_iter().flatten() {
                before[to] -= 1;
                if before[to] == 0 {
                    ready.push(to);
                }
            }
        }
        before.iter().map(|&count| count > 0).collect()
    }

    fn shape(&self, document: &Document, max_nodes: usize) -> Result<Document, ReadError> {
        let mut builder = Builder::new(max_nodes);
        let mut work = vec![Work::Value(document.root(), ROOT)];
        while let Some(next) = work.pop() {
            match next {
                Work::Name(name) => builder.name(&self.all[name].text)?,
                Work::Array => builder.array()?,
                Work::End => builder.end(),
                Work::Value(node, _) if document.kind(node) == NodeKind::String => {
                    builder.subtree(document, node)?;
                }
                Work::Value(element, name) if self.all[name].has_parts => {
                    let first = work.len();
                    self.element(document, element, name, &mut builder, &mut work)?;
                    work[first..].reverse();
                }
                Work::Value(element, _) => match children(document, element).next() {
                    Some(text) => builder.subtree(document, text)?,
                    None => builder.string("")?,
                },
            }
        }
        Ok(builder.finish())
    }

    /// Opens an object for an element, and says what is to be written into it.
    fn element(
        &self,
        document: &Document,
        element: NodeId,
        name: NameId,
        builder: &mut Builder,
        work: &mut Vec<Work>,
    ) -> Result<(), ReadError> {
        builder.object()?;
        for (name, value) in attributes(document, element).into_iter().flat_map(|at| document.members(at)) {
            builder.name(&format!("@{}", document.text(name)))?;
            builder.subtree(document, value)?;
        }
        let ids = self.ids.get(&name);
        let mut groups: Vec<(NameId, Vec<NodeId>)> = Vec::new();
        let mut places: HashMap<NameId, usize> = HashMap::new();
        let mut order: Vec<NameId> = Vec::new();
        for child in children(document, element) {
            let Some(&id) = ids.and_then(|ids| ids.get(&*name_of(document, child))) else { continue };
            let place = *places.entry(id).or_insert_with(|| {
                groups.push((id, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(child);
            order.push(id);
        }
        order.retain(|&id| self.all[id].is_free);
        if order.iter().any(|id| Some(id) != order.first()) {
            builder.name(ORDER)?;
            builder.array()?;
            order.iter().try_for_each(|&id| builder.string(&self.all[id].text))?;
            builder.end();
        }
        for (id, nodes) in groups {
            work.push(Work::Name(id));
            let repeats = self.all[id].repeats;
            work.extend(repeats.then_some(Work::Array));
            work.extend(nodes.into_iter().map(|node| Work::Value(node, id)));
            work.extend(repeats.then_some(Work::End));
        }
        work.push(Work::End);
        Ok(())
    }
}

/// What is still to be written.
enum Work {
    Name(NameId),
    Array,
    Value(NodeId, NameId),
    End,
}

fn name_of(document: &Document, child: NodeId) -> std::borrow::Cow<'_, str> {
    if document.kind(child) == NodeKind::Array { document.text(child + 1) } else { TEXT.into() }
}

/// An element's attributes, when it has any.
fn attributes(document: &Document, element: NodeId) -> Option<NodeId> {
    let second = element + 2;
    let has_second = second < document.end(element);
    (has_second && document.value_type(second) == ValueType::Object).then_some(second)
}

/// An element's children: elements and texts.
fn children(document: &Document, element: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    document.elements(element).skip(1).filter(|&child| document.value_type(child) != ValueType::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read;

    fn of(text: &str) -> Document {
        read(text.to_owned().into(), 1_000).unwrap()
    }

    fn both(left: &str, right: &str) -> (String, String) {
        let (left, right) = shaped(&of(left), &of(right), 1_000).unwrap();
        let shown = |document: &Document| String::from_utf8(document.raw(0).to_vec()).unwrap();
        (shown(&left), shown(&right))
    }

    #[test]
    fn the_same_place_has_the_same_shape() {
        let (left, right) = both(
            r#"["",["a",["i","1"],["p","x"]]]"#,
            r#"["",["a",["i","1"],["i","2"],["p",{"k":"v"},"x"]]]"#,
        );
        assert_eq!(left, r##"{"a":{"i":["1"],"p":{"#text":"x"}}}"##);
        assert_eq!(right, r##"{"a":{"i":["1","2"],"p":{"@k":"v","#text":"x"}}}"##);
    }

    #[test]
    fn order_is_told_only_where_names_do_not_tell_it() {
        let (left, right) = both(r#"["",["a",["x"],["z"]]]"#, r#"["",["a",["x"],["y"],["z"]]]"#);
        assert_eq!((&*left, &*right), (r#"{"a":{"x":"","z":""}}"#, r#"{"a":{"x":"","y":"","z":""}}"#));
        let (left, right) = both(r#"["",["a",["x"],["y"]]]"#, r#"["",["a",["y"],["x"]]]"#);
        assert_eq!(left, r##"{"a":{"#order":["x","y"],"x":"","y":""}}"##);
        assert_eq!(right, r##"{"a":{"#order":["y","x"],"y":"","x":""}}"##);
        let (left, right) = both(r#"["",["a","t",["b"],"u"]]"#, r#"["",["a","t",["b"]]]"#);
        assert_eq!(left, r##"{"a":{"#order":["#text","b","#text"],"#text":["t","u"],"b":""}}"##);
        assert_eq!(right, r##"{"a":{"#order":["#text","b"],"#text":["t"],"b":""}}"##);
    }
}
