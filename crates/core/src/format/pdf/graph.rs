//! The objects of a file as a graph, and a hash for what an object means with everything that it
//! refers to: object numbers, sharing, filters and the order of dictionaries say nothing.
//!
//! Two objects are equal when no walk along their entries can tell them apart (bisimulation). Where no
//! walk comes round in a circle, that is a hash over hashes from the leaves up. For what is left,
//! hashes are refined in rounds: after round n a hash knows everything n steps away. When a round
//! splits no class any more, the set of the hashes in reach says all there is to know.

use std::collections::{BTreeSet, HashMap, HashSet};

use lopdf::xref::XrefEntry;
use lopdf::{Dictionary, Document, Object, ObjectId};
use sha2::{Digest, Sha256};

use super::filters::Budget;
use super::lexer;
use crate::isolation::Refusal;

/// Most objects, arrays and dictionaries.
const MAX_NODES: usize = 500_000;
/// Most hashes that rounds and reach take.
const MAX_STEPS: usize = 4_000_000;

/// Entries that say how and when a file was made, or how its bytes are stored.
const SAYS_NOTHING: [&[u8]; 10] = [
    b"Metadata",
    b"PieceInfo",
    b"LastModified",
    b"ModDate",
    b"CreationDate",
    b"Length",
    b"Filter",
    b"DecodeParms",
    b"DL",
    b"Version",
];

pub(super) type Hash = [u8; 32];

/// An array, dictionary or stream, or a scalar that is asked for by itself.
struct Node {
    /// What it holds but for what it refers to.
    own: Hash,
    children: Vec<u32>,
}

pub(super) struct Graph<'d> {
    document: &'d Document,
    /// A page that something refers to is known by its place, not by what is on it.
    pages: &'d HashMap<ObjectId, usize>,
    nodes: Vec<Node>,
    by_id: HashMap<ObjectId, u32>,
    waiting: Vec<(u32, &'d Object)>,
}

impl<'d> Graph<'d> {
    pub(super) fn new(document: &'d Document, pages: &'d HashMap<ObjectId, usize>) -> Self {
        Self { document, pages, nodes: Vec::new(), by_id: HashMap::new(), waiting: Vec::new() }
    }

    /// Takes an object in, with everything that it refers to.
    pub(super) fn add(&mut self, object: &'d Object, budget: &mut Budget) -> Result<u32, Refusal> {
        let mut writer = Writer::default();
        self.value(&mut writer, object)?;
        let root = self.push(writer.into_node())?;
        while let Some((node, object)) = self.waiting.pop() {
            let mut writer = Writer::default();
            self.container(&mut writer, object, budget)?;
            self.nodes[node as usize] = writer.into_node();
        }
        Ok(root)
    }

    fn push(&mut self, node: Node) -> Result<u32, Refusal> {
        if self.nodes.len() >= MAX_NODES {
            return Err(Refusal::Budget);
        }
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Writes a scalar, or refers to the node of anything else.
    fn value(&mut self, writer: &mut Writer, object: &'d Object) -> Result<(), Refusal> {
        let (id, object) = self.known(object)?;
        if let Some(place) = id.and_then(|id| self.pages.get(&id)) {
            writer.text(b'P', &place.to_le_bytes());
            return Ok(());
        }
        match object {
            Object::Null | Object::Reference(_) => writer.text(b'n', b""),
            Object::Boolean(value) => writer.text(b'b', &[u8::from(*value)]),
            Object::Integer(value) => writer.text(b'i', &value.to_le_bytes()),
            Object::Real(value) => writer.real(*value),
            Object::Name(name) => writer.text(b'/', name),
            Object::String(text, _) => writer.text(b'(', text),
            // The tree of pages is how the file is laid out; qpdf moves what pages inherit from it.
            Object::Dictionary(dictionary) if dictionary.has_type(b"Pages") => writer.text(b'T', b""),
            Object::Array(_) | Object::Dictionary(_) | Object::Stream(_) => {
                let node = self.node(id, object)?;
                writer.child(node);
            }
        }
        Ok(())
    }

    /// What an object is, but for a page that the tree of pages does not have: nobody is shown that.
    fn known(&self, object: &'d Object) -> Result<(Option<ObjectId>, &'d Object), Refusal> {
        let (id, found) = resolve(self.document, object)?;
        let is_page = matches!(found, Object::Dictionary(dictionary) if dictionary.has_type(b"Page"));
        let is_lost = is_page && id.is_some_and(|id| !self.pages.contains_key(&id));
        Ok(if is_lost { (None, &Object::Null) } else { (id, found) })
    }

    fn node(&mut self, id: Option<ObjectId>, object: &'d Object) -> Result<u32, Refusal> {
        if let Some(&known) = id.as_ref().and_then(|id| self.by_id.get(id)) {
            return Ok(known);
        }
        let node = self.push(Node { own: [0; 32], children: Vec::new() })?;
        if let Some(id) = id {
            self.by_id.insert(id, node);
        }
        self.waiting.push((node, object));
        Ok(node)
    }

    fn container(
        &mut self,
        writer: &mut Writer,
        object: &'d Object,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        match object {
            Object::Array(elements) => {
                writer.text(b'[', &elements.len().to_le_bytes());
                elements.iter().try_for_each(|element| self.value(writer, element))
            }
            Object::Dictionary(dictionary) => {
                writer.text(b'<', b"");
                self.entries(writer, dictionary)
            }
            Object::Stream(stream) => {
                let plain = budget.plain(self.document, stream)?;
                writer.text(b's', &content_hash(&stream.dict, &plain.bytes, plain.left.is_empty()));
                for (name, parameters) in plain.left {
                    writer.text(b'f', name);
                    self.value(writer, parameters.unwrap_or(&Object::Null))?;
                }
                self.entries(writer, &stream.dict)
            }
            other => self.value(writer, other),
        }
    }

    fn entries(&mut self, writer: &mut Writer, dictionary: &'d Dictionary) -> Result<(), Refusal> {
        let mut entries: Vec<_> = dictionary.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in entries {
            if self.says_nothing(name, value)? {
                continue;
            }
            writer.text(b'k', name);
            match value {
                Object::Name(font) if matches!(name.as_slice(), b"BaseFont" | b"FontName") => {
                    writer.text(b'/', without_tag(font));
                }
                value => self.value(writer, value)?,
            }
        }
        Ok(())
    }

    /// Whether an entry may as well not be there: null is the same as absent (section 7.3.7).
    fn says_nothing(&self, name: &[u8], value: &'d Object) -> Result<bool, Refusal> {
        if SAYS_NOTHING.contains(&name) {
            return Ok(true);
        }
        Ok(match self.known(value)?.1 {
            Object::Null => true,
            Object::String(text, _) => name == b"M" && text.starts_with(b"D:"),
            _ => false,
        })
    }

    /// The hashes of all that was taken in.
    pub(super) fn hashes(self) -> Hashes {
        let count = self.nodes.len();
        let mut hash: Vec<Option<Hash>> = vec![None; count];
        let mut parents: Vec<Vec<u32>> = vec![Vec::new(); count];
        let mut pending: Vec<usize> = self.nodes.iter().map(|node| node.children.len()).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            node.children.iter().for_each(|&child| parents[child as usize].push(at as u32));
        }
        let mut ready: Vec<u32> = (0..count as u32).filter(|&node| pending[node as usize] == 0).collect();
        while let Some(node) = ready.pop() {
            let children = self.nodes[node as usize].children.iter();
            let children = children.map(|&child| hash[child as usize].unwrap_or_default());
            hash[node as usize] = Some(combined(&self.nodes[node as usize].own, children));
            for &parent in &parents[node as usize] {
                pending[parent as usize] -= 1;
                if pending[parent as usize] == 0 {
                    ready.push(parent);
                }
            }
        }
        let circular = hash.iter().map(Option::is_none).collect();
        let hash = hash.into_iter().zip(&self.nodes).map(|(flat, node)| flat.unwrap_or(node.own)).collect();
        Hashes { nodes: self.nodes, hash, circular, steps: MAX_STEPS }
    }
}

/// What every node means.
pub(super) struct Hashes {
    nodes: Vec<Node>,
    /// The whole of a node that leads into no circle, and what any other one holds itself.
    hash: Vec<Hash>,
    /// Whether a node leads into a circle.
    circular: Vec<bool>,
    steps: usize,
}

impl Hashes {
    /// The hash of a node with all that it refers to, and with nothing else: what differs elsewhere in
    /// a file does not show here.
    pub(super) fn of(&mut self, root: u32) -> Result<Hash, Refusal> {
        if !self.circular[root as usize] {
            return Ok(self.hash[root as usize]);
        }
        let reach = self.reach(root)?;
        let refined = self.refined(&reach)?;
        let all: BTreeSet<&Hash> = refined.values().collect();
        Ok(combined(&refined[&root], all.into_iter().copied()))
    }

    fn spend(&mut self, steps: usize) -> Result<(), Refusal> {
        self.steps = self.steps.checked_sub(steps).ok_or(Refusal::Budget)?;
        Ok(())
    }

    /// What a node refers to that leads into a circle, itself included.
    fn reach(&mut self, root: u32) -> Result<Vec<u32>, Refusal> {
        let mut seen = HashSet::from([root]);
        let (mut open, mut reach) = (vec![root], Vec::new());
        while let Some(node) = open.pop() {
            reach.push(node);
            self.spend(1 + self.nodes[node as usize].children.len())?;
            let children = &self.nodes[node as usize].children;
            let circular = children.iter().filter(|&&child| self.circular[child as usize]);
            open.extend(circular.filter(|&&child| seen.insert(child)));
        }
        Ok(reach)
    }

    /// Refines the hashes of these until a round splits no class any more.
    fn refined(&mut self, reach: &[u32]) -> Result<HashMap<u32, Hash>, Refusal> {
        let cost: usize = reach.iter().map(|&node| 1 + self.nodes[node as usize].children.len()).sum();
        let mut now: HashMap<u32, Hash> =
            reach.iter().map(|&node| (node, self.hash[node as usize])).collect();
        let classes = |hashes: &HashMap<u32, Hash>| hashes.values().collect::<HashSet<_>>().len();
        let mut before = classes(&now);
        loop {
            self.spend(cost)?;
            let known = |child: &u32| now.get(child).copied().unwrap_or(self.hash[*child as usize]);
            let next = |&node: &u32| {
                let Node { own, children } = &self.nodes[node as usize];
                (node, combined(own, children.iter().map(known)))
            };
            now = reach.iter().map(next).collect();
            let after = classes(&now);
            if after == before {
                return Ok(now);
            }
            before = after;
        }
    }
}

/// What an object is, and the number of the last reference to it. What nothing is stored for is null
/// (section 7.3.10); what is stored and could not be read is unknown, so that the file cannot be compared.
pub(super) fn resolve<'d>(
    document: &'d Document,
    object: &'d Object,
) -> Result<(Option<ObjectId>, &'d Object), Refusal> {
    match document.dereference(object) {
        Ok(found) => Ok(found),
        Err(lopdf::Error::ObjectNotFound((number, _))) => match document.reference_table.get(number) {
            Some(XrefEntry::Normal { .. } | XrefEntry::Compressed { .. }) => Err(Refusal::Crashed),
            Some(XrefEntry::Free | XrefEntry::UnusableFree) | None => Ok((None, &Object::Null)),
        },
        Err(_) => Ok((None, &Object::Null)),
    }
}

/// What a stream holds: a form or a pattern draws, and is known by what it draws.
fn content_hash(dict: &Dictionary, bytes: &[u8], is_plain: bool) -> Hash {
    let is = |key: &[u8], word: &[u8]| dict.get(key).and_then(Object::as_name).is_ok_and(|name| name == word);
    if is_plain && (is(b"Subtype", b"Form") || dict.has(b"PatternType")) {
        lexer::digest(bytes)
    } else {
        Sha256::digest(bytes).into()
    }
}

/// `ABCDEF+Name` is the name of a part of a font under a tag that is made up for each file.
fn without_tag(font: &[u8]) -> &[u8] {
    match font.split_at_checked(6) {
        Some((tag, [b'+', name @ ..])) if tag.iter().all(u8::is_ascii_uppercase) => name,
        _ => font,
    }
}

fn combined(own: &Hash, others: impl Iterator<Item = Hash>) -> Hash {
    let mut hash = Sha256::new_with_prefix(own);
    others.for_each(|other| hash.update(other));
    hash.finalize().into()
}

/// Hashes what a node holds while it is written, so that a large array costs no memory.
#[derive(Default)]
struct Writer {
    own: Sha256,
    children: Vec<u32>,
}

impl Writer {
    fn text(&mut self, tag: u8, text: &[u8]) {
        self.own.update([tag]);
        self.own.update((text.len() as u64).to_le_bytes());
        self.own.update(text);
    }

    /// The library reads a real as a single, which is what the format promises (annex C.1).
    fn real(&mut self, value: f32) {
        let is_whole = value.fract() == 0.0 && value.abs() < 1e9;
        if is_whole {
            self.text(b'i', &(value as i64).to_le_bytes());
        } else {
            self.text(b'r', &value.to_bits().to_le_bytes());
        }
    }

    fn child(&mut self, node: u32) {
        self.text(b'R', b"");
        self.children.push(node);
    }

    fn into_node(self) -> Node {
        Node { own: self.own.finalize().into(), children: self.children }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lopdf::dictionary;

    fn hash(objects: Vec<(u32, Object)>) -> Hash {
        let mut document = Document::new();
        for (id, object) in objects {
            document.objects.insert((id, 0), object);
        }
        let (pages, root) = (HashMap::new(), Object::Reference((1, 0)));
        let mut graph = Graph::new(&document, &pages);
        let root = graph.add(&root, &mut Budget::new()).unwrap();
        graph.hashes().of(root).unwrap()
    }

    fn chain(names: &[(u32, u32, &str)]) -> Vec<(u32, Object)> {
        let one = |&(id, next, name): &(u32, u32, &str)| {
            (id, Object::Dictionary(dictionary! { "N" => name, "Next" => Object::Reference((next, 0)) }))
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn numbers_and_sharing_do_not_matter() {
        let leaf = || Object::Array(vec![1.into(), Object::Real(2.0)]);
        let shared = dictionary! { "A" => Object::Reference((2, 0)), "B" => Object::Reference((2, 0)) };
        let twice = dictionary! { "B" => Object::Reference((7, 0)), "A" => leaf(), "C" => Object::Null };
        let one = hash(vec![(1, shared.into()), (2, leaf())]);
        assert_eq!(one, hash(vec![(1, twice.clone().into()), (7, leaf())]));
        assert_ne!(one, hash(vec![(1, twice.into()), (7, Object::Array(vec![1.into(), 3.into()]))]));
    }

    #[test]
    fn circles_end_and_count_by_what_they_say() {
        let one = hash(chain(&[(1, 2, "a"), (2, 1, "b")]));
        assert_eq!(one, hash(chain(&[(1, 9, "a"), (9, 1, "b")])));
        // The same walk, unrolled, and with a way in that is no part of the circle.
        assert_eq!(one, hash(chain(&[(1, 2, "a"), (2, 3, "b"), (3, 4, "a"), (4, 1, "b")])));
        assert_eq!(one, hash(chain(&[(1, 2, "a"), (2, 3, "b"), (3, 2, "a")])));
        assert_ne!(one, hash(chain(&[(1, 2, "a"), (2, 1, "c")])));
        assert_ne!(one, hash(chain(&[(1, 2, "a"), (2, 3, "b"), (3, 1, "a")])));
        // A difference far away, where every name is told apart at once.
        let ring = |last: &str| {
            let names: Vec<String> =
                (0..50).map(|at| if at == 25 { last.to_owned() } else { at.to_string() }).collect();
            let links: Vec<_> =
                (0..50_u32).map(|at| (at + 1, (at + 1) % 50 + 1, names[at as usize].as_str())).collect();
            hash(chain(&links))
        };
        assert_ne!(ring("x"), ring("y"));
    }

    #[test]
    fn what_was_only_stored_otherwise_is_equal() {
        let text = b"BT (some text, some text, some text, some text) Tj ET".repeat(20);
        let stream = |dict: Dictionary| lopdf::Stream::new(dict, text.clone());
        let mut packed = stream(dictionary! {});
        packed.compress().unwrap();
        assert!(packed.dict.has(b"Filter"));
        assert_eq!(hash(vec![(1, packed.into())]), hash(vec![(1, stream(dictionary! {}).into())]));
        let other = lopdf::Stream::new(dictionary! {}, b"other".to_vec());
        assert_ne!(hash(vec![(1, stream(dictionary! {}).into())]), hash(vec![(1, other.into())]));
        let font = |name: &str| hash(vec![(1, dictionary! { "BaseFont" => name }.into())]);
        assert_eq!(font("ABCDEF+Times"), font("ZZZZZZ+Times"));
        assert_ne!(font("ABCDEF+Times"), font("ABCDEF+Courier"));
    }
}
