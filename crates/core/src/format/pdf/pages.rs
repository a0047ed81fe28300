//! The pages of a file in their order, each with what it inherits (ISO 32000-1 section 7.7.3).

use std::collections::HashSet;

use lopdf::{Dictionary, Document, Object, ObjectId};

use super::filters::Budget;
use super::graph::resolve;
use crate::isolation::Refusal;

/// Most nodes of the tree of pages.
const MAX_PAGES: usize = 100_000;
/// What a page takes from the nodes above it when it has none of its own.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

type Inherited<'d> = [Option<&'d Object>; 4];

/// One page.
pub(super) struct Page<'d> {
    pub(super) id: Option<ObjectId>,
    dict: &'d Dictionary,
    inherited: Inherited<'d>,
}

/// All pages. Whatever is no page and no node of the tree is passed over, as viewers do.
pub(super) fn of<'d>(document: &'d Document, catalog: &'d Dictionary) -> Result<Vec<Page<'d>>, Refusal> {
    let root = catalog.get(b"Pages").map_err(|_| Refusal::Broken)?;
    let mut pages = Vec::new();
    let mut seen = HashSet::new();
    let mut count = 0;
    let mut open: Vec<(&'d Object, Inherited<'d>)> = vec![(root, [None; 4])];
    while let Some((object, above)) = open.pop() {
        count += 1;
        if count > MAX_PAGES {
            return Err(Refusal::Budget);
        }
        let (id, Object::Dictionary(dict)) = resolve(document, object)? else { continue };
        let mut inherited = above;
        for (slot, name) in inherited.iter_mut().zip(INHERITED) {
            *slot = dict.get(name).ok().or(*slot);
        }
        match dict.get_deref(b"Kids", document).and_then(Object::as_array) {
            Ok(kids) => {
                // A node within itself is a circle; a page that is shown twice is two pages.
                if id.is_none_or(|id| seen.insert(id)) {
                    open.extend(kids.iter().rev().map(|kid| (kid, inherited)));
                }
            }
            Err(_) => pages.push(Page { id, dict, inherited }),
        }
    }
    // Nothing that could be a page, in a file that had to be repaired: there is nothing to compare.
    if pages.is_empty() && document.xref_recovery.is_some() {
        return Err(Refusal::Broken);
    }
    Ok(pages)
}

impl<'d> Page<'d> {
    /// An entry of the page, inherited or its own.
    pub(super) fn entry(&self, name: &[u8]) -> Option<&'d Object> {
        let place = INHERITED.iter().position(|inherited| *inherited == name);
        place.map_or_else(|| self.dict.get(name).ok(), |place| self.inherited[place])
    }

    /// All entries of the page, inherited and its own.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'d [u8], &'d Object)> + '_ {
        let own = self.dict.iter().map(|(name, value)| (name.as_slice(), value));
        let own = own.filter(|(name, _)| !INHERITED.contains(name));
        let inherited = INHERITED.into_iter().zip(self.inherited);
        own.chain(inherited.filter_map(|(name, value)| Some((name, value?))))
    }

    /// What is drawn: the streams of the page as one.
    pub(super) fn content(&self, document: &'d Document, budget: &mut Budget) -> Result<Vec<u8>, Refusal> {
        let Ok(contents) = self.dict.get(b"Contents") else { return Ok(Vec::new()) };
        let parts = match resolve(document, contents)?.1 {
            Object::Array(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut content = Vec::new();
        for part in parts {
            if let (_, Object::Stream(stream)) = resolve(document, part)? {
                content.extend_from_slice(&budget.plain(document, stream)?.bytes);
                // Tokens do not go on from one stream to the next.
                content.push(b'\n');
            }
        }
        Ok(content)
    }
}
