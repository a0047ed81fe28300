//! The bytes of a stream without the filters that only make it smaller, within a budget for all
//! streams of a file.

use lopdf::{DecompressError, Dictionary, Document, Error, Object, Stream};

use crate::isolation::Refusal;

/// Most bytes that one stream is decoded to.
pub(super) const MAX_STREAM: usize = 48 * 1024 * 1024;
/// Most bytes that all streams of a file are decoded to.
const MAX_ALL: usize = 128 * 1024 * 1024;

/// Filters that are undone; the others (JPEG, fax, …) are how an image is, and stay.
const UNDONE: [&[u8]; 5] =
    [b"FlateDecode", b"LZWDecode", b"ASCII85Decode", b"ASCIIHexDecode", b"RunLengthDecode"];

/// What may still be decoded.
pub(super) struct Budget(usize);

/// A stream without the filters that were undone.
pub(super) struct Plain<'d> {
    pub(super) bytes: Vec<u8>,
    /// Filters that are left, in the order of decoding, each with its parameters.
    pub(super) left: Vec<(&'d [u8], Option<&'d Object>)>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self(MAX_ALL)
    }

    /// Decodes a stream as far as it goes. What cannot be decoded stays as it came, under its filters.
    pub(super) fn plain<'d>(
        &mut self,
        document: &'d Document,
        stream: &'d Stream,
    ) -> Result<Plain<'d>, Refusal> {
        let filters = filters(document, &stream.dict);
        let undone = filters.iter().take_while(|(name, _)| UNDONE.contains(name)).count();
        let (undone, left) = filters.split_at(undone);
        let bytes = if undone.is_empty() {
            stream.content.clone()
        } else {
            match unfiltered(document, stream, undone) {
                Ok(bytes) => bytes,
                Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                    return Err(Refusal::TooLarge);
                }
                Err(_) => {
                    self.spend(stream.content.len())?;
                    return Ok(Plain { bytes: stream.content.clone(), left: filters });
                }
            }
        };
        self.spend(bytes.len())?;
        Ok(Plain { bytes, left: left.to_vec() })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.0 = self.0.checked_sub(bytes).ok_or(Refusal::TooLarge)?;
        Ok(())
    }
}

fn unfiltered(
    document: &Document,
    stream: &Stream,
    undone: &[(&[u8], Option<&Object>)],
) -> Result<Vec<u8>, Error> {
    // The library reads names and parameters only where they stand in the dictionary itself.
    let names = undone.iter().map(|(name, _)| Object::Name(name.to_vec()));
    let parameters = undone.iter().map(|(_, parameters)| match parameters {
        Some(Object::Dictionary(dictionary)) => Object::Dictionary(direct(document, dictionary)),
        Some(_) | None => Object::Null,
    });
    let mut dict = Dictionary::new();
    dict.set("Filter", names.collect::<Vec<_>>());
    dict.set("DecodeParms", parameters.collect::<Vec<_>>());
    Stream::new(dict, stream.content.clone()).decompressed_content_with_limit(MAX_STREAM)
}

/// Parameters with what they refer to in its place.
fn direct(document: &Document, parameters: &Dictionary) -> Dictionary {
    let mut resolved = Dictionary::new();
    for (name, value) in parameters {
        if let Ok((_, value)) = document.dereference(value) {
            resolved.set(name.clone(), value.clone());
        }
    }
    resolved
}

fn filters<'d>(document: &'d Document, dict: &'d Dictionary) -> Vec<(&'d [u8], Option<&'d Object>)> {
    let names = listed(document, dict.get(b"Filter").ok());
    let parameters = listed(document, dict.get(b"DecodeParms").ok());
    let name = |object: &'d Object| object.as_name().unwrap_or(b"?");
    let given = |at: usize| parameters.get(at).copied().filter(|object| !object.is_null());
    names.into_iter().enumerate().map(|(at, object)| (name(object), given(at))).collect()
}

/// One object, or the elements of an array of them.
fn listed<'d>(document: &'d Document, object: Option<&'d Object>) -> Vec<&'d Object> {
    let resolve = |object: &'d Object| document.dereference(object).map_or(&Object::Null, |(_, found)| found);
    match object.map(resolve) {
        None | Some(Object::Null) => Vec::new(),
        Some(Object::Array(elements)) => elements.iter().map(resolve).collect(),
        Some(one) => vec![one],
    }
}
