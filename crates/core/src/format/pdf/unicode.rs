//! From the codes of a font to text: by its ToUnicode map (ISO 32000-1 section 9.10.3), else by its
//! encoding.

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Encoding, Object};

use super::filters::Budget;
use super::lexer::{Lexer, Token};
use crate::isolation::Refusal;

/// Most entries of one map; more are left out, so that their codes are unknown.
const MAX_ENTRIES: usize = 70_000;
/// Most bytes of a map that is asked of the library.
const MAX_MAP: usize = 1024 * 1024;
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// How a font's strings are read.
pub(super) struct Font<'d> {
    map: Option<Map>,
    encoding: Option<Encoding<'d>>,
    /// Whether codes may be longer than a byte.
    is_composite: bool,
}

impl<'d> Font<'d> {
    pub(super) fn of(
        document: &'d Document,
        font: &'d Dictionary,
        budget: &mut Budget,
    ) -> Result<Self, Refusal> {
        let is_composite = font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|name| name == b"Type0");
        let map = match font.get_deref(b"ToUnicode", document) {
            Ok(Object::Stream(stream)) => Some(Map::read(&budget.plain(document, stream)?.bytes)),
            Ok(_) | Err(_) => None,
        };
        // Only of fonts whose codes are bytes: of others the library would read the map in its own way.
        let encoding =
            if is_composite { None } else { font.get_font_encoding_with_limit(document, MAX_MAP).ok() };
        Ok(Self { map, encoding, is_composite })
    }

    /// Adds a string's text.
    pub(super) fn write(&self, codes: &[u8], text: &mut String) {
        if !self.is_composite {
            for &code in codes {
                self.write_byte(code, text);
            }
            return;
        }
        let mut rest = codes;
        while !rest.is_empty() {
            let (length, known) = self.map.as_ref().map_or((2, None), |map| map.next(rest));
            match known {
                Some(known) => text.push_str(&known),
                None => text.push(UNKNOWN),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    fn write_byte(&self, code: u8, text: &mut String) {
        if let Some(known) = self.map.as_ref().and_then(|map| map.get(1, u32::from(code))) {
            text.push_str(&known);
            return;
        }
        match self.encoding.as_ref().and_then(|encoding| encoding.bytes_to_string(&[code]).ok()) {
            Some(known) if !known.is_empty() => text.push_str(&known),
            _ => text.push(char::from(code)),
        }
    }
}

/// A ToUnicode map.
#[derive(Default)]
struct Map {
    single: HashMap<(usize, u32), Vec<u16>>,
    ranges: Vec<Range>,
    /// Lengths of codes, with the least and the greatest code of each.
    spaces: Vec<(usize, u32, u32)>,
}

struct Range {
    length: usize,
    first: u32,
    last: u32,
    to: Vec<u16>,
}

impl Map {
    fn read(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        // Strings since the last operator; those of an array in one piece.
        let mut operands: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut in_array = false;
        for token in Lexer::new(bytes) {
            match token {
                Token::String(text) if in_array => {
                    operands.last_mut().into_iter().for_each(|last| last.push(text.clone()));
                }
                Token::String(text) => operands.push(vec![text]),
                Token::ArrayStart => {
                    operands.push(Vec::new());
                    in_array = true;
                }
                Token::ArrayEnd => in_array = false,
                Token::Word(word) => {
                    map.section(word, &operands);
                    operands.clear();
                    in_array = false;
                }
                _ => {}
            }
        }
        map
    }

    fn section(&mut self, word: &[u8], operands: &[Vec<Vec<u8>>]) {
        let one = |operand: &Vec<Vec<u8>>| operand.first().map(|text| (text.len(), code(text)));
        match word {
            b"endcodespacerange" => {
                for pair in operands.chunks_exact(2) {
                    if let (Some((length, first)), Some((_, last))) = (one(&pair[0]), one(&pair[1])) {
                        self.spaces.push((length, first, last));
                    }
                }
            }
            b"endbfchar" => {
                for pair in operands.chunks_exact(2) {
                    if let (Some(key), Some(to)) = (one(&pair[0]), pair[1].first()) {
                        self.insert(key, to);
                    }
                }
            }
            b"endbfrange" => {
                for triple in operands.chunks_exact(3) {
                    if let (Some((length, first)), Some((_, last))) = (one(&triple[0]), one(&triple[1])) {
                        self.range(length, first, last, &triple[2]);
                    }
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, key: (usize, u32), to: &[u8]) {
        if self.single.len() < MAX_ENTRIES {
            self.single.insert(key, units(to));
        }
    }

    fn range(&mut self, length: usize, first: u32, last: u32, to: &[Vec<u8>]) {
        if let [to] = to {
            if self.ranges.len() < MAX_ENTRIES {
                self.ranges.push(Range { length, first, last, to: units(to) });
            }
            return;
        }
        for (code, to) in (first..=last).zip(to) {
            self.insert((length, code), to);
        }
    }

    fn get(&self, length: usize, code: u32) -> Option<String> {
        if let Some(known) = self.single.get(&(length, code)) {
            return Some(String::from_utf16_lossy(known));
        }
        let holds = |range: &&Range| range.length == length && (range.first..=range.last).contains(&code);
        let range = self.ranges.iter().find(holds)?;
        let mut to = range.to.clone();
        let last = to.last_mut()?;
        *last = last.wrapping_add((code - range.first) as u16);
        Some(String::from_utf16_lossy(&to))
    }

    /// The length of the next code, and its text where it is known.
    fn next(&self, codes: &[u8]) -> (usize, Option<String>) {
        for length in 1..=codes.len().min(4) {
            let code = code(&codes[..length]);
            let in_space =
                |&(of, first, last): &(usize, u32, u32)| of == length && (first..=last).contains(&code);
            if self.spaces.iter().any(in_space) {
                return (length, self.get(length, code));
            }
        }
        (self.spaces.iter().map(|&(length, ..)| length).min().unwrap_or(2).max(1), None)
    }
}

fn code(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |code, &byte| code << 8 | u32::from(byte))
}

/// UTF-16, most significant byte first; a single byte stands for itself.
fn units(bytes: &[u8]) -> Vec<u16> {
    match bytes {
        [byte] => vec![u16::from(*byte)],
        bytes => bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read() {
        let map = Map::read(
            b"/CIDInit /ProcSet findresource begin\n1 begincodespacerange <0000> <FFFF> endcodespacerange\n\
            2 beginbfchar <0003> <0020> <0010> <D83DDE00> endbfchar\n\
            2 beginbfrange <0041> <0043> <0061> <0050> <0051> [<00660069> <0078>] endbfrange endcmap",
        );
        let font = Font { map: Some(map), encoding: None, is_composite: true };
        let mut text = String::new();
        font.write(b"\0\x41\0\x43\0\x03\0\x10\0\x50\0\x51\0\x99\0", &mut text);
        assert_eq!(text, "ac \u{1f600}fix\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_simple_font_falls_back_to_its_encoding() {
        let map = Map::read(b"1 beginbfchar <01> <00E4> endbfchar");
        let encoding = Some(Encoding::SimpleEncoding(b"WinAnsiEncoding"));
        let font = Font { map: Some(map), encoding, is_composite: false };
        let mut text = String::new();
        font.write(b"\x01\xfcz", &mut text);
        assert_eq!(text, "\u{e4}\u{fc}z");
    }

    #[test]
    fn ranges_may_be_as_large_as_they_say() {
        let map = Map::read(b"1 beginbfrange <00000000> <FFFFFFFF> <0020> endbfrange");
        assert_eq!(map.get(4, 0xffff_ffff), Some("\u{1f}".to_owned()));
    }
}
