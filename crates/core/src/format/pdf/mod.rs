//! PDF (ISO 32000-1) by what is on its pages and what its catalog holds, not by how the file is laid
//! out: object numbers, cross-reference tables, compression, linearization, metadata and dates say
//! nothing.
//!
//! The tree is
//!
//! ```json
//! {"pages": [{"text": ["words", "…"], "content": "sha256:…", "resources": "sha256:…",
//!             "entries": {"MediaBox": "sha256:…"}}],
//!  "catalog": {"Outlines": "sha256:…"}}
//! ```
//!
//! `text` is for people, the hashes are the proof: `content` covers what is drawn, token by token,
//! `resources` the fonts, images and forms that it draws with, `entries` and `catalog` everything else.
//! Where the words of a page differ, they explain the page, so [`explain`] takes its hashes out of the
//! differences: a word that changed is one difference.
//!
//! A file that asks for a password is not decoded; one that is encrypted and opens without is what it
//! shows to everybody.

mod filters;
mod graph;
mod lexer;
mod pages;
mod unicode;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use lopdf::{LoadOptions, Object, ObjectId};

use self::filters::{Budget, MAX_STREAM};
use self::graph::{Graph, Hash, Hashes};
use self::pages::Page;
use self::words::Words;
use super::MAX_NODES;
use crate::document::{Builder, Document, ReadError};
use crate::isolation::Refusal;
use crate::path::Step;
use crate::verdict::{Difference, Differences};

/// How far from its start a file may say that it is a PDF.
const HEADER_WITHIN: usize = 1024;
/// Entries of the catalog that are looked at elsewhere, or say nothing.
const NOT_OF_THE_CATALOG: [&[u8]; 5] = [b"Pages", b"Type", b"Metadata", b"Version", b"PieceInfo"];
/// Entries of a page that are looked at elsewhere, or say nothing.
const NOT_OF_A_PAGE: [&[u8]; 7] =
    [b"Type", b"Parent", b"Contents", b"Resources", b"Metadata", b"PieceInfo", b"LastModified"];

/// One page, read but for the hashes.
struct Read {
    words: Vec<String>,
    content: Hash,
    resources: Option<u32>,
    entries: BTreeMap<String, u32>,
}

/// Whether bytes begin as a PDF does.
pub(crate) fn is_pdf(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(HEADER_WITHIN)];
    memchr::memmem::find(start, b"%PDF-").is_some()
}

/// Decodes a file into its tree.
pub(crate) fn decode(bytes: &Bytes) -> Result<Document, Refusal> {
    if !is_pdf(bytes) {
        return Err(Refusal::Broken);
    }
    let options = LoadOptions::with_max_decompressed_size(MAX_STREAM);
    let file = lopdf::Document::load_mem_with_options(bytes, options).map_err(|error| refusal(&error))?;
    if file.trailer.has(b"Encrypt") {
        return Err(Refusal::Broken);
    }
    let catalog = file.catalog().map_err(|_| Refusal::Broken)?;
    let pages = pages::of(&file, catalog)?;
    let places: HashMap<ObjectId, usize> =
        pages.iter().enumerate().filter_map(|(at, page)| Some((page.id?, at))).collect();
    let mut budget = Budget::new();
    let mut graph = Graph::new(&file, &places);
    let mut words = Words::new(&file);
    let mut read = Vec::with_capacity(pages.len());
    for page in &pages {
        read.push(read_page(page, &file, &mut graph, &mut words, &mut budget)?);
    }
    let mut entries = BTreeMap::new();
    for (name, value) in catalog.iter().filter(|(name, _)| !NOT_OF_THE_CATALOG.contains(&name.as_slice())) {
        if !is_null(&file, value) {
            entries.insert(text_of(name), graph.add(value, &mut budget)?);
        }
    }
    write(&read, &entries, &mut graph.hashes())
}

fn read_page<'d>(
    page: &Page<'d>,
    file: &'d lopdf::Document,
    graph: &mut Graph<'d>,
    words: &mut Words<'d>,
    budget: &mut Budget,
) -> Result<Read, Refusal> {
    let content = page.content(file, budget)?;
    let resources = page.entry(b"Resources");
    let resources_read = resources.and_then(|object| file.dereference(object).ok()?.1.as_dict().ok());
    let mut entries = BTreeMap::new();
    for (name, value) in page.entries().filter(|(name, _)| !NOT_OF_A_PAGE.contains(name)) {
        if !is_null(file, value) {
            entries.insert(text_of(name), graph.add(value, budget)?);
        }
    }
    Ok(Read {
        content: lexer::digest(&content),
        words: words.of(content, resources_read, budget)?,
        resources: resources.map(|resources| graph.add(resources, budget)).transpose()?,
        entries,
    })
}

fn is_null(file: &lopdf::Document, value: &Object) -> bool {
    file.dereference(value).is_ok_and(|(_, object)| object.is_null())
}

fn text_of(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn refusal(error: &lopdf::Error) -> Refusal {
    use lopdf::{DecompressError, Error};
    match error {
        Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => Refusal::TooLarge,
        _ => Refusal::Broken,
    }
}

fn write(pages: &[Read], catalog: &BTreeMap<String, u32>, hashes: &mut Hashes) -> Result<Document, Refusal> {
    let over = |_: ReadError| Refusal::Budget;
    let mut tree = Builder::new(MAX_NODES);
    tree.object().map_err(over)?;
    tree.name("pages").map_err(over)?;
    tree.array().map_err(over)?;
    for page in pages {
        tree.object().map_err(over)?;
        tree.name("text").map_err(over)?;
        tree.array().map_err(over)?;
        page.words.iter().try_for_each(|word| tree.string(word)).map_err(over)?;
        tree.end();
        member(&mut tree, "content", &page.content).map_err(over)?;
        if let Some(resources) = page.resources {
            member(&mut tree, "resources", &hashes.of(resources)?).map_err(over)?;
        }
        members(&mut tree, "entries", &page.entries, hashes)?;
        tree.end();
    }
    tree.end();
    members(&mut tree, "catalog", catalog, hashes)?;
    tree.end();
    Ok(tree.finish())
}

fn members(
    tree: &mut Builder,
    name: &str,
    entries: &BTreeMap<String, u32>,
    hashes: &mut Hashes,
) -> Result<(), Refusal> {
    let over = |_: ReadError| Refusal::Budget;
    tree.name(name).map_err(over)?;
    tree.object().map_err(over)?;
    for (name, &node) in entries {
        member(tree, name, &hashes.of(node)?).map_err(over)?;
    }
    tree.end();
    Ok(())
}

fn member(tree: &mut Builder, name: &str, hash: &Hash) -> Result<(), ReadError> {
    tree.name(name)?;
    tree.string(&super::sha256_text(hash))
}

/// Takes out what other differences explain: where the words of a page differ, what is drawn and what
/// it is drawn with differ for that reason.
pub(crate) fn explain(differences: &mut Differences) {
    let page_of = |difference: &Difference| match difference.path.steps() {
        [_, Step::Name { name: pages, .. }, Step::Index(page), Step::Name { name, .. }, ..]
            if &**pages == "pages" =>
        {
            Some((*page, &**name == "text", matches!(&**name, "content" | "resources")))
        }
        _ => None,
    };
    let explained: HashSet<_> = differences
        .kept
        .iter()
        .filter_map(page_of)
        .filter_map(|(page, is_text, _)| is_text.then_some(page))
        .collect();
    differences.kept.retain(|difference| {
        !page_of(difference).is_some_and(|(page, _, is_hash)| is_hash && explained.contains(&page))
    });
}
