//! The elements of a JSON array in a stream, each as its own bytes: those of `log.entries` in an HTTP
//! archive, or of the root.
//!
//! It follows brackets and strings and nothing else, so that an entry which is not in order does not
//! keep the next one from being found; whether an element is JSON is for who reads it. It holds one
//! element at a time, however large the file is.

use super::split::{MAX_PIECE, Piece};
use crate::posted::Malformed;

/// Longest key that is told from another.
const LONGEST_KEY: usize = 16;
/// How deep the entries of an HTTP archive stand.
const ENTRIES: usize = 3;

/// Cuts a JSON text into elements.
#[derive(Debug)]
pub(super) struct Elements {
    is_archive: bool,
    /// How deep elements stand.
    level: usize,
    /// Whether elements stand here, once the depth is right.
    in_list: bool,
    has_begun: bool,
    depth: usize,
    /// Whether the containers at these depths are objects, and their last keys.
    is_object: [bool; ENTRIES],
    keys: [Vec<u8>; ENTRIES],
    expects_key: bool,
    string: Option<Text>,
    element: Option<Piece>,
    line: usize,
    column: usize,
}

/// A string that is being read.
#[derive(Clone, Copy, Debug)]
struct Text {
    is_key: bool,
    is_escaped: bool,
}

impl Elements {
    /// The root, or its elements where it is an array.
    pub(super) fn of_the_root() -> Self {
        Self {
            is_archive: false,
            level: 0,
            in_list: true,
            has_begun: false,
            depth: 0,
            is_object: [false; ENTRIES],
            keys: Default::default(),
            expects_key: false,
            string: None,
            element: None,
            line: 1,
            column: 0,
        }
    }

    /// The elements of `log.entries`.
    pub(super) fn of_log_entries() -> Self {
        Self { is_archive: true, level: ENTRIES, in_list: false, ..Self::of_the_root() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) {
        for &byte in bytes {
            match self.string {
                Some(string) => self.byte_of_string(byte, string, pieces),
                None => self.byte(byte, pieces),
            }
            if byte == b'\n' {
                self.line += 1;
                self.column = 0;
            } else if byte & 0xc0 != 0x80 {
                self.column += 1;
            }
        }
    }

    /// What is open is given as it is: who reads it finds its end missing.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) -> Option<Malformed> {
        if let Some(element) = self.element.take() {
            pieces.push(element);
            return None;
        }
        let problem = match (self.has_begun, self.is_archive) {
            (false, true) => "this has no list `log.entries`",
            (false, false) => "this is empty",
            (true, _) if self.depth > 0 => "the JSON ends too early",
            (true, _) => return None,
        };
        Some(self.piece().broken(problem, "record it again, or say what the file is with `--format`"))
    }

    fn byte(&mut self, byte: u8, pieces: &mut Vec<Piece>) {
        let at_level = self.depth == self.level;
        match byte {
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                if at_level {
                    // Behind a bare word.
                    self.end(pieces);
                }
                if byte == b',' {
                    self.expects_key = self.depth < ENTRIES && self.is_object[self.depth];
                }
                self.keep(byte);
            }
            b'}' | b']' => {
                if at_level {
                    self.end(pieces);
                }
                self.keep(byte);
                self.close(pieces);
            }
            // A byte order mark.
            0xef | 0xbb | 0xbf if !self.has_begun => {}
            _ => self.begin_and_keep(byte),
        }
    }

    fn begin_and_keep(&mut self, byte: u8) {
        let opens_root_list = !self.is_archive && !self.has_begun && byte == b'[';
        if opens_root_list {
            self.level = 1;
            self.has_begun = true;
        } else if self.element.is_none() && self.in_list && self.depth == self.level {
            self.has_begun = true;
            self.element = Some(self.piece());
        }
        self.keep(byte);
        match byte {
            b'{' | b'[' => self.open(byte == b'{'),
            b'"' => {
                let is_key = self.expects_key && self.depth < ENTRIES;
                if is_key {
                    self.keys[self.depth].clear();
                }
                self.expects_key = false;
                self.string = Some(Text { is_key, is_escaped: false });
            }
            _ => {}
        }
    }

    fn byte_of_string(&mut self, byte: u8, string: Text, pieces: &mut Vec<Piece>) {
        self.keep(byte);
        if byte == b'"' && !string.is_escaped {
            self.string = None;
            if self.depth == self.level {
                self.end(pieces);
            }
            return;
        }
        if string.is_key && self.keys[self.depth].len() < LONGEST_KEY {
            self.keys[self.depth].push(byte);
        }
        self.string = Some(Text { is_escaped: byte == b'\\' && !string.is_escaped, ..string });
    }

    fn open(&mut self, is_object: bool) {
        self.depth += 1;
        self.expects_key = is_object;
        if self.depth < ENTRIES {
            self.is_object[self.depth] = is_object;
        }
        let is_entries = || self.keys[1] == b"log" && self.keys[2] == b"entries";
        if self.is_archive
            && self.depth == ENTRIES
            && !is_object
            && self.is_object[1]
            && self.is_object[2]
            && is_entries()
        {
            self.in_list = true;
            self.has_begun = true;
        }
    }

    fn close(&mut self, pieces: &mut Vec<Piece>) {
        self.depth = self.depth.saturating_sub(1);
        self.expects_key = false;
        if self.depth == self.level {
            self.end(pieces);
        }
        if self.is_archive && self.depth < self.level {
            self.in_list = false;
        }
    }

    fn keep(&mut self, byte: u8) {
        let Some(element) = &mut self.element else { return };
        if element.bytes.len() < MAX_PIECE {
            element.bytes.push(byte);
        } else {
            element.is_too_long = true;
        }
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) {
        pieces.extend(self.element.take());
    }

    fn piece(&self) -> Piece {
        Piece { bytes: Vec::new(), line: self.line, column: self.column, is_too_long: false }
    }
}
